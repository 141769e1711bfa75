"""How well a model predicts: mean squared error and R2, also of windows that come in chunks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.data import Rows
from hpc_qlstm.distributed.model import PREDICTION_ROWS, DistributedModel


def mean_squared_error(prediction: Float, target: Float) -> float:
    """Mean of the squared differences over all values."""
    difference = prediction - target
    return float(np.mean(difference * difference))


def r_squared(prediction: Float, target: Float) -> float:
    """R2 = 1 - residual / total sum of squares; 0 for a constant target, which has no variance."""
    residual = float(np.sum((target - prediction) ** 2))
    total = float(np.sum((target - target.mean(axis=0)) ** 2))
    rounding = 1e-24 * float(np.sum(target**2))
    return 1.0 - residual / total if total > rounding else 0.0


class Scores:
    """Mean squared error and R2 of predictions and targets (n, ...) that are added in chunks.

    For a single chunk they are those of the functions above, bit for bit. Memory does not grow.
    """

    def __init__(self) -> None:
        self.mse = self.r2 = np.nan
        self._samples = self._numbers = 0
        self._residual = self._squares = 0.0
        self._mean: Float = np.zeros(1)
        self._deviations: Float = np.zeros(1)

    def add(self, prediction: Float, target: Float) -> None:
        """Add a chunk, in order."""
        before, count = self._samples, target.shape[0]
        self._samples += count
        self._numbers += target.size
        self._residual += float(np.sum((target - prediction) ** 2))
        self._squares += float(np.sum(target**2))
        mean = target.mean(axis=0)
        deviations = ((target - mean) ** 2).sum(axis=0)
        if not before:
            self._mean, self._deviations = mean, deviations
            self.mse = mean_squared_error(prediction, target)
            self.r2 = r_squared(prediction, target)
            return
        step = mean - self._mean
        self._mean = self._mean + step * (count / self._samples)
        between = step**2 * (before * count / self._samples)
        self._deviations = self._deviations + deviations + between
        self.mse = self._residual / self._numbers
        total = float(np.sum(self._deviations))
        self.r2 = 1.0 - self._residual / total if total > 1e-24 * self._squares else 0.0


def score(
    model: DistributedModel,
    flat: Float,
    read: Callable[[Rows], tuple[Float, Float]],
    count: int,
    step: tuple[int, ...],
    seen: Callable[[int, Float], None] = lambda first, prediction: None,
) -> Scores:
    """Predict windows 0 .. count-1 that `read` gives, PREDICTION_ROWS at a time. Collective.

    step: see `DistributedModel.predict`; seen: called with each chunk's first number and its
    predictions. Raises EngineError as `predict`.
    """
    scores = Scores()
    for k in range(0, count, PREDICTION_ROWS):
        x, y = read(slice(k, min(k + PREDICTION_ROWS, count)))
        prediction = model.predict(flat, x, step, first=k)
        scores.add(prediction, y)
        seen(k, prediction)
    return scores
