"""Windows that stay in an HDF5 file until they are needed."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import numpy as np

from hpc_qlstm.data.files import all_columns, check_columns
from hpc_qlstm.data.hdf5_table import Hdf5Table, Request
from hpc_qlstm.data.scaling import Scaler
from hpc_qlstm.data.scan import scan
from hpc_qlstm.data.series import Float, too_few_rows
from hpc_qlstm.data.split import Index, Rows, Split, split_windows
from hpc_qlstm.data.windows import Dataset, check_fit_on, scaling_numbers
from hpc_qlstm.errors import InputError

_AHEAD_BYTES = 16 << 20
"""Of windows that are read at once."""
_PROBES = 16
"""Rows by which a rank sees that it has opened rank 0's file."""


@dataclass(frozen=True, eq=False)
class StreamPlan:
    """What one rank has learnt of a file: all that others need to stream it.

    digest (32,): of the rows; probes (n, d): some of them. Small, to be sent to other ranks.
    """

    path: Path
    features: tuple[str, ...]
    targets: tuple[str, ...]
    time: str | None
    split: Split
    feature_scaler: Scaler
    target_scaler: Scaler
    bytes: int
    digest: Float
    probes: Float


def prepare_stream(
    path: Path,
    features: Sequence[str],
    targets: Sequence[str],
    time: str | None = None,
    *,
    window: int,
    scaler: Literal["minmax", "standard", "none"] = "minmax",
    fit_scaler_on: Literal["train", "all"] = "train",
    **options: Any,
) -> StreamPlan:
    """Read and check a whole file, a piece at a time, and fit the scaling. Local.

    options: those of `split_windows`. Columns are named, and rows refused, as by `files.load` and
    `make_dataset`; the scaling `minmax` is equal to theirs, `standard` may differ in last digits,
    because its sums are taken in pieces. Raises InputError.
    """
    check_columns(path, features, targets)
    check_fit_on(fit_scaler_on)
    with contextlib.closing(Hdf5Table(path, all_columns(features, targets, time))) as table:
        if table.rows < 2:
            raise too_few_rows(str(path), table.rows, 2)
        split = split_windows(table.rows, window=window, **options)
        fitted = split.fitted if fit_scaler_on == "train" else table.rows
        of_features, of_targets, digest = scan(table, features, targets, time, fitted)
        return StreamPlan(
            path,
            tuple(features),
            tuple(targets),
            time,
            split,
            Scaler.fit(of_features, features, scaler),
            Scaler.fit(of_targets, targets, scaler),
            table.bytes,
            digest,
            _probes(table),
        )


def _probes(table: Hdf5Table) -> Float:
    rows = np.linspace(0, table.rows - 1, min(_PROBES, table.rows)).astype(np.int64)
    return table.gather([Request(rows, 1, range(len(table.names)))])[0]


class StreamedData:
    """Windows read from the file of a plan when they are asked for, otherwise as in a `Dataset`.

    Local: each rank opens the file. Raises InputError where that fails, or the file is not the
    plan's.
    """

    def __init__(self, plan: StreamPlan) -> None:
        self.plan = plan
        self.feature_scaler, self.target_scaler = plan.feature_scaler, plan.target_scaler
        self.feature_names, self.target_names = plan.features, plan.targets
        check_columns(plan.path, plan.features, plan.targets)
        columns = all_columns(plan.features, plan.targets, plan.time)
        self._table = Hdf5Table(plan.path, columns)
        same = self._table.bytes == plan.bytes and self._table.rows == plan.split.rows
        if not same or not np.array_equal(_probes(self._table), plan.probes):
            self.close()
            raise InputError(
                f"{plan.path}: is not the same file on all ranks, or changed while it was read"
            )
        at = self._table.names.index
        self._features = [at(name) for name in plan.features]
        self._targets = [at(name) for name in plan.targets]
        self._seconds = 0.0
        self.window = plan.split.window
        self.input_size, self.output_size = len(plan.features), len(plan.targets)
        self.train_count, self.test_count = plan.split.train, plan.split.tested
        window_bytes = 8 * self.window * (self.input_size + self.output_size)
        self.read_ahead = max(1, _AHEAD_BYTES // window_bytes)

    @property
    def fingerprint(self) -> Float:
        """See Dataset."""
        split = self.plan.split
        sizes = (split.rows, split.window, split.horizon, split.train, split.total, split.tested)
        scaling = scaling_numbers(self.feature_scaler, self.target_scaler)
        return np.concatenate([np.array(sizes, dtype=np.float64), self.plan.digest, scaling])

    def train(self, rows: Rows) -> tuple[Float, Float]:
        """See Dataset."""
        return self._windows(_numbers(rows, self.train_count))

    def test(self, rows: Rows) -> tuple[Float, Float]:
        """See Dataset."""
        return self._windows(self._test_numbers(rows))

    def sample(self, train: Rows, test: Rows) -> Dataset:
        """See Dataset."""
        numbers = _numbers(train, self.train_count), self._test_numbers(test)
        (train_x, train_y), (test_x, test_y) = (self._windows(part) for part in numbers)
        train_time, test_time = (self._times(part) for part in numbers)
        return Dataset(
            train_x,
            train_y,
            test_x,
            test_y,
            train_time,
            test_time,
            self.feature_scaler,
            self.target_scaler,
            self.feature_names,
            self.target_names,
        )

    def timings(self) -> dict[str, float]:
        """See Dataset."""
        seconds, self._seconds = self._seconds, 0.0
        return {"reading": seconds}

    def close(self) -> None:
        """See Dataset."""
        self._table.close()

    def _test_numbers(self, rows: Rows) -> Index:
        split = self.plan.split
        used = split.test_rows
        if isinstance(used, slice):
            return split.train + _numbers(rows, self.test_count)
        return used[rows]

    def _windows(self, numbers: Index) -> tuple[Float, Float]:
        start = perf_counter()
        split = self.plan.split
        steps = split.window if split.sequence else 1
        inputs = Request(numbers, split.window, self._features)
        first = numbers + split.horizon + split.window - steps
        x, y = self._table.gather([inputs, Request(first, steps, self._targets)])
        x, y = self.feature_scaler.transform(x), self.target_scaler.transform(y)
        self._seconds += perf_counter() - start
        return x, y if split.sequence else y[:, 0]

    def _times(self, numbers: Index) -> Float:
        rows = numbers + self.plan.split.window - 1 + self.plan.split.horizon
        if self.plan.time is None:
            return rows.astype(np.float64)
        column = self._table.names.index(self.plan.time)
        return self._table.gather([Request(rows, 1, [column])])[0][:, 0, 0]


WindowSource = Dataset | StreamedData
"""Windows to train and to test on, in memory or in a file. Every rank has its own, all equal."""


def _numbers(rows: Rows, count: int) -> Index:
    if isinstance(rows, slice):
        return np.arange(*rows.indices(count), dtype=np.int64)
    return rows
