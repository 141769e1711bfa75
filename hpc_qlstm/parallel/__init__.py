"""Ranks: communicators, the process grid, and how they agree."""

from hpc_qlstm.parallel.agree import ending_all, on_root, together
from hpc_qlstm.parallel.communicator import Communicator, SerialCommunicator, Traffic
from hpc_qlstm.parallel.gpus import GpuTable, take_gpu
from hpc_qlstm.parallel.grid import ProcessGrid, process_grid
from hpc_qlstm.parallel.launch import (
    interactive,
    launched_rank,
    launched_size,
    mpi_library,
    open_communicator,
)
from hpc_qlstm.parallel.resources import processor_name, threads_per_rank
from hpc_qlstm.parallel.watchdog import Watchdog

__all__ = [
    "Communicator",
    "GpuTable",
    "ProcessGrid",
    "SerialCommunicator",
    "Traffic",
    "Watchdog",
    "ending_all",
    "interactive",
    "launched_rank",
    "launched_size",
    "mpi_library",
    "on_root",
    "open_communicator",
    "process_grid",
    "processor_name",
    "take_gpu",
    "threads_per_rank",
    "together",
]
