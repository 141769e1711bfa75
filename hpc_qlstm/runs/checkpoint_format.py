"""What a checkpoint is: its content, and the layout of its file (format version 1).

A file is a user block of 512 bytes with the format's name, its version and the SHA-256 of all bytes
behind the block; then HDF5. Root attributes `epoch`, `batch`, `optimizer_steps`, `seed`,
`best_epoch`, `best_loss` and `versions` (JSON); groups `weights`, `best` and `optimizer` with one
float64 dataset a name; datasets `config` (TOML text) and `history` (one JSON line an epoch; earlier
releases left spaces behind the last one); group `data` with the offsets and factors of features and
targets, a fingerprint of the windows and one of the circuits; group `progress`, of an epoch under
way, with `losses`, one for each of its batches, and `circuits`, the counts so far.

The digest is over bytes and stands outside of HDF5, because the HDF5 library may crash the process
on a damaged file: none is opened before its bytes are known to be those that were written.

The order of shuffled samples is drawn from (seed, epoch), so that the seed and the position are
the whole random state.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hpc_qlstm.circuits.circuit import Float

FORMAT, VERSION = "hpc_qlstm checkpoint", 1
BLOCK = 512
GROUPS = ("weights", "best", "optimizer", "data", "progress")
NUMBERS = ("epoch", "batch", "optimizer_steps", "seed", "best_epoch", "best_loss")


@dataclass
class Checkpoint:
    """The whole state of a run after `epoch` epochs and `batch` batches of the next one.

    weights and best: arrays by name; optimizer: state arrays by name; history: the records of
    metrics.jsonl; data: scaling and fingerprints, arrays by name; progress: losses, circuit
    counts and diagnostics of the epoch under way; config: the resolved configuration as TOML.
    """

    config: str
    epoch: int
    weights: dict[str, Float]
    optimizer: dict[str, Float]
    optimizer_steps: int
    history: list[dict[str, Any]]
    best: dict[str, Float]
    best_epoch: int
    best_loss: float
    seed: int
    data: dict[str, Float] = field(default_factory=dict)
    progress: dict[str, Float] = field(default_factory=dict)
    batch: int = 0
    versions: dict[str, str] = field(default_factory=dict)


Position = tuple[int, int]
"""Epochs done, and batches done of the next one."""


@dataclass(frozen=True)
class Snapshot:
    """A state that becomes a checkpoint when `make` is called, whatever has changed since."""

    position: Position
    best_epoch: int
    make: Callable[[], Checkpoint]


def user_block(digest: str) -> bytes:
    """The text in front of HDF5, filled up to its size."""
    return f"{FORMAT}\nversion {VERSION}\nsha256 {digest}\n".encode().ljust(BLOCK, b"\0")


@functools.cache
def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on. Imports none of them."""
    versions = {"python": platform.python_version()}
    aer = ("qiskit-aer", "qiskit-aer-gpu")  # two builds of one package
    for name in ("hpc-qlstm", "numpy", "scipy", "h5py", "mpi4py", "qiskit", *aer):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
