"""One cell of a scaling study: a few epochs of full batches, timed step by step. Collective."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from hpc_qlstm.analysis.reproduce.cells import dataset
from hpc_qlstm.analysis.scaling.plan import Cell
from hpc_qlstm.data import Dataset
from hpc_qlstm.parallel import Communicator, mpi_library, on_root, processor_name
from hpc_qlstm.training.checkpoint_format import package_versions
from hpc_qlstm.training.metrics import Record
from hpc_qlstm.training.rank_reports import SHARES
from hpc_qlstm.training.setup import set_up
from hpc_qlstm.training.trainer import Trainer

Result = dict[str, Any]
"""What is stored of a cell: plain numbers, strings and lists."""


def measure(cell: Cell, comm: Communicator, wants_to_stop: Callable[[], int] = lambda: 0) -> Result:
    """Train a cell on all ranks of `comm` and give its times and losses, on every rank. Collective.

    The first epoch warms up and is not timed, unless it is the only one. Raises on every rank what
    set-up and training raise, StopRequested where a rank wants to stop.
    """
    config = cell.point.config
    batch = config.training.batch_size
    data = on_root(comm, lambda: full_batches(dataset(config), batch, cell.steps))
    setup = set_up(config, comm, data)
    trainer = Trainer(setup, wants_to_stop=wants_to_stop)
    steps: list[float] = []
    try:
        for epoch in range(cell.epochs):
            trainer.run_epoch()
            if epoch or cell.epochs == 1:
                steps += trainer.step_seconds
    finally:
        for engine in trainer.model.local.engines:
            engine.close()
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
        "step_seconds": {
            "median": float(np.median(steps)),
            "min": min(steps),
            "max": max(steps),
            "count": len(steps),
        },
        "slowest": _slowest(history[1:] or history),
        "losses": {
            part: [float(record[f"{part}_loss"]).hex() for record in history]
            for part in ("train", "test")
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


def full_batches(data: Dataset, batch: int, steps: int) -> Dataset:
    """Training windows for so many full batches an epoch, used again where they are too few.

    Of the test part at most one batch is kept: the time that is measured is training's. Local.
    """
    rows = np.arange(batch * steps) % data.train_x.shape[0]
    tested = slice(0, batch)
    return replace(
        data,
        train_x=data.train_x[rows],
        train_y=data.train_y[rows],
        train_time=data.train_time[rows],
        test_x=data.test_x[tested],
        test_y=data.test_y[tested],
        test_time=data.test_time[tested],
    )


def _slowest(records: list[Record]) -> dict[str, float]:
    """Seconds by SHARES of the rank that the others wait for, summed over epochs."""
    table = np.sum([[record["ranks"][name] for name in SHARES] for record in records], axis=0)
    rank = int(table[SHARES.index("waiting")].argmin())
    return dict(zip(SHARES, table[:, rank].tolist(), strict=True))
