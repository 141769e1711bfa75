"""What rank 0 writes while training goes on: metrics, jobs, checkpoints.

A file system that refuses (full, read-only, gone) does not end a run: what could not be written is
tried again at the next occasion, and only the end of the run insists. The checkpoint before stays
valid in the meantime, because a new one takes its place under another name and complete.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from hpc_qlstm.config import Config
from hpc_qlstm.errors import HpcQlstmError
from hpc_qlstm.runs.checkpoint_format import Snapshot
from hpc_qlstm.runs.json_lines import JsonLines, Record
from hpc_qlstm.runs.run_directory import RunDirectory
from hpc_qlstm.runs.saver import CheckpointSaver, Outcome

MOST_OF_TIME = 20
"""After a checkpoint by `checkpoint.interval`, training has this many times its seconds."""


class Saved(Protocol):
    """What is asked of a trainer to write its run."""

    @property
    def history(self) -> list[Record]:
        """The records of all epochs done."""

    def snapshot(self) -> Snapshot:
        """The whole state, to be made a checkpoint later."""

    def take_jobs(self) -> list[dict[str, Any]]:
        """The jobs of backends since this was last called."""


class RunWriter:
    """Writes a run's files as training goes on. For rank 0; local.

    A checkpoint is due every `checkpoint.every` epochs; without that key, after the first epoch or
    batch that ends `checkpoint.interval` seconds after the checkpoint before (later where that took
    more than a twentieth of it), so that runs with epochs of milliseconds do not spend their time
    on the file system, and runs with epochs of hours lose little. The last epoch is always written.
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
        self._saver = CheckpointSaver(run.checkpoints, config.checkpoint)
        self._refused = ""
        self._told_of_old_ones = False
        self._metrics, self._jobs = JsonLines(run.metrics), JsonLines(run.jobs)

    def epoch(self, trainer: Saved, record: Record) -> None:
        """Write what is due after an epoch."""
        self._write_records(trainer, record)
        every = self._settings.every
        due = monotonic() >= self._next if every is None else record["epoch"] % every == 0
        if due or record["epoch"] == self._last_epoch or self._refused:
            self._add(trainer)
        self._learn(self._saver.advance())

    def batch(self, trainer: Saved) -> None:
        """Write what is due inside an epoch."""
        if self._settings.every is None and monotonic() >= self._next:
            self._add(trainer)
        self._learn(self._saver.advance())

    def last(self, trainer: Saved) -> Path:
        """The state as a checkpoint, before a run ends early. Raises OSError."""
        self._write_records(trainer, None)
        for _ in range(2):  # the first try may find no folder, and makes it
            self._add(trainer)
            outcome = self._saver.advance(flush=True)[-1]
            if outcome.error is None:
                return Path(outcome.path)
        assert outcome.error
        raise outcome.error

    def finish(self, trainer: Saved) -> None:
        """Raise HpcQlstmError where the end of the run could not be saved, after a last try."""
        self._learn(self._saver.advance(flush=True))
        if self._refused or self._metrics.waiting:
            self._add(trainer)
            self._learn(self._saver.advance(flush=True))
        unsaved = self._refused
        self._write_records(trainer, None)
        if unsaved or self._metrics.waiting or self._jobs.waiting:
            raise HpcQlstmError(
                f"training is done, but could not be saved: {unsaved or self._refused}"
            )

    def close(self) -> None:
        """Wait for the checkpoint under way; call however the run ends."""
        self._saver.close()

    def _add(self, trainer: Saved) -> None:
        self._saver.add(trainer.snapshot())
        self._next = monotonic() + self._settings.interval

    def _learn(self, outcomes: list[Outcome]) -> None:
        """Take note of what became of checkpoints."""
        for outcome in outcomes:
            # A stop writes all that wait.
            self._took(outcome.seconds * (1 + self._saver.waiting))
            if self._settings.interval:
                # Of thousands of partitions they take seconds, and training must not stand still.
                self._next = max(self._next, monotonic() + MOST_OF_TIME * outcome.seconds)
            if outcome.cleanup and not self._told_of_old_ones:
                self._told_of_old_ones = True
                reason = outcome.cleanup.strerror
                self._say(
                    f"warning: {self._run.checkpoints}: old ones cannot be removed ({reason})"
                )
            if outcome.error:
                self._warn(outcome.error)
            elif self._refused:
                self._say(f"checkpoints can be written again in {self._run.checkpoints}")
                self._refused = ""

    def _write_records(self, trainer: Saved, record: Record | None) -> None:
        if record is not None and self._metrics.path.exists():
            self._metrics.waiting.append(record)
        elif record is not None:  # somebody has removed the file
            self._metrics.waiting = list(trainer.history)
        self._jobs.waiting += trainer.take_jobs()
        for file in (self._metrics, self._jobs):
            try:
                file.write()
            except OSError as error:
                self._warn(error)

    def _warn(self, error: OSError) -> None:
        text = f"{error.filename or self._run.path}: {error.strerror or error}"
        if not self._refused:
            self._say(
                f"warning: {text}; the last checkpoint is valid, training goes on and tries again"
            )
        self._refused = text
