"""Stopping before the end: signals, the wall-time limit, the file STOP; exit code 75; resume."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import launch
import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm import load_config
from hpc_qlstm.config import StopConfig
from hpc_qlstm.runs.checkpoint import find_checkpoints
from hpc_qlstm.training.stopping import FILE, NOTHING, SIGNAL, WALLTIME, StopWatch

LONG = {"epochs": 100_000, "batch_size": 5}
RARE = {"every": 10_000}


def start(config, ranks, **options):
    """A run that has begun its epochs."""
    process = launch.start(
        *launch.HPC_QLSTM, "train", config, ranks=ranks, cwd=config.parent, **options
    )
    metrics = config.parent / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    return process


def ranks_of(process):
    """The Python processes of a run, in the order of their ranks."""
    text = subprocess.run(
        ["ps", "-e", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split(None, 2) for line in text.splitlines()]
    parents, found = {process.pid}, []
    for _ in range(4):  # mpirun, its daemon, a shell perhaps, the rank
        children = [row for row in rows if int(row[1]) in parents]
        parents |= {int(row[0]) for row in children}
    for pid, _, arguments in rows:
        if int(pid) in parents and "hpc_qlstm" in arguments and "run -n" not in arguments:
            found.append(int(pid))
    return sorted(found)


@pytest.fixture
def straight(write_config, tmp_path, losses, final_weights):
    """A run of the same number of epochs without a stop, for comparison."""

    def run(epochs, **sections):
        folder = tmp_path / "straight"
        config = write_config(
            "straight.toml", training={**LONG, "epochs": epochs}, checkpoint=RARE,
            output={"run_dir": str(folder)}, **sections,
        )  # fmt: skip
        hpc_qlstm.train(load_config(config), quiet=True)
        return losses(folder), final_weights(folder)

    return run


def check_goes_on(run_dir, straight, losses, final_weights, epochs_more=2):
    done = len((run_dir / "metrics.jsonl").read_text().splitlines())
    epochs = done + epochs_more
    hpc_qlstm.resume(run_dir, overrides=[f"training.epochs={epochs}"], quiet=True)
    expected = straight(epochs)
    assert losses(run_dir) == expected[0]
    weights = final_weights(run_dir)
    assert all(np.array_equal(weights[name], array) for name, array in expected[1].items())


@pytest.mark.parametrize("name", ["USR1", "TERM", "INT"])
def test_a_signal_stops_at_a_checkpoint(
    write_config, tmp_path, straight, losses, final_weights, name
):
    process = start(write_config(training=LONG, checkpoint=RARE), None)
    process.send_signal(getattr(signal, f"SIG{name}"))
    out, err = process.communicate(timeout=30)
    assert process.returncode == 75, err
    assert f"stopped by signal SIG{name}, saved in" in out
    assert "Traceback" not in err
    check_goes_on(tmp_path / "run", straight, losses, final_weights)


@pytest.mark.parametrize(("ranks", "victim"), [(2, 1), (4, 2)])
def test_one_rank_gets_the_signal_and_all_stop(
    write_config, tmp_path, straight, losses, final_weights, ranks, victim
):
    process = start(write_config(training=LONG, checkpoint=RARE), ranks)
    pids = ranks_of(process)
    assert len(pids) == ranks
    os.kill(pids[victim], signal.SIGUSR1)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 75, err
    assert "stopped by signal SIGUSR1" in out
    check_goes_on(tmp_path / "run", straight, losses, final_weights)


def test_mpirun_passes_usr1_on(write_config):
    process = start(write_config(training=LONG, checkpoint=RARE), 2)
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=30)
    assert process.returncode == 75


SLOW = """
import pathlib, time
from qiskit.primitives import StatevectorEstimator

class Backend(StatevectorEstimator):
    jobs = 0

    def run(self, pubs, *, precision=None):
        Backend.jobs += 1
        if Backend.jobs > 30:
            pathlib.Path("hanging").touch()
            time.sleep(60)
        return super().run(pubs, precision=precision)
"""


def test_a_second_interrupt_stops_at_once(write_config, tmp_path):
    """The first waits for the batch, which here waits for a job that hangs."""
    (tmp_path / "slow.py").write_text(SLOW)
    config = write_config(
        model={"hidden_size": 1, "depth": 1},
        partition={"strategy": "contiguous", "count": 1},
        data={"options": {"points": 16}, "window": 2},
        training={"epochs": 100, "batch_size": 5},
        engine={"name": "primitive", "backend": "slow:Backend"},
    )
    process = start(config, None, env=launch.environment(PYTHONPATH=str(tmp_path)))
    while not (tmp_path / "hanging").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)
    assert process.returncode == 130


def test_the_file_stops_a_run(write_config, tmp_path):
    process = start(write_config(training=LONG, checkpoint=RARE), 2)
    (tmp_path / "run" / "STOP").touch()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 75, err
    assert "stopped by the file STOP" in out
    # The request is forgotten when the run goes on.
    epochs = len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) + 1
    result = hpc_qlstm.resume(tmp_path / "run", overrides=[f"training.epochs={epochs}"], quiet=True)
    assert not result.stopped
    assert not (tmp_path / "run" / "STOP").exists()


@pytest.mark.parametrize("by", ["walltime", "slurm"])
def test_the_walltime_limit(hpc_qlstm_run, write_config, tmp_path, by):
    config = write_config(training=LONG, checkpoint=RARE)
    limit = []
    if by == "walltime":
        limit = ["--set", "stop.walltime=6"]
    else:
        hpc_qlstm_run.environment["SLURM_JOB_END_TIME"] = str(int(time.time()) + 7)
    begin = time.monotonic()
    done = hpc_qlstm_run("train", config, *limit, ranks=2)
    assert done.returncode == 75, done.stderr
    assert time.monotonic() - begin < 8
    assert "stopped by the wall-time limit" in done.stdout
    assert find_checkpoints(tmp_path / "run" / "checkpoints")


def test_when_the_limit_is_near(tmp_path, monkeypatch):
    clock = [1000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    watch = StopWatch(StopConfig(walltime=100.0), tmp_path, started=1000.0, environment={})
    clock[0] = 1010.0  # a step of ten seconds
    assert watch.step() == NOTHING
    watch.checkpoint_took(5.0)
    clock[0] = 1019.0
    assert watch.step() == NOTHING
    clock[0] = 1068.9  # now a step of fifty seconds was seen
    assert watch.step() == WALLTIME
    # Other ranks neither look at the clock nor for the file.
    other = StopWatch(StopConfig(walltime=100.0), None, started=1000.0, environment={})
    clock[0] = 2000.0
    assert other.step() == NOTHING


def test_the_earlier_limit_counts(tmp_path):
    now = time.time()
    late, soon = {"SLURM_JOB_END_TIME": str(int(now) + 9999)}, {"SLURM_JOB_END_TIME": str(int(now))}
    assert StopWatch(StopConfig(), tmp_path, environment=late).step() == NOTHING
    assert StopWatch(StopConfig(), tmp_path, environment=soon).step() == WALLTIME
    assert StopWatch(StopConfig(slurm_end=False), tmp_path, environment=soon).step() == NOTHING
    limits = StopConfig(walltime=1.0)
    assert StopWatch(limits, tmp_path, started=now - 5, environment=late).step() == WALLTIME


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGUSR2)
    with StopWatch(StopConfig(signals=["USR2"]), None) as watch:
        assert watch.step() == NOTHING
        os.kill(os.getpid(), signal.SIGUSR2)
        assert watch.step() == SIGNAL
        assert watch.caught == "SIGUSR2"
    assert signal.getsignal(signal.SIGUSR2) == before


def test_the_file_is_looked_for_once_a_second(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    watch = StopWatch(StopConfig(), tmp_path, environment={})
    assert watch.step() == NOTHING
    (tmp_path / "STOP").touch()
    assert watch.step() == NOTHING
    clock[0] = 1.5
    assert watch.step() == FILE
