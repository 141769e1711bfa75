"""The bytes of a checkpoint: what goes in comes out, and equal content is equal bytes."""

from __future__ import annotations

import json
import time

import h5py
import numpy as np
import pytest
from checkpoints import make, same, save

from hpc_qlstm.runs.checkpoint import load_checkpoint
from hpc_qlstm.runs.checkpoint_encoder import CheckpointEncoder


@pytest.fixture
def records():
    return [{"epoch": k, "test_loss": 1 / (k + 2.1), "note": "x" * (k % 7)} for k in range(1, 400)]


def through(encoder, tmp_path, checkpoint):
    (tmp_path / "c.h5").write_bytes(encoder.encode(checkpoint))
    return load_checkpoint(tmp_path / "c.h5")


def test_a_growing_history_is_encoded_once(tmp_path, records, monkeypatch):
    encoder, written, dumps = CheckpointEncoder(), [], json.dumps

    def counting(value, **options):
        written.append(value)
        return dumps(value, **options)

    monkeypatch.setattr(json, "dumps", counting)
    given = [make(epoch, history=records[:epoch]) for epoch in (1, 2, 3, 5, 80, 81, 200, 399)]
    files = [encoder.encode(each) for each in given]
    monkeypatch.undo()
    assert [each for each in written if "epoch" in each] == records
    for each, content in zip(given, files, strict=True):
        (tmp_path / "c.h5").write_bytes(content)
        assert same(load_checkpoint(tmp_path / "c.h5"), each)


def test_equal_content_is_equal_bytes(records):
    encoder = CheckpointEncoder()
    before = [encoder.encode(make(k, history=records[:k])) for k in range(1, 5)]
    time.sleep(1.1)  # HDF5 would note the second in which a dataset was made
    for k, content in enumerate(before, start=1):
        assert CheckpointEncoder().encode(make(k, history=records[:k])) == content


@pytest.mark.parametrize(
    "change",
    [
        {"progress": {"losses": np.arange(3.0), "circuits": np.zeros(3)}},
        {"config": "[model]\n"},
        {"weights": {"forget.0": np.ones((1, 2, 3)), "other": np.ones(1)}},
        {"versions": {"python": "4"}},
        {"optimizer": {"first": np.ones(1), "second": np.ones(7)}},
        {"history": []},
        {"history": [{"epoch": 1, "test_loss": 2.0}]},
        {"best_loss": float("inf")},
        {"best_loss": float("nan")},
        {"weights": {"forget.0": np.asfortranarray(np.arange(6.0).reshape(1, 2, 3)),
                     "readout.bias": np.arange(9.0)[:1]}},
    ],
)  # fmt: skip
def test_other_content_than_before(tmp_path, records, change):
    encoder = CheckpointEncoder()
    for given in (make(4, history=records[:4]), make(5, **change), make(6, history=records[:6])):
        assert same(through(encoder, tmp_path, given), given)


def test_an_array_without_elements(tmp_path):
    given = make(progress={"losses": np.empty(0), "circuits": np.arange(3.0)})
    stored = through(CheckpointEncoder(), tmp_path, given)
    assert stored.progress["losses"].shape == (0,)
    assert stored.progress["circuits"].tolist() == [0, 1, 2]


def test_what_hdf5_reads(tmp_path, records):
    """Types, values and the history's lines, by plain h5py."""
    given = make(history=records[:2])
    save(tmp_path / "c.h5", given)
    with h5py.File(tmp_path / "c.h5") as file:
        for name in ("epoch", "batch", "optimizer_steps", "seed", "best_epoch", "best_loss"):
            kind = np.float64 if name == "best_loss" else np.int64
            assert file.attrs[name].dtype == kind
            assert file.attrs[name] == getattr(given, name)
        assert json.loads(file.attrs["versions"]) == given.versions
        for group in ("weights", "best", "optimizer", "data"):
            arrays = getattr(given, group)
            assert list(file[group]) == sorted(arrays)
            for name, array in arrays.items():
                stored = file[group][name]
                assert stored.dtype == np.dtype("<f8")
                np.testing.assert_array_equal(stored[()], array)
        assert bytes(file["config"][()]).decode() == given.config
        lines = bytes(file["history"][()]).decode().splitlines()
    assert [json.loads(line) for line in lines] == records[:2]
