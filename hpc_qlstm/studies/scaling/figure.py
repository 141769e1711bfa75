"""The figure of a scaling study: time of a step, efficiency and communication against ranks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpc_qlstm.analysis.figures import PALETTE, new_figure
from hpc_qlstm.studies.scaling.table import Row, by_variant


def plain_log_scale(axis: Any) -> None:
    """A logarithmic y axis with numbers as people write them, 0.15 instead of 1.5 x 10^-1."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    axis.set_yscale("log")
    low, high = axis.get_ylim()
    steps = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0) if high < 20 * low else (1.0,)
    axis.yaxis.set_major_locator(LogLocator(subs=steps))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))


def draw_scaling(kind: str, rows: Sequence[Row], path: Path, title: str) -> None:
    """Three panels with one line a variant; bars reach from the least to the largest repeat, and
    crosses are predictions. Local; raises OSError."""
    figure, (top, middle, bottom) = new_figure([2.8, 1.5, 1.5])
    groups = by_variant(rows)
    for number, group in enumerate(groups):
        color = PALETTE[number % len(PALETTE)]
        # Lines that lie on each other are told apart a little beside each other.
        ranks = np.array([row.point.ranks for row in group]) * 1.015**number
        median, least, most = 1e3 * np.array([row.step for row in group]).T
        spread = np.array([median - least, most - median])
        top.errorbar(ranks, median, yerr=spread, color=color, marker="o", markersize=4,
                     linewidth=1.4, capsize=3, label=group[0].point.variant or "step",
                     )  # fmt: skip
        predicted = [(r, row.predicted) for r, row in zip(ranks, group, strict=True)]
        known = [(r, 1e3 * seconds) for r, seconds in predicted if seconds is not None]
        if known:
            top.plot(*zip(*known, strict=True), "x", color=color, markersize=7,
                     label="predicted" if number == 0 else None)  # fmt: skip
        middle.plot(ranks, [row.efficiency for row in group], "o-", color=color, markersize=4,
                    linewidth=1.4)  # fmt: skip
        for share, style in (("communication", "o-"), ("waiting", "o:")):
            bottom.plot(ranks, [100 * row.shares[share] for row in group], style, color=color,
                        markersize=4, linewidth=1.2, label=share if number == 0 else None,
                        )  # fmt: skip
    first = groups[0][0]
    count = np.array(sorted({row.point.ranks for row in rows}))
    falls = first.point.ranks / count if kind == "strong" else np.ones(len(count))
    ideal = 1e3 * first.step[0] * falls
    top.plot(count, ideal, color="#8a8a8a", linewidth=1.0, linestyle="--", label="ideal")
    middle.axhline(1.0, color="#8a8a8a", linewidth=1.0, linestyle="--")
    top.set_xscale("log", base=2)
    if kind == "strong":
        plain_log_scale(top)
    else:
        top.set_ylim(bottom=0.0)  # what should be flat is to be seen as that
    top.set_xticks(count, map(str, count))
    top.set_ylabel("ms a training step")
    middle.set_ylabel("efficiency")
    middle.set_ylim(bottom=0.0)
    bottom.set_ylabel("% of the slowest\nrank's epoch")
    bottom.set_ylim(bottom=0.0)
    bottom.set_xlabel("ranks P")
    top.legend(frameon=False, fontsize=8.5)
    bottom.legend(frameon=False, fontsize=8.5)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=160)
