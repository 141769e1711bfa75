"""The largest memory of a process that trains."""

from __future__ import annotations

import sys

import h5py
import launch
import numpy as np


def test_a_large_file_is_never_in_memory(tmp_path):
    """128 MB of rows, which take 500 MB in memory; a process without data takes 90 MB."""
    path = tmp_path / "large.h5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as out:
        rows = out.create_dataset("t", shape=(1_000_000, 16), dtype="f8")
        for begin in range(0, 1_000_000, 100_000):
            rows[begin : begin + 100_000] = rng.normal(size=(100_000, 16))
    settings = {
        "data": {"file": str(path), "features": [f"t:{k}" for k in range(16)], "stream": True,
                 "targets": ["t:0"], "epoch_windows": 1000, "test_windows": 100},
        "model": {"hidden_size": 4, "gates": "linear"},
        "training": {"epochs": 1, "batch_size": 100},
        "output": {"run_dir": str(tmp_path / "run"), "figures": False},
    }  # fmt: skip
    assert peak_kib(settings) < 160_000


def peak_kib(settings):
    """The largest resident memory of a process that trains."""
    script = (
        f"import hpc_qlstm; hpc_qlstm.train({settings!r}, quiet=True); "
        "print([line.split()[1] for line in open('/proc/self/status') if 'VmHWM' in line][0])"
    )
    done = launch.run(sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_predictions_keep_no_history(tmp_path):
    """4,096 windows of 200 steps, which would take 700 MB with what a backward pass needs."""
    settings = {
        "model": {"hidden_size": 16, "depth": 1},
        "partition": {"strategy": "broadcast_input", "count": 8},
        "data": {"task": "sine", "options": {"points": 14_000}, "window": 200,
                 "epoch_windows": 10},
        "training": {"epochs": 1, "batch_size": 10},
        "output": {"run_dir": str(tmp_path / "run"), "figures": False},
    }  # fmt: skip
    assert peak_kib(settings) < 200_000
