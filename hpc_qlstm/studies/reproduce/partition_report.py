"""The report of the partition study."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from hpc_qlstm.studies.markdown import table
from hpc_qlstm.studies.reproduce.figures import COLORS, subplots
from hpc_qlstm.studies.reproduce.partitions import FAILS, MIXED, STUDIED, TEXT, Case
from hpc_qlstm.studies.reproduce.report import Found, Report, Summary, seeds_of

Cases = Mapping[Case, Summary]
"""The rows by what is known of them before training."""


def partitions_report(found: Found) -> Report:
    """What fails, whether the warning says so, and what repairs it."""
    cases = {Case(summary.row): summary for summary in found.values()}
    return Report(
        found,
        title=TEXT["title"],
        paragraphs=[
            TEXT["terms"].format(seeds=seeds_of(found), fails=FAILS),
            _verdict(cases),
            _repairs(cases),
            *(f"## {task}\n\n{_table(task, cases)}" for task in STUDIED),
        ],
        draw=partial(_draw, cases),
        extra={
            "cases": [
                {"name": c.name, "reached": c.reached, "warned": c.warned, "fails": c.fails(row)}
                for c, row in cases.items()
            ]
        },
    )


def _table(task: str, cases: Cases) -> str:
    head = ("hidden", "M", "strategy", "sees", "warning", "test MSE", "", "qubits", "weights")
    lines = [
        (
            str(case.hidden),
            str(case.count),
            case.strategy.replace("_", " "),
            f"{case.reached} of {case.hidden}",
            "cut off" if case.warned else "",
            summary.error,
            "fails" if case.fails(summary) else "",
            str(case.qubits),
            str(summary.first("weights")),
        )
        for case, summary in cases.items()
        if case.task == task
    ]
    return table(head, lines)


def _verdict(cases: Cases) -> str:
    failing = [case for case, summary in cases.items() if case.fails(summary)]
    missed = [case.name for case in failing if not case.warned]
    false = [case.name for case in cases if case.warned and case not in failing]
    named, others = len(failing) - len(missed), len(false)
    text = f"{len(failing)} of {len(cases)} rows fail; "
    text += f"the warning names {named} of them and {others} others."
    for what, names in (("Missed", missed), ("Warned of without failing", false)):
        text += f" {what}: {'; '.join(names)}." if names else ""
    return text


def _repairs(cases: Cases) -> str:
    """What the failing rows become with a repair, beside what it costs."""
    by_key = {(c.task, c.hidden, c.count, c.strategy): c for c in cases}
    rows = []
    for case, summary in cases.items():
        if not case.fails(summary) or case.strategy not in ("contiguous", "strided", "random"):
            continue
        cells = [case.task, str(case.hidden), str(case.count), case.strategy]
        cells.append(f"{summary.mean():.1e}")
        for repair in (MIXED, "broadcast_input", "overlap"):
            other = by_key[case.task, case.hidden, case.count, repair]
            better = cases[other]
            ratio = summary.mean() / better.mean()
            more = int(better.first("weights")) - int(summary.first("weights"))
            cells.append(
                f"{better.mean():.1e} ({ratio:.{0 if ratio >= 10 else 1}f} times better, "
                f"{other.qubits - case.qubits:+d} qubits, {more:+d} weights)"
            )
        rows.append(cells)
    if not rows:
        return ""
    head = ("task", "hidden", "M", "strategy", "fails with", "mixing", "broadcast input", "overlap")
    centric = []
    for task in STUDIED:
        errors = [row.mean() for case, row in cases.items() if (case.task, case.count) == (task, 1)]
        centric.append(f"{task} {np.mean(errors):.1e}")
    return TEXT["repairs"].format(table=table(head, rows), centric=", ".join(centric))


def _draw(cases: Cases, path: Path) -> None:
    """Mean test error against the number of hidden units that the input reaches."""
    figure, (axes,) = subplots(1, len(STUDIED), (4.0 * len(STUDIED), 4.0))
    strategies = dict.fromkeys(case.strategy for case in cases)
    for axis, task in zip(axes, STUDIED, strict=True):
        for k, (strategy, color) in enumerate(zip(strategies, COLORS, strict=False)):
            mine = [case for case in cases if (case.task, case.strategy) == (task, strategy)]
            x = [case.reached + 0.08 * (k - 3) for case in mine]
            errors = [cases[case].mean() for case in mine]
            axis.semilogy(x, errors, "o", color=color, label=strategy)
        axis.set(xlabel="hidden units that see the input", title=task)
    axes[0].set_ylabel("mean test MSE (scaled)")
    axes[-1].legend(fontsize=7, frameon=False)
    figure.savefig(path, dpi=150)
