"""A time series with named columns: what every data source returns and every window is cut from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hpc_qlstm.errors import InputError

Float = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Series:
    """Rows in time order: row k was observed at time[k].

    features (N, d_x), targets (N, d_y), time (N,), all float64 in the units of their source;
    one name per column. A forecast of a series from its own past has features equal to targets.
    d_y may be 0: a file to predict on need not hold the targets.
    Raises InputError where types, shapes and names do not fit together.
    """

    features: Float
    targets: Float
    time: Float
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]

    def __post_init__(self) -> None:
        rows = self.time.shape[0] if self.time.ndim == 1 else -1
        for kind, array, names in (
            ("features", self.features, self.feature_names),
            ("targets", self.targets, self.target_names),
        ):
            if array.shape != (rows, len(names)):
                raise InputError(
                    f"{kind} have shape {array.shape} and time {self.time.shape}; with the columns "
                    f"{list(names)} they must be (N, {len(names)}) and (N,)"
                )
        if any(a.dtype != np.float64 for a in (self.features, self.targets, self.time)):
            raise InputError("features, targets and time of a series must be float64 arrays")

    def __len__(self) -> int:
        return int(self.time.shape[0])


def validate(series: Series, *, source: str, for_training: bool = True) -> None:
    """Refuse a series that cannot be learnt from; `source` (a path, a task) opens each message.

    Refused are NaN and infinities, with the data row (1-based: row 1 is the first row of data, so
    line 2 of a CSV file) and the column; a time that runs backwards; and, unless `for_training` is
    False, constant columns and fewer than 2 rows. A trained model may be asked about one row or
    about a stretch where an input stands still, so prediction does without the last two.
    Raises InputError. Local, no side effects.
    """
    least = 2 if for_training else 1
    if len(series) < least:
        raise too_few_rows(source, len(series), least)
    for kind, array, names in (
        ("feature", series.features, series.feature_names),
        ("target", series.targets, series.target_names),
        ("time", series.time[:, None], ("time",)),
    ):
        if for_training and not names:
            raise InputError(f"{source}: there is no {kind} column")
        bad = np.argwhere(~np.isfinite(array))
        if bad.size:
            row, column = (int(index) for index in bad[0])
            value = array[row, column]
            raise not_finite(f"{source}: {kind} column {names[column]!r}", value, row, len(bad))
        if for_training and kind != "time":
            label = f"{source}: {kind} column"
            refuse_constant(array.min(axis=0), array.max(axis=0), names, label)
    # Windows are cut from consecutive rows: over a step back in time (rows out of order, two
    # recordings glued together) a window would mix what does not follow on each other.
    backwards = np.flatnonzero(np.diff(series.time) < 0)
    if backwards.size:
        row = int(backwards[0])
        raise runs_backwards(source, series.time[row], series.time[row + 1], row)


def refuse_constant(minimum: Float, maximum: Float, names: Sequence[str], label: str) -> None:
    """Raise InputError for the first column whose extrema (d,) are equal: it has a single value.

    Such a column carries no information and has no scale. `label` opens the message, before the
    name of the column.
    """
    constant = np.flatnonzero(maximum == minimum)
    if constant.size:
        column = int(constant[0])
        raise InputError(
            f"{label} {names[column]!r} is constant (always {minimum[column]:g}); "
            "leave it out or use data in which it varies"
        )


def too_few_rows(source: str, rows: int, least: int) -> InputError:
    """The refusal of so few rows."""
    return InputError(f"{source}: {rows} rows of data; at least {least} are needed")


def not_finite(label: str, value: float, row: int, count: int) -> InputError:
    """The refusal of `count` NaN or infinities, the first of them in row `row` (from 0)."""
    return InputError(
        f"{label} is {value} in data row {row + 1} (row 1 is the first row of data); {count} such "
        "values in all, every value must be finite"
    )


def runs_backwards(source: str, before: float, after: float, row: int) -> InputError:
    """The refusal of a time that falls after row `row` (from 0)."""
    return InputError(
        f"{source}: time runs backwards from {before:g} in data row {row + 1} to {after:g} in data "
        f"row {row + 2}; rows must be in order of time"
    )
