"""Checkpoints are written while training goes on, and old ones let go.

Most of a checkpoint's time is spent waiting for the disk to say that the bytes are there. A thread
without Python (`kernels/system/file_writer.hpp`) does that: a thread of Python would hold up
training at each of its system calls, for the interpreter's lock.

Where epochs take milliseconds, a checkpoint after each would keep a processor busy with the file
system. So a checkpoint may wait, in memory, for those after it, and by the time that it would be
written it may have been superseded already. What is in the folder in the end is the same.
"""

from __future__ import annotations

import contextlib
import errno
import os
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from hpc_qlstm.config import CheckpointConfig
from hpc_qlstm.native.system import create_file_writer
from hpc_qlstm.runs.checkpoint import NO_POSITION, checkpoint_path, find_checkpoints, position
from hpc_qlstm.runs.checkpoint_encoder import CheckpointEncoder
from hpc_qlstm.runs.checkpoint_format import Position, Snapshot

_MOST_WAITING = 64
"""Checkpoints that may wait in memory before training waits for the disk."""


@dataclass(frozen=True)
class Outcome:
    """What became of a checkpoint: its path, the seconds it took, why it was refused, and why an
    old one could not be removed."""

    path: str
    seconds: float
    error: OSError | None = None
    cleanup: OSError | None = None


@dataclass(frozen=True)
class _UnderWay:
    """What is being written, what goes when it is there, and the seconds to make its bytes."""

    position: Position
    gone: list[Position]
    seconds: float


class CheckpointSaver:
    """Writes a run's checkpoints, one at a time, and lets old ones go. For rank 0; local.

    Each is written under a temporary name, fsynced and renamed; then the directory is fsynced, and
    then those go that the settings do not keep.
    """

    def __init__(self, folder: Path, settings: CheckpointConfig) -> None:
        self._folder = folder
        self._settings = settings
        # Where all are kept there is nothing to be won by waiting.
        self._delay = settings.delay if settings.keep else 0.0
        self._encoder = CheckpointEncoder()
        self._writer: Any = None
        found = map(position, reversed(find_checkpoints(folder)))
        self._there = [each for each in found if each != NO_POSITION]
        self._waiting: dict[Position, Snapshot] = {}
        self._burst: list[Snapshot] = []
        self._next_burst = monotonic()
        self._under_way: _UnderWay | None = None

    @property
    def waiting(self) -> int:
        """How many checkpoints have not been begun."""
        return len(self._waiting) + len(self._burst)

    def add(self, snapshot: Snapshot) -> None:
        """Have a checkpoint written, unless those after it supersede it before its turn comes."""
        self._waiting[snapshot.position] = snapshot
        for gone in superseded([*self._waiting], self._settings, snapshot.best_epoch):
            del self._waiting[gone]

    def advance(self, flush: bool = False) -> list[Outcome]:
        """Begin what it is time for; returns what became of checkpoints since the last call.

        Waits for the disk where checkpoints must not wait for each other (`checkpoint.delay` is 0)
        or too many do. flush: write all, and wait for them.
        """
        news: list[Outcome] = []
        patient = not flush and self._delay > 0 and self.waiting < _MOST_WAITING
        while True:
            if self._under_way:
                if self._writer.busy and not flush and (patient or not self.waiting):
                    return news
                news.append(self._end(self._under_way))
            elif self._burst:
                self._start(self._burst.pop(0))
            elif self._waiting and (not patient or monotonic() >= self._next_burst):
                self._burst = [*self._waiting.values()]
                self._waiting.clear()
                self._next_burst = monotonic() + self._delay
            else:
                return news

    def close(self) -> None:
        """Wait for what is under way, and end the thread. Of what still waits, where a run ends by
        an exception, the newest is tried."""
        left = [*self._burst, *self._waiting.values()]
        if self._writer is not None:
            self._writer.wait()
        with contextlib.suppress(Exception):
            if left:
                self._start(max(left, key=lambda snapshot: snapshot.position))
                self._writer.wait()
        self._burst, self._waiting = [], {}
        self._writer = self._under_way = None

    def _start(self, snapshot: Snapshot) -> None:
        if self._writer is None:
            self._writer = create_file_writer()
        begin = monotonic()
        where = snapshot.position
        # Files of later positions are no concern of the rule: a run that goes on from an earlier
        # one, because those were damaged, must not take them for its newest.
        there = [*(each for each in self._there if each < where), where]
        gone = superseded(there, self._settings, snapshot.best_epoch)
        path = checkpoint_path(self._folder, *where)
        self._writer.start(
            str(self._folder),
            str(path.with_name(f".{path.name}.{os.getpid()}.tmp")),
            str(path),
            np.frombuffer(self._encoder.encode(snapshot.make()), dtype=np.uint8),
            [str(checkpoint_path(self._folder, *old)) for old in gone],
        )
        self._under_way = _UnderWay(where, gone, monotonic() - begin)

    def _end(self, under_way: _UnderWay) -> Outcome:
        """What became of the checkpoint under way, after waiting for it."""
        error, placed, cleanup, seconds = self._writer.wait()
        self._under_way = None
        if placed:
            self._there = sorted({*self._there, under_way.position})
        if error == errno.ENOENT:
            # Somebody has removed the folder: the next checkpoint finds one.
            with contextlib.suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
        if not error:
            self._there = [each for each in self._there if each not in under_way.gone]
        path = str(checkpoint_path(self._folder, *under_way.position))
        refused, kept = (
            OSError(code, os.strerror(code), path) if code else None for code in (error, cleanup)
        )
        return Outcome(path, seconds + under_way.seconds, refused, kept)


def superseded(
    there: list[Position], settings: CheckpointConfig, best_epoch: int
) -> list[Position]:
    """Of checkpoints, oldest first, those that the retention rule lets go."""
    if not settings.keep:
        return []

    def kept(epoch: int, batch: int) -> bool:
        if batch:
            return False
        regular = settings.keep_every and epoch % settings.keep_every == 0
        return bool(regular) or (settings.keep_best and epoch == best_epoch)

    return [where for where in there[: -settings.keep] if not kept(*where)]
