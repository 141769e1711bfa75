"""Whole runs: train a configuration, resume a run directory. Collective."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from hpc_qlstm.build.setup import set_up
from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config
from hpc_qlstm.config_io import Source, load_config
from hpc_qlstm.errors import EngineError, HpcQlstmError, TrainingError
from hpc_qlstm.parallel import (
    Communicator,
    Watchdog,
    ending_all,
    on_root,
    open_communicator,
    together,
)
from hpc_qlstm.runs.checkpoint import load_newest
from hpc_qlstm.runs.json_lines import Record
from hpc_qlstm.runs.lock import RunLock
from hpc_qlstm.runs.run_directory import (
    RunDirectory,
    continue_run,
    create_run_directory,
    open_run_directory,
    with_whole_paths,
)
from hpc_qlstm.runs.writer import RunWriter
from hpc_qlstm.training.progress import ProgressReport
from hpc_qlstm.training.stopping import StopRequested, StopWatch, remove_stop_file
from hpc_qlstm.training.trainer import Trainer

logger = logging.getLogger("hpc_qlstm.train")


@dataclass(frozen=True)
class Result:
    """A finished run, the same on every rank.

    weights and best: by name, after the last epoch and of the epoch with the smallest test loss;
    history: one record an epoch, as in metrics.jsonl. stopped: why the run stopped early, at a
    checkpoint that `resume` goes on from; empty when it is done.
    """

    run_dir: Path
    config: Config
    weights: dict[str, Float]
    best: dict[str, Float]
    history: list[Record]
    stopped: str = ""


def train(
    config: Source,
    comm: Any = None,
    *,
    overrides: Sequence[str] = (),
    console: Console | None = None,
    quiet: bool = False,
) -> Result:
    """Train a configuration (a TOML file's path, a dictionary, or a Config). Collective.

    comm: an mpi4py communicator; default: MPI's world under an MPI launcher, else one process.
    overrides: "section.key=value". quiet: print nothing. Writes the run directory, rank 0 alone.
    Raises InputError on every rank for bad input; an exception on one rank ends all.
    """
    comm = open_communicator(comm)
    with ending_all(comm):
        resolved = on_root(comm, lambda: with_whole_paths(load_config(config, overrides)))
        setup = set_up(resolved, comm)
        run, notes = on_root(comm, lambda: create_run_directory(resolved))
        trainer = Trainer(setup)
        with locked(run, comm) as warnings:
            notes = [*notes, *setup.gpus, *setup.warnings, *warnings]
            return _run(run, trainer, notes, console, quiet)


def resume(
    run_dir: str | Path,
    comm: Any = None,
    *,
    overrides: Sequence[str] = (),
    console: Console | None = None,
    quiet: bool = False,
) -> Result:
    """Go on with a run from its newest valid checkpoint, on any allowed number of ranks.

    Without a checkpoint the run starts again from its configuration. Collective.
    """
    comm = open_communicator(comm)
    with ending_all(comm):
        run, config = on_root(comm, lambda: open_run_directory(run_dir, overrides))
        setup = set_up(config, comm)
        trainer = Trainer(setup)

        def newest() -> tuple[Any, list[str]]:
            stored, warnings = load_newest(run.checkpoints)
            if stored is None:
                told = f"{run.path} has no checkpoint, starting from the beginning"
            else:
                within = f", batch {stored.batch} of the next" if stored.batch else ""
                told = f"resuming {run.path} after epoch {stored.epoch}{within}"
            return stored, [*warnings, told]

        # Locked before it is read: what another job still writes would be read too early.
        with locked(run, comm) as warnings:
            stored, notes = on_root(comm, newest)
            if stored is not None:
                together(comm, lambda: trainer.restore(stored))
            on_root(comm, lambda: continue_run(run, config, trainer.state.history))
            on_root(comm, lambda: remove_stop_file(run.path))
            notes = [*notes, *setup.gpus, *setup.warnings, *warnings]
            return _run(run, trainer, notes, console, quiet)


@contextlib.contextmanager
def locked(run: RunDirectory, comm: Communicator) -> Iterator[list[str]]:
    """Hold the run directory's lock on rank 0; gives warnings. Collective; raises InputError."""
    lock = RunLock(run.lock)
    warning = on_root(comm, lambda: lock.acquire().warning)
    try:
        yield [warning] if warning else []
    finally:
        lock.release()


def _run(
    run: RunDirectory, trainer: Trainer, notes: list[str], console: Console | None, quiet: bool
) -> Result:
    config, silent = trainer.config, quiet or trainer.model.comm.rank != 0
    with ProgressReport(config, trainer.state.epoch, console, silent) as progress:
        for text in (_describe(trainer), *notes):
            progress.say(text)
        stopped = _loop(run, trainer, progress)
        trainer.model.free()  # not where ranks failed: they might wait for each other
    views = trainer.model.model.layout.views
    state = trainer.state
    return Result(run.path, config, views(state.weights), views(state.best), state.history, stopped)


def _loop(run: RunDirectory, trainer: Trainer, progress: ProgressReport) -> str:
    """The epochs that are left; returns why they stopped early, or nothing."""
    config, comm = trainer.config, trainer.model.comm
    watch = StopWatch(config.stop, run.path if comm.rank == 0 else None)
    writer = RunWriter(run, config, progress.say, watch.checkpoint_took)
    trainer.wants_to_stop = watch.step
    if comm.rank == 0:
        trainer.after_batch = partial(writer.batch, trainer)
    # Signals are caught until all is written: a second one must not end a rank in the middle.
    with watch:
        try:
            with Watchdog(comm, config.parallel.watchdog):
                while trainer.state.epoch < config.training.epochs:
                    record = trainer.run_epoch()
                    if comm.rank == 0:
                        writer.epoch(trainer, record)
                    progress.epoch(record)
        except StopRequested as request:
            path = on_root(comm, partial(_save_before_stop, writer, trainer))
            caught = next(filter(None, comm.allgather_object(watch.caught)), "")
            reason = f"signal {caught}" if caught else str(request)
            progress.say(f"stopped by {reason}, saved in {path}; resume goes on from there")
            return reason
        except (EngineError, TrainingError) as error:
            # Every rank raises the same: the run ends in step, at a checkpoint.
            on_root(comm, partial(_save_what_is_there, writer, trainer, error))
            raise
        else:
            on_root(comm, partial(writer.finish, trainer))
            return ""
        finally:
            writer.close()
            _close(trainer)


def _save_before_stop(writer: RunWriter, trainer: Trainer) -> Path:
    try:
        return writer.last(trainer)
    except OSError as error:
        raise HpcQlstmError(
            f"{error.filename}: the checkpoint before stopping cannot be written "
            f"({error.strerror or error}); the one before it is valid"
        ) from error


def _close(trainer: Trainer) -> None:
    """Close this rank's data and engines; trouble with that must not hide how the run ended."""
    trainer.data.close()
    for engine in trainer.model.local.engines:
        try:
            engine.close()
        except Exception as error:
            logger.warning("engine %s could not be closed: %s", engine.name, error)


def _save_what_is_there(writer: RunWriter, trainer: Trainer, error: HpcQlstmError) -> None:
    """A checkpoint before the run ends with an error, named in the error's message. For rank 0."""
    state, where = trainer.state, ""
    if isinstance(error, EngineError):
        evaluating = state.batch == trainer.batches
        step = "evaluation" if evaluating else f"batch {state.batch + 1}"
        where = f"epoch {state.epoch + 1}, {step}: "
    try:
        path = writer.last(trainer)
        outcome = f"the state before it is saved in {path}; resume goes on from there"
    except OSError as refused:
        outcome = f"its state could not be saved ({refused.strerror or refused})"
    error.args = (f"{where}{error}; {outcome}",)


def _describe(trainer: Trainer) -> str:
    """One line: task, model, engine, ranks."""
    model, grid, config = trainer.model.model, trainer.model.grid, trainer.config
    qubits = ", ".join(str(q) for q in model.partition.qubits[:8])
    more = ", ..." if model.partition.count > 8 else ""
    size = trainer.model.comm.size
    replicas = f" in {grid.replicas} replicas" if grid.replicas > 1 else ""
    what, engine = "classical LSTM", ""
    if config.model.gates != "linear":
        what = f"{model.partition.count} partitions of {qubits}{more} qubits"
        engine = f" engine {config.engine.name} ({trainer.model.local.gradient}),"
    drawn = f"{config.data.epoch_windows} of " if config.data.epoch_windows else ""
    return (
        f"{config.data.source}: {what}, {model.layout.size} weights,{engine} "
        f"{size} rank{'s' if size > 1 else ''}{replicas}, "
        f"{drawn}{trainer.data.train_count} training and {trainer.data.test_count} test windows"
    )
