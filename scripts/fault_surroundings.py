"""Faults of what surrounds a run, for scripts/fault_campaign.py: disk, folders, files, clock.

Each fault begins at a random moment of a run and, mostly, ends at another. What a run must keep
in any of them: it ends with the bits of an undisturbed run; or it ends with exit code 1 and one
message that names path and cause, its newest checkpoint is valid, and resuming it when the fault is
over leads to those bits.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>

typedef int (*get_time)(clockid_t, struct timespec*);

/* Every tenth of a second the wall clock is another up to an hour off. */
int clock_gettime(clockid_t id, struct timespec* now) {
    static get_time real;
    if (!real) real = (get_time)dlsym(RTLD_NEXT, "clock_gettime");
    const int result = real(id, now);
    if (id == CLOCK_REALTIME) {
        struct timespec steady;
        real(CLOCK_MONOTONIC, &steady);
        const unsigned tenth = (unsigned)(steady.tv_nsec / 100000000);
        const unsigned tick = 10u * (unsigned)steady.tv_sec + tenth;
        now->tv_sec += (long)(tick * 2654435761u % 7201u) - 3600;
    }
    return result;
}
time_t time(time_t* out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval* out, void* zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""

Fault = Callable[[Path], contextlib.AbstractContextManager[None]]
"""Given the run directory; the fault lasts as long as the context."""


@contextlib.contextmanager
def full_disk(run_dir: Path) -> Iterator[None]:
    """Somebody else takes all the room."""
    filler = run_dir.parent / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    yield
    filler.unlink()


@contextlib.contextmanager
def read_only(run_dir: Path) -> Iterator[None]:
    """The folder of checkpoints cannot be written, as after an error of its disk."""
    folder = run_dir / "checkpoints"
    mount("--bind", folder, folder)
    mount("-o", "remount,ro,bind", folder)
    yield
    subprocess.run(["umount", "-l", str(folder)], check=True)


@contextlib.contextmanager
def no_folder(run_dir: Path) -> Iterator[None]:
    """The folder of checkpoints is removed."""
    shutil.rmtree(run_dir / "checkpoints", ignore_errors=True)
    yield


@contextlib.contextmanager
def no_checkpoint(run_dir: Path) -> Iterator[None]:
    """The newest checkpoint is removed."""
    with contextlib.suppress(IndexError, FileNotFoundError):
        sorted((run_dir / "checkpoints").glob("epoch-*.h5"))[-1].unlink()
    yield


@contextlib.contextmanager
def no_metrics(run_dir: Path) -> Iterator[None]:
    """metrics.jsonl is removed."""
    (run_dir / "metrics.jsonl").unlink(missing_ok=True)
    yield


FAULTS: dict[str, Fault] = {
    "full disk": full_disk,
    "read-only folder": read_only,
    "folder removed": no_folder,
    "checkpoint removed": no_checkpoint,
    "metrics removed": no_metrics,
}
NEED_MOUNTS = ("full disk", "read-only folder")


def mount(*words: object) -> None:
    """Raises CalledProcessError where it is not allowed."""
    subprocess.run(["mount", *map(str, words)], check=True, capture_output=True)


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "2m") -> Iterator[bool]:
    """A file system of its own in a folder, where that is allowed; whether it is."""
    try:
        mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder)
    except (OSError, subprocess.CalledProcessError):
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def jumping_clock(folder: Path) -> dict[str, str]:
    """Variables under which processes see the wall clock jump; none without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return {}
    source, library = folder / "clock.c", folder / "clock.so"
    source.write_text(CLOCK)
    words = [compiler, "-shared", "-fPIC", "-O1", source, "-o", library, "-ldl"]
    subprocess.run(words, check=True)
    return {"LD_PRELOAD": str(library)}


def disturb(
    process: subprocess.Popen[str], run_dir: Path, names: list[str], rng: random.Random
) -> str:
    """Have a random fault during a run; which one, and whether it lasted to the end."""
    while not list((run_dir / "checkpoints").glob("epoch-*.h5")) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(rng.uniform(0.0, 0.5))
    if process.poll() is not None:
        return "none"
    name = rng.choice(names)
    forever = rng.random() < 0.3
    with FAULTS[name](run_dir), contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=None if forever else rng.uniform(0.05, 0.8))
    process.wait()
    return f"{name}{' to the end' if forever else ''}"
