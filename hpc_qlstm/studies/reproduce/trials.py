"""A trial of a study: one model with one seed, trained and scored. Local."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config
from hpc_qlstm.studies import runner
from hpc_qlstm.studies.reproduce.rows import Row, dataset
from hpc_qlstm.studies.runner import Result, changed, digest_of, numerics
from hpc_qlstm.studies.training import trained_alone

BAND = 0.05
"""Half width of the band of `settling_epoch`, relative to the whole drop of the loss."""


@dataclass(frozen=True)
class Trial(runner.Trial):
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
        """The row's beginning, the seed, and letters that change with the settings."""
        slug = "".join(c if c.isalnum() else "-" for c in self.row.lower())
        return f"{slug[:60]}-{self.seed}-{digest_of(self.row + self.digest)[:10]}"

    @property
    def title(self) -> str:
        """The row and the seed."""
        return f"{self.row}, seed {self.seed}"

    @property
    def digest(self) -> str:
        """Of the settings that decide its numbers."""
        return digest_of(numerics(self.config))

    def news(self, result: Result) -> str:
        """The row and its error."""
        return f"{self.row}, test MSE {result['test_mse']:.3g}"

    def run(self) -> Result:
        """Train and score it. Raises what training raises."""
        start = perf_counter()
        data = dataset(self.config)
        trainer = trained_alone(self.config, data)
        model, weights, history = trainer.model, trainer.state.weights, trainer.state.history
        losses = {key: [record[key] for record in history] for key in ("train_loss", "test_loss")}
        predictions = {
            f"{part}_prediction": last_target(model.predict(weights, getattr(data, f"{part}_x")))
            for part in ("train", "test")
        }
        for engine in model.local.engines:
            engine.close()
        linear = self.config.model.gates == "linear"
        test = losses["test_loss"]
        return {
            "study": self.study,
            "row": self.row,
            "seed": self.seed,
            "weights": model.model.layout.size,
            "qubits": [] if linear else list(model.model.partition.qubits),
            "test_mse": test[-1],
            "test_r2": history[-1]["test_r2"],
            "best_test_mse": min(test),
            "converged": settling_epoch(test),
            **{key: _short(values) for key, values in losses.items()},
            "diagnostics": history[0]["diagnostics"],
            **{key: _short(values) for key, values in predictions.items()},
            "seconds": round(perf_counter() - start, 3),
        }


def trials_of(study: str, rows: Iterable[Row], seeds: int) -> list[Trial]:
    """The trials of rows, with seeds from the configured one on.

    Row by row: equal work lies side by side, so that ranks that take turns share it evenly.
    """
    return [
        Trial(study, row.name, changed(row.config, "training", seed=row.config.training.seed + k))
        for row in rows
        for k in range(seeds)
    ]


def settling_epoch(losses: Sequence[float]) -> int:
    """The first epoch from which the loss stays within a band around where it ends.

    The band is BAND times the whole drop from the first epoch to the last; the paper speaks of
    'testing epoch convergence' without a definition, and this is control theory's settling time.
    """
    values = np.asarray(losses)
    outside = np.flatnonzero(abs(values - values[-1]) > BAND * abs(values[0] - values[-1]))
    return int(outside[-1]) + 2 if outside.size else 1


def last_target(values: Float) -> Float:
    """The first target at the last step."""
    return values[:, -1, 0] if values.ndim == 3 else values[:, 0]


def _short(values: Sequence[float] | Float) -> list[float]:
    return [float(f"{value:.5g}") for value in np.asarray(values).tolist()]
