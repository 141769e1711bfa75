"""Names a rank that has fallen silent while others wait for it, and ends the job.

MPI waits for ever for a rank that is stopped (SIGSTOP, a machine that hangs, a process in swap).
Here every rank sends a sign of life to the next one, in a ring, by datagrams from a thread that
needs no Python (`kernels/system/heartbeat.hpp`), so that long computations are not taken for
silence. A rank that has waited in a collective for longer than the limit looks at its predecessor:
when that has been silent as long, it says so and aborts. Where datagrams do not get through between
two nodes the predecessor is never heard, and never accused.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from hpc_qlstm.errors import EXIT_FAILURE
from hpc_qlstm.parallel.communicator import Communicator

_MOST_PERIOD = 5.0
_MESSAGE_BYTES = 64


class Watchdog:
    """A context manager around collective work; entering is collective, leaving is local.

    limit: seconds of silence, 0 for no watchdog. comm: all ranks; its `waiting_since` says for how
    long this rank has been in a collective. Does nothing on one rank.
    """

    def __init__(
        self, comm: Communicator, limit: float, end: Callable[[], None] | None = None
    ) -> None:
        self._comm, self._limit = comm, limit
        self._end = end or self._abort
        self._period = min(_MOST_PERIOD, limit / 4)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._heartbeat: Any = None
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> Watchdog:
        if not self._limit or self._comm.size == 1:
            return self
        # Late: a missing extension is reported by who needs its engine.
        from hpc_qlstm.native.system import create_heartbeat

        ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ear.bind(("", 0))
        ear.setblocking(False)
        own = (socket.gethostname(), ear.getsockname()[1], os.getpid())
        places = self._comm.allgather_object(own)
        rank, size = self._comm.rank, self._comm.size
        host, port, _ = places[(rank + 1) % size]
        mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sockets = [ear, mouth]
        try:
            mouth.connect(("127.0.0.1" if host == own[0] else host, port))
            self._heartbeat = create_heartbeat(mouth.fileno(), _message(rank), self._period)
        except OSError:
            pass  # a name that cannot be resolved: the next rank never hears of this one
        before = (rank - 1) % size
        self._thread = threading.Thread(
            target=self._watch, args=(ear, before, places[before]), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._heartbeat = None  # its thread ends before its socket is closed
        for each in self._sockets:
            each.close()

    def _watch(self, ear: socket.socket, rank: int, place: tuple[str, int, int]) -> None:
        message = _message(rank).encode()
        heard: float | None = None
        looked = time.monotonic()
        while not self._stop.wait(self._period):
            now = time.monotonic()
            if now - looked > 2 * self._period + 1.0:
                # This process itself was stopped or held up: everybody gets a new chance.
                heard = None
            looked = now
            while _received(ear) == message:
                heard = now
            waiting = self._comm.waiting_since
            if heard is None or waiting is None:
                continue
            silent = now - heard
            if silent > self._limit and now - waiting > self._limit:
                host, _, pid = place
                print(
                    f"error: rank {rank} on {host} (process {pid}) has given no sign of life for "
                    f"{silent:.0f} s while rank {self._comm.rank} waits for it; the job ends",
                    file=sys.stderr,
                    flush=True,
                )
                self._end()
                return

    def _abort(self) -> None:
        # MPI may be in no state to abort: then this rank just leaves, which the launcher notices.
        threading.Timer(3.0, os._exit, [EXIT_FAILURE]).start()
        self._comm.abort(EXIT_FAILURE)


def _received(ear: socket.socket) -> bytes | None:
    try:
        return ear.recv(_MESSAGE_BYTES)
    except OSError:
        return None


def _message(rank: int) -> str:
    return f"hpc_qlstm rank {rank}"
