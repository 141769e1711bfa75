"""One reader per file format: (path, wanted columns) to float64 columns (N,) by name.

A reader raises InputError for what it can name; `readable` turns whatever else a damaged file
provokes into one. NPZ is never unpickled: data files are not trusted with code.
"""

from __future__ import annotations

import contextlib
import csv
import math
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpc_qlstm.data.series import Float
from hpc_qlstm.errors import HpcQlstmError, InputError

Columns = dict[str, Float]
Located = tuple[Any, int | None]
"""An array of a file, and which of its columns where it is 2-D."""
_MOST_COMPRESSION = 1100
"""More than deflate can save; a file that claims more is sparse, and would fill the memory."""


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Raises one InputError for whatever reading a damaged file may raise.

    zipfile, zlib, NumPy and HDF5 raise BadZipFile, EOFError, KeyError, RuntimeError, ...; to the
    user it is one thing.
    """
    try:
        yield
    except HpcQlstmError:
        raise
    except Exception as error:
        raise InputError(
            f"{path}: cannot be read as {path.suffix} ({type(error).__name__}: {error})"
        ) from error


def read_csv(path: Path, wanted: list[str]) -> Columns:
    """Columns of a comma separated file with a header line; see `files.load`."""
    try:
        # utf-8-sig: spreadsheets put a byte order mark before the first column name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            return _parse_csv(path, csv.reader(file), wanted)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text ({error})") from error
    except csv.Error as error:
        raise InputError(f"{path}: is not a CSV file ({error})") from error


def _parse_csv(path: Path, lines: Any, wanted: list[str]) -> Columns:
    header = [name.strip() for name in next(lines, [])]
    if not any(header):
        raise InputError(f"{path}: line 1 is blank; it must hold the column names")
    for name in wanted:
        if name not in header:
            raise _missing(path, name, header)
        if header.count(name) > 1:
            raise InputError(f"{path}: column {name!r} occurs more than once in the header")
    position = {name: header.index(name) for name in wanted}
    values: dict[str, list[float]] = {name: [] for name in wanted}
    blank = 0
    for cells in lines:
        line = lines.line_num
        if not cells:
            blank = blank or line
            continue
        if blank:
            # Blank lines may close a file; between rows they may stand for missing values.
            raise InputError(f"{path}: line {blank} is blank, with more rows after it")
        if len(cells) != len(header):
            raise InputError(
                f"{path}: line {line} has {len(cells)} cells, the header has {len(header)}"
            )
        for name, column in position.items():
            values[name].append(_number(path, line, name, cells[column]))
    return {name: np.array(column, dtype=np.float64) for name, column in values.items()}


def _number(path: Path, line: int, name: str, cell: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = None
    # float() takes 1_000 for a thousand, as Python source does; in data it is a slip. And a number
    # too large for a double is malformed rather than infinite.
    overflow = value is not None and math.isinf(value) and "inf" not in cell.lower()
    if value is None or "_" in cell or overflow:
        what = "an empty cell" if not cell.strip() else f"{_shortened(cell)} is not a number"
        raise InputError(f"{path}: line {line}, column {name!r}: {what}")
    return value


def read_npz(path: Path, wanted: list[str]) -> Columns:
    """Arrays of a NumPy archive; see `files.load`."""
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path}: is not an NPZ archive (np.savez writes one), or cut short")
    # Opened here, as np.load leaves a file of its own open when the archive turns out damaged.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:

        def member(name: str) -> Any:
            array = archive[name]
            if not isinstance(array, np.ndarray):  # what is not .npy comes back as bytes
                raise InputError(f"{path}: {name!r} in the archive is not an array")
            return array

        return _read(_locate(path, wanted, archive.files, member))


def read_hdf5(path: Path, wanted: list[str]) -> Columns:
    """Datasets of an HDF5 file; see `files.load`."""
    with h5py.File(path, "r") as file:
        return _read(locate_hdf5(path, file, wanted))


def locate_hdf5(path: Path, file: h5py.File, wanted: list[str]) -> dict[str, Located]:
    """Where the wanted columns of an open file are, checked but not read; see `files.load`."""
    there: list[str] = []
    file.visititems(
        lambda name, item: there.append(name) if isinstance(item, h5py.Dataset) else None
    )
    # visititems follows no links; a soft link named outright is read.
    for name in {*wanted, *(name.rpartition(":")[0] for name in wanted)} - {*there, ""}:
        if isinstance(file.get(name), h5py.Dataset):
            there.append(name)
    return _locate(path, wanted, there, lambda name: _own(path, file, name))


def _own(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    """A dataset whose content lies in the file itself, and is no more than it can hold."""
    dataset = file[name]
    if dataset.file.filename != file.filename or dataset.external or dataset.is_virtual:
        raise InputError(f"{path}: {name!r} lies in another file; allowed are columns of this one")
    if dataset.nbytes > _MOST_COMPRESSION * path.stat().st_size:
        raise InputError(f"{path}: {name!r} claims {dataset.nbytes} bytes, more than can be there")
    return dataset


def _locate(
    path: Path, wanted: list[str], there: Iterable[str], get: Callable[[str], Any]
) -> dict[str, Located]:
    """The wanted columns, each a 1-D array by its name or column k of a 2-D one as "name:k"."""
    there = list(there)
    found: dict[str, Located] = {}
    for name in wanted:
        base, _, index = name.rpartition(":")
        if name in there:
            found[name] = get(name), None
        elif base in there and index.isascii() and index.isdigit():
            found[name] = get(base), int(index)
        else:
            raise _missing(path, name, there)
        _check_column(path, name, *found[name])
    return found


def _check_column(path: Path, name: str, array: Any, index: int | None) -> None:
    """Shape and type, before the data of an HDF5 dataset is read."""
    if array.dtype.kind not in "fiub":
        raise InputError(f"{path}: {name!r} holds {array.dtype}; allowed are real numbers")
    if array.shape is None or len(array.shape) != (1 if index is None else 2):
        needed = "1-D (name column k of a 2-D array as 'name:k')" if index is None else "2-D"
        raise InputError(f"{path}: {name!r} has shape {array.shape}; it must be {needed}")
    if index is not None and index >= array.shape[1]:
        raise InputError(f"{path}: {name!r}: the array has the columns 0 to {array.shape[1] - 1}")


def _read(found: dict[str, Located]) -> Columns:
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes inf, refused later
        return {
            name: np.array(array[:] if index is None else array[:, index], dtype=np.float64)
            for name, (array, index) in found.items()
        }


def common_length(path: Path, lengths: dict[str, int]) -> int:
    """The length of all columns, given by name. Raises InputError where they differ."""
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name!r} has {length}" for name, length in lengths.items())
        raise InputError(f"{path}: columns differ in length: {told}")
    return next(iter(lengths.values()))


def _missing(path: Path, name: str, there: list[str]) -> InputError:
    shown = ", ".join(_shortened(other) for other in there[:20]) or "none"
    more = f" and {len(there) - 20} more" if len(there) > 20 else ""
    return InputError(f"{path}: no column {name!r}; there are: {shown}{more}")


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


READERS: dict[str, Callable[[Path, list[str]], Columns]] = {
    ".csv": read_csv,
    ".npz": read_npz,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
}
