"""The bytes of a checkpoint file: HDF5 made once, then patched where numbers changed.

HDF5 spends milliseconds on forty small datasets, which is an epoch of a small model. But from one
checkpoint to the next only numbers change and lines are added to the history, so the file is
made by HDF5 in memory once, with room for more history, and later checkpoints are written into
a copy of its bytes. What comes out is what HDF5 would have written for the same content.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
from typing import Any

import h5py
import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.runs.checkpoint_format import (
    BLOCK,
    GROUPS,
    NUMBERS,
    Checkpoint,
    package_versions,
    user_block,
)

_SPARE, _MUCH = 1.25, 1 << 16


class CheckpointImage:
    """Makes the bytes of one checkpoint after the other. Local.

    Fast for checkpoints of one run, in order, made from a history that only grows; right for any.
    epochs: how many the history is expected to have in the end.
    """

    def __init__(self, epochs: int = 1) -> None:
        self._epochs = epochs
        self._constant: tuple[Any, ...] = ()
        self._bytes = bytearray()
        self._arrays: dict[str, dict[str, Float]] = {}
        self._numbers: dict[str, int] = {}
        self._end = self._room_end = 0
        self._records: list[dict[str, Any]] = []

    def of(self, checkpoint: Checkpoint) -> bytearray:
        """The whole file, valid until the next call."""
        lines = self._new_lines(checkpoint.history)
        if (
            lines is None
            or _constant(checkpoint) != self._constant
            or self._end + len(lines) > self._room_end
            or not self._patch_arrays(checkpoint)
        ):
            self._build(checkpoint)
            self._patch_arrays(checkpoint)
        elif lines:
            self._bytes[self._end : self._end + len(lines)] = lines
            self._end += len(lines)
        self._records = checkpoint.history
        for name, offset in self._numbers.items():
            value = getattr(checkpoint, name)
            struct.pack_into("<d" if isinstance(value, float) else "<q", self._bytes, offset, value)
        digest = hashlib.sha256(memoryview(self._bytes)[BLOCK:]).hexdigest()
        self._bytes[:BLOCK] = user_block(digest)
        return self._bytes

    def _new_lines(self, history: list[dict[str, Any]]) -> bytes | None:
        """The history's lines that the image lacks; None when its earlier ones are of another."""
        known = len(self._records)
        if not 0 < known <= len(history) or history[known - 1] is not self._records[-1]:
            return None
        return b"".join(b"\n" + _line(record) for record in history[known:])

    def _patch_arrays(self, checkpoint: Checkpoint) -> bool:
        """Write all arrays to their places; False where the image has no such places."""
        for group, places in self._arrays.items():
            given = getattr(checkpoint, group)
            if given.keys() != places.keys():
                return False
            for name, place in places.items():
                array = given[name]
                if array.shape != place.shape:
                    return False
                place[...] = array
        return True

    def _build(self, checkpoint: Checkpoint) -> None:
        """Let HDF5 make the file, and find out where everything lies in it."""
        text = b"\n".join(_line(record) for record in checkpoint.history)
        room = self._room(len(text), len(checkpoint.history))
        buffer = io.BytesIO()
        offsets: list[tuple[str, str, tuple[int, ...], int]] = []
        with h5py.File(buffer, "w", userblock_size=BLOCK) as file:
            for name in NUMBERS:
                kind = "<f8" if isinstance(getattr(checkpoint, name), float) else "<i8"
                file.attrs[name] = np.frombuffer(_mark(name), dtype=kind)[0]
            file.attrs["versions"] = np.bytes_(json.dumps(_versions(checkpoint)))
            file.create_dataset("config", data=_text(checkpoint.config.encode()))
            history = file.create_dataset("history", data=_text(text.ljust(room)))
            begin = history.id.get_offset() or 0
            for group in GROUPS:
                here = file.create_group(group).id
                for name, array in getattr(checkpoint, group).items():
                    offsets.append((group, name, array.shape, _add(here, name, array)))
        self._bytes = bytearray(buffer.getvalue())
        self._numbers = {name: _only_place(self._bytes, _mark(name)) for name in NUMBERS}
        self._arrays = {group: {} for group in GROUPS}
        for group, name, shape, offset in offsets:
            self._arrays[group][name] = np.ndarray(shape, "<f8", self._bytes, offset)
        self._end, self._room_end = begin + len(text), begin + room
        self._constant = _constant(checkpoint)

    def _room(self, size: int, records: int) -> int:
        """Bytes for history lines: spaces behind the last line of JSON are no content.

        Room for the whole run as long as that is little, and for twice as much as there is, so that
        the work of all rebuilds together stays in proportion to the history.
        """
        if not size:
            return 0
        whole = int(_SPARE * size / records * self._epochs)
        return max(2 * size, min(whole, _MUCH))


def _add(group: h5py.h5g.GroupID, name: str, array: Float) -> int:
    """Write a float64 dataset; returns where its content lies, 0 when it has no elements.

    By the library's low-level interface, because `create_dataset` does much that is not needed.
    """
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_obj_track_times(False)  # equal content is equal bytes
    space = h5py.h5s.create_simple(array.shape)
    dataset = h5py.h5d.create(group, name.encode(), h5py.h5t.IEEE_F64LE, space, settings)
    if not array.size:
        return 0
    dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(array, "<f8"))
    return int(dataset.get_offset())


def _constant(checkpoint: Checkpoint) -> tuple[Any, ...]:
    """What is the same in all checkpoints of a run, beside names and shapes."""
    kinds = [isinstance(getattr(checkpoint, name), float) for name in NUMBERS]
    return checkpoint.config, _versions(checkpoint), kinds


def _versions(checkpoint: Checkpoint) -> dict[str, str]:
    return checkpoint.versions or package_versions()


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()


def _text(content: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(content, dtype=np.uint8)


def _mark(name: str) -> bytes:
    """Eight bytes that stand for a number while HDF5 makes the file, to be found in it again."""
    return hashlib.sha256(name.encode()).digest()[:8]


def _only_place(content: bytearray, mark: bytes) -> int:
    if content.count(mark) != 1:
        raise RuntimeError("HDF5 lays out attributes in a way that is not known here")
    return content.index(mark)
