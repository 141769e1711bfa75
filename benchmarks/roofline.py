"""The batch kernels beside what one core can do: FMA peak and bandwidth of the caches.

usage: python benchmarks/roofline.py [--qubits 4 6 8 10 12] [--samples N] [--isa NAME]
                                     [--figure FILE]

Forward and VJP of rot_ring and ry_brickwork, depth 2, one thread. Operations are the additions and
multiplications that the compiled plan executes on its states (BatchPlan.operations, which
tests/cpp/test_operations.cpp checks by counting); time is the whole call. The peak is
measured in turn with the kernels, so that clock changes meet both. Intensity is operations per byte
that passes load or store.
"""

from __future__ import annotations

import argparse
from time import perf_counter

import numpy as np
from machine import describe

from hpc_qlstm import ansatz
from hpc_qlstm.engines.native import NativeEngine, compile_program
from hpc_qlstm.native import extension

LEVELS = {"L1": 16 << 10, "L2": 512 << 10, "L3": 8 << 20, "memory": 256 << 20}
ROUNDS = 15


def peak(kernel: extension.Kernel) -> float:
    """Operations a second of one core, in registers."""
    start = perf_counter()
    operations = kernel.multiply_add(200_000)
    return operations / (perf_counter() - start)


def bandwidth(kernel: extension.Kernel, size: int) -> float:
    """Bytes a second of one core, read and written, within `size` bytes."""
    kernel.update(1, size)
    rounds = max(1, (32 << 20) // size)
    seconds = []
    for _ in range(5):
        start = perf_counter()
        kernel.update(rounds, size)
        seconds.append(perf_counter() - start)
    return 2 * size * rounds / min(seconds)


def case(name: str, qubits: int, samples: int, isa: str | None, precision: str) -> dict:
    """Medians over rounds of kernel and peak in turn."""
    circuit = ansatz(name, qubits=qubits, features=qubits, outputs=qubits, depth=2)
    engine = NativeEngine(threads=1, isa=isa, mode="batch", precision=precision)
    plan = extension.BatchPlan(compile_program(circuit))
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (samples, qubits))
    weights = rng.normal(size=(1, *circuit.weight_shape))
    cotangent = rng.normal(size=(1, samples, qubits))
    engine.vjp_group(circuit, x, weights, cotangent)
    repeats = max(1, int(2e8 / plan.operations(True) / samples))
    rates, peaks = [], []
    for _ in range(ROUNDS):
        start = perf_counter()
        for _ in range(repeats):
            engine.vjp_group(circuit, x, weights, cotangent)
        seconds = (perf_counter() - start) / repeats
        rates.append(samples * plan.operations(True) / seconds)
        peaks.append(peak(engine._kernel))
    number = (4 if precision == "single" else 8) * (1 if plan.real else 2)
    return {
        "ansatz": name,
        "qubits": qubits,
        "precision": precision,
        "operations": plan.operations(True),
        "intensity": plan.operations(True) / (plan.accesses(True) * number),
        "rate": float(np.median(rates)),
        "of_peak": float(np.median([r / p for r, p in zip(rates, peaks, strict=True)])),
        "microseconds": plan.operations(True) / float(np.median(rates)) * 1e6,
    }


def draw(rows: list[dict], peaks: dict[str, float], rates: dict[str, float], file: str) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    intensity = np.geomspace(0.05, 20, 200)
    for level, rate in rates.items():
        roof = np.minimum(intensity * rate, peaks["double"])
        axes.loglog(intensity, roof / 1e9, color="0.6", linewidth=1)
        axes.annotate(level, (0.052, 0.052 * rate / 1e9), fontsize=8, color="0.4")
    for precision, value in peaks.items():
        axes.axhline(value / 1e9, color="0.3", linewidth=1, linestyle="--")
        axes.annotate(
            f"FMA peak, {precision}", (20, value / 1e9), fontsize=8, ha="right", va="bottom"
        )
    markers = {("rot_ring", "double"): "o", ("rot_ring", "single"): "s"}
    for key in dict.fromkeys((row["ansatz"], row["precision"]) for row in rows):
        mine = [row for row in rows if (row["ansatz"], row["precision"]) == key]
        axes.plot(
            [row["intensity"] for row in mine],
            [row["rate"] / 1e9 for row in mine],
            markers.get(key, "^"),
            label=", ".join(key),
        )
        for row in mine:
            axes.annotate(f" {row['qubits']}", (row["intensity"], row["rate"] / 1e9), fontsize=8)
    axes.set(
        xlabel="operations per byte loaded or stored",
        ylabel="10⁹ operations per second, one core",
        title="Forward values and VJP, by number of qubits",
        ylim=(2, 2 * peaks["single"] / 1e9),
    )
    axes.legend(loc="lower right")
    figure.savefig(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--qubits", type=int, nargs="+", default=[4, 6, 8, 10, 12])
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--isa")
    parser.add_argument("--figure", help="an .svg or .png file to write")
    options = parser.parse_args()
    print(f"{describe()}, one thread, N = {options.samples}\n")
    kernels = {p: NativeEngine(isa=options.isa, precision=p)._kernel for p in ("double", "single")}
    rates = {level: bandwidth(kernels["double"], size) for level, size in LEVELS.items()}
    print(", ".join(f"{level} {rate / 1e9:.0f} GB/s" for level, rate in rates.items()), "\n")
    print(
        "| circuit | precision | q | us per circuit | operations | per byte | GFLOP/s | of peak |"
    )
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for name, precision in (
        ("rot_ring", "double"),
        ("rot_ring", "single"),
        ("ry_brickwork", "double"),
    ):
        for qubits in options.qubits:
            row = case(name, qubits, options.samples, options.isa, precision)
            rows.append(row)
            print(
                f"| {name} | {precision} | {qubits} | {row['microseconds']:.3g} "
                f"| {row['operations']:.0f} | {row['intensity']:.2f} | {row['rate'] / 1e9:.1f} "
                f"| {row['of_peak']:.0%} |",
                flush=True,
            )
    if options.figure:
        peaks = {p: max(peak(kernel) for _ in range(20)) for p, kernel in kernels.items()}
        draw(rows, peaks, rates, options.figure)


if __name__ == "__main__":
    main()
