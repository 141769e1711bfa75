"""The text of the literature's columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hpc_qlstm.analysis.baselines import baselines
from hpc_qlstm.studies.markdown import listed, table
from hpc_qlstm.studies.reproduce.cells import dataset
from hpc_qlstm.studies.reproduce.literature import (
    CLASSICAL,
    DISTRIBUTED,
    PUBLISHED,
    REFERENCE_ROW,
    SCALINGS,
    TASKS,
)
from hpc_qlstm.studies.reproduce.markdown import BASELINES, error_text, qubits_text
from hpc_qlstm.studies.reproduce.reference_run import COLUMNS, reference_error
from hpc_qlstm.studies.reproduce.study import Summary


@dataclass(frozen=True)
class LiteratureReport:
    """text: Markdown; columns and lines: for the figure; extra: for the JSON file."""

    text: str
    columns: Mapping[str, Sequence[tuple[str, Sequence[float]]]]
    lines: Mapping[str, Mapping[str, float]]
    extra: Mapping[str, Any]


def literature_text(found: Sequence[Summary], command: str) -> LiteratureReport:
    """What the rows say together. Local; takes two seconds for the reference runs."""
    rows = {summary.row.name: summary for summary in found}

    def of(kind: str) -> list[Summary]:
        return [rows[f"{task}: {kind}"] for task in TASKS]

    whole, own = SCALINGS
    best = of(f"{DISTRIBUTED}, {whole}")
    data = [dataset(summary.row.config) for summary in best]
    trivial = [baselines(each) for each in data]
    constants = [scores["constant"]["mse"] for scores in trivial]
    units = [float(each.target_scaler.factor[0]) ** 2 for each in data]
    means = [summary.mean("test_mse") for summary in best]
    author = [summary.mean("test_mse") for summary in of(REFERENCE_ROW)]
    limits = [PUBLISHED[task][1] for task in TASKS]
    exact = {task: reference_error(task) for task in COLUMNS}

    def numbers(name: str, values: Sequence[float], form: str = ".2e") -> tuple[str, ...]:
        return (name, *(format(value, form) for value in values))

    def ratios(values: Sequence[float], others: Sequence[float]) -> list[float]:
        return [value / other for value, other in zip(values, others, strict=True)]

    table_rows: list[tuple[str, ...]] = [
        (f"**{DISTRIBUTED}, scaled on {whole}**", *map(error_text, best)),
        numbers("best seed", [summary.values("test_mse").min() for summary in best]),
        numbers("worst seed", [summary.values("test_mse").max() for summary in best]),
        (f"{DISTRIBUTED}, scaled on {own}", *map(error_text, of(f"{DISTRIBUTED}, {own}"))),
        (f"{CLASSICAL}, scaled on {whole}", *map(error_text, of(f"{CLASSICAL}, {whole}"))),
        (f"{CLASSICAL}, scaled on {own}", *map(error_text, of(f"{CLASSICAL}, {own}"))),
        (f"{REFERENCE_ROW}, our seeds", *map(error_text, of(REFERENCE_ROW))),
        (
            f"{REFERENCE_ROW}, its own seed",
            *(f"{exact[t]:.4e}" if t in exact else "" for t in TASKS),
        ),
        *(
            numbers(BASELINES[name], [scores[name]["mse"] for scores in trivial])
            for name in BASELINES
        ),
        numbers("published: first author's QLSTM", [PUBLISHED[task][0] for task in TASKS]),
        numbers("published: best variant", limits),
        numbers("distributed / best published", ratios(means, limits), ".1e"),
        numbers("distributed / constant predictor", ratios(means, constants), ".1e"),
        numbers("best published / constant predictor", ratios(limits, constants), ".1e"),
        numbers("in the series' own units: distributed QLSTM", ratios(means, units)),
        numbers("first author's QLSTM, our seeds", ratios(author, units)),
        numbers("constant", ratios(constants, units)),
    ]
    sizes = [
        f"{task}: {summary.cells[0]['weights']} weights, qubits {qubits_text(summary)}; classical "
        f"LSTM {classical.cells[0]['weights']} weights"
        for task, summary, classical in zip(TASKS, best, of(f"{CLASSICAL}, {whole}"), strict=True)
    ]
    text = "\n\n".join(
        [
            "# Test errors of the literature's tasks",
            f"`{command}`",
            "Mean squared error on the last 33 % of the windows after 100 epochs, scaled to "
            f"[-1, 1], mean ± standard deviation over {len(best[0].cells)} seeds. Settings were "
            "chosen on a validation tail of the training part: the same for all tasks (but for the "
            "batches of the long delayed control), those with the smallest error on NARMA-5 over "
            "three seeds and one near the smallest elsewhere. Every one that was tried is in "
            "[selection.md](selection.md).",
            table(("", *TASKS), table_rows),
            _beaten(means, limits),
            _classical_text(of, whole),
            _units_text(author, means, units),
            "The test error after the last epoch is given, not the best on the way.",
            listed(sizes),
            "The linear autoregression shows how easy the first three columns are: their series "
            "solve linear equations, or nearly so, where four values in a row know the next one.",
        ]
    )
    drawn = (f"{DISTRIBUTED}, {whole}", f"{CLASSICAL}, {whole}", REFERENCE_ROW)
    columns = {
        task: [
            (kind.partition(",")[0], [float(e) for e in rows[f"{task}: {kind}"].values("test_mse")])
            for kind in drawn
        ]
        for task in TASKS
    }
    lines = {
        task: {"best published": PUBLISHED[task][1], "published QLSTM": PUBLISHED[task][0],
               "last value": scores["last_value"]["mse"], "constant": scores["constant"]["mse"]}
        for task, scores in zip(TASKS, trivial, strict=True)
    }  # fmt: skip
    extra = {
        "published": {task: list(values) for task, values in PUBLISHED.items()},
        "baselines": dict(zip(TASKS, trivial, strict=True)),
        "reference_runs": exact,
        "mse_in_own_units": {
            task: mean / unit for task, mean, unit in zip(TASKS, means, units, strict=True)
        },
    }
    return LiteratureReport(text + "\n", columns, lines, extra)


def _beaten(means: Sequence[float], limits: Sequence[float]) -> str:
    won = [t for t, mean, limit in zip(TASKS, means, limits, strict=True) if mean < limit]
    lost = [task for task in TASKS if task not in won]
    text = f"The distributed model is below the best published error on {_names(won)}."
    return text + (f" It is not on {_names(lost)}." if lost else "")


def _units_text(author: Sequence[float], means: Sequence[float], units: Sequence[float]) -> str:
    """In which units the published NARMA errors can be meant."""
    others, lines = [], []
    for task, mine, mean, unit in zip(TASKS, author, means, units, strict=True):
        published, best = PUBLISHED[task]
        if not task.startswith("NARMA"):
            others.append(f"{mine / published:.1f}")
            continue
        lines.append(
            f"on {task} it gives {mine:.1e}, {mine / published:.0f} times the published number, "
            f"and in the series' own units {mine / unit:.1e}, {mine / unit / published:.1f} times "
            f"it (the distributed model has {mean / unit:.1e} in these units, "
            f"{unit * best / mean:.0f} times below the best published variant)"
        )
    return (
        "The series behind the published NARMA columns are described only in part (coefficients, "
        "frequencies of the input, 300 points; neither its scaling nor its first values), so the "
        "constant predictor's error stands beside them. In which units are they? With the first "
        f"author's settings and our seeds the other columns come out at {', '.join(others)} times "
        f"the published numbers; {'; '.join(lines)}. So the published NARMA errors are most likely "
        "those of the unscaled series. The sentence on what is beaten and the ratios take the "
        "stricter reading, in which they are of the series scaled to [-1, 1]."
    )


def _classical_text(of: Any, scaling: str) -> str:
    quantum, classical = of(f"{DISTRIBUTED}, {scaling}"), of(f"{CLASSICAL}, {scaling}")
    pairs = list(zip(TASKS, quantum, classical, strict=True))
    better = [t for t, q, c in pairs if c.mean("test_mse") < q.mean("test_mse")]
    worse = [t for t, *_ in pairs if t not in better]
    return (
        "The classical LSTM of about the same number of weights has the smaller mean error on "
        f"{_names(better)}, the distributed QLSTM on {_names(worse)}."
    )


def _names(tasks: Sequence[str]) -> str:
    return ", ".join(tasks) if tasks else "none of the tasks"
