"""What partitions cost to compute, relative to each other: by this they are shared out to ranks.

Not measured: a grid must not change from run to run.
"""

from __future__ import annotations

from hpc_qlstm.circuits import Circuit
from hpc_qlstm.circuits.linear import LinearMap
from hpc_qlstm.model.cell import EXTRAS, LSTM_GATES
from hpc_qlstm.model.qlstm import QLSTM

AMPLITUDES_OF_A_GATE = 30
"""What a gate costs beside passing over the state: its angle and the sums of its derivative, in
amplitudes. `benchmarks/partition_costs.py`: gates * (2^q + 30) follows the native engine's times
within 10% from 4 to 12 qubits and 16% for 3, where gates * 2^q is off by factors of 3 and 5 for 4
and 3 (AMD EPYC Zen 5, AVX-512, rot_ring, batches of 32)."""


def partition_costs(model: QLSTM) -> list[float]:
    """Relative cost of each partition's circuits: VQCs times that of one; of affine maps, their
    size."""
    costs = [len(LSTM_GATES) * _cost(circuit) for circuit in model.circuits]
    for m, circuit in enumerate(model.extra_circuits):
        costs[m] += len(EXTRAS) * _cost(circuit)
    return costs


def _cost(circuit: Circuit) -> float:
    if isinstance(circuit, LinearMap):
        return float(circuit.weight_count)
    return len(circuit.gates) * (2.0**circuit.qubits + AMPLITUDES_OF_A_GATE)
