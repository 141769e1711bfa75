"""What the engine `aer` adds to Aer: its call beside the fastest bare call for the same circuits.

usage: python benchmarks/aer.py [--qubits 4 8 12] [--batch 1000] [--rounds 5]

Circuit: rot_ring, depth 2, as many features and outputs as qubits. Bare: one `AerSimulator.run` of
the ready circuit with ready lists of angles, bound at run time, its results left unread; with
fusion and without, one save instruction for all outputs. Engine: `expectations`, from features to
<Z>. In turn, one CPU thread each; medians, and the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import numpy as np
from machine import describe
from qiskit_aer import AerSimulator

from hpc_qlstm import ansatz, create_engine
from hpc_qlstm.circuits.qiskit_conversion import to_qiskit


def seconds(call) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def bare(qubits: int, circuit, rows: np.ndarray, fusion: bool):
    simulator = AerSimulator(
        method="statevector",
        runtime_parameter_bind_enable=True,
        max_parallel_threads=1,
        fusion_enable=fusion,
    )
    ready = to_qiskit(circuit)
    ready.save_probabilities(list(range(qubits)))
    binds = [{p: column.tolist() for p, column in zip(ready.parameters, rows.T, strict=True)}]
    return lambda: simulator.run(ready, parameter_binds=binds, shots=1).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--qubits", type=int, nargs="+", default=[4, 8, 12])
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    print(f"{describe()}, batch {options.batch}\n")
    print("| q | bare, fusion | bare | engine | engine / fastest bare |\n|---|---|---|---|---|")
    for qubits in options.qubits:
        circuit = ansatz("rot_ring", qubits=qubits, features=qubits, outputs=qubits, depth=2)
        rng = np.random.default_rng(0)
        x = rng.uniform(-1, 1, (options.batch, qubits))
        weights = rng.normal(size=circuit.weight_shape)
        engine = create_engine("aer", threads=1)
        rows = circuit.angles(x, weights)
        calls = {
            "fusion": bare(qubits, circuit, rows, True),
            "bare": bare(qubits, circuit, rows, False),
            "engine": lambda c=circuit, e=engine, a=x, w=weights: e.expectations(c, a, w),
        }
        times = {name: [] for name in calls}
        calls["engine"]()
        for _ in range(options.rounds):
            for name, call in calls.items():
                times[name].append(seconds(call))
        medians = {name: float(np.median(t)) / options.batch * 1e6 for name, t in times.items()}
        fastest = min("fusion", "bare", key=lambda name: medians[name])
        # In turn, so that a slow minute of the machine is in both.
        ratio = float(np.median(np.divide(times["engine"], times[fastest])))
        cells = " | ".join(f"{m:.1f} us" for m in medians.values())
        print(f"| {qubits} | {cells} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
