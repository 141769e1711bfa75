"""One pass over a table that is too large for the memory: what `validate` refuses, the scaling,
and a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import reduce

import numpy as np

from hpc_qlstm.data.hdf5_table import Hdf5Table
from hpc_qlstm.data.scaling import Summary
from hpc_qlstm.data.series import Float, not_finite, refuse_constant, runs_backwards


class _Columns:
    """Features, targets or time, piece by piece: what is wrong with them, and their summaries."""

    def __init__(self, kind: str, names: Sequence[str], columns: Sequence[int]) -> None:
        self._kind, self._names, self._columns = kind, names, list(columns)
        self._bad: tuple[int, int, float] | None = None
        self._bad_count = 0
        self._all: list[Summary] = []
        self._fitted: list[Summary] = []

    @property
    def fitted(self) -> Summary:
        """The summary of the rows for the scaling."""
        return reduce(Summary.merged, self._fitted)

    def add(self, begin: int, rows: Float, fitted: int) -> None:
        """Rows from number `begin` on, of which the first `fitted` are for the scaling."""
        values = rows[:, self._columns]
        bad = np.argwhere(~np.isfinite(values))
        self._bad_count += len(bad)
        if len(bad) and self._bad is None:
            row, column = bad[0].tolist()
            self._bad = begin + row, column, float(values[row, column])
        self._all.append(Summary.of(values))
        if fitted:
            whole = fitted >= len(values)
            self._fitted.append(self._all[-1] if whole else Summary.of(values[:fitted]))

    def check(self, source: str) -> None:
        """Raise InputError for values that are not finite and, but for times, constant columns."""
        if self._bad is not None:
            row, column, value = self._bad
            label = f"{source}: {self._kind} column {self._names[column]!r}"
            raise not_finite(label, value, row, self._bad_count)
        if self._kind != "time":
            rows, label = reduce(Summary.merged, self._all), f"{source}: {self._kind} column"
            refuse_constant(rows.minimum, rows.maximum, self._names, label)


def scan(
    table: Hdf5Table,
    features: Sequence[str],
    targets: Sequence[str],
    time: str | None,
    fitted: int,
) -> tuple[Summary, Summary, Float]:
    """Summaries of features and targets over the first `fitted` rows, and a digest of all rows.

    The digest is a SHA-256 of the table as 32 numbers. Raises InputError with `validate`'s messages
    for rows that it refuses. Local; holds one piece of the table at a time.
    """
    source, at = str(table.path), table.names.index
    parts = [
        _Columns("feature", features, [at(name) for name in features]),
        _Columns("target", targets, [at(name) for name in targets]),
    ]
    if time is not None:
        parts.append(_Columns("time", ["time"], [at(time)]))
    digest = hashlib.sha256()
    before, fall = -np.inf, None
    for begin, rows in table.pieces():
        digest.update(rows.data)
        for part in parts:
            part.add(begin, rows, max(0, fitted - begin))
        if time is None:
            continue
        clock = np.concatenate([[before], rows[:, at(time)]])
        down = np.flatnonzero(clock[1:] < clock[:-1])
        if fall is None and down.size:
            row = int(down[0])
            fall = float(clock[row]), float(clock[row + 1]), begin + row - 1
        before = clock[-1]
    for part in parts:
        part.check(source)
    if fall is not None:
        raise runs_backwards(source, *fall)
    found = np.frombuffer(digest.digest(), dtype=np.uint8).astype(np.float64)
    return parts[0].fitted, parts[1].fitted, found
