"""What is measured of training: quality, and where an epoch's time goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.parallel import Communicator, ProcessGrid

Record = dict[str, Any]
"""One epoch: epoch, train_loss, test_loss, test_r2, learning_rate, seconds."""


def mean_squared_error(prediction: Float, target: Float) -> float:
    """Mean of the squared differences over all values."""
    difference = prediction - target
    return float(np.mean(difference * difference))


def r_squared(prediction: Float, target: Float) -> float:
    """R2 = 1 - residual / total sum of squares; 0 for a constant target, which has no variance."""
    residual = float(np.sum((target - prediction) ** 2))
    total = float(np.sum((target - target.mean(axis=0)) ** 2))
    rounding = 1e-24 * float(np.sum(target**2))
    return 1.0 - residual / total if total > rounding else 0.0


def time_shares(
    total: float, compute: float, comm: Communicator, row: Communicator, grid: ProcessGrid
) -> dict[str, float]:
    """Rank 0's seconds of an epoch: total, compute, communication, waiting. Collective.

    compute is the engine's time. Of the time that rank 0 spends in a collective, the least that any
    rank of the row spent in the same call counts as communication and the rest as waiting for the
    others. What is left of total is the cell, the readout, the optimizer and Python.
    Clears the communicators' logs.
    """
    logs = comm.allgather_object((list(comm.durations), [] if row is comm else list(row.durations)))
    comm.durations.clear()
    row.durations.clear()
    first_row = logs[: grid.row_size]
    communication, spent = 0.0, 0.0
    for members in ([w for w, _ in logs], [r for _, r in first_row]):
        calls = min(len(log) for log in members)
        table = np.array([log[:calls] for log in members]).reshape(len(members), calls)
        communication += float(table.min(axis=0).sum()) if calls else 0.0
        spent += float(sum(members[0]))
    return {
        "total": total,
        "compute": compute,
        "communication": communication,
        "waiting": spent - communication,
    }


def append_record(path: Path, record: Record) -> None:
    """Add one line to a metrics.jsonl."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
