"""The figure of a partition: what each partition reads, and when the input reaches its units."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hpc_qlstm.analysis.partition_table import PartitionTable
from hpc_qlstm.partition import NEVER

_NEVER, _LATE = "#D55E00", "#E69F00"


def draw_partition(table: PartitionTable, path: Path, title: str) -> None:
    """Two panels: partitions by entries of v_t, and steps until each hidden unit sees the input.

    Local; raises OSError.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    hidden_size, input_size = table.steps.shape
    reads = np.zeros((len(table.partitions), hidden_size + input_size))
    for row in table.partitions:
        reads[row.partition, list(row.hidden)] = 1.0
        reads[row.partition, [hidden_size + k for k in row.inputs]] = 2.0
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1.0])
    left.imshow(reads, aspect="auto", cmap="Blues", vmin=0, vmax=2.6, interpolation="nearest")
    left.axvline(hidden_size - 0.5, color="#222222", linewidth=1)
    left.set(xlabel="hidden units | components of x", ylabel="partition", title=f"{title}: reads")
    left.set_yticks(_ticks(len(table.partitions)))

    first = table.steps.min(axis=1)
    never = first == NEVER
    late = ~never & (first > table.window)
    height = np.where(never, max(table.window, 1), np.minimum(first, 2 * table.window))
    colors = np.where(never, _NEVER, np.where(late, _LATE, "#0072B2"))
    right.bar(np.arange(hidden_size), height, color=list(colors))
    right.axhline(table.window, color="#8a8a8a", linewidth=1, linestyle="--")
    for unit in np.flatnonzero(never)[:64]:
        right.text(unit, height[unit], "never", ha="center", va="bottom", fontsize=8, color=_NEVER)
    right.set(
        xlabel="hidden unit",
        ylabel="steps",
        title=f"until it sees the input (window {table.window})",
        ylim=(0, 1.25 * max(table.window, int(height.max()))),
    )
    right.set_xticks(_ticks(hidden_size))
    right.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


def _ticks(count: int) -> list[int]:
    """At most sixteen whole numbers from 0 on."""
    return list(range(0, count, max(1, -(-count // 16))))
