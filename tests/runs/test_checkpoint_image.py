"""Patched checkpoint files are byte for byte what HDF5 would have written."""

from __future__ import annotations

import time

import h5py
import numpy as np
import pytest
from checkpoints import make, same, save

from hpc_qlstm.runs.checkpoint import load_checkpoint
from hpc_qlstm.runs.checkpoint_image import CheckpointImage


@pytest.fixture
def builds(monkeypatch):
    """How often HDF5 makes a file."""
    made, build = [], CheckpointImage._build

    def counted(self, checkpoint):
        made.append(checkpoint.epoch)
        build(self, checkpoint)

    monkeypatch.setattr(CheckpointImage, "_build", counted)
    return made


@pytest.fixture
def records():
    return [{"epoch": k, "test_loss": 1 / (k + 2.1), "note": "x" * (k % 7)} for k in range(1, 400)]


def through(image, tmp_path, checkpoint):
    (tmp_path / "c.h5").write_bytes(image.of(checkpoint))
    return load_checkpoint(tmp_path / "c.h5")


def test_a_growing_history(tmp_path, builds, records):
    def grow(image):
        builds.clear()
        for epoch in [1, 2, 3, 5, 80, 81, 200, 399]:
            given = make(epoch, history=records[:epoch])
            assert same(through(image, tmp_path, given), given), epoch
        return builds

    assert grow(CheckpointImage()) == [1, 2, 5, 80, 200, 399]  # room for twice as much each time
    assert grow(CheckpointImage(399)) == [1]


def test_the_bytes_are_those_of_a_new_file(records):
    """From the same number of lines on there is the same room, so every byte must be equal."""
    image = CheckpointImage()
    image.of(make(2, history=records[:3]))
    time.sleep(1.1)  # HDF5 would note the second in which a dataset was made
    for epoch in range(3, 30):
        given = make(epoch, history=records[:3], best_loss=1.0 / epoch)
        assert bytes(image.of(given)) == bytes(CheckpointImage().of(given))


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
    image = CheckpointImage()
    for given in (make(4, history=records[:4]), make(5, **change), make(6, history=records[:6])):
        assert same(through(image, tmp_path, given), given)


def test_an_array_without_elements(tmp_path):
    given = make(progress={"losses": np.empty(0), "circuits": np.arange(3.0)})
    stored = through(CheckpointImage(), tmp_path, given)
    assert stored.progress["losses"].shape == (0,)
    assert stored.progress["circuits"].tolist() == [0, 1, 2]


def test_every_reader_of_json_lines_reads_the_history(tmp_path, records):
    save(tmp_path / "c.h5", make(history=records[:2]))
    with h5py.File(tmp_path / "c.h5") as file:
        text = bytes(file["history"][()]).decode()
    assert len(text.splitlines()) == 2
    assert text.endswith(" ")
