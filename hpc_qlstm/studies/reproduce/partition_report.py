"""The text of the partition study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hpc_qlstm.studies.markdown import table
from hpc_qlstm.studies.reproduce import figures
from hpc_qlstm.studies.reproduce.markdown import error_text
from hpc_qlstm.studies.reproduce.partitions import (
    FAILS,
    MIXED,
    STUDIED,
    Case,
    case_of,
    failing,
)
from hpc_qlstm.studies.reproduce.reports import SCORES, write_json, write_markdown
from hpc_qlstm.studies.reproduce.study import Summary


def write_partitions(target: str, found: list[Summary], folder: Path, command: str) -> list[Path]:
    """JSON, Markdown and a figure. Local; raises OSError."""
    cases = [case_of(summary.row) for summary in found]
    fails = failing(cases, found)
    parts = [
        f"# Partitions: what fails, and what repairs it\n\n`{command}`",
        "Test errors over "
        f"{len(found[0].cells)} seeds. 'Sees' counts the hidden units that the input reaches "
        "within the window of 4 steps, as `hpc-qlstm partition` says before training; 'cut off' is "
        "the warning that none of these sees another of them: what the state remembers are then "
        "numbers on their own, each of the input alone. A row fails where its mean error is more "
        f"than {FAILS:g} times that of predicting the last value again.",
        _verdict(cases, fails),
        _repairs(cases, found, fails),
    ]
    for task in STUDIED:
        rows = [
            (
                str(case.hidden),
                str(case.count),
                case.strategy.replace("_", " "),
                f"{case.reached} of {case.hidden}",
                "cut off" if case.warned else "",
                error_text(summary),
                "fails" if fail else "",
                str(case.qubits),
                str(summary.cells[0]["weights"]),
            )
            for case, summary, fail in zip(cases, found, fails, strict=True)
            if case.task == task
        ]
        head = ("hidden", "M", "strategy", "sees", "warning", "test MSE", "", "qubits", "weights")
        parts.append(f"## {task}\n\n{table(head, rows)}")
    figure = folder / f"{target}.png"
    figures.draw_partition_study(cases, found, figure)
    extra = [
        {"name": c.row.name, "reached": c.reached, "warned": c.warned, "fails": fail}
        for c, fail in zip(cases, fails, strict=True)
    ]
    return [
        write_json(folder / f"{target}.json", command, found, SCORES, cases=extra),
        write_markdown(folder / f"{target}.md", "\n\n".join(filter(None, parts)) + "\n"),
        figure,
    ]


def _verdict(cases: Sequence[Case], fails: Sequence[bool]) -> str:
    pairs = list(zip(cases, fails, strict=True))
    hit = sum(case.warned and fail for case, fail in pairs)
    missed = [case.row.name for case, fail in pairs if fail and not case.warned]
    false = [case.row.name for case, fail in pairs if case.warned and not fail]
    text = (
        f"{sum(fails)} of {len(cases)} rows fail; the warning names {hit} of them and "
        f"{len(false)} others."
    )
    if missed:
        text += f" Missed: {'; '.join(missed)}."
    if false:
        text += f" Warned of without failing: {'; '.join(false)}."
    return text


def _repairs(cases: Sequence[Case], found: Sequence[Summary], fails: Sequence[bool]) -> str:
    """What the failing rows become with a repair, beside what it costs."""
    rows = []
    by_key = {
        (c.task, c.hidden, c.count, c.strategy): (c, summary)
        for c, summary in zip(cases, found, strict=True)
    }
    for case, summary, fail in zip(cases, found, fails, strict=True):
        if not fail or case.strategy not in ("contiguous", "strided", "random"):
            continue
        cells = [case.task, str(case.hidden), str(case.count), case.strategy]
        cells.append(f"{summary.mean('test_mse'):.1e}")
        for repair in (MIXED, "broadcast_input", "overlap"):
            other, better = by_key[case.task, case.hidden, case.count, repair]
            ratio = summary.mean("test_mse") / better.mean("test_mse")
            more = int(better.cells[0]["weights"]) - int(summary.cells[0]["weights"])
            cells.append(
                f"{better.mean('test_mse'):.1e} ({ratio:.{0 if ratio >= 10 else 1}f} times better, "
                f"{other.qubits - case.qubits:+d} qubits, {more:+d} weights)"
            )
        rows.append(tuple(cells))
    if not rows:
        return ""
    head = ("task", "hidden", "M", "strategy", "fails with", "mixing", "broadcast input", "overlap")
    centric = []
    for task in STUDIED:
        errors = [
            summary.mean("test_mse")
            for case, summary in zip(cases, found, strict=True)
            if (case.task, case.count) == (task, 1)
        ]
        centric.append(f"{task} {np.mean(errors):.1e}")
    return (
        f"What repairs them, at what cost:\n\n{table(head, rows)}\n\n"
        f"Means of the centric models: {', '.join(centric)}. Mixing keeps the blocks and the "
        "qubits and adds a d_h x d_h matrix for each gate, on the rank that updates the cell: no "
        "message more. Broadcast input gives every processor all of x; overlap lets neighbours "
        "share entries of v: qubits more, and no weights beside theirs."
    )
