"""One job at a time writes to a run directory."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys

import pytest

import hpc_qlstm
from hpc_qlstm import load_config
from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.lock import RunLock

HOLD = """
import sys, time
from pathlib import Path
from hpc_qlstm.runs.lock import RunLock
lock = RunLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder():
    """Another process that holds a lock until it is killed."""
    processes = []

    def hold(path):
        environment = {**os.environ, "SLURM_JOB_ID": "4711"}
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True,
            env=environment,
        )  # fmt: skip
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.wait()


def test_a_second_owner_is_refused_and_a_crash_frees_the_lock(holder, tmp_path):
    process = holder(tmp_path / "lock")
    with pytest.raises(InputError, match=f"another job .*pid {process.pid}.*slurm job 4711"):
        RunLock(tmp_path / "lock").acquire()
    process.send_signal(signal.SIGKILL)
    process.wait()
    lock = RunLock(tmp_path / "lock").acquire()
    assert not lock.warning
    lock.release()
    assert not (tmp_path / "lock").exists()
    RunLock(tmp_path / "lock").acquire().release()


RACE = """
import random, sys, time
from pathlib import Path
from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.lock import RunLock
path, inside, until = Path(sys.argv[1]), Path(sys.argv[2]), time.monotonic() + 2
taken = 0
while time.monotonic() < until:
    try:
        lock = RunLock(path).acquire()
    except InputError:
        continue
    inside.mkdir()  # fails when somebody else is inside
    taken += 1
    inside.rmdir()
    lock.release()
print(taken)
"""


def test_many_processes_never_hold_it_together(tmp_path):
    arguments = [sys.executable, "-c", RACE, str(tmp_path / "lock"), str(tmp_path / "inside")]
    racers = [
        subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outputs = [racer.communicate(timeout=60) for racer in racers]
    assert all(racer.returncode == 0 for racer in racers), outputs
    assert sum(int(out) for out, _ in outputs) > 20


@pytest.mark.parametrize("ranks", [None, 2])
@pytest.mark.parametrize("verb", ["train", "resume"])
def test_a_second_job_is_refused(hpc_qlstm_run, write_config, holder, tmp_path, verb, ranks):
    config = write_config()
    hpc_qlstm.train(load_config(config), quiet=True)
    run_dir = tmp_path / "run"
    before = (run_dir / "metrics.jsonl").read_text()
    process = holder(run_dir / "lock")
    target = config if verb == "train" else run_dir
    done = hpc_qlstm_run(verb, target, ranks=ranks)
    assert done.returncode == 2
    assert f"{run_dir}: another job is writing to this run" in done.stderr
    assert "output.run_dir" in done.stderr
    assert (run_dir / "metrics.jsonl").read_text() == before
    process.kill()
    process.wait()
    assert hpc_qlstm_run(verb, target, ranks=ranks).returncode == 0


def test_a_finished_run_leaves_no_lock(write_config):
    config = load_config(write_config())
    for _ in range(2):  # the second moves the first aside
        hpc_qlstm.train(config, quiet=True)


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(errno.ENOLCK, "warning"), (errno.EOPNOTSUPP, "warning"), (errno.EIO, "error")],
)
def test_file_systems_without_locks(tmp_path, monkeypatch, number, outcome):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    lock = RunLock(tmp_path / "lock")
    if outcome == "error":
        with pytest.raises(InputError, match="cannot be locked"):
            lock.acquire()
    else:
        assert "without locks: make sure" in lock.acquire().warning
        lock.release()


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", "x" * 10_000])
def test_a_lock_file_with_anything_in_it(holder, tmp_path, content):
    path = tmp_path / "lock"
    path.write_text(content)
    RunLock(path).acquire().release()
    process = holder(path)
    path.write_text(content)
    with pytest.raises(InputError, match="another job is writing"):
        RunLock(path).acquire()
    process.kill()
