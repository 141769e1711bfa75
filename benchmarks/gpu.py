"""Aer on a GPU beside Aer on the processor and the native engine: where the GPU begins to win.

usage: python benchmarks/gpu.py [--qubits 4 8 ..] [--batches 1 16 ..] [--limit SECONDS]
                                [--output FILE.json]

Circuit: rot_ring, depth 2, as many features and outputs as qubits; one call, double precision, all
processors of this process for Aer's CPU and the native engine. Checks agreement with native to
1e-12 first. Prints a Markdown table of microseconds per circuit; a cell is left empty where the
batch before it took longer than the limit. Without a GPU the column says why.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from time import perf_counter

import numpy as np
from machine import describe, median_seconds

from hpc_qlstm import Engine, ansatz, create_engine
from hpc_qlstm.errors import HpcQlstmError

ENGINES = ("native", "aer, CPU", "aer, GPU")


def build(name: str) -> Engine:
    threads = len(os.sched_getaffinity(0))
    if name == "native":
        return create_engine("native", threads=threads)
    return create_engine("aer", device=name.removeprefix("aer, "), threads=threads)


def engines() -> tuple[dict[str, Engine], dict[str, str]]:
    """The engines that work here, and why the others do not."""
    made, refused = {}, {}
    circuit = ansatz("rot_ring", qubits=2, features=2, outputs=2, depth=1)
    for name in ENGINES:
        try:
            engine = build(name)
            engine.expectations(circuit, np.zeros((1, 2)), np.zeros(circuit.weight_shape))
            made[name] = engine
        except HpcQlstmError as error:
            refused[name] = str(error)
    return made, refused


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--qubits", type=int, nargs="+", default=[4, 8, 12, 14, 16, 18, 20, 22, 24])
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 256, 4096])
    parser.add_argument("--limit", type=float, default=5.0)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    made, refused = engines()
    print(describe())
    for name, reason in refused.items():
        print(f"{name}: {reason}")
    print("\n| q | batch |" + "".join(f" {name} |" for name in made) + " largest difference |")
    print("|---|---|" + "---|" * (len(made) + 1))
    rows = []
    wins: dict[int, int] = {}
    for qubits in options.qubits:
        circuit = ansatz("rot_ring", qubits=qubits, features=qubits, outputs=qubits, depth=2)
        rng = np.random.default_rng(qubits)
        weights = rng.normal(size=circuit.weight_shape)
        x = rng.uniform(-1, 1, (max(options.batches), qubits))
        slow: set[str] = set()
        for batch in options.batches:
            times, values = {}, {}
            for name, engine in made.items():
                if name in slow:
                    continue
                start = perf_counter()
                try:
                    values[name] = engine.expectations(circuit, x[:batch], weights)
                except HpcQlstmError:
                    slow.add(name)
                    continue
                if perf_counter() - start > options.limit:
                    slow.add(name)
                call = lambda e=engine: e.expectations(circuit, x[:batch], weights)  # noqa: E731, B023
                times[name] = median_seconds(call, budget=0.5) / batch * 1e6
            worst = (
                max(
                    (float(np.abs(v - values["native"]).max()) for v in values.values()),
                    default=0.0,
                )
                if "native" in values
                else float("nan")
            )
            others = [t for name, t in times.items() if name != "aer, GPU"]
            if "aer, GPU" in times and others and times["aer, GPU"] < min(others):
                wins.setdefault(batch, qubits)
            cells = " | ".join(f"{times[n]:.4g}" if n in times else "" for n in made)
            print(f"| {qubits} | {batch} | {cells} | {worst:.1e} |", flush=True)
            rows.append({"qubits": qubits, "batch": batch, "us": times, "difference": worst})
    for batch in options.batches:
        if "aer, GPU" in made:
            print(f"batch {batch}: the GPU is fastest from q = {wins.get(batch, 'nowhere')}")
    if options.output:
        content = {"machine": describe(), "refused": refused, "rows": rows}
        options.output.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
