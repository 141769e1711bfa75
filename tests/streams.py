"""Files of rows to stream windows from, and configurations that train on them."""

from __future__ import annotations

import h5py
import numpy as np
from builders import merged, small_config

from hpc_qlstm import load_config

ROWS = 400


def table(rows: int = ROWS) -> np.ndarray:
    k = np.arange(rows)
    noise = np.random.default_rng(1).normal(size=(rows, 2))
    return np.stack([5 * np.sin(0.3 * k), 40 * np.cos(0.1 * k) + 3], axis=1) + 0.1 * noise


def config(file, run_dir="run", **keys):
    config = small_config(
        partition={"count": 2},
        data={"file": str(file), "features": ["a", "b"], "targets": ["b"]},
        training={"epochs": 2, "batch_size": 7},
        checkpoint=None,
        output={"run_dir": str(run_dir)},
    )
    return load_config(merged(config, **keys))


def write_rows(path):
    """A file of 1-D columns a, b, a table t of both, and a time."""
    values = table()
    with h5py.File(path, "w") as out:
        out["a"], out["b"], out["t"] = values[:, 0], values[:, 1], values
        out["clock"] = 0.5 * np.arange(ROWS)
    return path


def changed(path, name, row, value):
    """Set one row of a column, or a slice of it."""
    with h5py.File(path, "r+") as out:
        out[name][row] = value
