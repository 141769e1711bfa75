"""Streamed windows on ranks: the same bits as in memory on one, and no rank is left waiting."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from hpc_qlstm.build.setup import set_up
from hpc_qlstm.data import hdf5_table
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import SerialCommunicator, open_communicator
from hpc_qlstm.training.trainer import Trainer

pytestmark = pytest.mark.mpi


@pytest.fixture
def streamed(configured, comm, shared_path):
    """A configuration that streams a file, with as many partitions as asked for."""
    path = shared_path / "rows.h5"
    if comm.rank == 0:
        with h5py.File(path, "w") as out:
            out["x"] = np.sin(0.2 * np.arange(300.0))
    comm.Barrier()

    def build(count, **keys):
        data = {"file": str(path), "features": ["x"], "epoch_windows": 60, "test_windows": 30}
        values = configured(partition={"count": count}).to_dict()
        values["data"] = {"stream": True, **data, **keys}
        values["training"]["shuffle"] = True
        return values

    return build


def trained(values, comm):
    from hpc_qlstm import load_config

    trainer = Trainer(set_up(load_config(values), comm))
    for _ in range(2):
        trainer.run_epoch()
    trainer.data.close()
    history = [(r["train_loss"], r["test_loss"], r["test_r2"]) for r in trainer.state.history]
    return history, trainer.state.weights


@pytest.mark.parametrize("count", [4, 1])
def test_same_bits_as_in_memory_on_one_rank(streamed, comm, agree, count):
    """With one partition, several ranks are replicas that read parts of every batch."""
    if comm.size > count and count > 1:
        pytest.skip(f"{comm.size} ranks do not fit {count} partitions")
    ours = trained(streamed(count), open_communicator(comm))
    theirs = trained(streamed(count, stream=False), SerialCommunicator())
    agree(ours[0] == theirs[0] and np.array_equal(ours[1], theirs[1]))


def test_a_rank_that_cannot_open_the_file(streamed, comm, agree, monkeypatch):
    class Unreadable:
        def __init__(self, *arguments, **keys):
            raise OSError("no such device")

    values = streamed(1)
    if comm.rank == comm.size - 1 and comm.size > 1:
        monkeypatch.setattr(hdf5_table.h5py, "File", Unreadable)
    if comm.size == 1:
        pytest.skip("needs another rank than the one that reads first")
    with pytest.raises(InputError, match=r"rows\.h5: cannot be read.*no such device"):
        trained(values, open_communicator(comm))
    agree(True)
