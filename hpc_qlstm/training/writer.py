"""What rank 0 writes while training goes on: metrics, jobs, checkpoints.

A file system that refuses (full, read-only, gone) does not end a run: what could not be written is
tried again at the next occasion, and only the end of the run insists. The checkpoint before stays
valid in the meantime, because a new one takes its place under another name and complete.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from hpc_qlstm.config import CheckpointConfig, Config
from hpc_qlstm.errors import HpcQlstmError
from hpc_qlstm.training.checkpoint import (
    checkpoint_path,
    find_checkpoints,
    position,
    save_checkpoint,
)
from hpc_qlstm.training.metrics import Record, append_record
from hpc_qlstm.training.run_directory import RunDirectory, replace_text
from hpc_qlstm.training.trainer import Trainer


class RunWriter:
    """Writes a run's files as training goes on. For rank 0; local.

    A checkpoint is due every `checkpoint.every` epochs; without that key, after the first epoch or
    batch that ends `checkpoint.interval` seconds after the checkpoint before, so that runs with
    epochs of milliseconds do not spend their time on the file system, and runs with epochs of hours
    lose little. The last epoch is always written.
    say: prints a warning; took: is told how many seconds a checkpoint took.
    """

    def __init__(
        self,
        run: RunDirectory,
        config: Config,
        say: Callable[[str], None],
        took: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._run = run
        self._settings = config.checkpoint
        self._last_epoch = config.training.epochs
        self._say = say
        self._took = took
        self._next = monotonic() + self._settings.interval
        self._refused = ""
        self._metrics_torn = False

    def epoch(self, trainer: Trainer, record: Record) -> None:
        """Write what is due after an epoch."""
        self._write_records(trainer, record)
        every = self._settings.every
        due = monotonic() >= self._next if every is None else record["epoch"] % every == 0
        if due or record["epoch"] == self._last_epoch or self._refused:
            self._try_to_save(trainer)

    def batch(self, trainer: Trainer) -> None:
        """Write what is due inside an epoch."""
        if self._settings.every is None and monotonic() >= self._next:
            self._try_to_save(trainer)

    def last(self, trainer: Trainer) -> Path:
        """The state as a checkpoint, before a run ends early. Raises OSError."""
        self._write_records(trainer, None)
        return self._save(trainer)

    def finish(self, trainer: Trainer) -> None:
        """Raise HpcQlstmError where the end of the run could not be saved, after a last try."""
        if self._refused or self._metrics_torn:
            self._try_to_save(trainer)
        unsaved = self._refused
        if self._metrics_torn:
            self._write_records(trainer, None)
        if unsaved or self._metrics_torn:
            raise HpcQlstmError(
                f"training is done, but could not be saved: {unsaved or self._refused}"
            )

    def _write_records(self, trainer: Trainer, record: Record | None) -> None:
        jobs = trainer.take_jobs()
        try:
            if self._metrics_torn:
                # A full disk may have left half a line: write the file anew.
                history = trainer.state.history
                text = "".join(json.dumps(each) + "\n" for each in history)
                replace_text(self._run.metrics, text)
                self._metrics_torn = False
            elif record is not None:
                append_record(self._run.metrics, record)
            for job in jobs:
                append_record(self._run.jobs, job)
        except OSError as error:
            self._metrics_torn = True
            self._warn(error)

    def _try_to_save(self, trainer: Trainer) -> None:
        try:
            self._save(trainer)
            if self._refused:
                self._say(f"checkpoints can be written again in {self._run.checkpoints}")
            self._refused = ""
        except OSError as error:
            self._warn(error)
        self._next = monotonic() + self._settings.interval

    def _warn(self, error: OSError) -> None:
        text = f"{error.filename or self._run.path}: {error.strerror or error}"
        if text != self._refused:
            self._say(
                f"warning: {text}; the last checkpoint is valid, training goes on and tries again"
            )
        self._refused = text

    def _save(self, trainer: Trainer) -> Path:
        start = monotonic()
        folder, state = self._run.checkpoints, trainer.state
        path = checkpoint_path(folder, state.epoch, state.batch)
        save_checkpoint(path, trainer.checkpoint())
        for old in superseded(find_checkpoints(folder), self._settings, state.best_epoch):
            old.unlink(missing_ok=True)
        self._took(monotonic() - start)
        return path


def superseded(paths: list[Path], settings: CheckpointConfig, best_epoch: int) -> list[Path]:
    """Of checkpoints, newest first, those that the retention rule lets go."""
    if not settings.keep:
        return []

    def kept(path: Path) -> bool:
        epoch, batch = position(path)
        if batch:
            return False
        regular = settings.keep_every and epoch % settings.keep_every == 0
        return bool(regular) or (settings.keep_best and epoch == best_epoch)

    return [path for path in paths[settings.keep :] if not kept(path)]
