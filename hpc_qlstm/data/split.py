"""Which windows of a series train and which test: arithmetic on row numbers, no data.

Window i reads the feature rows i .. i+T-1 and predicts the target row i+T-1+horizon; where every
step has a target, step k predicts row i+k+horizon.
"""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpc_qlstm.errors import InputError

Index = npt.NDArray[np.int64]
Rows = slice | Index
"""Numbers of windows."""


@dataclass(frozen=True)
class Split:
    """The windows of a series of `rows` rows: `train` of them to train on, from number 0, and the
    next ones, up to `total`, to test on; of these `tested`, evenly spread, are used.

    window and horizon are in rows; sequence: a target at every step.
    """

    rows: int
    window: int
    horizon: int
    sequence: bool
    train: int
    total: int
    tested: int

    @property
    def fitted(self) -> int:
        """Rows, from the first, that training windows use as input or target."""
        return self.train + self.window + self.horizon - 1

    @property
    def test_rows(self) -> Rows:
        """Numbers of the test windows that are used."""
        if self.tested == self.total - self.train:
            return slice(self.train, self.total)
        return self.train + spread(self.total - self.train, self.tested)


def spread(count: int, wanted: int) -> Index:
    """`wanted` numbers of 0 .. count-1, evenly spread from 0 on, in order."""
    return np.arange(wanted, dtype=np.int64) * count // wanted


def split_windows(
    rows: int,
    *,
    window: int,
    horizon: int = 1,
    train_fraction: float = 0.67,
    validation_fraction: float = 0.0,
    test_windows: int = 0,
    sequence: bool = False,
) -> Split:
    """The split that `make_dataset` describes. Raises InputError as it does. Local."""
    check_size("window", window)
    check_size("horizon", horizon)
    train, total = _split(rows, window, horizon, train_fraction)
    if validation_fraction:
        train, total = _validation_split(train, validation_fraction)
    there = total - train
    if not 0 <= test_windows <= there:
        raise InputError(
            f"test_windows: {test_windows!r} was given, but there are {there} windows to test on; "
            f"allowed: at most {there}, or 0 for all"
        )
    return Split(rows, window, horizon, sequence, train, total, test_windows or there)


def _split(rows: int, window: int, horizon: int, train_fraction: float) -> tuple[int, int]:
    """How many windows there are for training, and how many in all."""
    if not isinstance(train_fraction, numbers.Real) or not 0.001 <= train_fraction <= 0.999:
        raise InputError(
            f"train_fraction: {train_fraction!r} was given, allowed is a number from 0.001 to 0.999"
        )
    fraction, n = float(train_fraction), rows - window - horizon + 1
    # 0.29 * 100 is 28.999999999999996: a product that is whole but for rounding counts as such.
    n_train = min(math.floor(fraction * n + 1e-9), n - 1) if n > 0 else 0
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


def check_size(name: str, given: object) -> None:
    """Refuse what is not a whole number of at least 1."""
    if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < 1:
        raise InputError(f"{name}: {given!r} was given, allowed is an integer of at least 1")
