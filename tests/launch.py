"""How tests start processes: their environment, and commands alone or under mpirun."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

HPC_QLSTM = (sys.executable, "-m", "hpc_qlstm")
"""The command line, with this interpreter."""


def environment(**variables: str) -> dict[str, str]:
    """This process's environment, in which Open MPI starts anywhere, with `variables` added.

    Open MPI may run as root and start more ranks than there are cores; every rank has one thread.
    """
    return {
        **os.environ,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": "slot:oversubscribe",
        "PRTE_MCA_hwloc_default_binding_policy": "none",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "OMP_NUM_THREADS": "1",
        **variables,
    }


def words(*command: object, ranks: int | None = None) -> list[str]:
    """The words of a command; with `ranks`, under mpirun."""
    own = [str(word) for word in command]
    if ranks is None:
        return own
    mpirun = shutil.which("mpirun", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert mpirun, "mpirun is needed for this test"
    return [mpirun, "-n", str(ranks), *own]


def run(
    *command: object, ranks: int | None = None, timeout: float = 120, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, within `timeout` seconds; options are subprocess.run's."""
    return subprocess.run(
        words(*command, ranks=ranks), timeout=timeout, capture_output=True, text=True,
        **{"env": environment(), **options},
    )  # fmt: skip


def mpirun(ranks: int, *command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command on ranks; options are `run`'s."""
    return run(*command, ranks=ranks, **options)


def start(*command: object, ranks: int | None = None, **options: Any) -> subprocess.Popen[str]:
    """Start a command with pipes for its output; options are subprocess.Popen's."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        words(*command, ranks=ranks), text=True, **{"env": environment(), **pipes, **options}
    )
