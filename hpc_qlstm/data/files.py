"""Reading a series from a user's file: CSV, NPZ or HDF5, told apart by the suffix."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hpc_qlstm.data.readers import READERS, differ_in_length
from hpc_qlstm.data.series import Float, Series, refuse_repeated, validate
from hpc_qlstm.errors import HpcQlstmError, InputError


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
    reader = READERS[path.suffix.lower()]
    wanted = list(dict.fromkeys([*features, *targets, *([] if time is None else [time])]))
    try:
        columns = reader(path, wanted)
    except HpcQlstmError:
        raise
    except Exception as error:
        # A damaged file makes zipfile, zlib, NumPy and HDF5 raise whatever they stumble over
        # (BadZipFile, EOFError, KeyError, RuntimeError, ...): to the user it is one thing.
        raise InputError(
            f"{path}: cannot be read as {path.suffix} ({type(error).__name__}: {error})"
        ) from error
    _check_lengths(path, columns)
    rows = len(columns[features[0]])
    series = Series(
        features=_stack(columns, features, rows),
        targets=_stack(columns, targets, rows),
        time=np.arange(rows, dtype=np.float64) if time is None else columns[time],
        feature_names=tuple(features),
        target_names=tuple(targets),
    )
    validate(series, source=str(path), for_training=for_training)
    return series


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
    refuse_repeated(names, kind)


def _check_readable(path: Path) -> None:
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a directory, not a data file")
        if not path.exists():
            raise InputError(f"{path}: no such file")
        if not path.is_file():
            raise InputError(f"{path}: is not a regular file")
        with path.open("rb") as file:
            if not file.read(1):
                raise InputError(f"{path}: is empty")
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be opened ({error})") from error


def _check_lengths(path: Path, columns: dict[str, Float]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise differ_in_length(path, lengths)


def _stack(columns: dict[str, Float], names: Sequence[str], rows: int) -> Float:
    table = np.empty((rows, len(names)))
    for k, name in enumerate(names):
        table[:, k] = columns[name]
    return table
