"""What partitions cost to compute, relative to each other: by this they are shared out to ranks.

Not measured: a grid must not change from run to run.
"""

from __future__ import annotations

from hpc_qlstm.circuits import Circuit
from hpc_qlstm.circuits.linear import LinearMap
from hpc_qlstm.model.cell import EXTRAS, GATES
from hpc_qlstm.model.qlstm import QLSTM

AMPLITUDES_OF_A_GATE = 30
"""What a gate costs beside passing over the state: its angle and the sums of its derivative, in
amplitudes. With the native engine's rot_ring circuits, forward and back with batches of 32, gates *
(2^q + 30) is right within 10% from 3 to 12 qubits, where gates * 2^q is off by a factor of 5 (AMD
EPYC Zen 5, AVX-512)."""


def partition_costs(model: QLSTM) -> list[float]:
    """Relative cost of each partition's circuits: VQCs times that of one; of affine maps, their
    size."""
    costs = [len(GATES) * _cost(circuit) for circuit in model.circuits]
    for m, circuit in enumerate(model.extra_circuits):
        costs[m] += len(EXTRAS) * _cost(circuit)
    return costs


def _cost(circuit: Circuit) -> float:
    if isinstance(circuit, LinearMap):
        return float(circuit.weight_count)
    return len(circuit.gates) * (2.0**circuit.qubits + AMPLITUDES_OF_A_GATE)
