"""The bytes of a checkpoint file, made by HDF5 in memory."""

from __future__ import annotations

import hashlib
import io
import json
from operator import is_
from typing import Any

import h5py
import numpy as np

from hpc_qlstm.runs.checkpoint_format import (
    BLOCK,
    GROUPS,
    NUMBERS,
    Checkpoint,
    package_versions,
    user_block,
)
from hpc_qlstm.runs.json_lines import Record


class CheckpointEncoder:
    """Makes the bytes of one checkpoint after another; equal content gives equal bytes. Local.

    Keeps the text of the history, so that a long one is not turned into JSON again each time.
    """

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._history = b""

    def encode(self, checkpoint: Checkpoint) -> bytes:
        """The whole file."""
        buffer = io.BytesIO()
        with h5py.File(buffer, "w", userblock_size=BLOCK) as file:
            for name in NUMBERS:
                file.attrs[name] = getattr(checkpoint, name)
            versions = checkpoint.versions or package_versions()
            file.attrs["versions"] = np.bytes_(json.dumps(versions))
            _add(file, "config", np.frombuffer(checkpoint.config.encode(), np.uint8))
            _add(file, "history", np.frombuffer(self._lines(checkpoint.history), np.uint8))
            for group in GROUPS:
                here = file.create_group(group)
                for name, array in getattr(checkpoint, group).items():
                    _add(here, name, np.ascontiguousarray(array, "<f8"))
        content = buffer.getbuffer()[BLOCK:]
        return user_block(hashlib.sha256(content).hexdigest()) + content

    def _lines(self, history: list[Record]) -> bytes:
        """The history as JSON lines."""
        known = len(self._records)
        if known > len(history) or not all(map(is_, self._records, history)):  # another run's
            known, self._history = 0, b""
        self._history += b"".join(json.dumps(each).encode() + b"\n" for each in history[known:])
        self._records = list(history)
        return self._history


def _add(group: h5py.Group, name: str, array: np.ndarray[Any, Any]) -> None:
    """Write a dataset with the low-level interface: `create_dataset` takes twice as long."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_obj_track_times(False)  # equal content is equal bytes
    kind, space = h5py.h5t.py_create(array.dtype), h5py.h5s.create_simple(array.shape)
    dataset = h5py.h5d.create(group.id, name.encode(), kind, space, settings)
    if array.size:
        dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, array)
