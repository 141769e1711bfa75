"""How well `partition_costs`, by which partitions are shared out to ranks, follows their times.

usage: python benchmarks/partition_costs.py [--ansatz rot_ring] [--samples 32]

The four gates of one partition of q qubits, forward and back for one time step with the native
engine on one thread: microseconds, and microseconds per unit of cost relative to 10 qubits, with
`partition_costs` and with gates * 2^q alone.
"""

from __future__ import annotations

import argparse

import numpy as np
from machine import describe, median_seconds

from hpc_qlstm import Partition
from hpc_qlstm.engines.native import NativeEngine
from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.cost import partition_costs
from hpc_qlstm.model.tape import SampleKey

QUBITS = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12)


def seconds(model: QLSTM, samples: int) -> float:
    """Of both ways through a time step."""
    local, units = model.local_cell(range(1)), model.hidden_size
    rng, flat = np.random.default_rng(0), model.layout.initial(0, 0.5)
    x, state = rng.uniform(-1, 1, (samples, 1, 1)), rng.uniform(-1, 1, (samples, units))
    cotangents, outputs = rng.uniform(-1, 1, (4, samples, units)), np.empty((4, samples, units))
    rows, to_inputs = np.zeros((samples, local.weights)), np.empty((samples, units + 1))

    def step() -> None:
        sweep = local.gates.begin(flat, x, SampleKey(), outputs)
        sweep.forward(0, state)
        sweep.begin_reverse()
        sweep.reverse(0, cotangents, rows, to_inputs)
        sweep.release()

    return median_seconds(step, budget=0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ansatz", default="rot_ring")
    parser.add_argument("--samples", type=int, default=32)
    options = parser.parse_args()
    print(describe())
    found = []
    for q in QUBITS:
        partition = Partition.contiguous(q, q - 1, 1)
        engine = NativeEngine(threads=1)
        model = QLSTM(1, q - 1, 1, options.ansatz, partition=partition, engine=engine)
        (cost,) = partition_costs(model)
        amplitudes = 4.0 * len(model.circuits[0].gates) * 2**q
        found.append((q, seconds(model, options.samples), cost, amplitudes))
    _, time, cost, amplitudes = found[QUBITS.index(10)]
    print(" q        us   per cost   per gates * 2^q   (10 qubits: 1)")
    for q, each, own, plain in found:
        relative = each / own * cost / time, each / plain * amplitudes / time
        print(f"{q:2d} {1e6 * each:9.1f} {relative[0]:10.2f} {relative[1]:17.2f}")


if __name__ == "__main__":
    main()
