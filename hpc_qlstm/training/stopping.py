"""Reasons to stop before the end: a signal, the wall-time limit, a file STOP in the run directory.

A handler only sets a flag: a rank may be inside MPI when a signal comes, and not every rank need
get it. The flags travel with the gradients of the next batch, so that all ranks stop after the
same batch, write a checkpoint together and end with exit code 75.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

from hpc_qlstm.config import StopConfig
from hpc_qlstm.errors import EXIT_STOPPED, HpcQlstmError, InputError

STOP_FILE = "STOP"
_END_TIME = "SLURM_JOB_END_TIME"
_LOOK_EVERY = 1.0
"""Seconds between looks for the file: a network's file system may take milliseconds for one."""
_RESERVE = 1.0
"""Seconds kept beside what a step and a checkpoint were seen to take."""

NOTHING, SIGNAL, WALLTIME, FILE = 0, 1, 2, 3
REASONS = {SIGNAL: "a signal", WALLTIME: "the wall-time limit", FILE: f"the file {STOP_FILE}"}


class StopRequested(HpcQlstmError):
    """The run stops at a batch boundary because somebody asked for it. Raised on all ranks."""

    exit_code = EXIT_STOPPED
    shared = True

    def __init__(self, code: int) -> None:
        super().__init__(REASONS.get(code, "a request"))


class StopWatch:
    """Knows whether this rank wants to stop. A context manager around the epochs.

    settings: signals and limit; folder: the run directory, given on the rank that looks for the
    file and at the clock; started: when the job began, on the clock of `time.time`.
    Signals are caught in the main thread only, which is where Python allows it.
    """

    def __init__(
        self,
        settings: StopConfig,
        folder: Path | None,
        started: float | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._signals = [signal.Signals[f"SIG{name}"] for name in settings.signals]
        self._folder = folder
        self._end = _end_time(settings, started or _process_start(), environment)
        # From now on by a clock that nobody sets.
        self._end += time.monotonic() - time.time()
        self._earlier: dict[int, Any] = {}
        self.caught = ""
        """The name of the signal that this rank got, or nothing."""
        self._longest_step = self._longest_checkpoint = 0.0
        self._last_step = time.monotonic()
        self._next_look = 0.0

    def __enter__(self) -> StopWatch:
        if threading.current_thread() is threading.main_thread():
            for number in self._signals:
                self._earlier[number] = signal.signal(number, self._catch)
        self._last_step = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def step(self) -> int:
        """Call once a batch: NOTHING, or why this rank wants to stop. Local."""
        now = time.monotonic()
        self._longest_step = max(self._longest_step, now - self._last_step)
        self._last_step = now
        if self.caught:
            return SIGNAL
        if self._folder is None:
            return NOTHING
        needed = 2.0 * (self._longest_step + self._longest_checkpoint) + _RESERVE
        if now + needed >= self._end:
            return WALLTIME
        if now >= self._next_look:
            self._next_look = now + _LOOK_EVERY
            if (self._folder / STOP_FILE).exists():
                return FILE
        return NOTHING

    def checkpoint_took(self, seconds: float) -> None:
        """Tell how long writing a checkpoint took."""
        self._longest_checkpoint = max(self._longest_checkpoint, seconds)

    def _catch(self, number: int, _: FrameType | None) -> None:
        self.caught = signal.Signals(number).name
        if number == signal.SIGINT:
            # Whoever presses Ctrl-C again does not want to wait for the batch.
            signal.signal(signal.SIGINT, signal.default_int_handler)


def remove_stop_file(folder: Path) -> None:
    """Forget an old request when a run begins or goes on. For rank 0; raises InputError."""
    try:
        (folder / STOP_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{folder / STOP_FILE}: cannot be removed ({error.strerror})") from None


def _end_time(settings: StopConfig, started: float, environment: Mapping[str, str]) -> float:
    """When the job must be over, by `time.time`: the earlier of the limits; without one, never."""
    ends = [math.inf]
    if settings.walltime:
        ends.append(started + settings.walltime)
    given = environment.get(_END_TIME, "")
    if settings.slurm_end and given.isdecimal():
        ends.append(float(given))
    return min(ends)


def _process_start() -> float:
    """When this process began: imports and set-up count for the limit."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        age = uptime - float(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        age = 0.0
    return time.time() - age
