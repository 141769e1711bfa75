"""Studies: rows of models to compare, their cells, and what their seeds say together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hpc_qlstm.build.setup import build_plan
from hpc_qlstm.config import Config
from hpc_qlstm.config_io import load_config
from hpc_qlstm.errors import InputError
from hpc_qlstm.studies.reproduce.cells import Cell, Result, dataset

Settings = Mapping[str, Mapping[str, Any]]
"""Keys of a configuration by section."""


@dataclass(frozen=True)
class Row:
    """A model of a study. published: numbers of the literature to stand beside it, by name."""

    name: str
    config: Config
    published: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """Mean, standard deviation (of the sample) and best over seeds of one row."""

    row: Row
    cells: list[Result]

    def values(self, key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        """One number of each seed."""
        return np.array([cell[key] for cell in self.cells], dtype=np.float64)

    def mean(self, key: str) -> float:
        """The mean over seeds."""
        return float(self.values(key).mean())

    def std(self, key: str) -> float:
        """The standard deviation over seeds; 0 of a single one."""
        values = self.values(key)
        return float(values.std(ddof=1)) if values.size > 1 else 0.0

    def to_dict(self, keys: Iterable[str]) -> dict[str, Any]:
        """The row as JSON: settings, statistics, and the keys of every seed."""
        kept = list(keys)
        scores = ("test_mse", "test_r2", "best_test_mse", "converged")
        return {
            "name": self.row.name,
            "published": dict(self.row.published),
            "config": self.row.config.to_dict(),
            "statistics": {
                key: {
                    "mean": self.mean(key),
                    "std": self.std(key),
                    "min": float(self.values(key).min()),
                    "max": float(self.values(key).max()),
                }
                for key in scores
            },
            "seeds": [{key: cell[key] for key in kept} for cell in self.cells],
        }


def merged(*settings: Settings) -> dict[str, dict[str, Any]]:
    """Settings put together, later ones over earlier ones."""
    result: dict[str, dict[str, Any]] = {}
    for each in settings:
        for section, keys in each.items():
            result.setdefault(section, {}).update(keys)
    return result


def configured(overrides: Sequence[str], *settings: Settings) -> Config:
    """A configuration of settings put together; one thread, so that cells share processors.

    Raises InputError for overrides that are none.
    """
    return load_config(merged({"engine": {"threads": 1}}, *settings), overrides)


def check(row: Row) -> None:
    """Raise InputError, with the row's name, where it cannot be trained. Local."""
    try:
        data = dataset(row.config)
        build_plan(row.config, data.train_x.shape[2], data.train_y.shape[-1])
    except InputError as error:
        raise InputError(f"{row.name}: {error}") from None


def seeded(study: str, rows: Iterable[Row], seeds: int) -> list[Cell]:
    """The cells of rows, row by row, with seeds from the configured one on: equal work lies side by
    side."""
    cells = []
    for row in rows:
        first = row.config.training.seed
        for seed in range(first, first + seeds):
            training = row.config.training.model_copy(update={"seed": seed})
            cells.append(
                Cell(study, row.name, row.config.model_copy(update={"training": training}))
            )
    return cells


def summaries(rows: Sequence[Row], results: Sequence[Result]) -> list[Summary]:
    """Results of `seeded` cells by row."""
    per_row = len(results) // len(rows)
    return [
        Summary(row, list(results[k * per_row : (k + 1) * per_row])) for k, row in enumerate(rows)
    ]
