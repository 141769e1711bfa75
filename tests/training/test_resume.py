"""A run killed by SIGKILL and resumed equals a run that was never killed, to the last bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import launch
import numpy as np
import pytest

from hpc_qlstm.runs.checkpoint import find_checkpoints

EPOCHS = 60


def children(pid: int) -> list[int]:
    """Processes that `pid` started."""
    return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def kill_when(process: subprocess.Popen, run_dir: Path, epochs: int, victim: str) -> None:
    """SIGKILL a rank or the launcher once the run has written `epochs` epochs."""
    deadline = time.monotonic() + 60
    metrics = run_dir / "metrics.jsonl"
    while not metrics.exists() or metrics.read_bytes().count(b"\n") < epochs:
        assert time.monotonic() < deadline, "the run writes no metrics"
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.002)
    ranks = children(process.pid)
    if victim == "rank":
        os.kill(ranks[-1] if ranks else process.pid, signal.SIGKILL)
    else:
        for pid in [process.pid, *ranks]:
            os.kill(pid, signal.SIGKILL)
    process.wait(timeout=30)
    assert process.returncode != 0


@pytest.mark.parametrize(
    ("ranks", "resumed_on", "victim", "epochs"),
    [(None, None, "all", 1), (2, 2, "rank", 7), (2, None, "all", 20), (None, 4, "rank", 33)],
)
def test_killed_and_resumed(
    hpc_qlstm_run, write_config, losses, final_weights, tmp_path, ranks, resumed_on, victim, epochs
):
    config = write_config(
        partition={"count": 2},
        training={"epochs": EPOCHS, "shuffle": True, "schedule": "cosine", "batch_size": 3},
    )
    undisturbed = tmp_path / "undisturbed"
    done = hpc_qlstm_run("train", config, "--set", f"output.run_dir={undisturbed}")
    assert done.returncode == 0, done.stderr

    process = launch.start(
        *launch.HPC_QLSTM, "train", config, ranks=ranks, cwd=tmp_path,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    run_dir = tmp_path / "run"
    kill_when(process, run_dir, epochs, victim)
    assert len(losses(run_dir)) < EPOCHS
    done = hpc_qlstm_run("resume", run_dir, ranks=resumed_on)
    assert done.returncode == 0, done.stderr
    assert losses(run_dir) == losses(undisturbed)
    expected = final_weights(undisturbed)
    for name, array in final_weights(run_dir).items():
        assert np.array_equal(array, expected[name]), name


def test_a_torn_newest_checkpoint_is_skipped(hpc_qlstm_run, write_config, losses, tmp_path):
    config = write_config(training={"epochs": 5})
    assert hpc_qlstm_run("train", config).returncode == 0
    run_dir = tmp_path / "run"
    whole = losses(run_dir)
    newest = find_checkpoints(run_dir / "checkpoints")[0]
    newest.write_bytes(newest.read_bytes()[:1000])
    done = hpc_qlstm_run("resume", run_dir, ranks=2)
    assert done.returncode == 0, done.stderr
    assert f"skipped a checkpoint: {newest}" in done.stdout
    assert "after epoch 4" in done.stdout
    assert losses(run_dir) == whole


@pytest.mark.parametrize("ranks", [None, 2])
def test_continue_begins_a_run_or_resumes_it(hpc_qlstm_run, write_config, losses, tmp_path, ranks):
    """`train --continue` begins a run that is not there and resumes one that is."""
    config = write_config(training={"epochs": 2})
    first = hpc_qlstm_run("train", config, "--continue", ranks=ranks)
    assert first.returncode == 0, first.stderr
    assert "resuming" not in first.stdout
    again = hpc_qlstm_run("train", config, "--continue", "--set", "training.epochs=4", ranks=ranks)
    assert again.returncode == 0, again.stderr
    assert "resuming" in again.stdout
    assert [row[0] for row in losses(tmp_path / "run")] == [1, 2, 3, 4]
    assert not (tmp_path / "run~1").exists()


@pytest.mark.parametrize(
    ("campaign", "count"), [("kills", 2), ("surroundings", 2), ("damage", 200)]
)
def test_the_fault_campaign_in_short(campaign, count):
    script = Path(__file__).parents[2] / "scripts" / "fault_campaign.py"
    done = launch.run(
        sys.executable, script, campaign, "--count", count, "--seed", "7", timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "the same bits" in done.stdout or f"harmless of {count}" in done.stdout
