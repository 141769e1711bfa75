"""How this process was started: alone or by an MPI launcher.

MPI is initialised only under a launcher, so that a plain `hpc-qlstm` costs no MPI start-up and
works on login nodes that forbid it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from hpc_qlstm.errors import EXIT_BAD_INPUT, InputError
from hpc_qlstm.parallel.communicator import Communicator, SerialCommunicator

_RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "MV2_COMM_WORLD_RANK")
_SIZE_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")


RANKS_VARIABLE = "HPC_QLSTM_RANKS"
"""Set by a job script to the number of ranks that it started; another size of MPI's world is then
refused."""


def launched_rank(environment: Mapping[str, str] = os.environ) -> int | None:
    """The rank that the launcher announced, None without a launcher. Needs no MPI. Local.

    Where only Slurm knows of the processes, its number: they are no ranks of MPI then, but one of
    them has to speak for all.
    """
    rank = _first_integer(_RANK_VARIABLES, environment)
    if rank is None and _in_slurm_step(environment):
        rank = _first_integer(("SLURM_PROCID",), environment)
    return rank


def launched_size(environment: Mapping[str, str] = os.environ) -> int | None:
    """The number of ranks that the launcher announced, None where it did not. Local.

    A Slurm job step announces it as SLURM_NTASKS, also to processes that MPI does not know of.
    """
    size = _first_integer(_SIZE_VARIABLES, environment)
    if size is None and "SLURM_PROCID" in environment and _in_slurm_step(environment):
        size = _first_integer(("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS"), environment)
    return size


def open_communicator(comm: Any = None) -> Communicator:
    """The communicator to use: `comm` (mpi4py or ours), else MPI's world under a launcher.

    Raises InputError when the launcher started another number of ranks than MPI sees, which
    means that the launcher and the MPI library do not belong together and that every process
    would run the whole job alone.
    """
    if comm is not None:
        if hasattr(comm, "Get_rank"):
            from hpc_qlstm.parallel.mpi import MpiCommunicator

            return MpiCommunicator(comm)
        result: Communicator = comm
        return result
    announced = launched_size()
    wanted = _first_integer((RANKS_VARIABLE,), os.environ)
    by_mpi = _first_integer(_RANK_VARIABLES, os.environ) is not None
    if not by_mpi and (announced or 1) == 1 and (wanted or 1) == 1:
        return SerialCommunicator()
    from hpc_qlstm.parallel.mpi import MpiCommunicator, import_mpi

    world = MpiCommunicator(import_mpi().COMM_WORLD)
    if announced is not None and world.size != announced:
        _let_the_first_speak()
        raise InputError(
            f"MPI: the launcher started {announced} processes, but MPI's world has {world.size} "
            "ranks; use the launcher of the MPI library that mpi4py loads (see 'hpc-qlstm info'), "
            "or srun --mpi=pmix"
        )
    if wanted is not None and world.size != wanted:
        _let_the_first_speak()
        raise InputError(
            f"MPI: the job script started {wanted} ranks ({RANKS_VARIABLE}), but MPI's world has "
            f"{world.size}; use the launcher of the MPI library that mpi4py loads, or "
            "srun --mpi=pmix"
        )
    return world


def mpi_library(comm: Communicator) -> str:
    """The MPI library's name and version; of a process that needs none, "none". Local."""
    if isinstance(comm, SerialCommunicator):
        return "none"
    from hpc_qlstm.parallel.mpi import library_version

    return library_version().partition(",")[0]


def interactive() -> bool:
    """Whether this process's output goes to a person's terminal. Local.

    Open MPI gives every rank a pseudo-terminal, also when mpirun writes to a file. Under a
    launcher the launcher's own output decides; where it cannot be seen, the answer is no.
    """
    if launched_rank() is None:
        return sys.stdout.isatty()
    try:
        target = os.readlink(f"/proc/{os.getppid()}/fd/1")
    except OSError:
        return False
    return target.startswith(("/dev/pts/", "/dev/tty"))


def _let_the_first_speak() -> None:
    """The launcher may end all when the first process ends: not before it has printed why."""
    if launched_rank():
        # It may do so by a signal, which is no reason for another exit code.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(EXIT_BAD_INPUT))
        time.sleep(1.0)


def _in_slurm_step(environment: Mapping[str, str]) -> bool:
    """True in a process that srun started; a batch script itself has SLURM_PROCID too."""
    step = environment.get("SLURM_STEP_ID", "")
    return step.isdigit() and "SLURM_STEP_NUM_TASKS" in environment


def _first_integer(names: tuple[str, ...], environment: Mapping[str, str]) -> int | None:
    for name in names:
        value = environment.get(name, "")
        if value.isdigit():
            return int(value)
    return None
