"""One writer for a run directory: a second job on it is refused.

The lock is the kernel's, on the file `lock` in the run directory (POSIX `fcntl`), held by rank 0 as
long as the run lasts. The system drops it when its owner ends, however it ends, so that nothing is
left behind by a crash. It works between processes of a machine on every file system; between
machines as far as the file system carries POSIX locks: NFS 4 and NFS 3 with lockd, Lustre mounted
with `flock`, GPFS. Where it does not carry them (`localflock`), jobs on different machines do not
see each other; where there are no locks at all, the run says so and goes on. The file names the
owner, for the message.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from pathlib import Path
from typing import IO, Any

from hpc_qlstm.errors import InputError

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)
_HELD = (errno.EACCES, errno.EAGAIN)
_MOST_BYTES = 4096


class RunLock:
    """The lock of a run directory. For rank 0; local. Release it, or end the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None
        self.warning = ""

    def acquire(self) -> RunLock:
        """Take the lock. Raises InputError, naming the owner, when another process holds it.

        `warning` says so where the file system has no locks.
        """
        while not self._try_to_acquire():
            pass  # the owner before was just leaving and took the file along
        return self

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            # Removed while it is held: whoever has opened it already sees that it is not the file
            # of that name any more.
            with contextlib.suppress(OSError):
                self._path.unlink()
            self._file.close()
            self._file = None

    def _try_to_acquire(self) -> bool:
        try:
            file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{self._path}: cannot be written ({error.strerror})") from None
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = _owner(file)
            file.close()
            if error.errno in _HELD:
                raise InputError(
                    f"{self._path.parent}: another job is writing to this run ({owner}); wait for "
                    "it, stop it, or give another output.run_dir"
                ) from None
            if error.errno not in _UNSUPPORTED:
                raise InputError(f"{self._path}: cannot be locked ({error.strerror})") from None
            self.warning = (
                f"{self._path.parent} is on a file system without locks: make sure that no other "
                "job writes to this run"
            )
            return True
        if not _is_file_of(self._path, file):
            file.close()
            return False
        with contextlib.suppress(OSError):  # a full disk: the lock holds without a name in it
            os.ftruncate(file.fileno(), 0)
            os.write(file.fileno(), (json.dumps(_myself()) + "\n").encode())
        self._file = file
        return True


def _is_file_of(path: Path, file: IO[str]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _myself() -> dict[str, Any]:
    """Who holds the lock, for a message to somebody else."""
    owner = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
    }
    return {key: value for key, value in owner.items() if value}


def _owner(file: IO[str]) -> str:
    try:
        file.seek(0)
        owner = json.loads(file.read(_MOST_BYTES))
        return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in owner.items())
    except (OSError, ValueError, AttributeError):
        return "its owner is not known"
