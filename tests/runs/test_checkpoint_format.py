"""Files of format version 1 are read for ever, by this package and by plain h5py."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import h5py
import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm.runs.checkpoint import find_checkpoints, load_checkpoint
from hpc_qlstm.runs.checkpoint_format import package_versions

STORED = Path(__file__).parents[1] / "stored" / "checkpoint-v1.h5"
LOSSES = [(0.419740983146228, 0.4800967176159403), (0.38587190302482527, 0.4669858400822277)]
SUMS = {
    "forget.0": 0.1729131739816414,
    "forget.1": 0.2129862771647179,
    "input.0": -0.13422581480026727,
    "input.1": 0.05489899052016205,
    "candidate.0": -0.061146564609471536,
    "candidate.1": 0.0052913688601693015,
    "output.0": -0.017806377310451905,
    "output.1": 0.022639427124019725,
    "readout.weight": -1.1079305659318721,
    "readout.bias": 0.0897671438425232,
}


def test_a_stored_file_is_read():
    stored = load_checkpoint(STORED)
    assert (stored.epoch, stored.batch, stored.seed, stored.best_epoch) == (2, 0, 5, 2)
    assert [(r["train_loss"], r["test_loss"]) for r in stored.history] == LOSSES
    assert stored.weights.keys() == stored.best.keys() == SUMS.keys()
    for name, total in SUMS.items():
        assert stored.weights[name].sum() == pytest.approx(total, rel=1e-12)
    assert stored.optimizer.keys() == {"first", "second"}
    assert stored.optimizer_steps == 6
    assert "hidden_size = 2" in stored.config


def test_a_run_goes_on_from_a_stored_file(tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.toml").write_text(load_checkpoint(STORED).config)
    shutil.copy(STORED, run / "checkpoints" / "epoch-00000002.h5")
    result = hpc_qlstm.resume(run, overrides=["training.epochs=3"], quiet=True)
    assert [r["epoch"] for r in result.history] == [1, 2, 3]
    assert result.history[2]["train_loss"] < LOSSES[1][0]
    assert find_checkpoints(run / "checkpoints")[0].name == "epoch-00000003.h5"


def test_the_layout_as_the_documentation_has_it():
    """docs/guide/checkpoints.md, followed to the letter with h5py and hashlib alone."""
    content = STORED.read_bytes()
    digest = hashlib.sha256(content[512:]).hexdigest()
    block = f"hpc_qlstm checkpoint\nversion 1\nsha256 {digest}\n".encode()
    assert content[:512] == block + bytes(512 - len(block))
    with h5py.File(STORED) as file:
        assert file.userblock_size == 512
        assert (file.attrs["epoch"], file.attrs["batch"]) == (2, 0)
        assert json.loads(file.attrs["versions"])["python"]
        history = [json.loads(line) for line in bytes(file["history"][()]).decode().splitlines()]
        assert len(history) == 2
        assert file["weights/readout.bias"].dtype == np.float64
        assert set(file) == {
            "best", "config", "data", "history", "optimizer", "progress", "weights"
        }  # fmt: skip


def test_the_gpu_build_of_aer_is_recorded_too(monkeypatch):
    def version(name):
        if name == "qiskit-aer":
            raise PackageNotFoundError
        return "1.2.3"

    monkeypatch.setattr("importlib.metadata.version", version)
    found = package_versions.__wrapped__()
    assert found["qiskit-aer-gpu"] == "1.2.3"
    assert "qiskit-aer" not in found
