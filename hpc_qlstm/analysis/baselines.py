"""What predicts without a recurrent model: errors that a trained one has to beat."""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.data import Dataset
from hpc_qlstm.distributed.scores import mean_squared_error, r_squared

Scores = dict[str, float]


def baselines(data: Dataset) -> dict[str, Scores]:
    """Test mse (scaled, as in training) and r2 of the trivial predictors. Local.

    `constant`: the mean of the training targets. `last_value`: the newest value of each target in
    the window, where all targets are features too; absent otherwise. `linear`: the linear
    autoregression that fits the training part best (least squares), over the whole window, or over
    what of it is known at each step where every step has a target.
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
    """Predictions for the test part; those of step k are made from the steps up to k."""
    if data.train_y.ndim == 2:
        return _least_squares(data.train_x, data.train_y, data.test_x)
    steps = [
        _least_squares(data.train_x[:, : k + 1], data.train_y[:, k], data.test_x[:, : k + 1])
        for k in range(data.train_y.shape[1])
    ]
    return np.stack(steps, axis=1)


def _least_squares(x: Float, y: Float, test_x: Float) -> Float:
    """Predictions (n, d_y) for test_x (n, T, d_x), fitted on x and y."""

    def design(windows: Float) -> Float:
        return np.column_stack([windows.reshape(len(windows), -1), np.ones(len(windows))])

    prediction: Float = design(test_x) @ np.linalg.lstsq(design(x), y, rcond=None)[0]
    return prediction


def _last_values(data: Dataset) -> Float:
    """The targets' columns of the features, brought from the one scaling to the other."""
    columns = [data.feature_names.index(name) for name in data.target_names]
    newest = data.test_x if data.test_y.ndim == 3 else data.test_x[:, -1]
    return data.target_scaler.transform(data.feature_scaler.inverse(newest)[..., columns])
