"""The job scripts on a real Slurm, which this file installs and starts where that is possible."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import launch
import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm import load_config
from hpc_qlstm.runs.checkpoint import find_checkpoints, load_checkpoint

PROJECT = Path(__file__).parents[2]
SCRIPT = PROJECT / "tests" / "slurm" / "local_slurm.sh"
LONG = {"epochs": 600, "batch_size": 5}
MODEL = {"partition": {"count": 2}, "data": {"options": {"points": 300}}}


class Slurm:
    """Commands of a Slurm that was started for the tests."""

    def __init__(self, environment):
        self.environment = environment

    def __call__(self, *words, check=True):
        done = subprocess.run(
            [str(word) for word in words], env=self.environment, capture_output=True, text=True,
            timeout=60,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stderr
        return done

    def submit(self, folder, *words, **variables):
        environment = {**self.environment, **variables}
        done = subprocess.run(
            ["sbatch", "--parsable", f"--chdir={folder}", *map(str, words)],
            env=environment, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def show(self, job):
        text = self("scontrol", "show", "job", "-o", job).stdout
        return dict(re.findall(r"(\w+)=(\S*)", text.splitlines()[0]))

    def wait(self, job, *states, seconds=120):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            shown = self.show(job)
            if shown["JobState"] in states:
                return shown
            time.sleep(0.2)
        raise AssertionError(f"job {job} is {self.show(job)['JobState']} after {seconds} s")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    installed = subprocess.run(["bash", SCRIPT, "install"], capture_output=True, text=True)
    if installed.returncode:
        pytest.skip(installed.stderr.strip().splitlines()[-1])
    folder = tmp_path_factory.mktemp("slurm")
    folder.parent.chmod(0o755)
    started = subprocess.run(["bash", SCRIPT, "start", folder], capture_output=True, text=True)
    if started.returncode:
        pytest.skip("Slurm does not start: " + started.stderr.strip().splitlines()[-1])
    environment = launch.environment(
        SLURM_CONF=started.stdout.strip(),
        HPC_QLSTM_SLURM=str(PROJECT / "slurm"),
        HPC_QLSTM_ENV=os.environ.get("VIRTUAL_ENV", "/nowhere"),
    )
    yield Slurm(environment)
    subprocess.run(["bash", SCRIPT, "stop", folder], check=False)


@pytest.fixture
def log(tmp_path):
    def read():
        return "".join(path.read_text() for path in tmp_path.glob("*.log"))

    return read


def begun(run_dir, seconds=60):
    """Wait until the newest run has done some epochs."""
    metrics = run_dir / "metrics.jsonl"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if metrics.exists() and metrics.read_text().count("\n") > 1:
            return
        time.sleep(0.1)
    raise AssertionError(f"no epochs in {run_dir}")


@pytest.mark.parametrize("launcher", ["mpirun", "srun"])
def test_a_job_on_two_ranks(slurm, write_config, tmp_path, losses, log, launcher):
    config = write_config(**MODEL, training={"epochs": 3})
    job = slurm.submit(
        tmp_path, PROJECT / "slurm" / "train.sbatch", config, HPC_QLSTM_LAUNCHER=launcher
    )
    shown = slurm.wait(job, "COMPLETED", "FAILED", "NODE_FAIL")
    assert shown["JobState"] == "COMPLETED", log()
    assert "2 ranks" in log()
    straight = load_config(config, [f"output.run_dir={tmp_path / 'straight'}"])
    hpc_qlstm.train(straight, quiet=True)
    assert losses(tmp_path / "run") == losses(tmp_path / "straight")


@pytest.mark.parametrize(("launcher", "times"), [("mpirun", 3), ("srun", 1)])
def test_every_usr1_requeues_the_job_once(
    slurm, write_config, tmp_path, losses, final_weights, log, launcher, times
):
    config = write_config(**MODEL, training=LONG, checkpoint={"interval": 0.5, "every": 50})
    job = slurm.submit(
        tmp_path, PROJECT / "slurm" / "train.sbatch", config, HPC_QLSTM_LAUNCHER=launcher
    )
    for restart in range(times):
        slurm.wait(job, "RUNNING")
        deadline = time.monotonic() + 60
        # The ranks of this start are there when the log says so.
        while log().count("sine: 2 partitions") <= restart and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.2)
        slurm("scancel", "--batch", "--signal=USR1", job)
        deadline = time.monotonic() + 60
        while int(slurm.show(job)["Restarts"]) <= restart and time.monotonic() < deadline:
            time.sleep(0.2)
    shown = slurm.wait(job, "COMPLETED", "FAILED", "NODE_FAIL")
    assert (shown["JobState"], shown["Restarts"]) == ("COMPLETED", str(times)), log()
    assert log().count("stopped by signal SIGUSR1, saved in") == times
    straight = load_config(config, [f"output.run_dir={tmp_path / 'straight'}"])
    hpc_qlstm.train(straight, quiet=True)
    assert losses(tmp_path / "run") == losses(tmp_path / "straight")
    expected = final_weights(tmp_path / "straight")
    for name, array in final_weights(tmp_path / "run").items():
        assert np.array_equal(array, expected[name]), name


def test_a_cancelled_job_leaves_a_valid_checkpoint(slurm, write_config, tmp_path):
    config = write_config(**MODEL, training={**LONG, "epochs": 100_000})
    job = slurm.submit(tmp_path, PROJECT / "slurm" / "train.sbatch", config)
    begun(tmp_path / "run")
    slurm("scancel", job)
    assert slurm.wait(job, "CANCELLED", "COMPLETED", "FAILED")["JobState"] == "CANCELLED"
    time.sleep(1.0)  # KillWait is over, the ranks are gone
    stored = load_checkpoint(find_checkpoints(tmp_path / "run" / "checkpoints")[0])
    result = hpc_qlstm.resume(
        tmp_path / "run", overrides=[f"training.epochs={stored.epoch + 1}"], quiet=True
    )
    assert len(result.history) == stored.epoch + 1


def test_a_job_array(slurm, write_config, tmp_path, log):
    config = write_config(**MODEL, training={"epochs": 2})
    job = slurm.submit(
        tmp_path, "--array=1-2", PROJECT / "slurm" / "train.sbatch", config,
        "--set", "training.seed=%a", "--set", f"output.run_dir={tmp_path}/seed-%a",
    )  # fmt: skip
    for task in (1, 2):
        assert slurm.wait(f"{job}_{task}", "COMPLETED", "FAILED")["JobState"] == "COMPLETED", log()
        written = load_config(tmp_path / f"seed-{task}" / "config.toml")
        assert written.training.seed == task


def test_a_study_by_a_job_array(slurm, tmp_path, log):
    """Each task computes its part of the cells; the one that finds all of them writes the table."""
    job = slurm.submit(
        tmp_path, "--array=0-1", "--ntasks=1", PROJECT / "slurm" / "reproduce.sbatch", "table1",
        "--output", tmp_path / "results", "--seeds", "2", "--set", "training.epochs=1",
    )  # fmt: skip
    for task in (0, 1):
        shown = slurm.wait(f"{job}_{task}", "COMPLETED", "FAILED")
        assert shown["JobState"] == "COMPLETED", log()
    assert len(list((tmp_path / "results" / "cells" / "table1").glob("*.json"))) == 14
    assert (tmp_path / "results" / "table1.md").stat().st_size > 1000


def test_scaling_by_a_job_array(slurm, write_config, tmp_path, log):
    """Each task measures one of two repeats on one and two ranks; the last one writes the table."""
    config = write_config(**MODEL)
    job = slurm.submit(
        tmp_path, "--array=0-1", "--ntasks=2", PROJECT / "slurm" / "scaling.sbatch", "strong",
        config, "--output", tmp_path / "results", "--repeats", "2", "--epochs", "2", "--steps", "2",
    )  # fmt: skip
    for task in (0, 1):
        shown = slurm.wait(f"{job}_{task}", "COMPLETED", "FAILED")
        assert shown["JobState"] == "COMPLETED", log()
    cells = sorted(path.name[:10] for path in (tmp_path / "results" / "cells").glob("*.json"))
    assert cells == ["P1-repeat0", "P1-repeat1", "P2-repeat0", "P2-repeat1"]
    assert "bits identical" in (tmp_path / "results" / "scaling-strong.md").read_text()


@pytest.mark.parametrize("how", ["none", "pmi2"])
def test_a_launcher_of_another_kind_is_refused(slurm, write_config, tmp_path, log, how):
    """`srun --mpi=none` starts two processes that are unaware of each other."""
    config = write_config(**MODEL, training={"epochs": 2})
    job = slurm.submit(
        tmp_path, PROJECT / "slurm" / "train.sbatch", config,
        HPC_QLSTM_LAUNCHER="srun", HPC_QLSTM_SRUN_MPI=how,
    )  # fmt: skip
    shown = slurm.wait(job, "COMPLETED", "FAILED")
    assert shown["JobState"] == "FAILED"
    # Where srun itself ends the second process while it still starts, its 143 is the highest code.
    assert shown["ExitCode"] in ("2:0", "143:0")
    assert shown["Restarts"] == "0"
    errors = [line for line in log().splitlines() if line.startswith("error:")]
    assert len(errors) == 1 if how == "none" else errors
    assert "2 " in errors[0]
    assert "srun --mpi=pmix" in errors[0]
    assert not (tmp_path / "run").exists()


def test_bad_input_is_not_requeued(slurm, write_config, tmp_path, log):
    config = write_config(**MODEL, training={"epochs": 0})
    job = slurm.submit(tmp_path, PROJECT / "slurm" / "train.sbatch", config)
    shown = slurm.wait(job, "COMPLETED", "FAILED")
    assert (shown["JobState"], shown["ExitCode"], shown["Restarts"]) == ("FAILED", "2:0", "0")
    assert "training.epochs" in log()


def test_the_walltime_limit_of_the_job(slurm, write_config, tmp_path, log):
    """Slurm's shortest limit is one minute, so the run is given an earlier one."""
    config = write_config(**MODEL, training={**LONG, "epochs": 100_000})
    soon = str(int(time.time()) + 8)
    job = slurm.submit(
        tmp_path, "--no-requeue", PROJECT / "slurm" / "train.sbatch", config,
        "--set", "stop.walltime=5", SLURM_JOB_END_TIME=soon,
    )  # fmt: skip
    shown = slurm.wait(job, "COMPLETED", "FAILED")
    # Not to be requeued: the exit code says that there is more to do.
    assert shown["ExitCode"] == "75:0", log()
    assert "stopped by the wall-time limit" in log()
