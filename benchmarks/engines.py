"""Microseconds per circuit of every engine, exact, with shots and with noise.

usage: python benchmarks/engines.py [--qubits 4 8 12 16 20] [--threads K] [--limit SECONDS]

Circuit: rot_ring, depth 2, as many features and outputs as qubits, samples with the same weights
in one call. First table: expectation values; the noise is 1% depolarizing after every gate and 2%
reading errors, the backend `generic` has QUBITS qubits and its own noise. Second table: outputs
with the gradients by all weights and features, for engines that have a method of their own; all
others take 2 A circuits for A angles, which the table names. Medians; a cell is left empty where a
circuit would take longer than the limit, or where the engine refuses.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from machine import describe, median_seconds

from hpc_qlstm import Circuit, Engine, ansatz, create_engine
from hpc_qlstm.errors import HpcQlstmError

NOISE = {"depolarizing": 0.01, "readout": 0.02}
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "native": ("native", {}),
    "native, single": ("native", {"precision": "single"}),
    "reference": ("reference", {}),
    "aer": ("aer", {}),
    "aer, 1024 shots": ("aer", {"shots": 1024}),
    "aer, noise": ("aer", {"noise": NOISE}),
    "aer, noise, 1024 shots": ("aer", {"noise": NOISE, "shots": 1024}),
    "primitive, statevector": ("primitive", {"backend": "statevector"}),
    "primitive, aer": ("primitive", {"backend": "aer"}),
    "primitive, generic, 1024 shots": ("primitive", {"backend": "generic", "shots": 1024}),
}
MOST_SAMPLES = 256
BUDGET = 2.0


def build(name: str, options: dict[str, Any], qubits: int, threads: int) -> Engine:
    options = dict(options)
    if name in ("native", "aer"):
        options["threads"] = threads
    if options.get("backend") == "generic":
        options["backend"] = f"generic:{qubits}"
    return create_engine(name, **options)


def problem(qubits: int, samples: int) -> tuple[Circuit, np.ndarray, np.ndarray]:
    circuit = ansatz("rot_ring", qubits=qubits, features=qubits, outputs=qubits, depth=2)
    rng = np.random.default_rng(0)
    return circuit, rng.uniform(-1, 1, (samples, qubits)), rng.normal(size=circuit.weight_shape)


def microseconds(call: Callable[[int], object], limit: float) -> float:
    """Of one sample: in a call with as many samples as fit into the budget, at most 256.

    NaN where already the call before it, with a quarter of the samples, is beyond the limit.
    """
    samples = 1
    call(1)
    while True:
        start = perf_counter()
        call(samples)
        spent = perf_counter() - start
        if spent > limit:
            return float("nan") if samples == 1 else spent / samples * 1e6
        if samples >= MOST_SAMPLES or 4 * spent > BUDGET:
            return median_seconds(partial(call, samples), budget=BUDGET) / samples * 1e6
        samples *= 4


def forward(engine: Engine, qubits: int, limit: float) -> float:
    circuit, x, weights = problem(qubits, MOST_SAMPLES)
    return microseconds(lambda n: engine.expectations(circuit, x[:n], weights), limit)


def gradient(engine: Engine, qubits: int, limit: float) -> float:
    circuit, x, weights = problem(qubits, MOST_SAMPLES)
    cotangent = np.random.default_rng(1).normal(size=x.shape)
    return microseconds(lambda n: engine.vjp(circuit, x[:n], weights, cotangent[:n]), limit)


def table(rows: dict[str, Any], measure: Any, options: argparse.Namespace) -> None:
    print("\n| engine |" + "".join(f" q = {q} |" for q in options.qubits))
    print("|---|" + "---|" * len(options.qubits))
    for title, (name, settings) in rows.items():
        cells = []
        slow = False
        for qubits in options.qubits:
            value = float("nan")
            if not slow:
                try:
                    engine = build(name, settings, qubits, options.threads)
                    value = measure(engine, qubits, options.limit)
                except HpcQlstmError:
                    value = float("nan")
                slow = np.isnan(value)
            cells.append(
                "" if np.isnan(value) else f"{value:,.3g}" if value < 1e3 else f"{value:,.0f}"
            )
        print(f"| {title} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--qubits", type=int, nargs="+", default=[4, 8, 12, 16, 20])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--limit", type=float, default=10.0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{describe()}, {options.threads} thread(s); microseconds per circuit")
    table(ROWS, forward, options)
    own = {title: row for title, row in ROWS.items() if row[0] in ("native", "reference")}
    table(own, gradient, options)
    angles = [problem(q, 1)[0].angle_count for q in options.qubits]
    cells = " | ".join(f"2 x {count} = {2 * count}" for count in angles)
    print(f"| circuits by parameter shift | {cells} |")


if __name__ == "__main__":
    main()
