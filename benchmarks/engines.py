"""Microseconds per circuit of every engine: expectation values, and with gradients.

usage: python benchmarks/engines.py [--qubits 4 8 12] [--samples N] [--threads K]

Circuit: rot_ring, depth 2, as many features and outputs as qubits; one call for N samples that
share their weights. Engines without a gradient of
their own get at most 16 samples. Prints a Markdown table of medians with machine and versions.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from time import perf_counter

import numpy as np

from hpc_qlstm import Engine, ansatz, create_engine
from hpc_qlstm.engines.native import isa
from hpc_qlstm.training.checkpoint import package_versions

BUDGET = 2.0


def median_seconds(call: Callable[[], object]) -> float:
    """Median of repeated calls after a first one, for about BUDGET seconds."""
    call()
    seconds: list[float] = []
    while sum(seconds) < BUDGET and len(seconds) < 200:
        start = perf_counter()
        call()
        seconds.append(perf_counter() - start)
    return float(np.median(seconds))


def row(engine: Engine, qubits: int, samples: int) -> tuple[float, float]:
    """Microseconds per circuit: expectation values; outputs, weight and feature gradients."""
    circuit = ansatz("rot_ring", qubits=qubits, features=qubits, outputs=qubits, depth=2)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (samples, qubits))
    weights = rng.normal(size=circuit.weight_shape)
    cotangent = rng.normal(size=(samples, qubits))
    forward = median_seconds(lambda: engine.expectations(circuit, x, weights))
    gradient = median_seconds(lambda: engine.vjp(circuit, x, weights, cotangent))
    return forward / samples * 1e6, gradient / samples * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--qubits", type=int, nargs="+", default=[4, 8, 12])
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    versions = package_versions()
    packages = ", ".join(f"{name} {versions[name]}" for name in ("python", "numpy", "qiskit-aer"))
    print(f"{platform.machine()}, kernel {isa()}, {options.threads} thread(s), {packages}")
    print("\n| engine | gradient |" + "".join(f" q = {q} |" for q in options.qubits))
    print("|---|---|" + "---|" * len(options.qubits))
    for name in ("reference", "native", "aer"):
        engine = create_engine(
            name, **({} if name == "reference" else {"threads": options.threads})
        )
        cells = []
        for qubits in options.qubits:
            # A gradient by parameter shift evaluates hundreds of circuits a sample.
            samples = options.samples if name == "native" else min(options.samples, 16)
            cells.append("{:.3g} / {:.3g}".format(*row(engine, qubits, samples)))
        print(f"| {name} | {engine.capabilities.gradient} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
