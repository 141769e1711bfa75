"""What is written while training: full disks, retention, checkpoints inside an epoch."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from checkpoints import RefusingWriter

import hpc_qlstm
from hpc_qlstm import load_config
from hpc_qlstm.analysis.inventory import checkpoint_inventory
from hpc_qlstm.config import CheckpointConfig
from hpc_qlstm.errors import HpcQlstmError
from hpc_qlstm.runs import json_lines, saver
from hpc_qlstm.runs import writer as writer_module
from hpc_qlstm.runs.checkpoint import checkpoint_path, find_checkpoints, load_checkpoint
from hpc_qlstm.runs.run_directory import RunDirectory
from hpc_qlstm.runs.saver import superseded
from hpc_qlstm.runs.writer import RunWriter


@pytest.fixture
def run_with_trouble(write_config, tmp_path, monkeypatch, capsys):
    """Train while checkpoints or metrics are refused on some calls; returns the output."""

    def run(what, refused, epochs=5, code=errno.ENOSPC):
        append, calls = json_lines.append_record, []

        def refusing(path, record):
            calls.append(path)
            if len(calls) in refused:
                with Path(path).open("a") as file:  # a full disk leaves half a line
                    file.write('{"epoch": ')
                raise OSError(code, os.strerror(code), str(path))
            return append(path, record)

        if what == "metrics":
            monkeypatch.setattr(json_lines, "append_record", refusing)
        else:
            writer = RefusingWriter(refused, code)
            monkeypatch.setattr(saver, "create_file_writer", lambda: writer)
        config = write_config(training={"epochs": epochs}, checkpoint={"delay": 0})
        hpc_qlstm.train(load_config(config))
        return capsys.readouterr().out

    return run


def test_a_refused_checkpoint_is_tried_again(run_with_trouble, tmp_path):
    out = run_with_trouble("checkpoints", {2, 3})
    folder = tmp_path / "run" / "checkpoints"
    # One warning that names path and cause, however often it is refused; then the good news.
    path = checkpoint_path(folder, 2)
    assert f"{path}: No space left on device; the last checkpoint is valid" in out
    assert "can be written again" in out
    assert find_checkpoints(folder)[0] == checkpoint_path(folder, 5)


def test_a_run_whose_end_cannot_be_saved_says_so(run_with_trouble, tmp_path):
    with pytest.raises(
        HpcQlstmError, match=r"could not be saved: .*Read-only file system"
    ) as caught:
        run_with_trouble("checkpoints", set(range(3, 100)), code=errno.EROFS)
    assert caught.value.exit_code == 1
    newest = find_checkpoints(tmp_path / "run" / "checkpoints")[0]
    assert load_checkpoint(newest).epoch == 2


def test_torn_metrics_are_taken_back(run_with_trouble, tmp_path):
    run_with_trouble("metrics", {2, 4})
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3, 4, 5]


def test_metrics_that_somebody_removed_are_written_whole(tmp_path):
    run = RunDirectory(tmp_path)
    run.checkpoints.mkdir()
    trainer = SimpleNamespace(take_jobs=list, history=[])
    writer = RunWriter(run, load_config({}), print)
    for epoch in range(1, 6):
        trainer.history.append({"epoch": epoch})
        writer._write_records(trainer, trainer.history[-1])
        if epoch == 3:
            run.metrics.unlink()
    lines = run.metrics.read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3, 4, 5]


def test_jobs_are_not_lost_on_a_full_disk(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path)
    run.checkpoints.mkdir()
    taken = [[{"job": 1}, {"job": 2}], [{"job": 3}], []]
    trainer = SimpleNamespace(take_jobs=lambda: taken.pop(0), state=SimpleNamespace(history=[{}]))
    append, calls = json_lines.append_record, []

    def refusing(path, record):
        calls.append(record)
        if len(calls) in (2, 3):
            with Path(path).open("a") as file:
                file.write('{"jo')
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return append(path, record)

    monkeypatch.setattr(json_lines, "append_record", refusing)
    writer = RunWriter(run, load_config({}), lambda text: None)
    for _ in range(3):
        writer._write_records(trainer, None)
    lines = run.jobs.read_text().splitlines()
    assert [json.loads(line)["job"] for line in lines] == [1, 2, 3]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize("ranks", [None, 2])
def test_a_full_file_system(hpc_qlstm_run, write_config, tmp_path, ranks):
    """A file system of 600 kB that another program fills in the middle of the run."""
    import subprocess

    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        config = write_config(output={"run_dir": str(disk / "run")}, training={"epochs": 2})
        assert hpc_qlstm_run("train", config, ranks=ranks).returncode == 0
        fill(disk / "filler")
        done = hpc_qlstm_run("resume", disk / "run", "--set", "training.epochs=40", ranks=ranks)
        assert done.returncode in (1, 2)
        assert "No space left on device" in done.stderr + done.stdout
        assert "Traceback" not in done.stderr
        assert load_checkpoint(find_checkpoints(disk / "run" / "checkpoints")[0]).epoch >= 2
        (disk / "filler").unlink()
        again = hpc_qlstm_run("resume", disk / "run", "--set", "training.epochs=40", ranks=ranks)
        assert again.returncode == 0, again.stderr
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def fill(path):
    """Fill a file system but for a few blocks."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"0" * 4096)
        except OSError:
            return


def test_checkpoints_inside_an_epoch(write_config, tmp_path, final_weights, monkeypatch):
    """With an interval of zero every batch is saved, and a run can be resumed from each."""
    config = load_config(
        write_config(
            training={"epochs": 2, "batch_size": 7},
            checkpoint={"every": 1},
        )
    )
    straight = hpc_qlstm.train(config, quiet=True)
    changes = {"checkpoint": CheckpointConfig(interval=0.0, keep=0)}
    hpc_qlstm.train(config.model_copy(update=changes), quiet=True)
    folder = tmp_path / "run" / "checkpoints"
    paths = find_checkpoints(folder)
    names = [path.name for path in paths]
    assert names[0] == "epoch-00000002.h5"
    assert names[1].startswith("epoch-00000001-batch-")
    assert names[-1] == "epoch-00000000-batch-00000001.h5"
    for path in paths[1:4]:
        # Newer ones go, and the run goes on from this one.
        for newer in find_checkpoints(folder):
            if newer != path and paths.index(newer) < paths.index(path):
                newer.unlink()
        resumed = hpc_qlstm.resume(tmp_path / "run", quiet=True)
        assert [r["train_loss"] for r in resumed.history] == [
            r["train_loss"] for r in straight.history
        ]
        assert [r["circuits"] for r in resumed.history] == [r["circuits"] for r in straight.history]
        for name, array in straight.weights.items():
            assert np.array_equal(resumed.weights[name], array)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"keep": 0}, {1, 2, 3, 4, 5, 6}),
        ({"keep": 2, "keep_best": False}, {5, 6}),
        ({"keep": 2}, {3, 5, 6}),
        ({"keep": 1, "keep_every": 2}, {2, 3, 4, 6}),
        ({"keep": 3, "keep_every": 4, "keep_best": False}, {4, 5, 6}),
    ],
)
def test_retention(settings, kept):
    there = [(epoch, 0) for epoch in range(1, 7)]
    there.insert(4, (4, 3))  # inside an epoch: never kept for long
    gone = superseded(there, CheckpointConfig(**settings), best_epoch=3)
    left = [where for where in there if where not in gone]
    assert {epoch for epoch, batch in left if not batch} == kept
    assert ((4, 3) in left) == (settings["keep"] in (0, 3))


def test_inventory(write_config, tmp_path, hpc_qlstm_run):
    hpc_qlstm.train(load_config(write_config()), quiet=True)
    folder = tmp_path / "run" / "checkpoints"
    damaged = find_checkpoints(folder)[1]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    entries = checkpoint_inventory(tmp_path / "run")
    assert [entry.epoch for entry in entries] == [3, 2, 1]
    assert [entry.valid for entry in entries].count(False) <= 1
    done = hpc_qlstm_run("checkpoint", tmp_path / "run", ranks=2)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["checkpoint", "epoch", "batch"]
    assert len(lines) == 4
    assert lines[1].endswith("valid")
    for path in find_checkpoints(folder):
        path.write_bytes(path.read_bytes()[:100])
    assert hpc_qlstm_run("checkpoint", tmp_path / "run").returncode == 1
    assert hpc_qlstm_run("checkpoint", tmp_path / "nothing").returncode == 2


@pytest.mark.parametrize(("interval", "waits"), [(1.0, 20 * 7.0), (0.0, 0.0)])
def test_slow_checkpoints_come_less_often(write_config, tmp_path, monkeypatch, interval, waits):
    """One that took seven seconds is not followed by the next a second later."""
    config = load_config(write_config(checkpoint={"interval": interval}))
    values = config.to_dict()
    del values["checkpoint"]["every"]
    monkeypatch.setattr(writer_module, "monotonic", lambda: 100.0)
    run = RunDirectory(tmp_path / "run")
    writer = RunWriter(run, load_config(values), print)
    writer._learn([saver.Outcome("path", 7.0)])
    assert writer._next == 100.0 + max(waits, interval)
