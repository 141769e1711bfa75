"""The figures of the paper and of the studies. Local; every function raises OSError."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpc_qlstm.data import Dataset
from hpc_qlstm.studies.reproduce.concentration import ANSAETZE, DEPTHS, QUBITS, SCALES
from hpc_qlstm.studies.reproduce.partitions import Case
from hpc_qlstm.studies.reproduce.study import Summary

_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8a8a", "#222222")


def _subplots(rows: int, columns: int, size: tuple[float, float], **options: Any) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, linewidth=0.6)
    return figure, axes


def draw_losses(found: Sequence[Summary], title: str, path: Path) -> None:
    """Figures 3 and 5: training and test losses, median over seeds and the range of all of them."""
    figure, axes = _subplots(1, 2, (11, 4.2), sharey=True)
    for axis, part in zip(axes[0], ("train", "test"), strict=True):
        for summary, color in zip(found, _COLORS, strict=False):
            losses = np.array([cell[f"{part}_loss"] for cell in summary.cells])
            epochs = np.arange(1, losses.shape[1] + 1)
            axis.fill_between(
                epochs, losses.min(axis=0), losses.max(axis=0), color=color, alpha=0.12, linewidth=0
            )
            axis.semilogy(
                epochs, np.median(losses, axis=0), color=color, linewidth=1.5,
                label=summary.row.name,
            )  # fmt: skip
        axis.set(xlabel="epoch", title="training" if part == "train" else part)
    axes[0, 0].set_ylabel("mean squared error (scaled)")
    axes[0, 1].legend(frameon=False, fontsize=7.5)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=150)


def draw_predictions(found: Sequence[Summary], data: Dataset, title: str, path: Path) -> None:
    """Figures 4 and 6: the first seed's predictions of each model beside the truth."""
    columns = 2
    rows = -(-len(found) // columns)
    figure, axes = _subplots(rows, columns, (11, 1.9 * rows), sharex=True, sharey=True)
    for axis, summary in zip(axes.flat, found, strict=False):
        for part, color in (("train", _COLORS[0]), ("test", _COLORS[1])):
            time = getattr(data, f"{part}_time")
            axis.plot(
                time,
                _targets(getattr(data, f"{part}_y")),
                color="#222222",
                alpha=0.3,
                linewidth=2.4,
            )
            axis.plot(time, summary.cells[0][f"{part}_prediction"], color=color, linewidth=1.1)
        axis.axvline(data.test_time[0], color="#8a8a8a", linewidth=0.9, linestyle="--")
        r2 = summary.cells[0]["test_r2"]
        axis.set_title(f"{summary.row.name}: test R² {r2:.4f}", fontsize=9)
    for axis in list(axes.flat)[len(found) :]:
        axis.set_visible(False)
    name = data.target_names[0].replace("_", " ")
    figure.supylabel(f"{name} (scaled)", fontsize=10)
    figure.supxlabel("time", fontsize=10)
    figure.suptitle(f"{title}: truth grey, training part blue, test part orange", fontsize=11)
    figure.savefig(path, dpi=130)


def _targets(values: Any) -> Any:
    return values[:, -1, 0] if values.ndim == 3 else values[:, 0]


def draw_errors(columns: Mapping[str, Sequence[tuple[str, Sequence[float]]]],
                lines: Mapping[str, Mapping[str, float]], path: Path) -> None:  # fmt: skip
    """Test errors of every seed by task: columns[task] = (model, errors), lines[task] = levels."""
    figure, axes = _subplots(1, len(columns), (2.6 * len(columns), 4.4))
    for axis, (task, models) in zip(axes[0], columns.items(), strict=True):
        for k, (_, errors) in enumerate(models):
            axis.semilogy([k] * len(errors), errors, "o", color=_COLORS[k], alpha=0.6, markersize=4)
            axis.semilogy([k - 0.3, k + 0.3], [np.mean(errors)] * 2, color=_COLORS[k], linewidth=2)
        for (name, level), style in zip(lines[task].items(), ("-", "--", ":", "-."), strict=False):
            axis.axhline(level, color="#8a8a8a", linestyle=style, linewidth=1, label=name)
        axis.set_xticks(
            range(len(models)), [name for name, _ in models], rotation=60, ha="right", fontsize=7
        )
        axis.set_title(task, fontsize=10)
    axes[0, 0].set_ylabel("test MSE (scaled)")
    axes[0, -1].legend(fontsize=6.5, frameon=False)
    figure.savefig(path, dpi=150)


def draw_partition_study(cases: Sequence[Case], found: Sequence[Summary], path: Path) -> None:
    """Mean test error against the number of hidden units that the input reaches."""
    tasks = list(dict.fromkeys(case.task for case in cases))
    figure, axes = _subplots(1, len(tasks), (4.0 * len(tasks), 4.0))
    strategies = list(dict.fromkeys(case.strategy for case in cases))
    for axis, task in zip(axes[0], tasks, strict=True):
        for k, strategy in enumerate(strategies):
            points = [
                (case.reached, summary.mean("test_mse"))
                for case, summary in zip(cases, found, strict=True)
                if (case.task, case.strategy) == (task, strategy)
            ]
            x = [reached + 0.08 * (k - 3) for reached, _ in points]
            axis.semilogy(x, [error for _, error in points], "o", color=_COLORS[k], label=strategy)
        axis.set(xlabel="hidden units that see the input", title=task)
    axes[0, 0].set_ylabel("mean test MSE (scaled)")
    axes[0, -1].legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=150)


def draw_concentration(found: Sequence[Summary], path: Path) -> None:
    """Variance of expectation values and gradient norm against qubits, a line for each depth."""
    by_name = {summary.row.name: summary for summary in found}
    kinds = [(ansatz, scale) for ansatz in ANSAETZE for scale in SCALES]
    figure, axes = _subplots(2, len(kinds), (3.6 * len(kinds), 6.4), sharex=True, sharey="row")
    for column, (ansatz, scale) in enumerate(kinds):
        for row, key in enumerate(("variance", "gradient_norm")):
            axis = axes[row, column]
            for depth, color in zip(DEPTHS, _COLORS, strict=False):
                values = [
                    mean_diagnostic(by_name[f"{ansatz}, {scale}, depth {depth}, {q} qubits"], key)
                    for q in QUBITS
                ]
                axis.semilogy(
                    QUBITS, values, "o-", color=color, markersize=3, label=f"depth {depth}"
                )
            axis.set_title(f"{ansatz}, angles of {scale}", fontsize=9)
        axes[1, column].set_xlabel("qubits")
    axes[0, 0].set_ylabel("variance of expectation values")
    axes[1, 0].set_ylabel("gradient norm of a gate")
    axes[0, 0].legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=150)


def mean_diagnostic(summary: Summary, key: str) -> float:
    """The geometric mean over seeds of a diagnostic's mean over the four gates."""
    values = [
        np.mean([value for gate in cell["diagnostics"][key].values() for value in gate])
        for cell in summary.cells
    ]
    return float(np.exp(np.mean(np.log(np.maximum(values, 1e-300)))))
