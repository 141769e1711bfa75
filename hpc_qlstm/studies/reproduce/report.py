"""What a study says: its rows with their seeds, and the files that are written of them. Local."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.runs.checkpoint_format import package_versions
from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.studies.reproduce.rows import Row
from hpc_qlstm.studies.runner import Job, Result

STATISTICS = ("test_mse", "test_r2", "best_test_mse", "converged")
SCORES = ("seed", *STATISTICS, "weights", "qubits")
"""What the JSON files keep of every seed."""

BASELINES = {
    "constant": "constant (mean of the training part)",
    "last_value": "last value",
    "linear": "linear autoregression (least squares)",
}


@dataclass(frozen=True)
class Summary:
    """Mean, standard deviation (of the sample) and best over seeds of one row.

    results: of its trials, in the order of the seeds.
    """

    row: Row
    results: list[Result]

    def first(self, key: str) -> Any:
        """What the first seed has; for what all seeds have in common."""
        return self.results[0][key]

    def values(self, key: str) -> NDArray[np.float64]:
        """One number of each seed."""
        return np.array([result[key] for result in self.results], dtype=np.float64)

    def mean(self, key: str = "test_mse") -> float:
        """The mean over seeds."""
        return float(self.values(key).mean())

    def std(self, key: str = "test_mse") -> float:
        """The standard deviation over seeds; 0 of a single one."""
        values = self.values(key)
        return float(values.std(ddof=1)) if values.size > 1 else 0.0

    def statistics(self, key: str) -> dict[str, float]:
        """What the JSON file says of one number over seeds."""
        least, most = (float(each) for each in (self.values(key).min(), self.values(key).max()))
        return {"mean": self.mean(key), "std": self.std(key), "min": least, "max": most}

    def to_dict(self, keys: Sequence[str]) -> dict[str, Any]:
        """The row as JSON: settings, statistics, and the keys of every seed."""
        return {
            "name": self.row.name,
            "published": dict(self.row.published),
            "config": self.row.config.to_dict(),
            "statistics": {key: self.statistics(key) for key in STATISTICS},
            "seeds": [{key: result[key] for key in keys} for result in self.results],
        }

    @property
    def error(self) -> str:
        """Mean and standard deviation of the test error; of a single seed the error."""
        spread = f" ± {self.std():.1e}" if len(self.results) > 1 else ""
        return f"{self.mean():.2e}{spread}"

    @property
    def qubits(self) -> str:
        """2 x 4, or 4 + 3."""
        qubits = self.first("qubits")
        if len(set(qubits)) == 1 and len(qubits) > 1:
            return f"{len(qubits)} x {qubits[0]}"
        return " + ".join(map(str, qubits))


Found = Mapping[str, Summary]
"""The rows of a study by their names, in their order."""


def summaries(rows: Sequence[Row], results: Sequence[Result]) -> Found:
    """Results by row; those of a row lie side by side, as many for each row."""
    seeds = len(results) // len(rows)
    return {
        row.name: Summary(row, list(results[k * seeds : (k + 1) * seeds]))
        for k, row in enumerate(rows)
    }


@dataclass(frozen=True)
class Report:
    """What is written of a study.

    found: the rows; keys: what the JSON file keeps of every seed; title and paragraphs: the
    Markdown file, where there is one; draw: makes the figure, where there is one; extra: more for
    the JSON file.
    """

    found: Found
    keys: Sequence[str] = SCORES
    title: str = ""
    paragraphs: Sequence[str] = ()
    draw: Callable[[Path], None] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def write(self, target: str, job: Job) -> list[Path]:
        """TARGET.json, .md and .png in the job's folder. Raises OSError."""
        path = job.folder / target
        files = [path.with_suffix(".json")]
        content = {
            "command": job.command,
            "versions": package_versions(),
            "rows": [summary.to_dict(self.keys) for summary in self.found.values()],
            **self.extra,
        }
        replace_text(files[0], json.dumps(content) + "\n")
        if self.title:
            files.append(path.with_suffix(".md"))
            text = [f"# {self.title}", f"`{job.command}`", *filter(None, self.paragraphs)]
            replace_text(files[-1], "\n\n".join(text) + "\n")
        if self.draw is not None:
            files.append(path.with_suffix(".png"))
            self.draw(files[-1])
        return files if self.title else files[::-1]


def seeds_of(found: Found) -> int:
    """How many seeds each row has."""
    return len(next(iter(found.values())).results)
