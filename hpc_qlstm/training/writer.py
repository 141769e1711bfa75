"""What rank 0 writes after an epoch: a line of metrics.jsonl and, when it is time, a checkpoint."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

from hpc_qlstm.config import Config
from hpc_qlstm.errors import HpcQlstmError
from hpc_qlstm.training.checkpoint import checkpoint_path, find_checkpoints, save_checkpoint
from hpc_qlstm.training.metrics import Record, append_record
from hpc_qlstm.training.run_directory import RunDirectory
from hpc_qlstm.training.trainer import Trainer


class RunWriter:
    """Writes a run's files as training goes on. For rank 0; local.

    A checkpoint is due every `checkpoint.every` epochs; without that key, after the first epoch
    that ends `checkpoint.interval` seconds after the checkpoint before, so that runs with epochs of
    milliseconds do not spend their time on the file system. The last epoch is always written.
    """

    def __init__(self, run: RunDirectory, config: Config) -> None:
        self._run = run
        self._settings = config.checkpoint
        self._last_epoch = config.training.epochs
        self._next = monotonic() + self._settings.interval

    def write(self, trainer: Trainer, record: Record) -> None:
        """Write what is due after an epoch. Raises HpcQlstmError when the file system refuses."""
        epoch = record["epoch"]
        every = self._settings.every
        due = monotonic() >= self._next if every is None else epoch % every == 0
        try:
            append_record(self._run.metrics, record)
            self._write_jobs(trainer)
            if due or epoch == self._last_epoch:
                self._save(trainer)
                self._next = monotonic() + self._settings.interval
        except OSError as error:
            raise HpcQlstmError(
                f"{error.filename or self._run.path}: cannot be written "
                f"({error.strerror or error}); after epoch {epoch}, the last checkpoint is valid"
            ) from error

    def write_last(self, trainer: Trainer) -> Path:
        """Save the state of a run that cannot go on; returns the checkpoint. Raises OSError."""
        self._write_jobs(trainer)
        return self._save(trainer)

    def _write_jobs(self, trainer: Trainer) -> None:
        for job in trainer.take_jobs():
            append_record(self._run.jobs, job)

    def _save(self, trainer: Trainer) -> Path:
        folder, state = self._run.checkpoints, trainer.state
        path = checkpoint_path(folder, state.epoch, state.batch)
        save_checkpoint(path, trainer.checkpoint())
        keep = self._settings.keep
        for old in find_checkpoints(folder)[keep:] if keep else []:
            old.unlink(missing_ok=True)
        return path
