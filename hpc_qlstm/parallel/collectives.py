"""Collectives on fixed buffers: prepared once, run again and again.

Blocking by default. Persistent ones (MPI 4) tell the library once which buffers will travel; early
ones are started as soon as the data are there and waited for when they are needed. None of it
changes what arrives.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from numpy.typing import NDArray

if TYPE_CHECKING:
    from hpc_qlstm.parallel.communicator import Communicator

Kind = Literal["blocking", "persistent"]


class Gather:
    """An Allgather of every rank's `send` (...) into `receive` (size, ...), both contiguous.

    early: `start` begins it, and `finish` waits; else `finish` does it all. Collective.
    """

    def __init__(
        self,
        comm: Communicator,
        send: NDArray[Any],
        receive: NDArray[Any],
        kind: Kind = "blocking",
        *,
        early: bool = False,
    ) -> None:
        self._comm, self._early = comm, early
        self.send, self.receive = send, receive
        self._prepared = comm.prepare_allgather(send, receive) if kind == "persistent" else None
        self._request: Any = None
        if not early and self._prepared is None:  # the usual way, with nothing in between
            self.finish = partial(comm.allgather, send, receive)  # type: ignore[method-assign]

    def start(self) -> None:
        """`send` is filled, and may not be touched until `finish` is over."""
        if self._early:
            self._request = self._comm.start_allgather(self.send, self.receive, self._prepared)

    def finish(self) -> None:
        """`receive` is filled afterwards."""
        if self._request is None:
            self._request = self._comm.start_allgather(self.send, self.receive, self._prepared)
        self._comm.finish_allgather(self._request, self.send.nbytes)
        self._request = None
