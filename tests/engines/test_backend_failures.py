"""A backend that raises, hangs or gives NaN in the middle of a run: a retry, or a checkpoint."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from builders import merged, small_config

import hpc_qlstm
from hpc_qlstm.errors import EngineError
from hpc_qlstm.runs.checkpoint import find_checkpoints, load_checkpoint

# A backend of the user's own: exact, but its n-th job of a process goes wrong, as the environment
# says: KIND at JOB, on jobs TIMES in a row, on the rank RANK of an MPI run.
BACKEND = """
import os, threading, time
import numpy as np
from qiskit.primitives import StatevectorEstimator

class Job:
    def __init__(self, job, kind):
        self._job, self._kind = job, kind

    def job_id(self):
        return self._job.job_id()

    def done(self):
        return False

    def cancel(self):
        pass

    def result(self):
        if self._kind == "raise":
            raise ConnectionError("the line is dead")
        if self._kind == "hang":
            time.sleep(60)
        result = self._job.result()
        if self._kind == "nan":
            for entry in result:
                entry.data.evs[...] = np.nan
        return result

class Backend(StatevectorEstimator):
    jobs = 0

    def run(self, pubs, *, precision=None):
        Backend.jobs += 1
        first, times = int(os.environ["JOB"]), int(os.environ["TIMES"])
        rank = os.environ.get("OMPI_COMM_WORLD_RANK", "0") == os.environ.get("RANK", "0")
        wrong = rank and first <= Backend.jobs < first + times
        return Job(super().run(pubs, precision=precision), os.environ["KIND"] if wrong else "")
"""
# Two partitions on one rank make 2 * (3 * 3 + 2) = 22 jobs an epoch: three batches of two steps
# and a gradient, and two steps of the test part.
JOBS_OF_TWO_EPOCHS = 44

SETTINGS = small_config(
    model={"hidden_size": 2},
    partition={"count": 2},
    data={"options": {"points": 20}, "window": 2},
    training={"epochs": 2, "batch_size": 4},
    engine={"name": "primitive", "backend": "flaky:Backend", "retries": 1, "retry_wait": 0.01},
)


@pytest.fixture
def flaky(hpc_qlstm_run, write_config, tmp_path, losses, final_weights, monkeypatch):
    (tmp_path / "flaky.py").write_text(BACKEND)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "flaky", raising=False)
    monkeypatch.delenv("OMPI_COMM_WORLD_RANK", raising=False)
    hpc_qlstm_run.environment["PYTHONPATH"] = str(tmp_path)
    config = write_config(**SETTINGS)

    class Flaky:
        folder = tmp_path / "run"

        def launch(self, kind, job, times, *more, command="train", ranks=None, rank=0):
            """As the command, under mpirun with `ranks`."""
            hpc_qlstm_run.environment.update(
                KIND=kind, JOB=str(job), TIMES=str(times), RANK=str(rank)
            )
            target = config if command == "train" else self.folder
            return hpc_qlstm_run(command, target, *more, ranks=ranks)

        def train(self, kind, job, times, **engine):
            """In this process."""
            for name, value in (("KIND", kind), ("JOB", job), ("TIMES", times), ("RANK", 0)):
                monkeypatch.setenv(name, str(value))
            settings = [f"engine.{key}={value}" for key, value in engine.items()]
            hpc_qlstm.train(config, overrides=settings, quiet=True)

        def resume(self):
            for name in ("JOB", "TIMES"):
                monkeypatch.setenv(name, "0")
            hpc_qlstm.resume(self.folder, quiet=True)

        def results(self):
            return losses(self.folder), final_weights(self.folder), counts(self.folder)

    return Flaky()


def counts(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["circuits"] for line in lines]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, losses, final_weights):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    settings = SETTINGS | {"engine": {"name": "primitive", "backend": "statevector"}}
    settings = merged(settings, output={"run_dir": str(folder)})
    hpc_qlstm.train(settings, quiet=True)
    return losses(folder), final_weights(folder), counts(folder)


def same(found, expected):
    return (
        found[0] == expected[0]
        and all(np.array_equal(found[1][name], array) for name, array in expected[1].items())
        and found[2] == expected[2]
    )


@pytest.mark.parametrize("kind", ["raise", "hang", "nan"])
def test_one_failure_is_retried_and_leaves_no_trace(flaky, undisturbed, kind):
    flaky.train(kind, JOBS_OF_TWO_EPOCHS - 15, 1, timeout=2 if kind == "hang" else 0)
    # The same losses, weights and counts: nothing is counted twice.
    assert same(flaky.results(), undisturbed)
    jobs = (flaky.folder / "jobs.jsonl").read_text().splitlines()
    assert sum('"attempts": 2' in line for line in jobs) == 1
    assert len(jobs) == JOBS_OF_TWO_EPOCHS


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("raise", "ConnectionError: the line is dead"),
        ("hang", "TimeoutError: no result within 2 s"),
        ("nan", "values that are not finite"),
    ],
)
def test_a_lasting_failure_ends_in_a_checkpoint_from_which_the_run_goes_on(
    flaky, undisturbed, kind, message
):
    with pytest.raises(EngineError) as caught:
        flaky.train(kind, 30, 1000, timeout=2 if kind == "hang" else 0)
    text = str(caught.value)
    assert "epoch 2, batch 2: engine primitive: Backend: no result after 2 tries" in text
    assert message in text
    newest = find_checkpoints(flaky.folder / "checkpoints")[0]
    assert f"saved in {newest}; resume goes on" in text
    stored = load_checkpoint(newest)
    assert (stored.epoch, stored.batch) == (1, 1)
    assert len(stored.progress["losses"]) == 1
    flaky.resume()
    found = flaky.results()
    assert same((*found[:2], undisturbed[2]), undisturbed)
    # What the failed batch had run already is counted: it was executed, and is executed again.
    assert found[2][1]["training"] > undisturbed[2][1]["training"]


def test_a_failure_in_the_evaluation(flaky, undisturbed):
    with pytest.raises(EngineError):
        flaky.train("nan", 41, 1000, retries=0)
    stored = load_checkpoint(find_checkpoints(flaky.folder / "checkpoints")[0])
    assert (stored.epoch, stored.batch) == (1, 3)
    flaky.resume()
    assert same(flaky.results(), undisturbed)


@pytest.mark.parametrize(("rank", "ranks"), [(1, 2), (3, 4)])
def test_a_failing_rank_takes_all_to_the_checkpoint(flaky, undisturbed, rank, ranks):
    done = flaky.launch("raise", 15, 1000, ranks=ranks, rank=rank)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert f"epoch 2, batch 2: rank {rank}: engine primitive" in line
    assert "resume goes on from there" in line
    assert find_checkpoints(flaky.folder / "checkpoints")[0].name.startswith("epoch-00000001-batch")
    flaky.resume()
    assert same((*flaky.results()[:2], undisturbed[2]), undisturbed)
