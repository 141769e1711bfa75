"""A cell of a study: one configuration with one seed, trained and scored. Local."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from time import perf_counter
from typing import Any

import numpy as np

from hpc_qlstm.build.setup import set_up
from hpc_qlstm.build.sources import build_dataset
from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config, DataConfig
from hpc_qlstm.config_io import load_config
from hpc_qlstm.data import Dataset
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.training.trainer import Trainer

BAND = 0.05
"""Half width of the band of `settling_epoch`, relative to the whole drop of the loss."""

Result = dict[str, Any]
"""What is stored of a cell: plain numbers and lists."""


@dataclass(frozen=True)
class Cell:
    """study and row say what is compared; config has the seed in it."""

    study: str
    row: str
    config: Config

    @property
    def seed(self) -> int:
        """The seed of the initial weights and of shuffling."""
        return self.config.training.seed

    @property
    def name(self) -> str:
        """A file name of its own for each cell of a study and each setting of it."""
        slug = "".join(c if c.isalnum() else "-" for c in self.row.lower())
        return f"{slug[:60]}-{self.seed}-{_hash(self.row + self.digest)[:10]}"

    @property
    def digest(self) -> str:
        """Changes with everything that decides what the cell computes."""
        given = self.config.to_dict()
        parts = {key: given[key] for key in ("model", "partition", "engine", "data", "training")}
        return _hash(json.dumps(parts, sort_keys=True))[:16]

    def run(self) -> Result:
        """Train and score it. Raises what training raises."""
        start = perf_counter()
        data = dataset(self.config)
        trainer = Trainer(set_up(self.config, SerialCommunicator(), data))
        for _ in range(self.config.training.epochs):
            trainer.run_epoch()
        model, history = trainer.model.model, trainer.state.history
        test = [record["test_loss"] for record in history]
        predictions = [
            _short(_last(trainer.model.predict(trainer.state.weights, x)))
            for x in (data.train_x, data.test_x)
        ]
        for engine in trainer.model.local.engines:
            engine.close()
        linear = self.config.model.gates == "linear"
        return {
            "study": self.study,
            "row": self.row,
            "seed": self.seed,
            "digest": self.digest,
            "weights": model.layout.size,
            "qubits": [] if linear else list(model.partition.qubits),
            "test_mse": test[-1],
            "test_r2": history[-1]["test_r2"],
            "best_test_mse": min(test),
            "converged": settling_epoch(test),
            "train_loss": _short([record["train_loss"] for record in history]),
            "test_loss": _short(test),
            "diagnostics": history[0]["diagnostics"],
            "train_prediction": predictions[0],
            "test_prediction": predictions[1],
            "seconds": round(perf_counter() - start, 3),
        }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def settling_epoch(losses: Sequence[float]) -> int:
    """The first epoch from which the loss stays within a band around where it ends.

    The band is BAND times the whole drop from the first epoch to the last; the paper speaks of
    'testing epoch convergence' without a definition, and this is control theory's settling time.
    """
    last = losses[-1]
    band = BAND * abs(losses[0] - last)
    outside = [k for k, loss in enumerate(losses) if abs(loss - last) > band]
    return outside[-1] + 2 if outside else 1


def dataset(config: Config) -> Dataset:
    """The windows of a configuration, made once for all its seeds."""
    return _dataset(config.data.model_dump_json(), config.model.sequence)


@lru_cache(maxsize=64)
def _dataset(data: str, sequence: bool) -> Dataset:
    section = DataConfig.model_validate_json(data).model_dump(exclude_none=True)
    return build_dataset(load_config({"data": section, "model": {"sequence": sequence}}))


def _last(values: Float) -> Float:
    """The first target at the last step."""
    return values[:, -1, 0] if values.ndim == 3 else values[:, 0]


def _short(values: Sequence[float] | Float) -> list[float]:
    return [float(f"{value:.5g}") for value in np.asarray(values).tolist()]
