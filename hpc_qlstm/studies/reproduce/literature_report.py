"""The report of the literature's columns."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from hpc_qlstm.analysis.baselines import baselines
from hpc_qlstm.studies.markdown import listed, table
from hpc_qlstm.studies.reproduce.figures import COLORS, GREY, subplots
from hpc_qlstm.studies.reproduce.literature import (
    CLASSICAL,
    DISTRIBUTED,
    REFERENCE_ROW,
    SCALINGS,
    TASKS,
    TEXT,
)
from hpc_qlstm.studies.reproduce.reference_run import COLUMNS, reference_error
from hpc_qlstm.studies.reproduce.report import BASELINES, Found, Report, seeds_of
from hpc_qlstm.studies.reproduce.rows import dataset

WHOLE, OWN = SCALINGS


class Column:
    """One task.

    best, own: the distributed model's row with each scaling; classical, classical_own: those of the
    classical LSTM; author: the first author's QLSTM. mean: the error of `best`; qlstm and limit:
    the published ones of the first author's QLSTM and of the best variant. unit: what errors are
    divided by to have them in the series' own units. exact: the error of the first author's own
    run, where it is known.
    """

    def __init__(self, task: str, found: Found) -> None:
        self.task = task
        self.best, self.own = (found[f"{task}: {DISTRIBUTED}, {each}"] for each in SCALINGS)
        self.classical, self.classical_own = (
            found[f"{task}: {CLASSICAL}, {each}"] for each in SCALINGS
        )
        self.author = found[f"{task}: {REFERENCE_ROW}"]
        self.mean = self.best.mean()
        self.qlstm, self.limit = TASKS[task]["published"]
        data = dataset(self.best.row.config)
        self.trivial, self.unit = baselines(data), float(data.target_scaler.factor[0]) ** 2
        self.exact = reference_error(task) if task in COLUMNS else None


def literature_report(found: Found) -> Report:
    """What the rows say together. Local; takes two seconds for the reference runs."""
    columns = [Column(task, found) for task in TASKS]
    cells = zip(*map(_cells, columns), strict=True)
    lines = [(line[0][0], *(text for _, text in line)) for line in cells]
    sizes = [
        f"{c.task}: {c.best.first('weights')} weights, qubits {c.best.qubits}; classical LSTM "
        f"{c.classical.first('weights')} weights"
        for c in columns
    ]
    return Report(
        found,
        title=TEXT["title"],
        paragraphs=[
            TEXT["settings"].format(seeds=seeds_of(found)),
            table(("", *TASKS), lines),
            _beaten(columns),
            _classical(columns),
            _units(columns),
            TEXT["last"],
            listed(sizes),
            TEXT["easy"],
        ],
        draw=partial(_draw, columns),
        extra={
            "published": {c.task: [c.qlstm, c.limit] for c in columns},
            "baselines": {c.task: c.trivial for c in columns},
            "reference_runs": {c.task: c.exact for c in columns if c.exact is not None},
            "mse_in_own_units": {c.task: c.mean / c.unit for c in columns},
        },
    )


def _cells(c: Column) -> list[tuple[str, str]]:
    """A column of the table, with the labels of its lines."""
    errors, constant, author = c.best.values("test_mse"), c.trivial["constant"]["mse"], c.author
    numbers = {
        **{text: c.trivial[name]["mse"] for name, text in BASELINES.items()},
        "published: first author's QLSTM": c.qlstm,
        "published: best variant": c.limit,
    }
    ratios = {
        "distributed / best published": c.mean / c.limit,
        "distributed / constant predictor": c.mean / constant,
        "best published / constant predictor": c.limit / constant,
    }
    in_own_units = {
        "in the series' own units: distributed QLSTM": c.mean,
        "first author's QLSTM, our seeds": author.mean(),
        "constant": constant,
    }
    return [
        (f"**{DISTRIBUTED}, scaled on {WHOLE}**", c.best.error),
        ("best seed", f"{errors.min():.2e}"),
        ("worst seed", f"{errors.max():.2e}"),
        (f"{DISTRIBUTED}, scaled on {OWN}", c.own.error),
        (f"{CLASSICAL}, scaled on {WHOLE}", c.classical.error),
        (f"{CLASSICAL}, scaled on {OWN}", c.classical_own.error),
        (f"{REFERENCE_ROW}, our seeds", author.error),
        (f"{REFERENCE_ROW}, its own seed", "" if c.exact is None else f"{c.exact:.4e}"),
        *((label, f"{value:.2e}") for label, value in numbers.items()),
        *((label, f"{value:.1e}") for label, value in ratios.items()),
        *((label, f"{value / c.unit:.2e}") for label, value in in_own_units.items()),
    ]


def _beaten(columns: Sequence[Column]) -> str:
    won = [c.task for c in columns if c.mean < c.limit]
    lost = [c.task for c in columns if c.task not in won]
    text = f"The distributed model is below the best published error on {_names(won)}."
    return text + (f" It is not on {_names(lost)}." if lost else "")


def _classical(columns: Sequence[Column]) -> str:
    better = [c.task for c in columns if c.classical.mean() < c.mean]
    worse = [c.task for c in columns if c.task not in better]
    return TEXT["classical"].format(better=_names(better), worse=_names(worse))


def _units(columns: Sequence[Column]) -> str:
    """In which units the published NARMA errors can be meant."""
    others, lines = [], []
    for c in columns:
        mine = c.author.mean()
        if c.task.startswith("NARMA"):
            ours, best, limit = mine / c.unit, c.mean / c.unit, c.limit * c.unit
            known = {"ratio": mine / c.qlstm, "own_ratio": ours / c.qlstm, "below": limit / c.mean}
            lines.append(TEXT["narma"].format(c.task, mine=mine, ours=ours, best=best, **known))
        else:
            others.append(f"{mine / c.qlstm:.1f}")
    return TEXT["units"].format(others=", ".join(others), lines="; ".join(lines))


def _names(tasks: Sequence[str]) -> str:
    return ", ".join(tasks) if tasks else "none of the tasks"


def _draw(columns: Sequence[Column], path: Path) -> None:
    """Test errors of every seed by task, and the levels of what they are compared with."""
    figure, (axes,) = subplots(1, len(columns), (2.6 * len(columns), 4.4))
    models = (DISTRIBUTED, CLASSICAL, REFERENCE_ROW)
    for axis, c in zip(axes, columns, strict=True):
        for k, summary in enumerate((c.best, c.classical, c.author)):
            errors, color = summary.values("test_mse"), COLORS[k]
            axis.semilogy([k] * errors.size, errors, "o", color=color, alpha=0.6, markersize=4)
            axis.semilogy([k - 0.3, k + 0.3], [np.mean(errors)] * 2, color=color, linewidth=2)
        levels = {
            "best published": (c.limit, "-"),
            "published QLSTM": (c.qlstm, "--"),
            "last value": (c.trivial["last_value"]["mse"], ":"),
            "constant": (c.trivial["constant"]["mse"], "-."),
        }
        for name, (level, style) in levels.items():
            axis.axhline(level, color=GREY, linestyle=style, linewidth=1, label=name)
        axis.set_xticks(range(len(models)), models, rotation=60, ha="right", fontsize=7)
        axis.set_title(c.task, fontsize=10)
    axes[0].set_ylabel("test MSE (scaled)")
    axes[-1].legend(fontsize=6.5, frameon=False)
    figure.savefig(path, dpi=150)
