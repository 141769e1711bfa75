"""The small interface that the package needs of a communicator, and its serial implementation.

Arrays move by `allgather` and `bcast`, which are timed; Python objects move by the `_object`
methods, which are for set-up and bookkeeping. Every method is collective unless it says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Traffic:
    """Collectives on arrays, and the bytes that had to cross from one rank to another."""

    collectives: int = 0
    bytes: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(self.collectives + other.collectives, self.bytes + other.bytes)


class Communicator(Protocol):
    """Ranks 0 .. size-1 that act together. `durations` logs the seconds of each array call, `moved`
    the bytes that all ranks together have sent by them."""

    rank: int
    """This process's rank."""
    size: int
    """The number of ranks."""
    moved: int
    durations: list[float]
    """Seconds spent in each `allgather` and `bcast` since the list was last cleared."""

    @property
    def waiting_since(self) -> float | None:
        """Since when, by `time.monotonic`, this rank is in a collective; None outside of one."""

    def allgather(self, send: NDArray[Any], receive: NDArray[Any]) -> None:
        """Every rank's `send` (...) into `receive` (size, ...), both contiguous."""

    def bcast(self, buffer: NDArray[Any]) -> None:
        """Rank 0's `buffer` to all, in place, contiguous."""

    def prepare_allgather(self, send: NDArray[Any], receive: NDArray[Any]) -> Any:
        """A persistent Allgather of these buffers, to be started again and again.

        Raises InputError where the MPI library has none.
        """

    def start_allgather(
        self, send: NDArray[Any], receive: NDArray[Any], prepared: Any = None
    ) -> Any:
        """Begin an Allgather, or a prepared one of the same buffers; a request for `finish`."""

    def finish_allgather(self, request: Any, part: int) -> None:
        """Wait until an Allgather of parts of this many bytes is over. Local."""

    def bcast_object(self, value: Any) -> Any:
        """Rank 0's object on every rank."""

    def allgather_object(self, value: Any) -> list[Any]:
        """Every rank's object, in rank order, on every rank."""

    def minimum(self, values: Float) -> Float:
        """The least over all ranks of each of `values` (n,), on every rank; bookkeeping, not timed.

        The one reduction that is left to MPI: a minimum is one of its operands, whatever their
        order, where a sum's last bits would depend on it.
        """

    def sleep_until_all(self) -> None:
        """Return when every rank has called this. Who waits here sleeps: it uses next to no
        processor time, and learns of the others some milliseconds late."""

    def split(self, color: int) -> Communicator:
        """The communicator of the ranks that gave the same color, in rank order."""

    def free_prepared(self) -> None:
        """Give back what MPI holds for prepared collectives, which are over."""

    def free(self) -> None:
        """Give back this communicator, if it was made by `split`, and what was prepared with it.
        MPI has room for some thousands."""

    def node_ranks(self) -> list[int]:
        """Ranks on this node, from shared memory rather than from a launcher's variables."""

    def abort(self, code: int) -> None:
        """End all ranks at once. Not collective: one rank suffices."""


class SerialCommunicator:
    """One rank. Needs no MPI."""

    rank = 0
    size = 1
    moved = 0
    waiting_since: float | None = None

    def __init__(self) -> None:
        self.durations: list[float] = []

    def allgather(self, send: NDArray[Any], receive: NDArray[Any]) -> None:
        """See Communicator."""
        np.copyto(receive[0], send)

    def bcast(self, buffer: NDArray[Any]) -> None:
        """See Communicator."""

    def prepare_allgather(self, send: NDArray[Any], receive: NDArray[Any]) -> None:
        """See Communicator."""

    def start_allgather(
        self, send: NDArray[Any], receive: NDArray[Any], prepared: Any = None
    ) -> None:
        """See Communicator."""
        self.allgather(send, receive)

    def finish_allgather(self, request: Any, part: int) -> None:
        """See Communicator."""

    def bcast_object(self, value: Any) -> Any:
        """See Communicator."""
        return value

    def allgather_object(self, value: Any) -> list[Any]:
        """See Communicator."""
        return [value]

    def minimum(self, values: Float) -> Float:
        """See Communicator."""
        return values.copy()

    def sleep_until_all(self) -> None:
        """See Communicator."""

    def split(self, color: int) -> SerialCommunicator:
        """See Communicator."""
        return SerialCommunicator()

    def free_prepared(self) -> None:
        """See Communicator."""

    def free(self) -> None:
        """See Communicator."""

    def node_ranks(self) -> list[int]:
        """See Communicator."""
        return [0]

    def abort(self, code: int) -> None:
        """Nothing to do: the caller's exception ends the only rank."""
