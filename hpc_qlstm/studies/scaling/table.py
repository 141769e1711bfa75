"""The table of a scaling study: cells of a point put together, speed-up, bits. Local."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpc_qlstm.config import Config
from hpc_qlstm.distributed.rank_reports import SHARES
from hpc_qlstm.studies.markdown import table as markdown_table
from hpc_qlstm.studies.scaling.measure import Result
from hpc_qlstm.studies.scaling.plan import Cell, Point

Predict = Callable[[Config, int], float | None]
"""Seconds of a step of a configuration on so many ranks, by a model; None where it cannot say."""

Measured = Sequence[tuple[Cell, Result]]

HEADER = (
    "P", "grid", "M", "q", "B", "T", "threads", "variant", "step ms", "min ms", "max ms",
    "speed-up", "efficiency", "compute %", "communication %", "waiting %", "rest %",
    "predicted ms", "error %", "bits",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A point of the study.

    grid: replicas and ranks of a row; step: seconds of a training step, median, least and largest
    over repeats of each repeat's median; shares: of the slowest rank's epoch, by SHARES, their sum
    is 1; speed_up and efficiency: against the variant's fewest ranks; predicted: seconds, by a
    model; identical: whether its losses are those of the same model everywhere.
    """

    point: Point
    grid: tuple[int, int]
    partitions: int
    qubits: tuple[int, ...]
    step: tuple[float, float, float]
    speed_up: float
    efficiency: float
    shares: dict[str, float]
    predicted: float | None
    identical: bool

    def cells(self) -> tuple[str, ...]:
        """The row's text under HEADER."""
        config = self.point.config
        predicted = error = ""
        if self.predicted is not None:
            predicted = _milliseconds(self.predicted)
            error = f"{100 * (self.predicted / self.step[0] - 1):+.1f}"
        return (
            str(self.point.ranks),
            f"{self.grid[0]} x {self.grid[1]}",
            str(self.partitions),
            _qubits(self.qubits),
            str(config.training.batch_size),
            str(config.data.window),
            str(config.engine.threads),
            self.point.variant,
            *map(_milliseconds, self.step),
            f"{self.speed_up:.2f}",
            f"{self.efficiency:.2f}",
            *(f"{100 * self.shares[name]:.1f}" for name in SHARES),
            predicted,
            error,
            "identical" if self.identical else "DIFFER",
        )

    def to_dict(self) -> dict[str, Any]:
        """The row with all digits."""
        return {
            "ranks": self.point.ranks,
            "variant": self.point.variant,
            "grid": list(self.grid),
            "partitions": self.partitions,
            "qubits": list(self.qubits),
            "step_seconds": dict(zip(("median", "min", "max"), self.step, strict=True)),
            "speed_up": self.speed_up,
            "efficiency": self.efficiency,
            "shares": self.shares,
            "predicted_seconds": self.predicted,
            "identical": self.identical,
            "config": self.point.config.to_dict(),
        }


def make_rows(
    kind: str, points: Sequence[Point], measured: Measured, predict: Predict | None = None
) -> list[Row]:
    """One row a point, in the order of the points, from the cells of all of them."""
    different = {cell.name for cell, _, _ in differences(measured)}
    of_point: dict[int, list[tuple[Cell, Result]]] = {}
    for cell, result in measured:
        if cell.timed:
            of_point.setdefault(points.index(cell.point), []).append((cell, result))
    medians = {
        number: [result["step_seconds"]["median"] for _, result in found]
        for number, found in of_point.items()
    }
    rows = []
    for number, point in enumerate(points):
        found, seconds = of_point[number], medians[number]
        first = min(
            (k for k, other in enumerate(points) if other.variant == point.variant),
            key=lambda k: points[k].ranks,
        )
        step, begin = float(np.median(seconds)), points[first].ranks
        ratio = float(np.median(medians[first])) / step
        if kind == "strong":
            speed_up, efficiency = begin * ratio, begin * ratio / point.ranks
        else:  # the work has grown with the ranks
            speed_up, efficiency = point.ranks * ratio, ratio
        total = {name: sum(result["slowest"][name] for _, result in found) for name in SHARES}
        whole = sum(total.values())
        any_result = found[0][1]
        rows.append(
            Row(
                point,
                (any_result["grid"][0], any_result["grid"][1]),
                any_result["partitions"],
                tuple(any_result["qubits"]),
                (step, min(seconds), max(seconds)),
                speed_up,
                efficiency,
                {name: total[name] / whole for name in SHARES},
                predict(point.config, point.ranks) if predict else None,
                not any(cell.name in different for cell, _ in found),
            )
        )
    return rows


def differences(measured: Measured) -> Iterator[tuple[Cell, Cell, str]]:
    """Cells whose losses are not those of the same model's first cell: the cell, the first one,
    and what differs first. What both have is compared."""
    models: dict[str, list[tuple[Cell, Result]]] = {}
    for cell, result in measured:
        models.setdefault(cell.model, []).append((cell, result))
    for same in models.values():
        # One that is run for comparison alone has fewer losses, and stands for the others.
        same.sort(key=lambda each: (each[0].timed, each[0].point.ranks, each[0].repeat))
        (first, expected), *others = same
        for cell, result in others:
            if what := _first_difference(expected["losses"], result["losses"]):
                yield cell, first, what


def difference_text(measured: Measured) -> list[str]:
    """One sentence for each cell whose losses differ."""
    return [
        f"{cell.title}: {what} is not that of {first.title}"
        for cell, first, what in differences(measured)
    ]


def _first_difference(expected: dict[str, list[str]], given: dict[str, list[str]]) -> str:
    """What differs first, of the parts that both have, by the order of time; or nothing."""
    found = [
        (part != "batches", number, part)
        for part, losses in expected.items()
        for number, (one, other) in enumerate(zip(losses, given[part], strict=False), start=1)
        if one != other
    ]
    if not found:
        return ""
    _, number, part = min(found)
    value = given[part][number - 1]
    if part == "batches":
        return f"the loss of batch {number} ({value})"
    name = "training" if part == "train" else part
    return f"the {name} loss of epoch {number} ({value})"


def csv_text(rows: Sequence[Row]) -> str:
    """The table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([HEADER, *(row.cells() for row in rows)])
    return text.getvalue()


def markdown_text(rows: Sequence[Row]) -> str:
    """The table as Markdown, without the columns that no row has anything in."""
    cells = [row.cells() for row in rows]
    kept = [k for k in range(len(HEADER)) if any(row[k] for row in cells)]
    return markdown_table([HEADER[k] for k in kept], ([row[k] for k in kept] for row in cells))


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.4g}"


def _qubits(qubits: Sequence[int]) -> str:
    """4, or 3..4."""
    if not qubits:
        return ""
    low, high = min(qubits), max(qubits)
    return str(low) if low == high else f"{low}..{high}"


def by_variant(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each variant, by number of ranks."""
    names = list(dict.fromkeys(row.point.variant for row in rows))
    groups = [[row for row in rows if row.point.variant == name] for name in names]
    return [sorted(group, key=lambda row: row.point.ranks) for group in groups]
