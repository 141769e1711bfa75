"""What predicts without a recurrent model: errors that a trained one has to beat."""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.data import Dataset
from hpc_qlstm.training.metrics import mean_squared_error, r_squared

Scores = dict[str, float]


def baselines(data: Dataset) -> dict[str, Scores]:
    """Test mse (scaled, as in training) and r2 of the trivial predictors. Local.

    `constant`: the mean of the training targets. `last_value`: the newest value of each target in
    the window, where all targets are features too; absent otherwise. `linear`: the linear
    autoregression over a whole window that fits the training part best (least squares).
    """
    targets = data.train_y.shape[-1]
    mean = data.train_y.reshape(-1, targets).mean(axis=0)
    predictors = {"constant": np.broadcast_to(mean, data.test_y.shape)}
    if set(data.target_names) <= set(data.feature_names):
        predictors["last_value"] = _last_values(data)
    predictors["linear"] = _linear(data)
    return {
        name: {
            "mse": mean_squared_error(prediction, data.test_y),
            "r2": r_squared(prediction, data.test_y),
        }
        for name, prediction in predictors.items()
    }


def _linear(data: Dataset) -> Float:
    """Predictions for the test part, of every step where there is a target at every step."""

    def design(x: Float) -> Float:
        flat = x.reshape(x.shape[0], -1)
        return np.concatenate([flat, np.ones((x.shape[0], 1))], axis=1)

    targets = data.train_y.reshape(data.train_y.shape[0], -1)
    weights = np.linalg.lstsq(design(data.train_x), targets, rcond=None)[0]
    prediction: Float = (design(data.test_x) @ weights).reshape(data.test_y.shape)
    return prediction


def _last_values(data: Dataset) -> Float:
    """The targets' columns of the features, brought from the one scaling to the other."""
    columns = [data.feature_names.index(name) for name in data.target_names]
    sequence = data.test_y.ndim == 3
    newest = data.test_x if sequence else data.test_x[:, -1]
    values = data.feature_scaler.inverse(newest)[..., columns]
    scaled: Float = data.target_scaler.transform(values)
    return scaled
