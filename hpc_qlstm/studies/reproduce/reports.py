"""The files of the paper's tables and figures, of the literature's columns, of concentration.

Local. Every function takes the target's name, its rows, the folder and the command, and returns
the files it wrote. Raises OSError.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hpc_qlstm.analysis.baselines import baselines
from hpc_qlstm.runs.checkpoint_format import package_versions
from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.studies.markdown import listed, table
from hpc_qlstm.studies.reproduce import figures
from hpc_qlstm.studies.reproduce.cells import dataset
from hpc_qlstm.studies.reproduce.concentration import ANSAETZE, DEPTHS, QUBITS, SCALES
from hpc_qlstm.studies.reproduce.literature_report import literature_text
from hpc_qlstm.studies.reproduce.markdown import paper_table, winners
from hpc_qlstm.studies.reproduce.paper import CHOICES, TITLES
from hpc_qlstm.studies.reproduce.study import Summary

Write = Callable[[str, list[Summary], Path, str], list[Path]]

STUDY_OF = {"fig3": "table1", "fig4": "table1", "fig5": "table2", "fig6": "table2"}
"""Targets that are drawn from another one's cells."""
SCORES = ("seed", "test_mse", "test_r2", "best_test_mse", "converged", "weights", "qubits")
"""What the JSON files keep of every seed."""


def write_table(target: str, found: list[Summary], folder: Path, command: str) -> list[Path]:
    """table1 and table2: JSON and Markdown."""
    trivial = baselines(dataset(found[0].row.config))
    text = (
        f"# {TITLES[target]}\n\n`{command}`\n\n{paper_table(found, trivial)}\n\n"
        f"{len(found[0].cells)} seeds; errors in the scaling of training.\n\n"
        f"{winners(found, trivial)}\n\n"
        f"What the paper leaves open, and what is taken here:\n\n{listed(CHOICES)}\n"
    )
    return [
        write_json(folder / f"{target}.json", command, found, SCORES, baselines=trivial),
        write_markdown(folder / f"{target}.md", text),
    ]


def write_losses(target: str, found: list[Summary], folder: Path, command: str) -> list[Path]:
    """fig3 and fig5: losses over the epochs."""
    path = folder / f"{target}.png"
    figures.draw_losses(found, f"Figure {target[3:]}: {_task(target)}, losses", path)
    keys = ("seed", "train_loss", "test_loss")
    return [path, write_json(folder / f"{target}.json", command, found, keys)]


def write_predictions(target: str, found: list[Summary], folder: Path, command: str) -> list[Path]:
    """fig4 and fig6: predictions of the first seed beside the truth."""
    path = folder / f"{target}.png"
    data = dataset(found[0].row.config)
    title = f"Figure {target[3:]}: {_task(target)}"
    figures.draw_predictions(found, data, title, path)
    first = [Summary(summary.row, summary.cells[:1]) for summary in found]
    keys = ("seed", "test_r2", "train_prediction", "test_prediction")
    return [path, write_json(folder / f"{target}.json", command, first, keys)]


def write_literature(target: str, found: list[Summary], folder: Path, command: str) -> list[Path]:
    """The five columns: JSON, Markdown and a figure."""
    report = literature_text(found, command)
    figure = folder / f"{target}.png"
    figures.draw_errors(report.columns, report.lines, figure)
    return [
        write_json(folder / f"{target}.json", command, found, SCORES, **report.extra),
        write_markdown(folder / f"{target}.md", report.text),
        figure,
    ]


def write_concentration(
    target: str, found: list[Summary], folder: Path, command: str
) -> list[Path]:
    """Variances and gradient norms against qubits and depth: JSON, Markdown and a figure."""
    by_name = {summary.row.name: summary for summary in found}
    parts = []
    for key, title in (
        ("variance", "Variance of expectation values over the samples"),
        ("gradient_norm", "Gradient norm of a gate"),
    ):
        rows = [
            (
                ansatz,
                scale,
                str(depth),
                *(
                    f"{figures.mean_diagnostic(by_name[_row(ansatz, scale, depth, q)], key):.1e}"
                    for q in QUBITS
                ),
            )
            for ansatz in ANSAETZE
            for scale in SCALES
            for depth in DEPTHS
        ]
        head = ("ansatz", "angles", "depth", *(f"{q} qubits" for q in QUBITS))
        parts.append(f"## {title}\n\n{table(head, rows)}")
    text = (
        f"# Concentration and gradients before training\n\n`{command}`\n\n"
        "Centric models on the damped pendulum, the whole training part as one batch, geometric "
        f"means over {len(found[0].cells)} seeds of the mean over the four gates.\n\n"
        + "\n\n".join(parts)
        + "\n"
    )
    figure = folder / f"{target}.png"
    figures.draw_concentration(found, figure)
    return [
        write_json(folder / f"{target}.json", command, found, ("seed", "diagnostics")),
        write_markdown(folder / f"{target}.md", text),
        figure,
    ]


def write_json(
    path: Path, command: str, found: Sequence[Summary], keys: Iterable[str], **more: Any
) -> Path:
    """The rows with their settings and, of every seed, the keys."""
    content: Mapping[str, Any] = {
        "command": command,
        "versions": package_versions(),
        "rows": [summary.to_dict(keys) for summary in found],
        **more,
    }
    replace_text(path, json.dumps(content) + "\n")
    return path


def write_markdown(path: Path, text: str) -> Path:
    """A text file."""
    replace_text(path, text)
    return path


def _task(target: str) -> str:
    return TITLES[STUDY_OF[target]].partition(": ")[2]


def _row(ansatz: str, scale: str, depth: int, qubits: int) -> str:
    return f"{ansatz}, {scale}, depth {depth}, {qubits} qubits"
