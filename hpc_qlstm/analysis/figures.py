"""Figures of a run: losses, diagnostics and time over the epochs, the prediction by the truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hpc_qlstm.analysis.evaluation import Evaluation
from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.distributed.rank_reports import SHARES

# Okabe and Ito's palette, which colour-blind readers can tell apart.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SHARE_COLORS = dict(zip(SHARES, ("#0072B2", "#D55E00", "#E69F00", "#BBBBBB"), strict=True))
"""Of engines, collectives, waiting and the rest, in every figure that shows where time goes."""
_TRUTH, _PREDICTION, _TEST, _GREY = "#222222", "#0072B2", "#D55E00", "#8a8a8a"


def draw_figures(evaluation: Evaluation, folder: Path, title: str) -> list[Path]:
    """Draw losses.png, prediction.png and, where the epochs have what they show, diagnostics.png
    and time.png into an existing folder; returns their paths. Local."""
    drawings = {"losses": _losses, "prediction": _prediction}
    if all("diagnostics" in record for record in evaluation.history):
        drawings["diagnostics"] = _diagnostics
    if all("ranks" in record for record in evaluation.history):
        drawings["time"] = _time
    paths = [folder / f"{name}.png" for name in drawings]
    for path, draw in zip(paths, drawings.values(), strict=True):
        draw(evaluation, title).savefig(path, dpi=160)
    return paths


def new_figure(rows: list[float], sharex: bool = True, title: str = "") -> tuple[Any, Any]:
    """A figure of panels one below the other, of these heights in inches, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 1.2 + sum(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 1, sharex=sharex, squeeze=False, height_ratios=rows)[:, 0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, linewidth=0.6)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure, axes


def _epochs(evaluation: Evaluation) -> tuple[list[int], str | None]:
    """The epochs, and the marker that shows a single one."""
    epochs = [record["epoch"] for record in evaluation.history]
    return epochs, "o" if len(epochs) == 1 else None


def _losses(evaluation: Evaluation, title: str) -> Any:
    figure, (axis,) = new_figure([3.0], title=title)
    epochs, marker = _epochs(evaluation)
    train = [record["train_loss"] for record in evaluation.history]
    test = [record["test_loss"] for record in evaluation.history]
    for losses, color, label in ((train, _PREDICTION, "training"), (test, _TEST, "test")):
        axis.semilogy(epochs, losses, color=color, linewidth=1.6, marker=marker, label=label)
    best = int(np.argmin(test))
    axis.plot(epochs[best], test[best], "o", color=_TEST, markersize=5)
    axis.annotate(
        f"best test {test[best]:.2e}\nepoch {epochs[best]}",
        (epochs[best], test[best]),
        xytext=(-8, 26),
        textcoords="offset points",
        ha="right",
        fontsize=8.5,
        color=_TEST,
    )
    axis.set(xlabel="epoch", ylabel="mean squared error (scaled)")
    axis.legend(frameon=False)
    return figure


def _diagnostics(evaluation: Evaluation, title: str) -> Any:
    """Of each gate: the variance of its expectation values and its gradient norm; lines are means
    over partitions, bands reach from the smallest to the largest."""
    figure, axes = new_figure([2.0, 2.0], title=f"{title}: first batch of every epoch")
    epochs, marker = _epochs(evaluation)
    found = [record["diagnostics"] for record in evaluation.history]
    for axis, key in zip(axes, ("variance", "gradient_norm"), strict=True):
        for name, color in zip(found[0][key], PALETTE, strict=False):
            values = np.array([each[key][name] for each in found])
            line = {"color": color, "linewidth": 1.4, "marker": marker, "label": name}
            axis.plot(epochs, values.mean(axis=1), **line)
            band = values.min(axis=1), values.max(axis=1)
            axis.fill_between(epochs, *band, color=color, alpha=0.15, linewidth=0)
        axis.set_yscale("log", nonpositive="mask")
    axes[0].set_ylabel("variance of <Z>")
    axes[1].set(xlabel="epoch", ylabel="gradient norm")
    axes[1].legend(frameon=False, ncols=3, fontsize=8.5)
    return figure


def _prediction(evaluation: Evaluation, title: str) -> Any:
    data, scores = evaluation.data, evaluation.scores["test"]
    title = f"{title}: test R² {scores['r2']:.4f}, test MSE {scores['mse']:.2e}"
    figure, (top, bottom) = new_figure([2.9, 1.1], title=title)
    train_y, test_y = (
        _last_step(data.target_scaler.inverse(y)) for y in (data.train_y, data.test_y)
    )
    train_p, test_p = map(_last_step, (evaluation.train_prediction, evaluation.test_prediction))
    time, truth = (
        np.concatenate([data.train_time, data.test_time]),
        np.concatenate([train_y, test_y]),
    )
    top.plot(time, truth, color=_TRUTH, linewidth=2.4, alpha=0.35, label="truth")
    top.plot(data.train_time, train_p, color=_PREDICTION, linewidth=1.3, label="prediction")
    top.plot(data.test_time, test_p, color=_TEST, linewidth=1.3, label="prediction, test part")
    bottom.plot(data.train_time, train_p - train_y, color=_PREDICTION, linewidth=1.1)
    bottom.plot(data.test_time, test_p - test_y, color=_TEST, linewidth=1.1)
    for axis in (top, bottom):
        axis.axvline(data.test_time[0], color=_GREY, linewidth=0.9, linestyle="--")
    bottom.axhline(0.0, color=_GREY, linewidth=0.8)
    top.set_ylabel(data.target_names[0].replace("_", " "))
    bottom.set(xlabel="time", ylabel="error")
    top.legend(ncols=3, loc="upper right", edgecolor="none", framealpha=1.0)
    low, high = top.get_ylim()
    top.set_ylim(low, high + 0.14 * (high - low))
    return figure


def _time(evaluation: Evaluation, title: str) -> Any:
    """Where the time goes: by rank, the mean over the epochs; over the epochs, of the rank that the
    others wait for. A run that went on with another number of ranks shows the newest ones."""
    tables = [np.array([record["ranks"][name] for name in SHARES]) for record in evaluation.history]
    ranks = tables[-1].shape[1]
    mean = np.mean([table for table in tables if table.shape[1] == ranks], axis=0)
    slowest = [table[:, table[SHARES.index("waiting")].argmin()] for table in tables]
    figure, (top, bottom) = new_figure([2.2, 2.2], False, f"{title}: where the time goes")
    edges = np.arange(ranks + 1) - 0.5
    below = np.zeros(ranks)
    for name, seconds in zip(SHARES, 1e3 * mean, strict=True):
        # Steps instead of bars: thousands of ranks are one shape each.
        area = {"fill": True, "color": SHARE_COLORS[name], "label": name}
        top.stairs(below + seconds, edges, baseline=below, **area)
        below = below + seconds
    if ranks <= 32:
        top.vlines(edges[1:-1], 0.0, below.max(), color="white", linewidth=4.0)
        top.set_xticks(range(ranks))
    epochs = np.array(_epochs(evaluation)[0])
    heights = 1e3 * np.array(slowest).T
    if len(epochs) == 1:  # a point has no area
        epochs, heights = epochs + np.array([-0.5, 0.5]), np.repeat(heights, 2, axis=1)
    bottom.stackplot(epochs, heights, colors=list(SHARE_COLORS.values()))
    top.set(xlabel="rank", ylabel="ms an epoch (mean)")
    bottom.set(xlabel="epoch", ylabel="ms, of the slowest rank")
    top.legend(ncols=4, fontsize=8.5, frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return figure


def _last_step(values: Float) -> Float:
    """The first target at each window's last step, (n,)."""
    return values[:, -1, 0] if values.ndim == 3 else values[:, 0]
