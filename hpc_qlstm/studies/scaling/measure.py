"""One trial of a scaling study: a few epochs of full batches, timed step by step. Collective."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable

import numpy as np

from hpc_qlstm.build.setup import set_up
from hpc_qlstm.build.sources import build_source
from hpc_qlstm.data import Dataset, WindowSource
from hpc_qlstm.distributed.rank_reports import SHARES
from hpc_qlstm.parallel import Communicator, mpi_library, on_root, processor_name
from hpc_qlstm.runs.checkpoint_format import package_versions
from hpc_qlstm.runs.json_lines import Record
from hpc_qlstm.studies.runner import Result, changed
from hpc_qlstm.studies.scaling.plan import StepTrial, spread
from hpc_qlstm.training.trainer import Trainer

COMPARED = 3
"""Batches of a trial that is run on one rank for its losses alone. A model that has grown with P
takes P times as long there; every loss but the first depends on the gradients of all before."""


def measure(
    trial: StepTrial, comm: Communicator, wants_to_stop: Callable[[], int] = lambda: 0
) -> Result:
    """Train a trial on all ranks of `comm`; its times and losses, on every rank. Collective.

    The first epoch warms up and is not timed. A trial that is run for its losses alone ends after
    COMPARED batches, without times. Raises on every rank what set-up and training raise,
    StopRequested where a rank wants to stop.
    """
    config = trial.point.config
    batch = config.training.batch_size

    def windows() -> Dataset:
        with contextlib.closing(build_source(config)) as source:
            return full_batches(source, batch, trial.steps)

    # These windows are all that an epoch has.
    setup = set_up(changed(config, "data", epoch_windows=0), comm, on_root(comm, windows))
    trainer = Trainer(setup, wants_to_stop=wants_to_stop)
    batches: list[float] = []

    def note_loss() -> None:
        if trainer.state.epoch == 0:
            batches.append(trainer.state.losses[-1])
            if not trial.timed and len(batches) == COMPARED:
                raise _EnoughError

    trainer.after_batch = note_loss
    steps: list[float] = []
    try:
        for epoch in range(trial.epochs):
            trainer.run_epoch()
            if epoch:
                steps += trainer.step_seconds
    except _EnoughError:
        pass
    finally:
        for engine in trainer.model.local.engines:
            engine.close()
    trainer.model.free()
    history, grid = trainer.state.history, trainer.model.grid
    partition = trainer.model.model.partition
    losses = {"batches": batches}
    losses |= {part: [record[f"{part}_loss"] for record in history] for part in ("train", "test")}
    machine = {"processor": processor_name(), "cores": os.cpu_count() or 1}
    return {
        "title": trial.title,
        "ranks": comm.size,
        "grid": [grid.replicas, grid.group_size],
        "partitions": partition.count,
        "qubits": [] if config.model.gates == "linear" else list(partition.qubits),
        "batch": batch,
        "window": config.data.window,
        "threads": config.engine.threads,
        "repeat": trial.repeat,
        "step_seconds": {**spread(steps), "count": len(steps)} if trial.timed else {},
        "slowest": _slowest(history[1:]) if trial.timed else {},
        "losses": {name: [float(loss).hex() for loss in each] for name, each in losses.items()},
        "warnings": setup.warnings,
        "hosts": len(set(comm.allgather_object(socket.gethostname()))),
        "machine": {**machine, "mpi": mpi_library(comm)},
        "versions": package_versions(),
    }


def full_batches(data: WindowSource, batch: int, steps: int) -> Dataset:
    """Training windows for `steps` full batches per epoch, used again where they are too few.

    Of the test part at most one batch is kept: the time that is measured is training's. Local.
    """
    rows = np.arange(batch * steps) % data.train_count
    return data.sample(rows, np.arange(min(batch, data.test_count)))


class _EnoughError(Exception):
    """All batches that are needed are done. Raised on all ranks after the same one."""


def _slowest(records: list[Record]) -> dict[str, float]:
    """Seconds by SHARES of the rank that the others wait for, summed over epochs."""
    table = np.sum([[record["ranks"][name] for name in SHARES] for record in records], axis=0)
    rank = int(table[SHARES.index("waiting")].argmin())
    return dict(zip(SHARES, table[:, rank].tolist(), strict=True))
