"""What is measured of training: quality, and where an epoch's time goes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.parallel import Communicator, Traffic
from hpc_qlstm.training.counting import CircuitCounts

Record = dict[str, Any]
"""One epoch: epoch, train_loss, test_loss, test_r2, learning_rate, circuits, diagnostics, messages,
seconds."""


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


@dataclass(frozen=True)
class RankReport:
    """What one rank did in an epoch: seconds of each collective on all ranks and on its row, the
    circuits it ran, the jobs that backends did for it, and what its communicators moved, counted by
    the first rank of each."""

    collectives: list[float]
    row_collectives: list[float]
    counts: CircuitCounts
    jobs: list[dict[str, Any]]
    traffic: Traffic


def gather_reports(
    comm: Communicator, row: Communicator, counts: CircuitCounts, jobs: list[dict[str, Any]]
) -> list[RankReport]:
    """Every rank's report, on every rank; clears the communicators' logs. Collective."""
    traffic = Traffic()
    for part in [comm] if row is comm else [comm, row]:
        if part.rank == 0:
            traffic = traffic + Traffic(len(part.durations), part.moved)
    in_row = [] if row is comm else list(row.durations)
    own = RankReport(list(comm.durations), in_row, counts, jobs, traffic)
    reports = comm.allgather_object(own)
    for part in (comm, row):
        part.durations.clear()
        part.moved = 0
    return reports


def time_shares(
    total: float, compute: float, reports: Sequence[RankReport], row_size: int
) -> dict[str, float]:
    """Rank 0's seconds of an epoch: total, compute, communication, waiting. Local.

    compute is the engine's time. Of the time that rank 0 spends in a collective, the least that any
    rank of the row spent in the same call counts as communication and the rest as waiting for the
    others. What is left of total is the cell, the readout, the optimizer and Python.
    """
    first_row = reports[:row_size]
    communication, spent = 0.0, 0.0
    for members in (
        [report.collectives for report in reports],
        [report.row_collectives for report in first_row],
    ):
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


def append_record(path: Path, record: Mapping[str, Any]) -> bool:
    """Add one line to a metrics.jsonl or jobs.jsonl; whether it is the first one there."""
    with path.open("a", encoding="utf-8") as file:
        first = file.tell() == 0
        file.write(json.dumps(record) + "\n")
    return first
