"""Scaling of columns to the range that angles like, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpc_qlstm.data.series import Float, refuse_constant
from hpc_qlstm.errors import InputError

KINDS = ("minmax", "standard", "none")


@dataclass(frozen=True, eq=False)
class Summary:
    """What a scaler must know of `count` rows: extrema, mean and sum of squared deviations from
    it, each (d,). Rows that come in pieces have theirs merged; extrema are exact, mean and
    deviations may then differ in their last digits from those of all rows at once.
    """

    count: int
    minimum: Float
    maximum: Float
    mean: Float
    squares: Float

    @classmethod
    def of(cls, values: Float) -> Summary:
        """The summary of values (N, d), N > 0."""
        with np.errstate(all="ignore"):  # what cannot be scaled is refused by its name, later
            mean = values.mean(axis=0)
            squares = ((values - mean) ** 2).sum(axis=0)
        return cls(values.shape[0], values.min(axis=0), values.max(axis=0), mean, squares)

    def merged(self, other: Summary) -> Summary:
        """The summary of both's rows."""
        count = self.count + other.count
        with np.errstate(all="ignore"):
            step = other.mean - self.mean
            mean = self.mean + step * (other.count / count)
            between = step**2 * (self.count * (other.count / count))
            squares = self.squares + other.squares + between
        minimum = np.minimum(self.minimum, other.minimum)
        return Summary(count, minimum, np.maximum(self.maximum, other.maximum), mean, squares)


@dataclass(frozen=True, eq=False)
class Scaler:
    """scaled = (x - offset) * factor, column by column; one form for every kind.

    offset (d,) in the units of the column, factor (d,) in one over these units, finite and
    not zero. Build one with `Scaler.fit`; a checkpoint stores the two arrays.
    Raises InputError for arrays of other shapes or values.
    """

    kind: str
    offset: Float
    factor: Float

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        if self.offset.ndim != 1 or self.offset.shape != self.factor.shape:
            raise InputError(
                f"scaler: offset has shape {self.offset.shape} and factor {self.factor.shape}; "
                "both must be (d,)"
            )
        if not (np.isfinite(self.offset).all() and np.isfinite(self.factor).all()):
            raise InputError("scaler: offset and factor must be finite")
        if not self.factor.all():
            raise InputError("scaler: factor must not be zero")

    @classmethod
    def fit(
        cls,
        values: Float | Summary,
        names: Sequence[str],
        kind: str = "minmax",
        output_range: tuple[float, float] = (-1.0, 1.0),
    ) -> Scaler:
        """The scaler of values (N, d), or of their summary, with the given column names.

        `minmax` maps each column's minimum and maximum to the ends of `output_range`; `standard`
        gives mean 0 and (population) standard deviation 1; `none` changes nothing.
        Raises InputError for an unknown kind, a range that is not low < high, and a column that is
        constant or spans more than float64 can hold, by its name.
        """
        _check_kind(kind)
        rows = values if isinstance(values, Summary) else Summary.of(values)
        minimum, maximum = rows.minimum, rows.maximum
        if kind == "none":
            return cls(kind, np.zeros(len(minimum)), np.ones(len(minimum)))
        refuse_constant(minimum, maximum, names, "cannot scale: in the rows to fit on, column")
        with np.errstate(all="ignore"):
            if kind == "minmax":
                low, high = _check_range(output_range)
                span = maximum - minimum
                factor = (high - low) / span
                offset = minimum - low * (span / (high - low))
            else:
                offset, factor = rows.mean, 1.0 / np.sqrt(rows.squares / rows.count)
        usable = np.isfinite(offset) & np.isfinite(factor) & (factor > 0)
        if not usable.all():
            column = int(np.flatnonzero(~usable)[0])
            raise InputError(
                f"cannot scale: column {names[column]!r} runs from {minimum[column]:g} to "
                f"{maximum[column]:g}, which double precision cannot scale"
            )
        return cls(kind, offset, factor)

    @property
    def columns(self) -> int:
        """The number of columns d."""
        return int(self.offset.shape[0])

    def transform(self, values: Float) -> Float:
        """Values (..., d) in their own units to scaled values, same shape. Raises InputError."""
        self._check_columns(values)
        return np.asarray((values - self.offset) * self.factor, dtype=np.float64)

    def inverse(self, scaled: Float) -> Float:
        """Scaled values (..., d) back to their own units, same shape. Raises InputError."""
        self._check_columns(scaled)
        return np.asarray(scaled / self.factor + self.offset, dtype=np.float64)

    def _check_columns(self, values: Float) -> None:
        if values.ndim == 0 or values.shape[-1] != self.columns:
            raise InputError(
                f"scaler: values of shape {values.shape} were given to a scaler of "
                f"{self.columns} columns; the last axis must be {self.columns}"
            )


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise InputError(f"unknown scaler {kind!r}; known are {', '.join(KINDS)}")


def _check_range(output_range: tuple[float, float]) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in output_range)
    except (TypeError, ValueError):
        low, high = np.nan, np.nan
    if not (np.isfinite(high - low) and low < high):
        raise InputError(
            f"scaler range: {output_range!r} was given, allowed are two finite numbers, low < high"
        )
    return low, high
