"""Forward values and VJP of many circuits: this engine beside compiled peers, in one run.

usage: python benchmarks/circuits.py [--peer-python PYTHON] [--rounds 3]
                                     [--cases 4x64 6x64 8x64 12x64 16x16]

Circuit: rot_ring, depth 2, as many features and outputs as qubits; N samples share their weights;
both sides use all cores. PYTHON is an interpreter that has tensorcircuit-ng (with JAX) and qulacs.
Prints medians over rounds: microseconds per circuit, the ratio to the fastest peer (smallest and
largest), and how far the peers' results are.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import numpy as np
from machine import describe, median_seconds
from peer_circuits import BUDGET, problem

from hpc_qlstm import ansatz, create_engine

DEPTH = 2
PEERS = ("tensorcircuit", "qulacs")
# TensorCircuit needs half a second a circuit at 16 qubits and half a minute to compile.
SLOW = {("tensorcircuit", 16)}


def own(qubits: int, samples: int) -> tuple[float, list[float]]:
    circuit = ansatz("rot_ring", qubits=qubits, features=qubits, outputs=qubits, depth=DEPTH)
    engine = create_engine("native")
    x, weights, cotangent = problem(qubits, samples, DEPTH)
    arrays = engine.vjp(circuit, x, weights, cotangent)
    seconds = median_seconds(lambda: engine.vjp(circuit, x, weights, cotangent), BUDGET / 2)
    return seconds, [float(np.sum(np.abs(array))) for array in arrays]


def peer(python: str, name: str, qubits: int, samples: int) -> tuple[float, list[float]]:
    script = Path(__file__).with_name("peer_circuits.py")
    words = [python, str(script), name, str(qubits), str(samples), str(DEPTH)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    seconds, *checksum = map(float, done.stdout.split())
    return seconds, checksum


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python")
    parser.add_argument("--rounds", type=int, default=3, help="of engine and peers in turn")
    parser.add_argument("--cases", nargs="+", default=["4x64", "6x64", "8x64", "12x64", "16x16"])
    options = parser.parse_args()
    print(f"{describe()}\n")
    names = PEERS if options.peer_python else ()
    print("| q | N | native |" + "".join(f" {name} |" for name in names) + " ratio | difference |")
    print("|---|---|---|" + "---|" * len(names) + "---|---|")
    for case in options.cases:
        qubits, samples = map(int, case.split("x"))
        times: dict[str, list[float]] = {name: [] for name in ("native", *names)}
        ratios, worst = [], 0.0
        for _ in range(options.rounds):
            # In turn, so that a drift of the machine meets both sides.
            seconds, checksum = own(qubits, samples)
            times["native"].append(seconds)
            for name in names:
                if (name, qubits) in SLOW:
                    continue
                theirs, other = peer(options.peer_python, name, qubits, samples)
                times[name].append(theirs)
                worst = max(worst, *(abs(a / b - 1) for a, b in zip(checksum, other, strict=True)))
            if names:
                ratios.append(min(times[n][-1] for n in names if times[n]) / seconds)
        cells = [f"{np.median(t) / samples * 1e6:.4g}" if t else "" for t in times.values()]
        ratio = f"{np.median(ratios):.1f} ({min(ratios):.0f} .. {max(ratios):.0f})" if names else ""
        print(f"| {qubits} | {samples} | {' | '.join(cells)} | {ratio} | {worst:.0e} |", flush=True)


if __name__ == "__main__":
    main()
