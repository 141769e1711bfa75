"""What the benchmarks print about the machine, and how they time a call."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np

from hpc_qlstm.native.kernels import isa

LAUNCHED = {
    **os.environ,
    "OMPI_MCA_mpi_yield_when_idle": "1",  # the machine may be shared
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": "slot:oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
}
"""The environment of programs that a benchmark starts under mpirun: as many ranks as it likes."""


def processor() -> str:
    """The processor's name, as /proc/cpuinfo has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def describe() -> str:
    """One line: processor, processors of this process, instruction set, versions."""
    return (
        f"{processor()}, {len(os.sched_getaffinity(0))} processors, kernel {isa()}, "
        f"hpc_qlstm {version('hpc-qlstm')}, numpy {np.__version__}, "
        f"Python {platform.python_version()}"
    )


def median_seconds(call: Callable[[], object], budget: float = 1.0, most: int = 2000) -> float:
    """Median over as many calls as fit into the budget, at least one, after one to warm up."""
    call()
    seconds: list[float] = []
    while not seconds or (sum(seconds) < budget and len(seconds) < most):
        start = perf_counter()
        call()
        seconds.append(perf_counter() - start)
    return float(np.median(seconds))
