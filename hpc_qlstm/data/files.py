"""Reading a series from a user's file: CSV, NPZ or HDF5, told apart by the suffix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hpc_qlstm.data.readers import READERS, common_length, readable
from hpc_qlstm.data.series import Float, Series, validate
from hpc_qlstm.errors import InputError


def load(
    path: str | Path,
    features: Sequence[str],
    targets: Sequence[str],
    time: str | None = None,
    *,
    for_training: bool = True,
) -> Series:
    """The named columns of a file as a series; rows must be in order of time.

    `.csv`: a header line of column names, then one row of numbers per line, comma separated,
    UTF-8. `.npz`: arrays by name. `.h5`, `.hdf5`: datasets by path, as "group/speed". In NPZ and
    HDF5 a name means a 1-D array, and "name:k" column k (from 0) of a 2-D array. Values may be
    integers, floats or booleans and become float64. Without `time` the time is the row index
    0 .. N-1. The same column may be feature, target and time at once. Prediction
    (`for_training=False`) needs no targets, and takes constant columns and a single row.

    Everything wrong raises InputError with the path and the place: a file that is missing,
    unreadable, empty, damaged or of another format; a malformed number (line and column), rows of
    different length, a missing column (with those that are there), arrays of other types or of
    different lengths, and what `validate` refuses. Local: every rank that calls reads the file.
    """
    path = Path(path)
    check_columns(path, features, targets, for_training=for_training)
    with readable(path):
        columns = READERS[path.suffix.lower()](path, all_columns(features, targets, time))
    rows = common_length(path, {name: len(column) for name, column in columns.items()})

    def stacked(names: Sequence[str]) -> Float:
        return np.column_stack([np.empty((rows, 0)), *(columns[name] for name in names)])

    series = Series(
        features=stacked(features),
        targets=stacked(targets),
        time=np.arange(rows, dtype=np.float64) if time is None else columns[time],
        feature_names=tuple(features),
        target_names=tuple(targets),
    )
    validate(series, source=str(path), for_training=for_training)
    return series


def all_columns(features: Sequence[str], targets: Sequence[str], time: str | None) -> list[str]:
    """Every column to read, once."""
    return list(dict.fromkeys([*features, *targets, *([] if time is None else [time])]))


def check_columns(
    path: Path, features: Sequence[str], targets: Sequence[str], *, for_training: bool = True
) -> None:
    """What `load` refuses before it reads: names, the suffix, a file that cannot be opened."""
    _check_names(features, "features", required=True)
    _check_names(targets, "targets", required=for_training)
    if path.suffix.lower() not in READERS:
        raise InputError(
            f"{path}: suffix {path.suffix!r} is not known; allowed are {', '.join(READERS)}"
        )
    _check_readable(path)


def _check_names(names: Sequence[str], kind: str, *, required: bool) -> None:
    # A lone string is a sequence of one-letter names: an easy slip with a puzzling outcome.
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{kind}: {names!r} was given, needed is a list of column names")
    if required and not names:
        raise InputError(f"{kind}: at least one column name is needed")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(f"{kind}: {repeated[0]!r} is named more than once")


def _check_readable(path: Path) -> None:
    problem = ""
    try:
        if path.is_dir():
            problem = "is a directory, not a data file"
        elif not path.exists():
            problem = "no such file"
        elif not path.is_file():
            problem = "is not a regular file"
        else:
            with path.open("rb") as file:
                problem = "" if file.read(1) else "is empty"
    except (OSError, ValueError) as error:
        problem = f"cannot be opened ({error})"
    if problem:
        raise InputError(f"{path}: {problem}")
