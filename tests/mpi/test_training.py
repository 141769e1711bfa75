"""Training on ranks: the same bits on every allowed number, and the collectives of a batch."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pytest

import hpc_qlstm as hq
from hpc_qlstm.build.setup import set_up
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import SerialCommunicator, open_communicator
from hpc_qlstm.training.trainer import Trainer

pytestmark = pytest.mark.mpi


def trained(config, comm):
    """Loss history and final weights of a run without files."""
    trainer = Trainer(set_up(config, comm))
    for _ in range(config.training.epochs):
        trainer.run_epoch()
    state = trainer.state
    return [(r["train_loss"], r["test_loss"], r["test_r2"]) for r in state.history], state.weights


def same(ours, theirs):
    return ours[0] == theirs[0] and np.array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("cell_update", ["root", "replicated"])
@pytest.mark.parametrize(
    "partition",
    [
        {"strategy": "broadcast_input", "count": 4},
        {"strategy": "overlap", "count": 2},
        {"strategy": "contiguous", "count": 1},
    ],
    ids=lambda p: f"M{p['count']}",
)
def test_same_bits_as_one_rank(configured, comm, agree, cell_update, partition):
    count = partition["count"]
    if comm.size > count and comm.size % count:
        pytest.skip(f"{comm.size} ranks do not fit {count} partitions")
    config = configured(partition=partition, parallel={"cell_update": cell_update})
    agree(same(trained(config, open_communicator(comm)), trained(config, SerialCommunicator())))


@pytest.mark.parametrize("overlap", ["on", "auto"])
@pytest.mark.parametrize("collectives", ["blocking", "persistent"])
@pytest.mark.parametrize("cell_update", ["root", "replicated"])
@pytest.mark.parametrize("replicas", [1, 2])
def test_same_bits_with_every_grid_and_exchange(
    configured, comm, agree, replicas, cell_update, collectives, overlap
):
    if comm.size % replicas:
        pytest.skip(f"{comm.size} ranks do not make {replicas} replicas")
    config = configured(
        partition={"strategy": "overlap", "count": 4},
        model={"sequence": replicas == 1},
        training={"batch_size": 13},
        parallel={
            "replicas": replicas,
            "cell_update": cell_update,
            "collectives": collectives,
            "overlap": overlap,
        },
    )
    alone = configured(
        partition=config.partition.model_dump(exclude_none=True, include={"strategy", "count"}),
        model={"sequence": replicas == 1},
        training={"batch_size": 13},
    )
    ours = trained(config, open_communicator(comm))
    agree(same(ours, trained(alone, SerialCommunicator())))


def test_grids_that_do_not_fit(configured, comm, agree):
    config = configured(parallel={"replicas": comm.size + 1})
    with pytest.raises(InputError, match=rf"parallel\.replicas is {comm.size + 1}, .*allowed: 1"):
        set_up(config, open_communicator(comm))
    agree(True)


@pytest.mark.parametrize("engine", ["reference", "aer"])
def test_other_engines_give_the_same_bits_on_ranks(configured, comm, agree, engine):
    config = configured(
        engine={"name": engine},
        data={"options": {"points": 14}, "window": 2},
        training={"epochs": 1, "batch_size": 4},
        parallel={"overlap": "on"},
    )
    agree(same(trained(config, open_communicator(comm)), trained(config, SerialCommunicator())))


@pytest.mark.parametrize("engine", ["native", "aer"])
def test_sampled_circuits_with_overlap(configured, comm, agree, engine):
    """Random numbers are keyed by the sample, not by its place in half a batch."""
    config = configured(
        engine={"name": engine, "gradient": "spsa", **({"shots": 9} if engine == "aer" else {})},
        model={"mix": True, "extra_vqcs": 2, "affine": True},
        data={"options": {"points": 14}, "window": 2},
        training={"epochs": 1, "batch_size": 5},
        parallel={"overlap": "on"},
    )
    agree(same(trained(config, open_communicator(comm)), trained(config, SerialCommunicator())))


def test_sequence_output_and_shuffling(configured, comm, agree):
    config = configured(
        model={"sequence": True},
        training={"shuffle": True, "optimizer": "rmsprop", "momentum": 0.5, "clip_norm": 0.1},
    )
    agree(same(trained(config, open_communicator(comm)), trained(config, SerialCommunicator())))


class Counting:
    """An mpi4py communicator that counts its collectives."""

    def __init__(self, comm):
        self._comm = comm
        self.calls = Counter()

    def __getattr__(self, name):
        method = getattr(self._comm, name)
        if name in ("Allgather", "Bcast"):
            self.calls[name] += 1
        return method


@pytest.mark.parametrize("cell_update", ["root", "replicated"])
def test_collectives_of_a_batch(configured, comm, agree, cell_update):
    """Per step 2 Allgather and, with root, 2 Bcast; per batch 1 Allgather and 1 Bcast."""
    if comm.size == 1:
        pytest.skip("one rank needs no collectives")
    counting = Counting(comm)
    config = configured(parallel={"cell_update": cell_update})
    trainer = Trainer(set_up(config, open_communicator(counting)))
    counting.calls.clear()
    x, y = trainer.data.train_x[:7], trainer.data.train_y[:7]
    trainer.model.loss_and_gradient(trainer.state.weights, x, y)
    trainer.model.share_weights(trainer.state.weights)
    steps = x.shape[1]
    expected = {
        "Allgather": 2 * steps + 1,
        "Bcast": 1 + (2 * steps if cell_update == "root" else 0),
    }
    agree(dict(counting.calls) == expected, str(counting.calls))


def test_train_writes_once_and_returns_everywhere(configured, comm, agree, shared_path):
    values = configured().to_dict()
    values["output"] = {"run_dir": str(shared_path / "run"), "figures": True}
    result = hq.train(values, comm, quiet=True)
    lines = (shared_path / "run" / "metrics.jsonl").read_text().splitlines()
    agree(len(lines) == 3 and len(result.history) == 3)
    weights = comm.allgather(np.concatenate([w.ravel() for w in result.weights.values()]))
    agree(all(np.array_equal(w, weights[0]) for w in weights))
    agree((shared_path / "run" / "report.html").is_file())
    seconds = result.history[-1]["seconds"]
    agree(set(seconds) == {"total", "compute", "communication", "waiting"})
    ranks = result.history[-1]["ranks"]
    agree(set(ranks) == {"compute", "communication", "waiting", "rest"})
    agree(all(len(part) == comm.size for part in ranks.values()), str(ranks))
    agree(len(set(comm.allgather(str(result.history)))) == 1, "another history on another rank")


def test_time_that_one_rank_takes_is_waiting_on_the_others(configured, comm, agree):
    """The last rank sleeps in each of its two batches: the others wait as long, and no longer."""
    if comm.size == 1:
        pytest.skip("needs others to wait")
    config = configured(
        data={"options": {"points": 24}, "window": 2}, training={"batch_size": 7, "epochs": 1}
    )
    last, nap = comm.size - 1, 0.05

    def wish():
        if comm.rank == last:
            time.sleep(nap)
        return 0

    trainer = Trainer(set_up(config, open_communicator(comm)), wants_to_stop=wish)
    ranks = trainer.run_epoch()["ranks"]
    naps = nap * len(trainer.step_seconds)
    agree(len(trainer.step_seconds) == 2 and min(trainer.step_seconds) > nap)
    agree(ranks["rest"][last] > 0.98 * naps, str(ranks))
    waiting = ranks["waiting"][:last]
    agree(min(waiting) > 0.9 * naps and ranks["waiting"][last] < 0.5 * naps, str(ranks))
    agree(max(ranks["communication"]) < 0.5 * naps, str(ranks))


def test_bad_input_is_raised_on_every_rank(configured, comm, agree):
    values = configured().to_dict()
    values["model"]["depth"] = 0
    with pytest.raises(InputError, match=r"model\.depth"):
        hq.train(values, comm, quiet=True)
    agree(True)


def test_a_size_that_fits_neither_rule(configured, comm, agree):
    if comm.size != 3:
        pytest.skip("needs three ranks")
    config = configured(partition={"count": 2})
    with pytest.raises(InputError, match="3 ranks do not fit 2 partitions, allowed: 1 to 2"):
        set_up(config, open_communicator(comm))
    agree(True)
