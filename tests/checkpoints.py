"""Checkpoints made up for tests."""

from __future__ import annotations

import dataclasses
import json

import numpy as np

from hpc_qlstm.native.system import create_file_writer
from hpc_qlstm.runs.checkpoint_encoder import CheckpointEncoder
from hpc_qlstm.runs.checkpoint_format import Checkpoint


def make(epoch=3, **changes):
    rng = np.random.default_rng(epoch)
    weights = {"forget.0": rng.normal(size=(1, 2, 3)), "readout.bias": np.array([-0.0])}
    fields = {
        "config": '[data]\nfile = "ü.csv"\n',
        "epoch": epoch,
        "weights": weights,
        "optimizer": {"first": rng.normal(size=7), "second": np.zeros(7)},
        "optimizer_steps": 10 * epoch,
        "history": [{"epoch": 1, "test_loss": 1 / 3, "test_r2": float("nan")}, {"epoch": 2}],
        "best": {name: 2 * array for name, array in weights.items()},
        "best_epoch": 1,
        "best_loss": 1 / 3,
        "seed": 2**32 - 1,
        "data": {"feature.offset": np.array([5e-324])},
        "batch": 0,
        "versions": {"python": "3"},
    }
    return Checkpoint(**{**fields, **changes})


def same(a, b):
    """Whether two checkpoints are equal, arrays bit for bit."""
    for entry in dataclasses.fields(Checkpoint):
        left, right = getattr(a, entry.name), getattr(b, entry.name)
        if entry.name in ("weights", "best", "optimizer", "data", "progress"):
            left, right = (
                {k: (v.dtype, v.shape, v.tobytes()) for k, v in value.items()}
                for value in (left, right)
            )
        if json.dumps(left, default=repr) != json.dumps(right, default=repr) and left != right:
            return False
    return True


def save(path, checkpoint):
    """Write a checkpoint to any path."""
    path.write_bytes(CheckpointEncoder().encode(checkpoint))


class RefusingWriter:
    """A file writer to which the file system says no, at the n-th call for n in `refused`."""

    def __init__(self, refused, code):
        self._writer, self._refused, self._code = create_file_writer(), refused, code
        self.calls = []
        self._error = 0

    def start(self, folder, temporary, path, content, retired):
        self.calls.append(path)
        self._error = self._code if len(self.calls) in self._refused else 0
        return bool(self._error) or self._writer.start(folder, temporary, path, content, retired)

    @property
    def busy(self):
        return not self._error and self._writer.busy

    def wait(self):
        return (self._error, False, 0, 0.0) if self._error else self._writer.wait()
