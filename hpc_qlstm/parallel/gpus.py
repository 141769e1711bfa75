"""Which GPU a rank takes: one each, by the rank's place on its node.

The place comes from shared memory (MPI's Split_type), not from a launcher's variables, which may
be wrong or missing. A rank shows its own GPU alone to CUDA, by CUDA_VISIBLE_DEVICES, before any
library initialises CUDA: libraries that take all GPUs they see then take one.
"""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import dataclass

from hpc_qlstm.parallel.communicator import Communicator

VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name for CUDA_VISIBLE_DEVICES (index or UUID), its UUID and model if known."""

    device: str
    uuid: str = ""
    model: str = ""

    @property
    def identity(self) -> str:
        """What tells GPUs of one node apart: ranks may see different GPUs under one index."""
        return self.uuid or self.device


@dataclass(frozen=True)
class GpuTable:
    """A line for each rank, and a warning for each GPU that ranks share."""

    lines: list[str]
    warnings: list[str]


def visible_gpus() -> list[Gpu]:
    """The GPUs that CUDA would show to this process, in its order. Local.

    From nvidia-smi, restricted by CUDA_VISIBLE_DEVICES; without nvidia-smi what that variable says.
    """
    listed = _listed()
    given = os.environ.get(VISIBLE)
    if given is None:
        return listed
    chosen = []
    for word in (part.strip() for part in given.split(",")):
        matching = [
            gpu for gpu in listed if gpu.device == word or (word and gpu.uuid.startswith(word))
        ]
        if matching:
            chosen.append(Gpu(word, matching[0].uuid, matching[0].model))
        elif not listed and word and word != "-1":
            chosen.append(Gpu(word))
        else:
            break  # CUDA ignores what follows an entry that it does not know
    return chosen


def take_gpu(comm: Communicator) -> GpuTable:
    """Give this rank one of its node's GPUs, ranks in turn, and show CUDA no other. Collective.

    Leaves the environment alone where no GPU is found: the library then says what it misses.
    """
    gpus = visible_gpus()
    neighbours = comm.node_ranks()
    own = gpus[neighbours.index(comm.rank) % len(gpus)] if gpus else None
    if own is not None:
        os.environ[VISIBLE] = own.device
    host = socket.gethostname()
    taken = comm.allgather_object((host, neighbours[0], own))
    lines, users = [], dict[tuple[int, str], list[int]]()
    for rank, (name, node, gpu) in enumerate(taken):
        what = f"GPU {gpu.device} {gpu.model} {gpu.uuid}".rstrip() if gpu else "no GPU found"
        lines.append(f"rank {rank} on {name}: {what}")
        if gpu is not None:
            users.setdefault((node, gpu.identity), []).append(rank)
    warnings = [
        f"engine: ranks {', '.join(map(str, ranks))} share one GPU of {taken[ranks[0]][0]}; "
        "one rank for each GPU is faster"
        for ranks in users.values()
        if len(ranks) > 1
    ]
    return GpuTable(lines, warnings)


def _listed() -> list[Gpu]:
    query = ["nvidia-smi", "--query-gpu=index,uuid,name", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):  # there is none, or it does not work
        return []
    rows = [line.split(",", 2) for line in done.stdout.splitlines() if line.count(",") >= 2]
    return [Gpu(*(cell.strip() for cell in row)) for row in rows]
