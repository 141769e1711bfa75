"""What this installation and this machine offer, for `hpc-qlstm info`."""

from __future__ import annotations

import os
import platform
import socket
from itertools import groupby
from typing import Any

from hpc_qlstm.errors import HpcQlstmError
from hpc_qlstm.parallel import Communicator, threads_per_rank
from hpc_qlstm.parallel.gpus import visible_gpus
from hpc_qlstm.parallel.mpi import library_version
from hpc_qlstm.parallel.resources import processor_name, processors
from hpc_qlstm.runs.checkpoint_format import package_versions

Row = tuple[str, str]


def gather_info(comm: Communicator) -> tuple[list[Row], list[tuple[str, ...]]]:
    """Rows about the installation, and one row a rank: rank, host, pid, processors, threads.

    Collective. Loads the MPI library and Qiskit Aer if they are there.
    """
    threads = threads_per_rank(comm)
    own = (socket.gethostname(), str(os.getpid()), _ranges(processors()), str(threads))
    ranks = [(str(rank), *row) for rank, row in enumerate(comm.allgather_object(own))]
    if comm.rank:
        return [], ranks
    gpus = (f"{gpu.device}: {gpu.model} {gpu.uuid}".rstrip() for gpu in visible_gpus())
    rows = [
        ("machine", f"{platform.machine()}, {platform.system()} {platform.release()}"),
        ("processors", f"{os.cpu_count()} ({processor_name()})"),
        *((name, version) for name, version in package_versions().items()),
        ("MPI library", _or_reason(library_version)),
        ("native kernel", _or_reason(_kernel)),
        ("Aer devices", _or_reason(_aer_devices)),
        ("GPUs", "; ".join(gpus) or "none"),
    ]
    return rows, ranks


def _or_reason(function: Any) -> str:
    try:
        return str(function())
    except (HpcQlstmError, ImportError) as error:
        return f"not available: {error}"


def _kernel() -> str:
    from hpc_qlstm.native.kernels import available_isas, isa

    return f"{isa()} (of {', '.join(available_isas())})"


def _aer_devices() -> str:
    from hpc_qlstm.engines.aer import available_devices

    return ", ".join(available_devices())


def _ranges(numbers: tuple[int, ...]) -> str:
    """Consecutive numbers as ranges: (0, 1, 2, 5) is "0-2, 5"."""
    groups = groupby(enumerate(numbers), lambda pair: pair[1] - pair[0])
    parts = [[number for _, number in group] for _, group in groups]
    return ", ".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)
