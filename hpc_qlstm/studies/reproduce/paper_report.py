"""The reports of the paper's tables and of its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hpc_qlstm.analysis.baselines import Scores, baselines
from hpc_qlstm.studies.markdown import listed, table
from hpc_qlstm.studies.reproduce.figures import BLACK, COLORS, GREY, subplots
from hpc_qlstm.studies.reproduce.paper import PAPER
from hpc_qlstm.studies.reproduce.report import BASELINES, Found, Report, Summary, seeds_of
from hpc_qlstm.studies.reproduce.rows import dataset
from hpc_qlstm.studies.reproduce.trials import last_target


def table_report(name: str, found: Found) -> Report:
    """table1 and table2."""
    rows = list(found.values())
    trivial = baselines(dataset(rows[0].row.config))
    return Report(
        found,
        title=PAPER[name]["title"],
        paragraphs=[
            _table(rows, trivial),
            f"{seeds_of(found)} seeds; errors in the scaling of training.",
            _winners(rows, trivial),
            "What the paper leaves open, and what is taken here:",
            listed(PAPER["choices"]),
        ],
        extra={"baselines": trivial},
    )


def _table(rows: Sequence[Summary], trivial: Mapping[str, Scores]) -> str:
    """R2, test error and convergence of every row beside the paper's numbers."""
    head = (
        "model", "qubits", "weights", "R² (mean ± std)", "best R²", "paper's R²",
        "test MSE (mean ± std)", "converged at epoch (median)", "paper's epoch",
    )  # fmt: skip
    lines = []
    for each in rows:
        published, r2, epochs = each.row.published, each.values("test_r2"), each.values("converged")
        line = [each.row.name, each.qubits, str(each.first("weights"))]
        line += [f"{r2.mean():.4f} ± {each.std('test_r2'):.4f}", f"{r2.max():.4f}"]
        line += [f"{published['r2']:.4f}" if published else "", each.error]
        line.append(f"{np.median(epochs):g} ({epochs.min():.0f} to {epochs.max():.0f})")
        lines.append([*line, f"{published['converged']:.0f}" if published else ""])
    for name, scores in trivial.items():
        error = f"{scores['mse']:.2e}"
        lines.append([BASELINES[name], "", "", f"{scores['r2']:.4f}", "", "", error, "", ""])
    return table(head, lines)


def _winners(rows: Sequence[Summary], trivial: Mapping[str, Scores]) -> str:
    """Says plainly which model has the smallest mean error, and where the classical LSTM, the last
    row, wins."""
    errors = {summary.row.name: summary.mean() for summary in rows}
    *quantum, classical = errors
    mine = errors[classical]
    worse = [name for name in quantum if errors[name] > mine]
    better = [name for name in quantum if name not in worse]
    errors |= {BASELINES[name]: scores["mse"] for name, scores in trivial.items()}
    best = min(errors, key=errors.__getitem__)
    verdict = f"wins against {', '.join(worse)}, and not against {', '.join(better)}"
    if not worse or not better:
        verdict = f"{'wins against' if worse else 'is behind'} every quantum model here"
    return (
        f"The smallest mean test error is that of: {best} ({errors[best]:.2e}). "
        f"The {classical} ({mine:.2e}) {verdict}."
    )


def losses_report(figure: str, name: str, found: Found) -> Report:
    """Figures 3 and 5: training and test losses, median over seeds and the range of all of them."""

    def draw(path: Path) -> None:
        drawing, (axes,) = subplots(1, 2, (11, 4.2), sharey=True)
        for axis, part in zip(axes, ("train", "test"), strict=True):
            for summary, color in zip(found.values(), COLORS, strict=False):
                losses = np.array([result[f"{part}_loss"] for result in summary.results])
                epochs = np.arange(1, losses.shape[1] + 1)
                low, high = losses.min(axis=0), losses.max(axis=0)
                axis.fill_between(epochs, low, high, color=color, alpha=0.12, linewidth=0)
                middle, label = np.median(losses, axis=0), summary.row.name
                axis.semilogy(epochs, middle, color=color, linewidth=1.5, label=label)
            axis.set(xlabel="epoch", title="training" if part == "train" else part)
        axes[0].set_ylabel("mean squared error (scaled)")
        axes[1].legend(frameon=False, fontsize=7.5)
        drawing.suptitle(f"{_title(figure, name)}, losses", fontsize=11)
        drawing.savefig(path, dpi=150)

    return Report(found, ("seed", "train_loss", "test_loss"), draw=draw)


def predictions_report(figure: str, name: str, found: Found) -> Report:
    """Figures 4 and 6: the first seed's predictions of each model beside the truth."""
    first = {row: Summary(summary.row, summary.results[:1]) for row, summary in found.items()}
    data = dataset(next(iter(found.values())).row.config)

    def draw(path: Path) -> None:
        rows = -(-len(found) // 2)
        drawing, axes = subplots(rows, 2, (11, 1.9 * rows), sharex=True, sharey=True)
        for axis, summary in zip(axes.flat, found.values(), strict=False):
            for part, color in zip(("train", "test"), COLORS, strict=False):
                time, truth = getattr(data, f"{part}_time"), getattr(data, f"{part}_y")
                axis.plot(time, last_target(truth), color=BLACK, alpha=0.3, linewidth=2.4)
                axis.plot(time, summary.first(f"{part}_prediction"), color=color, linewidth=1.1)
            axis.axvline(data.test_time[0], color=GREY, linewidth=0.9, linestyle="--")
            r2 = summary.first("test_r2")
            axis.set_title(f"{summary.row.name}: test R² {r2:.4f}", fontsize=9)
        for axis in axes.flat[len(found) :]:
            axis.set_visible(False)
        target = data.target_names[0].replace("_", " ")
        drawing.supylabel(f"{target} (scaled)", fontsize=10)
        drawing.supxlabel("time", fontsize=10)
        title = f"{_title(figure, name)}: truth grey, training part blue, test part orange"
        drawing.suptitle(title, fontsize=11)
        drawing.savefig(path, dpi=130)

    return Report(first, ("seed", "test_r2", "train_prediction", "test_prediction"), draw=draw)


def _title(figure: str, name: str) -> str:
    return f"Figure {figure[3:]}: {PAPER[name]['title'].partition(': ')[2]}"
