"""Figures of a step's time against ranks, and the one of a scaling study. Local."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpc_qlstm.analysis.figures import PALETTE, new_figure
from hpc_qlstm.studies.scaling.plan import grouped
from hpc_qlstm.studies.scaling.table import Row

DASHED = {"color": "#8a8a8a", "linewidth": 1.0, "linestyle": "--"}
"""How what would be ideal is drawn."""


def draw_scaling(kind: str, rows: Sequence[Row], path: Path, title: str) -> None:
    """Three panels with one line a variant; bars reach from the least to the largest repeat, and
    crosses are predictions. Raises OSError."""
    figure, axes = new_figure([2.8, 1.5, 1.5])
    top, middle, bottom = axes
    for number, (variant, group) in enumerate(grouped(rows, lambda row: row.variant).items()):
        color, first = PALETTE[number % len(PALETTE)], number == 0
        # Lines that lie on each other are told apart a little beside each other.
        ranks = np.array([row.ranks for row in group]) * 1.015**number
        steps = [[row.step_seconds[key] for row in group] for key in ("median", "min", "max")]
        median, least, most = 1e3 * np.array(steps)
        spread = np.array([median - least, most - median])
        top.errorbar(ranks, median, yerr=spread, color=color, marker="o", markersize=4,
                     linewidth=1.4, capsize=3, label=variant or "step")  # fmt: skip
        predicted = np.array([row.predicted_seconds for row in group], dtype=np.float64)
        if not np.isnan(predicted).all():
            top.plot(ranks, 1e3 * predicted, "x", color=color, markersize=7,
                     label="predicted" if first else None)  # fmt: skip
        middle.plot(ranks, [row.efficiency for row in group], "o-", color=color, markersize=4,
                    linewidth=1.4)  # fmt: skip
        for share, style in (("communication", "o-"), ("waiting", "o:")):
            bottom.plot(ranks, [100 * row.shares[share] for row in group], style, color=color,
                        markersize=4, linewidth=1.2, label=share if first else None)  # fmt: skip
    count = np.array(sorted({row.ranks for row in rows}))
    top.set_xscale("log", base=2)
    top.set_xticks(count, map(str, count))
    falls = rows[0].ranks / count if kind == "strong" else np.ones(len(count))
    top.plot(count, 1e3 * rows[0].step_seconds["median"] * falls, label="ideal", **DASHED)
    middle.axhline(1.0, **DASHED)
    for axis in axes if kind != "strong" else axes[1:]:
        axis.set_ylim(bottom=0.0)  # what should be flat is to be seen as that
    middle.set_ylabel("efficiency")
    bottom.set_ylabel("% of the slowest\nrank's epoch")
    bottom.legend(frameon=False, fontsize=8.5)
    finish(figure, axes, path, title, log=kind == "strong")


def finish(figure: Any, axes: Any, path: Path, title: str, *, log: bool) -> None:
    """Axes, title and file of a figure whose first panel has a step's time. Raises OSError."""
    if log:
        _plain_log_scale(axes[0])
    axes[0].set_ylabel("ms a training step")
    axes[-1].set_xlabel("ranks P")
    axes[0].legend(frameon=False, fontsize=8.5)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=160)


def _plain_log_scale(axis: Any) -> None:
    """A logarithmic y axis with numbers as people write them, 0.15 instead of 1.5 x 10^-1."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axis.set_yscale("log")
    low, high = axis.get_ylim()
    steps = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0) if high < 20 * low else (1.0,)
    axis.yaxis.set_major_locator(LogLocator(subs=steps))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
