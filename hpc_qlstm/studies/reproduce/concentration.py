"""Concentration and gradients before training, against qubits and depth.

One batch of a centric model with random weights: the variance of each gate's expectation values
over samples, and the gradient norm of each gate, as metrics.jsonl has them. Small initial angles
(the default, normal with 0.01 rad) and angles anywhere (normal with pi) are shown side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np

from hpc_qlstm.studies.markdown import table
from hpc_qlstm.studies.reproduce.figures import COLORS, subplots
from hpc_qlstm.studies.reproduce.report import Found, Report, seeds_of
from hpc_qlstm.studies.reproduce.rows import Row, Settings, configured, shipped

_SHIPPED = shipped("concentration")
QUBITS, DEPTHS, ANSAETZE = (_SHIPPED[key] for key in ("qubits", "depths", "ansaetze"))
SCALES: dict[str, float] = _SHIPPED["scales"]


def concentration_rows(overrides: Sequence[str]) -> list[Row]:
    """A row for each ansatz, scale, depth and number of qubits; one epoch of a single batch."""
    rows = []
    for ansatz, scale, depth, qubits in product(ANSAETZE, SCALES, DEPTHS, QUBITS):
        model = {"ansatz": ansatz, "depth": depth, "hidden_size": qubits - 1}
        own: Settings = {"model": {**model, "init_scale": SCALES[scale]}}
        name = _name(ansatz, scale, depth, qubits)
        rows.append(Row(name, configured(overrides, _SHIPPED["common"], own)))
    return rows


def _name(ansatz: str, scale: str, depth: int, qubits: int) -> str:
    return f"{ansatz}, {scale}, depth {depth}, {qubits} qubits"


def concentration_report(found: Found) -> Report:
    """Variances and gradient norms against qubits and depth."""
    head = ("ansatz", "angles", "depth", *(f"{q} qubits" for q in QUBITS))

    def values(key: str, ansatz: str, scale: str, depth: int) -> list[float]:
        """By qubits: geometric means over seeds of the mean over the four gates."""
        names = [_name(ansatz, scale, depth, qubits) for qubits in QUBITS]
        gates = [[result["diagnostics"][key] for result in found[name].results] for name in names]
        means = [[np.mean([*each.values()]) for each in seeds] for seeds in gates]
        return [float(v) for v in np.exp(np.log(np.maximum(means, 1e-300)).mean(axis=1))]

    def section(title: str, key: str) -> str:
        lines = [
            (ansatz, scale, str(depth), *(f"{v:.1e}" for v in values(key, ansatz, scale, depth)))
            for ansatz, scale, depth in product(ANSAETZE, SCALES, DEPTHS)
        ]
        return f"## {title}\n\n{table(head, lines)}"

    def draw(path: Path) -> None:
        kinds = list(product(ANSAETZE, SCALES))
        figure, axes = subplots(2, len(kinds), (3.6 * len(kinds), 6.4), sharex=True, sharey="row")
        for column, kind in enumerate(kinds):
            for axis, key in zip(axes[:, column], ("variance", "gradient_norm"), strict=True):
                for depth, color in zip(DEPTHS, COLORS, strict=False):
                    drawn = values(key, *kind, depth)
                    label = f"depth {depth}"
                    axis.semilogy(QUBITS, drawn, "o-", color=color, markersize=3, label=label)
                axis.set_title("{}, angles of {}".format(*kind), fontsize=9)
            axes[1, column].set_xlabel("qubits")
        axes[0, 0].set_ylabel("variance of expectation values")
        axes[1, 0].set_ylabel("gradient norm of a gate")
        axes[0, 0].legend(fontsize=7, frameon=False)
        figure.savefig(path, dpi=150)

    return Report(
        found,
        ("seed", "diagnostics"),
        "Concentration and gradients before training",
        [
            "Centric models on the damped pendulum, the whole training part as one batch, "
            f"geometric means over {seeds_of(found)} seeds of the mean over the four gates.",
            section("Variance of expectation values over the samples", "variance"),
            section("Gradient norm of a gate", "gradient_norm"),
        ],
        draw,
    )
