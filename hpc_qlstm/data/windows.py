"""Cutting a series into windows, splitting them into a training and a test part, scaling both.

Window i reads the feature rows i .. i+T-1 and predicts the target row i+T-1+horizon.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hpc_qlstm.data.scaling import Scaler
from hpc_qlstm.data.series import Float, Series, validate
from hpc_qlstm.errors import InputError

FIT_SCALER_ON = ("train", "all")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Windows ready for training: C-contiguous float64, scaled, in order of time.

    train_x (n, T, d_x); train_y (n, d_y), or (n, T, d_y) with a target at every step; test_x and
    test_y alike; train_time and test_time (n,) are the times of the (last) target of each window,
    in the units of the series. The scalers bring predictions back to their own units.
    """

    train_x: Float
    train_y: Float
    test_x: Float
    test_y: Float
    train_time: Float
    test_time: Float
    feature_scaler: Scaler
    target_scaler: Scaler
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PredictionWindows:
    """All windows of a series, whether or not their target has been observed.

    x (n, T, d_x) scaled, C-contiguous; targets (n, d_y) or (n, T, d_y) in their own units, NaN
    beyond the data; time (n,) of the (last) target. Beyond the data the time goes on in steps of
    the last observed one.
    """

    x: Float
    targets: Float
    time: Float


def make_dataset(
    series: Series,
    *,
    window: int,
    horizon: int = 1,
    train_fraction: float = 0.67,
    scaler: Literal["minmax", "standard", "none"] = "minmax",
    scaler_range: tuple[float, float] = (-1.0, 1.0),
    fit_scaler_on: Literal["train", "all"] = "train",
    validation_fraction: float = 0.0,
    sequence: bool = False,
) -> Dataset:
    """Windows of length T = `window`, the first int(train_fraction * n) for training.

    There are n = N - window - horizon + 1 windows in a series of N rows. With `sequence`, step k of
    window i has a target of its own, row i+k+horizon. The scalers are fitted on the rows that a
    training window uses as input or target, 0 .. n_train+window+horizon-2, so nothing of the test
    part leaks into training; `fit_scaler_on="all"` fits on the whole series as the published
    results do. With `validation_fraction` the last such part of the training windows takes the
    place of the test part, which is left out. Local, no communication.
    Raises InputError for a series that `validate` refuses, arguments out of range, and a series
    too short for one window in each part, saying how many rows are needed.
    """
    validate(series, source="series")
    _check_size("window", window)
    _check_size("horizon", horizon)
    if fit_scaler_on not in FIT_SCALER_ON:
        raise InputError(
            f"fit_scaler_on: {fit_scaler_on!r} was given, allowed are {', '.join(FIT_SCALER_ON)}"
        )
    n_train, n = _split(len(series), window, horizon, train_fraction)
    if validation_fraction:
        n_train, n = _validation_split(n_train, validation_fraction)
    fitted = slice(0, n_train + window + horizon - 1 if fit_scaler_on == "train" else None)
    feature_scaler = Scaler.fit(series.features[fitted], series.feature_names, scaler, scaler_range)
    target_scaler = Scaler.fit(series.targets[fitted], series.target_names, scaler, scaler_range)

    x = _input_windows(feature_scaler.transform(series.features), window)[:n]
    rows = _target_rows(n, window, horizon, sequence)
    y = target_scaler.transform(series.targets)[rows]
    y, time = y[:n], series.time[window - 1 + horizon :][:n]
    return Dataset(
        train_x=x[:n_train].copy(),
        train_y=y[:n_train].copy(),
        test_x=x[n_train:].copy(),
        test_y=y[n_train:].copy(),
        train_time=time[:n_train].copy(),
        test_time=time[n_train:].copy(),
        feature_scaler=feature_scaler,
        target_scaler=target_scaler,
        feature_names=series.feature_names,
        target_names=series.target_names,
    )


def windows_for_prediction(
    series: Series,
    *,
    window: int,
    horizon: int = 1,
    feature_scaler: Scaler,
    sequence: bool = False,
) -> PredictionWindows:
    """All n = N - window + 1 windows of a series, scaled with a trained model's scaler.

    The last `horizon` windows predict rows beyond the data. Local, no communication.
    Raises InputError for NaN and infinities, a number of features that is not the scaler's, and
    fewer rows than one window needs.
    """
    validate(series, source="series", for_training=False)
    _check_size("window", window)
    _check_size("horizon", horizon)
    n = len(series) - window + 1
    if n < 1:
        raise InputError(f"{len(series)} rows are too few to predict: a window takes {window} rows")
    if feature_scaler.columns != len(series.feature_names):
        raise InputError(
            f"the series has the {len(series.feature_names)} features "
            f"{list(series.feature_names)}, the model was trained on {feature_scaler.columns}"
        )
    beyond = np.full((horizon, series.targets.shape[1]), np.nan)
    targets = np.concatenate([series.targets, beyond])
    step = series.time[-1] - series.time[-2] if len(series) > 1 else 1.0
    time = np.concatenate([series.time, series.time[-1] + step * np.arange(1, horizon + 1)])
    return PredictionWindows(
        x=_input_windows(feature_scaler.transform(series.features), window),
        targets=targets[_target_rows(n, window, horizon, sequence)],
        time=time[window - 1 + horizon :],
    )


def _input_windows(features: Float, window: int) -> Float:
    """Every run of `window` consecutive rows of features (N, d): (N - window + 1, window, d)."""
    view = np.lib.stride_tricks.sliding_window_view(features, window, axis=0)
    return np.ascontiguousarray(view.swapaxes(1, 2))


def _target_rows(n: int, window: int, horizon: int, sequence: bool) -> npt.NDArray[np.intp]:
    """Row of the target of each window (n,), or of each step of each window (n, window)."""
    first = np.arange(n)
    if sequence:
        return first[:, None] + np.arange(window) + horizon
    return first + window - 1 + horizon


def _split(rows: int, window: int, horizon: int, train_fraction: float) -> tuple[int, int]:
    """How many windows there are for training, and how many in all."""
    if not isinstance(train_fraction, numbers.Real) or not 0.001 <= train_fraction <= 0.999:
        raise InputError(
            f"train_fraction: {train_fraction!r} was given, allowed is a number from 0.001 to 0.999"
        )
    fraction = float(train_fraction)

    def train_windows(n: int) -> int:
        # 0.29 * 100 is 28.999999999999996: a product that is whole but for rounding counts as such.
        return min(math.floor(fraction * n + 1e-9), n - 1)

    n = rows - window - horizon + 1
    n_train = train_windows(n) if n > 0 else 0
    if n_train < 1:
        least = max(2, math.ceil((1 - 1e-9) / fraction))
        raise InputError(
            f"{rows} rows are too few: with window {window}, horizon {horizon} and train_fraction "
            f"{fraction:g}, at least {least + window + horizon - 1} rows are needed for one window "
            "to train and one to test on"
        )
    return n_train, n


def _validation_split(windows: int, fraction: float) -> tuple[int, int]:
    """How many of the training windows are left for training, and how many there are."""
    if not isinstance(fraction, numbers.Real) or not 0 < fraction < 1:
        raise InputError(
            f"validation_fraction: {fraction!r} was given, allowed is a number from 0 to below 1"
        )
    tail = math.floor(float(fraction) * windows + 1e-9)
    if not 0 < tail < windows:
        raise InputError(
            f"validation_fraction: {fraction:g} of {windows} training windows leaves {tail} to "
            "validate on, allowed: at least one, and one to train on"
        )
    return windows - tail, windows


def _check_size(name: str, given: object) -> None:
    if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < 1:
        raise InputError(f"{name}: {given!r} was given, allowed is an integer of at least 1")
