"""Checkpoints that are written while training goes on: which, when, and what remains."""

from __future__ import annotations

import errno
import os
import time

import pytest
from checkpoints import RefusingWriter, make, same

from hpc_qlstm.config import CheckpointConfig
from hpc_qlstm.runs import saver as module
from hpc_qlstm.runs.checkpoint import find_checkpoints, load_checkpoint, position
from hpc_qlstm.runs.checkpoint_format import Snapshot
from hpc_qlstm.runs.saver import CheckpointSaver

WEEK = 7 * 86400.0


def snapshot(epoch, batch=0, best_epoch=1):
    """A snapshot whose checkpoint can be told by its epoch."""
    changes = {"batch": batch, "best_epoch": best_epoch}
    return Snapshot((epoch, batch), best_epoch, lambda: make(epoch, **changes))


def there(folder):
    return [position(path) for path in reversed(find_checkpoints(folder))]


def run(saver, epochs, flush=True, best_epoch=1):
    outcomes = []
    for epoch in epochs:
        saver.add(snapshot(epoch, best_epoch=best_epoch))
        outcomes += saver.advance()
    return outcomes + (saver.advance(flush=True) if flush else [])


@pytest.mark.parametrize("delay", [0.0, WEEK])
@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"keep": 2}, [1, 9, 10]),
        ({"keep": 2, "keep_best": False}, [9, 10]),
        ({"keep": 1, "keep_every": 4}, [1, 4, 8, 10]),
        ({"keep": 0}, range(1, 11)),
    ],
)
def test_the_folder_is_the_same_in_the_end_however_long_they_wait(tmp_path, settings, kept, delay):
    saver = CheckpointSaver(tmp_path, CheckpointConfig(**settings, delay=delay))
    outcomes = run(saver, range(1, 11))
    assert all(outcome.error is None for outcome in outcomes)
    # The first is written at once; of those that wait, none that are superseded.
    written = [epoch for epoch in range(1, 11) if delay == 0 or epoch in {1, *kept}]
    assert [os.path.basename(outcome.path) for outcome in outcomes] == [
        f"epoch-{epoch:08d}.h5" for epoch in written
    ]
    assert there(tmp_path) == [(epoch, 0) for epoch in kept]
    for path in find_checkpoints(tmp_path):
        assert same(load_checkpoint(path), make(position(path)[0], best_epoch=1))
    assert len(os.listdir(tmp_path)) == len(list(kept))


def test_those_that_wait_are_written_when_the_delay_is_over(tmp_path):
    saver = CheckpointSaver(tmp_path, CheckpointConfig(keep=2, keep_best=False, delay=0.2))
    run(saver, range(1, 6), flush=False)
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        saver.advance()
    assert there(tmp_path) == [(1, 0)]
    end = time.monotonic() + 5.0
    while there(tmp_path) != [(4, 0), (5, 0)] and time.monotonic() < end:
        saver.advance()
    assert there(tmp_path) == [(4, 0), (5, 0)]


def test_an_epoch_that_takes_longer_than_the_delay_is_written_at_once(tmp_path):
    saver = CheckpointSaver(tmp_path, CheckpointConfig(delay=0.01))
    for epoch in range(1, 4):
        time.sleep(0.02)
        saver.add(snapshot(epoch))
        saver.advance()
        saver._writer.wait()
        assert (epoch, 0) in there(tmp_path)


def test_no_more_than_a_number_wait(tmp_path):
    saver = CheckpointSaver(tmp_path, CheckpointConfig(keep=1000, delay=WEEK))
    for epoch in range(1, 150):
        saver.add(snapshot(epoch))
        saver.advance()
        assert saver.waiting <= 64


def test_inside_an_epoch_and_beside_others(tmp_path):
    """What lies there already is subject to the same rule; other files are not touched."""
    for name in ("epoch-00000001.h5", "epoch-00000002-batch-00000003.h5", "epoch-none.h5", "notes"):
        (tmp_path / name).write_text(name)
    saver = CheckpointSaver(tmp_path, CheckpointConfig(keep=2, keep_best=False))
    saver.add(snapshot(2, 5))
    saver.advance(flush=True)
    saver.add(snapshot(3))
    saver.advance(flush=True)
    assert sorted(os.listdir(tmp_path)) == [
        "epoch-00000002-batch-00000005.h5", "epoch-00000003.h5", "epoch-none.h5", "notes",
    ]  # fmt: skip


def test_damaged_files_of_later_epochs_are_not_taken_for_the_newest(tmp_path):
    """A run that goes on from before them keeps what it writes, and passes them in the end."""
    for epoch in (98, 99, 100):
        (tmp_path / f"epoch-{epoch:08d}.h5").write_text("damaged")
    saver = CheckpointSaver(tmp_path, CheckpointConfig(keep=3, keep_best=False, delay=0))
    run(saver, range(1, 6))
    assert there(tmp_path) == [(3, 0), (4, 0), (5, 0), (98, 0), (99, 0), (100, 0)]
    run(saver, range(96, 103))
    assert there(tmp_path) == [(100, 0), (101, 0), (102, 0)]


def test_old_checkpoints_that_cannot_be_removed(tmp_path):
    """A folder under a checkpoint's name: the new checkpoint is there all the same."""
    (tmp_path / "epoch-00000001.h5").mkdir()
    saver = CheckpointSaver(tmp_path, CheckpointConfig(keep=1, keep_best=False, delay=0))
    (outcome,) = run(saver, [2])
    assert outcome.error is None
    assert isinstance(outcome.cleanup, IsADirectoryError | PermissionError)
    assert [bool(outcome.cleanup) for outcome in run(saver, [3, 4])] == [False, False]
    assert there(tmp_path) == [(1, 0), (4, 0)]


def test_the_end_by_an_exception_writes_the_newest_that_waits(tmp_path):
    saver = CheckpointSaver(tmp_path, CheckpointConfig(keep=3, delay=WEEK))
    run(saver, range(1, 6), flush=False)
    saver.close()
    assert there(tmp_path)[-1] == (5, 0)


def test_a_failed_save_removes_no_older_checkpoint(tmp_path, monkeypatch):
    refusing = RefusingWriter({2, 3}, errno.ENOSPC)
    monkeypatch.setattr(module, "create_file_writer", lambda: refusing)
    saver = CheckpointSaver(tmp_path, CheckpointConfig(keep=1, keep_best=False, delay=0))
    outcomes = run(saver, [1, 2, 3])
    assert [bool(outcome.error) for outcome in outcomes] == [False, True, True]
    assert outcomes[1].error.filename.endswith("epoch-00000002.h5")
    assert there(tmp_path) == [(1, 0)]
    assert not run(saver, [4])[0].error
    assert there(tmp_path) == [(4, 0)]


def test_a_folder_that_is_gone_is_an_outcome(tmp_path):
    saver = CheckpointSaver(tmp_path / "none", CheckpointConfig())
    (outcome,) = run(saver, [1])
    assert isinstance(outcome.error, FileNotFoundError)
    # The next one finds it there again, unless something else has its name.
    (tmp_path / "none").rmdir()
    (tmp_path / "none").write_text("a file in the way")
    (outcome,) = run(saver, [2])
    assert isinstance(outcome.error, NotADirectoryError)
    (tmp_path / "none").unlink()
    assert isinstance(run(saver, [2])[0].error, FileNotFoundError)
    assert not run(saver, [3])[0].error
    # A file that has the name of a folder cannot be replaced; nothing is left over.
    (tmp_path / "none" / "epoch-00000004.h5").mkdir()
    assert isinstance(run(saver, [4])[0].error, IsADirectoryError)
    assert sorted(os.listdir(tmp_path / "none")) == ["epoch-00000003.h5", "epoch-00000004.h5"]
    saver.close()
