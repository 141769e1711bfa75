"""Panels that look alike in the figures of all studies. Local."""

from __future__ import annotations

from typing import Any

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8a8a", "#222222")
GREY, BLACK = COLORS[6:]


def subplots(rows: int, columns: int, size: tuple[float, float], **options: Any) -> Any:
    """A figure of panels and their axes (rows, columns); size in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, linewidth=0.6)
    return figure, axes
