"""What all ranks did in an epoch: where their time went, circuits, messages, jobs. Collective.

A blocking collective takes a rank as long as it waits for the last one and the data move. Of the
seconds that a rank spends in a call, the least that any rank spent in the same call counts as
communication: that rank came last. What the others spent beyond it is waiting.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.distributed.counting import CircuitCounts
from hpc_qlstm.parallel import Communicator, Traffic

SHARES = ("compute", "communication", "waiting", "rest")
"""Where a rank's time goes: its engines, collectives, the others; and what is left of the total:
the cell, the readout, the optimizer, Python."""

_DIGITS = 6
"""Of seconds by rank in metrics.jsonl: a clock read in Python is no better than a microsecond, and
a run on thousands of ranks should not write what means nothing."""


@dataclass(frozen=True)
class EpochReport:
    """An epoch of all ranks, the same on every rank.

    seconds (P, 4): SHARES by rank; counts and traffic: of all ranks; jobs: what backends did for
    each rank, empty lists where none did anything.
    """

    seconds: Float
    counts: CircuitCounts
    traffic: Traffic
    jobs: list[list[dict[str, Any]]]

    def of_root(self) -> dict[str, float]:
        """Rank 0's seconds: total, compute, communication, waiting."""
        own = self.seconds[0]
        return {"total": float(own.sum()), **dict(zip(SHARES[:-1], own[:-1].tolist(), strict=True))}

    def of_ranks(self) -> dict[str, list[float]]:
        """Every rank's seconds by SHARES."""
        return dict(zip(SHARES, self.seconds.T.round(_DIGITS).tolist(), strict=True))


def gather_report(
    comm: Communicator,
    group: Communicator,
    seconds: tuple[float, float],
    counts: CircuitCounts,
    jobs: list[dict[str, Any]],
) -> EpochReport:
    """Every rank's part of an epoch put together; clears the communicators' logs. Collective.

    group: the communicator of this rank's group, `comm` itself where there is one; seconds: this
    rank's whole epoch, and of it in engines. A rank sends one number for each collective of the
    epoch into a minimum, and a dozen numbers to all: nothing that grows with ranks times calls.
    """
    own_comms = [comm] if group is comm else [comm, group]
    # A log has one entry for every call that all ranks of its communicator took part in, so that
    # the logs of an epoch are equally long, and empty on all of them or on none.
    logs = [np.array(part.durations) for part in own_comms]
    pairs = zip(own_comms, logs, strict=True)
    least = [part.minimum(log) if log.size else log for part, log in pairs]
    communication = sum(float(log.sum()) for log in least)
    waiting = sum(float(log.sum()) for log in logs) - communication
    counted = [part for part in own_comms if part.rank == 0]  # by the first rank of each
    moved = [sum(len(part.durations) for part in counted), sum(part.moved for part in counted)]
    total, compute = seconds
    rest = total - compute - communication - waiting
    own = [compute, communication, waiting, rest, *astuple(counts), *moved, len(jobs)]
    received = np.empty((comm.size, len(own)))
    comm.allgather(np.array(own, dtype=np.float64), received)
    for part in own_comms:
        part.durations.clear()
        part.moved = 0
    # Whole numbers below 2^53, exact in any order.
    sums = [int(value) for value in received[:, len(SHARES) :].sum(axis=0)]
    return EpochReport(
        received[:, : len(SHARES)],
        CircuitCounts(*sums[:3]),
        Traffic(*sums[3:5]),
        comm.allgather_object(jobs) if sums[5] else [[] for _ in range(comm.size)],
    )
