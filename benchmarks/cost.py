"""How the cost of a circuit grows: with qubits, samples, depth and threads, as tables and a figure.

usage: python benchmarks/cost.py [--figure FILE] [--largest 24] [--budget SECONDS]

Forward values and VJP of rot_ring by the native engine as it is by default, all processors of this
process unless threads are varied. Prints microseconds per circuit; FILE (.svg, .png) gets the
same as four panels. Half a minute.
"""

from __future__ import annotations

import argparse
import os

import numpy as np
from machine import describe, median_seconds

from hpc_qlstm import ansatz
from hpc_qlstm.engines.native import NativeEngine

Point = tuple[float, float, float]  # what is varied, forward, VJP in microseconds per circuit


def cost(
    engine: NativeEngine, qubits: int, samples: int, depth: int, budget: float
) -> tuple[float, float]:
    circuit = ansatz("rot_ring", qubits=qubits, features=qubits, outputs=qubits, depth=depth)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (samples, qubits))
    weights = rng.normal(size=circuit.weight_shape)
    cotangent = rng.normal(size=(samples, qubits))
    forward = median_seconds(lambda: engine.expectations(circuit, x, weights), budget)
    vjp = median_seconds(lambda: engine.vjp(circuit, x, weights, cotangent), budget)
    return forward / samples * 1e6, vjp / samples * 1e6


class Study:
    """Lines of points for each panel."""

    def __init__(self, budget: float) -> None:
        self.budget = budget
        self.panels: dict[str, dict[str, list[Point]]] = {}

    def measure(
        self,
        panel: str,
        line: str,
        value: float,
        *,
        qubits: int,
        samples: int,
        depth: int = 2,
        threads: int | None = None,
        precision: str = "double",
    ) -> None:
        engine = NativeEngine(threads=threads, precision=precision)  # type: ignore[arg-type]
        forward, vjp = cost(engine, qubits, samples, depth, self.budget)
        self.panels.setdefault(panel, {}).setdefault(line, []).append((value, forward, vjp))
        print(f"| {panel} | {line} | {value:g} | {forward:.4g} | {vjp:.4g} |", flush=True)


def run(study: Study, largest: int) -> None:
    print("| varied | of | value | forward, us | forward and VJP, us |\n|---|---|---|---|---|")
    for qubits in range(4, largest + 1, 2):
        if qubits <= 16:
            study.measure("qubits", "64 samples", qubits, qubits=qubits, samples=64)
            study.measure(
                "qubits",
                "64 samples, single",
                qubits,
                qubits=qubits,
                samples=64,
                precision="single",
            )
        study.measure("qubits", "1 sample", qubits, qubits=qubits, samples=1)
    for qubits in (4, 8):
        for power in range(13):
            study.measure("samples", f"{qubits} qubits", 2**power, qubits=qubits, samples=2**power)
    for qubits, samples in ((4, 64), (8, 64), (16, 4)):
        for depth in (1, 2, 4, 8, 16):
            study.measure(
                "depth",
                f"{qubits} qubits, {samples} samples",
                depth,
                qubits=qubits,
                samples=samples,
                depth=depth,
            )
    processors = len(os.sched_getaffinity(0))
    counts = sorted({2**k for k in range(12) if 2**k < processors} | {processors})
    for qubits, samples in ((4, 64), (8, 64), (12, 64), (18, 1)):
        for threads in counts:
            study.measure(
                "threads",
                f"{qubits} qubits, {samples} samples",
                threads,
                qubits=qubits,
                samples=samples,
                threads=threads,
            )


def draw(study: Study, file: str) -> None:
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    for axes, (panel, lines) in zip(grid.flat, study.panels.items(), strict=True):
        for label, points in lines.items():
            values, forward, vjp = np.transpose(points)
            (line,) = axes.plot(values, vjp, "o-", markersize=4, label=label)
            axes.plot(values, forward, "o--", markersize=3, linewidth=1, color=line.get_color())
        axes.set_yscale("log")
        if panel == "qubits":
            axes.set_xticks(sorted({int(p[0]) for points in lines.values() for p in points}))
        else:
            axes.set_xscale("log", base=2)
        axes.set(xlabel=panel, ylabel="µs per circuit")
        axes.legend(fontsize=8)
    figure.suptitle("rot_ring: forward and VJP (solid), forward alone (dashed)")
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure")
    parser.add_argument("--largest", type=int, default=24)
    parser.add_argument("--budget", type=float, default=0.25)
    options = parser.parse_args()
    print(f"{describe()}\n")
    study = Study(options.budget)
    run(study, options.largest)
    if options.figure:
        draw(study, options.figure)


if __name__ == "__main__":
    main()
