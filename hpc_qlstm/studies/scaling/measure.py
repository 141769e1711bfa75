"""One cell of a scaling study: a few epochs of full batches, timed step by step. Collective."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hpc_qlstm.build.setup import set_up
from hpc_qlstm.build.sources import build_source
from hpc_qlstm.config import Config
from hpc_qlstm.data import Dataset, WindowSource
from hpc_qlstm.distributed.rank_reports import SHARES
from hpc_qlstm.parallel import Communicator, mpi_library, on_root, processor_name
from hpc_qlstm.runs.checkpoint_format import package_versions
from hpc_qlstm.runs.metrics import Record
from hpc_qlstm.studies.reproduce.campaign import stored as stored_cell
from hpc_qlstm.studies.scaling.plan import Cell
from hpc_qlstm.training.trainer import Trainer

COMPARED = 3
"""Batches of a cell that is run on one rank for its losses alone. A model that has grown with P
takes P times as long there; every loss but the first depends on the gradients of all before."""

Result = dict[str, Any]
"""What is stored of a cell: plain numbers, strings and lists."""


def measure(cell: Cell, comm: Communicator, wants_to_stop: Callable[[], int] = lambda: 0) -> Result:
    """Train a cell on all ranks of `comm` and give its times and losses, on every rank. Collective.

    The first epoch warms up and is not timed. A cell that is run for its losses alone ends after
    COMPARED batches, without times. Raises on every rank what set-up and training raise,
    StopRequested where a rank wants to stop.
    """
    config = cell.point.config
    batch = config.training.batch_size
    data = on_root(comm, lambda: _source(config, batch, cell.steps))
    # These windows are all that an epoch has.
    section = config.data.model_copy(update={"epoch_windows": 0})
    setup = set_up(config.model_copy(update={"data": section}), comm, data)
    trainer = Trainer(setup, wants_to_stop=wants_to_stop)
    batches: list[float] = []

    def note_loss() -> None:
        if trainer.state.epoch == 0:
            batches.append(trainer.state.losses[-1])
            if not cell.timed and len(batches) == COMPARED:
                raise _EnoughError

    trainer.after_batch = note_loss
    steps: list[float] = []
    try:
        for epoch in range(cell.epochs):
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
    return {
        "digest": cell.digest,
        "title": cell.title,
        "ranks": comm.size,
        "grid": [grid.replicas, grid.row_size],
        "partitions": partition.count,
        "qubits": [] if config.model.gates == "linear" else list(partition.qubits),
        "batch": batch,
        "window": config.data.window,
        "threads": config.engine.threads,
        "repeat": cell.repeat,
        "step_seconds": _statistics(steps) if cell.timed else {},
        "slowest": _slowest(history[1:]) if cell.timed else {},
        "losses": {
            "batches": [float(loss).hex() for loss in batches],
            "train": [float(record["train_loss"]).hex() for record in history],
            "test": [float(record["test_loss"]).hex() for record in history],
        },
        "warnings": setup.warnings,
        "hosts": len(set(comm.allgather_object(socket.gethostname()))),
        "machine": {
            "processor": processor_name(),
            "cores": os.cpu_count() or 1,
            "mpi": mpi_library(comm),
        },
        "versions": package_versions(),
    }


def stored(folder: Path, cell: Cell) -> Result | None:
    """A cell's stored result; None where there is none, or one that is damaged. Local."""
    result = stored_cell(folder, cell)
    if result is None:
        return None
    try:
        step, slowest = result["step_seconds"], result["slowest"]
        if cell.timed and not (step["median"] > 0 and sum(slowest[name] for name in SHARES) > 0):
            return None
        for name in ("batches", "train", "test"):
            list(map(float.fromhex, result["losses"][name]))
        [int(number) for number in (*result["grid"], result["partitions"], *result["qubits"])]
        dict(result["machine"]), dict(result["versions"]), list(result["warnings"])
        int(result["hosts"]), str(result["title"])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return result


def full_batches(data: WindowSource, batch: int, steps: int) -> Dataset:
    """Training windows for so many full batches an epoch, used again where they are too few.

    Of the test part at most one batch is kept: the time that is measured is training's. Local.
    """
    rows = np.arange(batch * steps) % data.train_count
    return data.sample(rows, np.arange(min(batch, data.test_count)))


def _source(config: Config, batch: int, steps: int) -> Dataset:
    source = build_source(config)
    try:
        return full_batches(source, batch, steps)
    finally:
        source.close()


class _EnoughError(Exception):
    """All batches that are needed are done. Raised on all ranks after the same one."""


def _statistics(steps: list[float]) -> dict[str, float]:
    return {
        "median": float(np.median(steps)),
        "min": min(steps),
        "max": max(steps),
        "count": len(steps),
    }


def _slowest(records: list[Record]) -> dict[str, float]:
    """Seconds by SHARES of the rank that the others wait for, summed over epochs."""
    table = np.sum([[record["ranks"][name] for name in SHARES] for record in records], axis=0)
    rank = int(table[SHARES.index("waiting")].argmin())
    return dict(zip(SHARES, table[:, rank].tolist(), strict=True))
