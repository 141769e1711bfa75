"""What a rank may use of its node: its share of the processors."""

from __future__ import annotations

import os
import platform

from hpc_qlstm.parallel.communicator import Communicator


def threads_per_rank(comm: Communicator) -> int:
    """Threads for this rank's engine: OMP_NUM_THREADS, else its share of its processors.

    Ranks that a launcher bound to different processors use all of theirs; ranks that share a set
    of processors divide it. Collective.
    """
    mask = processors()
    masks = comm.allgather_object(mask)
    neighbours = comm.node_ranks()
    # A list gives the threads of nested levels; the first is the outermost.
    given = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    if given.isdigit() and int(given) > 0:
        return int(given)
    sharing: int = sum(masks[rank] == mask for rank in neighbours)
    return max(1, len(mask) // sharing)


def processors(pid: int = 0) -> tuple[int, ...]:
    """The processors that a process, by default this one, may run on. Local.

    All processors where the system cannot tell.
    """
    try:
        return tuple(sorted(os.sched_getaffinity(pid)))
    except (AttributeError, OSError):
        return tuple(range(os.cpu_count() or 1))


def processor_name() -> str:
    """The processor's name, as the system has it. Local."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            names = [line.partition(":")[2].strip() for line in file if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or "unknown"
