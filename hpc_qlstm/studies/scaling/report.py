"""A scaling study's files: the table as CSV, JSON and Markdown, and the figure. Local."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.studies.markdown import table
from hpc_qlstm.studies.runner import Job
from hpc_qlstm.studies.scaling.figure import draw_scaling
from hpc_qlstm.studies.scaling.plan import partitions
from hpc_qlstm.studies.scaling.table import Measured, Row, difference_text

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome:
    """files: those written, none where trials are still missing; differing: a sentence for each
    trial whose losses are not those of the same model elsewhere."""

    files: list[Path]
    differing: list[str]


def csv_text(rows: Sequence[Row]) -> str:
    """The table as CSV."""
    text, cells = io.StringIO(), [row.cells() for row in rows]
    writer = csv.DictWriter(text, list(cells[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells)
    return text.getvalue()


def markdown_text(rows: Sequence[Row]) -> str:
    """The table as Markdown, without the columns that no row has anything in."""
    cells = [row.cells() for row in rows]
    kept = [name for name in cells[0] if any(each[name] for each in cells)]
    return table(kept, ([each[name] for name in kept] for each in cells))


def write(
    kind: str, rows: Sequence[Row], measured: Measured, notes: Sequence[str], job: Job
) -> Outcome:
    """The table as CSV, JSON, Markdown, and the figure, into the job's folder. Raises OSError."""
    results = [result for _, result in measured]
    places = _distinct(result["machine"] for result in results)
    notes = _distinct([*notes, *(note for result in results for note in result["warnings"])])
    differing = difference_text(measured)
    bits = "bits identical over all ranks, variants and repeats of the same model"
    bits = "; ".join(differing) or bits
    config = rows[0].config
    size = "M = P" if kind == "weak-partitions" else f"M = {partitions(config)}"
    fixed = f"of {config.training.batch_size}"
    batch = "grow with the replicas" if kind == "weak-samples" else fixed
    title = f"{kind} scaling: {config.data.source}, {size}, batches {batch}"
    content = {
        "kind": kind,
        "command": job.command,
        "versions": results[0]["versions"],
        "machines": places,
        "notes": notes,
        "bits": bits,
        "rows": [{**vars(row), "config": row.config.to_dict()} for row in rows],
        "cells": results,
    }
    hosts = max(result["hosts"] for result in results)
    where = [f"{each['processor']}, {each['cores']} cores, MPI: {each['mpi']}" for each in places]
    where.append(f"{hosts} host{'s' if hosts > 1 else ''}")
    lines = [f"# {title[0].upper()}{title[1:]}", "", f"    {job.command}", "", "; ".join(where)]
    lines += ["", markdown_text(rows), "", f"Losses: {bits}."]
    lines += ["", *(f"- {note}" for note in notes)] if notes else []
    path = job.folder / f"scaling-{kind}"
    texts = {
        path.with_suffix(".csv"): csv_text(rows),
        path.with_suffix(".json"): json.dumps(content, indent=1) + "\n",
        path.with_suffix(".md"): "\n".join(lines) + "\n",
    }
    for file, text in texts.items():
        replace_text(file, text)
    figure = path.with_suffix(".png")
    draw_scaling(kind, rows, figure, title)
    return Outcome([*texts, figure], differing)


def _distinct(items: Iterable[T]) -> list[T]:
    """Each item once, in the order in which they come first."""
    return list({json.dumps(item, sort_keys=True): item for item in items}.values())
