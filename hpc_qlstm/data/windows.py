"""Cutting a series into windows, splitting them into a training and a test part, scaling both.

Which rows a window reads and which it predicts: see `split`. Windows overlap, so an array of them
is a view of the rows, which takes 1/T of the memory that copies would.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from hpc_qlstm.data.scaling import Scaler
from hpc_qlstm.data.series import Float, Series, validate
from hpc_qlstm.data.split import Rows, Split, check_size, split_windows
from hpc_qlstm.errors import InputError

FIT_SCALER_ON = ("train", "all")
_CHUNK = 4096
"""Windows whose sums are taken at a time for a fingerprint."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Windows ready for training, in memory: float64, scaled, in order of time.

    train_x (n, T, d_x); train_y (n, d_y), or (n, T, d_y) with a target at every step; test_x and
    test_y alike; train_time and test_time (n,) are the times of the (last) target of each window,
    in the units of the series. The scalers bring predictions back to their own units. Arrays may be
    views of the rows that are read-only: windows share what they have in common.
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

    read_ahead = 1
    """Windows to ask for at once, where that is cheaper; 1 where it does not matter."""

    @property
    def window(self) -> int:
        """Time steps T of a window."""
        return self.train_x.shape[1]

    @property
    def input_size(self) -> int:
        """Features d_x."""
        return self.train_x.shape[2]

    @property
    def output_size(self) -> int:
        """Targets d_y."""
        return self.train_y.shape[-1]

    @property
    def train_count(self) -> int:
        """Windows to train on."""
        return self.train_x.shape[0]

    @property
    def test_count(self) -> int:
        """Windows to test on."""
        return self.test_x.shape[0]

    @property
    def fingerprint(self) -> Float:
        """Sizes, sums, weighted sums and scaling, by which a checkpoint recognizes the windows.

        Numbers rather than a hash, because another processor may round the last digit of a task's
        values differently. Makes no copy of all windows.
        """
        parts = [self.train_x, self.train_y, self.test_x, self.test_y]
        sizes = [float(n) for part in parts for n in part.shape]
        sums = []
        for part in parts:
            totals, width = np.zeros(3), part[0].size
            for k in range(0, len(part), _CHUNK):
                values = part[k : k + _CHUNK].ravel()
                ramp = np.arange(k * width, k * width + values.size) / max(1, part.size - 1)
                totals += [np.sum(values), np.sum(values**2), np.sum(ramp * values)]
            sums += (totals / part.size).tolist()
        scaling = scaling_numbers(self.feature_scaler, self.target_scaler)
        return np.concatenate([sizes, sums, scaling])

    def train(self, rows: Rows) -> tuple[Float, Float]:
        """Training windows x (n, T, d_x), maybe a view, and targets (n, d_y) or (n, T, d_y).

        Windows are numbered from 0 within their part. Where they are read from a file, raises
        InputError if that fails.
        """
        # Sums over targets must not depend on how these lie in memory, so they are contiguous.
        return self.train_x[rows], np.ascontiguousarray(self.train_y[rows])

    def test(self, rows: Rows) -> tuple[Float, Float]:
        """Test windows, as `train`."""
        return self.test_x[rows], np.ascontiguousarray(self.test_y[rows])

    def sample(self, train: Rows, test: Rows) -> Dataset:
        """Copies of some windows of both parts, with their times."""
        return replace(
            self,
            train_x=self.train_x[train].copy(),
            train_y=self.train_y[train].copy(),
            test_x=self.test_x[test].copy(),
            test_y=self.test_y[test].copy(),
            train_time=self.train_time[train].copy(),
            test_time=self.test_time[test].copy(),
        )

    def close(self) -> None:
        """Close files, where there are any; no windows can be read afterwards."""

    def timings(self) -> dict[str, float]:
        """`reading`: seconds spent since this was last asked; nothing for windows in memory."""
        return {}


@dataclass(frozen=True, eq=False)
class ScaledSeries(Series):
    """A series, scaled, with what is needed to cut it into a `Dataset`: what ranks exchange."""

    split: Split
    feature_scaler: Scaler
    target_scaler: Scaler

    def cut(self) -> Dataset:
        """The windows, as views; those of a test part that is sampled are copies. Local."""
        split = self.split
        train, test = slice(split.train), split.test_rows
        x = _windows(self.features, split.window)
        y = _target_windows(self.targets, split.window, split.horizon, split.sequence)
        time = self.time[split.window - 1 + split.horizon :]
        return Dataset(
            x[train],
            y[train],
            x[test],
            y[test],
            time[train],
            time[test],
            self.feature_scaler,
            self.target_scaler,
            self.feature_names,
            self.target_names,
        )


@dataclass(frozen=True, eq=False)
class PredictionWindows:
    """All windows of a series, whether or not their target has been observed.

    x (n, T, d_x) scaled; targets (n, d_y) or (n, T, d_y) in their own units, NaN beyond the data;
    both may be views of the rows; time (n,) of the (last) target. Beyond the data the time goes on
    in steps of the last observed one.
    """

    x: Float
    targets: Float
    time: Float


def make_dataset(
    series: Series,
    *,
    window: int,
    **options: Any,
) -> Dataset:
    """Windows of length T = `window`, the first int(train_fraction * n) for training.

    options: those of `scale_series` and `split_windows`, which have the defaults. There are
    n = N - window - horizon + 1 windows in a series of N rows. With `sequence`, step k of window i
    has a target of its own, row i+k+horizon. The scalers are fitted on the rows that a training
    window uses as input or target, 0 .. n_train+window+horizon-2, so nothing of the test part leaks
    into training; `fit_scaler_on="all"` fits on the whole series as the published results do. With
    `validation_fraction` the last such part of the training windows takes the place of the test
    part, which is left out. With `test_windows` that many of the test windows are used, evenly
    spread, instead of all. Local, no communication.
    Raises InputError for a series that `validate` refuses, arguments out of range, and a series
    too short for one window in each part, saying how many rows are needed.
    """
    return scale_series(series, window=window, **options).cut()


def scale_series(
    series: Series,
    *,
    window: int,
    scaler: Literal["minmax", "standard", "none"] = "minmax",
    scaler_range: tuple[float, float] = (-1.0, 1.0),
    fit_scaler_on: Literal["train", "all"] = "train",
    **options: Any,
) -> ScaledSeries:
    """The rows of `make_dataset`, before they are cut. options: those of `split_windows`."""
    validate(series, source="series")
    check_fit_on(fit_scaler_on)
    split = split_windows(len(series), window=window, **options)
    fitted = slice(split.fitted if fit_scaler_on == "train" else None)
    feature_scaler = Scaler.fit(series.features[fitted], series.feature_names, scaler, scaler_range)
    target_scaler = Scaler.fit(series.targets[fitted], series.target_names, scaler, scaler_range)
    return ScaledSeries(
        feature_scaler.transform(series.features),
        target_scaler.transform(series.targets),
        series.time,
        series.feature_names,
        series.target_names,
        split,
        feature_scaler,
        target_scaler,
    )


def scaling_numbers(*scalers: Scaler) -> Float:
    """Offsets and factors of scalers, one after the other."""
    return np.concatenate([part for scaler in scalers for part in (scaler.offset, scaler.factor)])


def check_fit_on(given: str) -> None:
    """Refuse what is no choice of rows to fit the scaling on."""
    if given not in FIT_SCALER_ON:
        raise InputError(
            f"fit_scaler_on: {given!r} was given, allowed are {', '.join(FIT_SCALER_ON)}"
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
    check_size("window", window)
    check_size("horizon", horizon)
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
        x=_windows(feature_scaler.transform(series.features), window),
        targets=_target_windows(targets, window, horizon, sequence)[:n],
        time=time[window - 1 + horizon :],
    )


def _windows(rows: Float, window: int) -> Float:
    """Every run of `window` rows (N, d) on end: a read-only view (N - window + 1, window, d)."""
    return np.lib.stride_tricks.sliding_window_view(rows, window, axis=0).swapaxes(1, 2)


def _target_windows(targets: Float, window: int, horizon: int, sequence: bool) -> Float:
    """The targets (n, d_y) of all windows, or (n, window, d_y) those of all their steps; a view."""
    if sequence:
        return _windows(targets[horizon:], window)
    return targets[window - 1 + horizon :]
