"""Some columns of an HDF5 file as a table of rows that are read when they are asked for.

What is asked for at once is sorted by row; rows that lie close together are read together. A
dataset whose bytes lie in the file as they are is read around HDF5, which takes 50 us a call.
"""

from __future__ import annotations

import contextlib
import math
import os
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpc_qlstm.data.readers import Located, common_length, locate_hdf5, readable
from hpc_qlstm.data.series import Float
from hpc_qlstm.data.split import Index
from hpc_qlstm.errors import InputError

_MIB = 1 << 20
_PIECE_BYTES = 8 * _MIB
"""Of rows that are held at a time before windows are cut from them."""
_MOST_CHUNK_BYTES = 32 * _MIB
"""HDF5 unpacks whole chunks, so a larger one than this would take its memory on every rank."""
_GAP_BYTES = 4096
"""What is cheaper read than jumped over."""


@dataclass(frozen=True)
class Request:
    """Rows first[i] .. first[i]+length-1 of some columns of the table, for every i."""

    first: Index
    length: int
    columns: Sequence[int]


class Hdf5Table:
    """Rows 0 .. rows-1 of the named columns, float64; `bytes` is the file's size.

    Names are those of `files.load`. Raises InputError for a file that is damaged, for what `load`
    refuses of its columns, and for chunks that would fill the memory. Local.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names = path, tuple(names)
        # HDF5 keeps a cache of chunks for every dataset; together they have room for two of the
        # largest chunks.
        cache = max(_MIB, 2 * _MOST_CHUNK_BYTES // len(names))
        with contextlib.ExitStack() as opened, readable(path):
            self._file = opened.enter_context(h5py.File(path, "r", rdcc_nbytes=cache))
            self._descriptor = os.open(path, os.O_RDONLY)
            opened.callback(os.close, self._descriptor)
            self.bytes = os.fstat(self._descriptor).st_size
            located = locate_hdf5(path, self._file, list(names))
            lengths = {name: array.shape[0] for name, (array, _) in located.items()}
            self.rows = common_length(path, lengths)
            _refuse_large_chunks(path, located, cache)
            self._stored = list(_stored(located, self._descriptor))
            self._opened = opened.pop_all()
        weakref.finalize(self, self._opened.close)  # where a run ends before it could close it
        row_bytes = sum(8 + part.row_bytes for part in self._stored) + 8 * len(names)
        self._piece = max(1, _PIECE_BYTES // row_bytes)

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def pieces(self) -> Iterator[tuple[int, Float]]:
        """The whole table in order: the first row's number and the rows (n, d) of each piece."""
        for begin in range(0, self.rows, self._piece):
            end = min(begin + self._piece, self.rows)
            yield begin, self._read(np.array([begin]), np.array([end]))

    def gather(self, requests: Sequence[Request]) -> list[Float]:
        """For each request its rows, (n, length, columns). Raises InputError."""
        results: list[Float] = [
            np.empty((len(r.first), r.length, len(r.columns))) for r in requests
        ]
        owner = np.repeat(np.arange(len(requests)), [len(r.first) for r in requests])
        place = np.concatenate([np.arange(len(r.first)) for r in requests])
        first = np.concatenate([r.first for r in requests])
        order = np.argsort(first, kind="stable")
        owner, place, first = owner[order], place[order], first[order]
        end = first + np.array([r.length for r in requests])[owner]
        for part, spans in self._spans(first, end):
            rows = self._read(*spans)
            begins, ends = spans
            offsets = np.concatenate([[0], np.cumsum(ends - begins)[:-1]])
            span = np.searchsorted(begins, first[part], side="right") - 1
            at = offsets[span] + first[part] - begins[span]
            for number, request in enumerate(requests):
                mine = owner[part] == number
                taken = at[mine][:, None] + np.arange(request.length)
                results[number][place[part][mine]] = rows[:, request.columns][taken]
        return results

    def _spans(self, first: Index, end: Index) -> Iterator[tuple[slice, tuple[Index, Index]]]:
        """Runs of sorted intervals [first, end) with the spans of rows that hold them.

        A run's spans together are about `_piece` rows, and no two of them begin at the same row.
        """
        if not len(first):
            return
        gap = max(part.gap for part in self._stored)
        reach = np.maximum.accumulate(end)
        far = first[1:] > reach[:-1] + gap
        bucket = first // self._piece
        starts = np.flatnonzero(np.concatenate([[True], far | (bucket[1:] != bucket[:-1])]))
        begins, ends = first[starts], np.maximum.reduceat(end, starts)
        stops = np.append(starts[1:], len(first))
        run = np.cumsum(ends - begins) // self._piece
        for spans in np.split(np.arange(len(starts)), np.flatnonzero(np.diff(run)) + 1):
            yield slice(starts[spans[0]], stops[spans[-1]]), (begins[spans], ends[spans])

    def _read(self, begins: Index, ends: Index) -> Float:
        """The rows of some spans, one after the other, (n, d)."""
        rows = np.empty((int((ends - begins).sum()), len(self.names)))
        with readable(self.path), np.errstate(over="ignore"):  # beyond float64: inf, refused later
            for part in self._stored:
                raw = part.read(begins, ends, len(rows))
                for column, source in part.columns:
                    rows[:, column] = raw[:, source]
        return rows


def _refuse_large_chunks(path: Path, located: dict[str, Located], cache: int) -> None:
    for name, (array, _) in located.items():
        chunk = math.prod(array.chunks or ()) * array.dtype.itemsize
        if array.chunks and chunk > cache:
            raise InputError(
                f"{path}: {name!r} has chunks of {chunk / _MIB:.1f} MiB; to stream "
                f"{len(located)} columns, at most {cache / _MIB:.1f} MiB are allowed"
            )


# A dataset of the file. columns: pairs of a table's column and one of what `read` gives;
# read(begins, ends, rows): the rows of some spans, `rows` in all, (n, width), in its own type.
class _Plain:
    """A dataset that lies in the file as one block, row after row."""

    def __init__(
        self, dataset: h5py.Dataset, columns: list[tuple[int, int]], descriptor: int
    ) -> None:
        self.columns = columns
        self._type, self._width = dataset.dtype, math.prod(dataset.shape[1:])
        self.row_bytes = self._type.itemsize * self._width
        self.gap = _GAP_BYTES // self.row_bytes
        self._begin = dataset.id.get_offset()
        self._descriptor = descriptor

    def read(self, begins: Index, ends: Index, rows: int) -> Any:
        raw = np.empty((rows, self._width), dtype=self._type)
        view, at = memoryview(raw.reshape(-1).view(np.uint8).data), 0
        offsets = (self._begin + begins * self.row_bytes).tolist()
        for offset, size in zip(offsets, ((ends - begins) * self.row_bytes).tolist(), strict=True):
            while size:
                done = os.preadv(self._descriptor, [view[at : at + size]], offset)
                if not done:
                    raise EOFError("it ends too early")
                at, offset, size = at + done, offset + done, size - done
        return raw


class _Packed:
    """A dataset in chunks, maybe compressed, or of a type that only HDF5 knows how to read."""

    def __init__(self, dataset: h5py.Dataset, columns: list[tuple[int, int]]) -> None:
        # Of a wide table no more is unpacked than the columns between the first and the last.
        sources = [source for _, source in columns]
        low, high = min(sources), max(sources) + 1
        self.columns = [(column, source - low) for column, source in columns]
        self._dataset, self._width = dataset, high - low
        self._slices = (slice(low, high),) * (dataset.ndim - 1)
        self.row_bytes = dataset.dtype.itemsize * self._width
        self.gap = dataset.chunks[0] if dataset.chunks else _GAP_BYTES // self.row_bytes

    def read(self, begins: Index, ends: Index, rows: int) -> Any:
        raw, at = np.empty((rows, self._width), dtype=self._dataset.dtype), 0
        for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
            values = self._dataset[(slice(begin, end), *self._slices)]
            raw[at : at + end - begin] = values.reshape(end - begin, -1)
            at += end - begin
        return raw


def _stored(located: dict[str, Located], descriptor: int) -> Iterator[_Plain | _Packed]:
    """Each dataset once, with all columns that are in it."""
    datasets: dict[Any, tuple[Any, list[tuple[int, int]]]] = {}
    for column, (dataset, index) in enumerate(located.values()):
        datasets.setdefault(dataset.id, (dataset, []))[1].append((column, index or 0))
    for dataset, columns in datasets.values():
        # Bits that NumPy reads as HDF5 does: no other precision, no enumeration.
        known = h5py.h5t.py_create(dataset.dtype)
        plain = dataset.dtype.kind in "fiu" and dataset.id.get_type().equal(known)
        if plain and dataset.chunks is None and dataset.id.get_offset() is not None:
            yield _Plain(dataset, columns, descriptor)
        else:
            yield _Packed(dataset, columns)
