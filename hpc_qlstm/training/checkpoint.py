"""Checkpoints: HDF5 files that are complete or absent, and verified before HDF5 sees them.

Layout of a file (format version 1): a user block of 512 bytes with the format's name, its version
and the SHA-256 of all bytes behind the block; then HDF5. Root attributes `epoch`, `batch`,
`optimizer_steps`, `seed`, `best_epoch`, `best_loss` and `versions` (JSON); groups `weights`, `best`
and `optimizer` with one float64 dataset a name; datasets `config` (TOML text) and `history` (one
JSON line an epoch); group `data` with the offsets and factors of features and targets, a
fingerprint of the windows and one of the circuits; group `progress`, of an epoch under way, with
`losses`, one for each of its batches, and `circuits`, the counts so far.

The digest is over bytes and stands outside of HDF5, because the HDF5 library may crash the process
on a damaged file: none is opened before its bytes are known to be those that were written.

The order of shuffled samples is drawn from (seed, epoch), so that the seed and the position are
the whole random state.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.errors import InputError

FORMAT, VERSION = "hpc_qlstm checkpoint", 1
_BLOCK = 512
_GROUPS = ("weights", "best", "optimizer", "data", "progress")
_NUMBERS = ("epoch", "batch", "optimizer_steps", "seed", "best_epoch", "best_loss")


@dataclass
class Checkpoint:
    """The whole state of a run after `epoch` epochs and `batch` batches of the next one.

    weights and best: arrays by name; optimizer: state arrays by name; history: the records of
    metrics.jsonl; data: scaling and fingerprints, arrays by name; progress: losses and circuit
    counts of the epoch under way; config: the resolved configuration as TOML.
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


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that `path` never holds an incomplete file. Local, for rank 0.

    Written under a temporary name, flushed, fsynced and renamed; then the directory is fsynced.
    Raises OSError when the file system refuses; the temporary file is removed then.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with h5py.File(temporary, "w", userblock_size=_BLOCK) as file:
            _write(file, checkpoint)
        _seal(temporary)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _fsync(path.parent)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read and verify a checkpoint; InputError when it is missing, torn or altered. Local."""
    try:
        _verify(path)
        with h5py.File(path, "r") as file:
            return _read(file)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except FileNotFoundError:
        raise InputError(f"{path}: does not exist") from None
    except Exception as error:
        raise InputError(f"{path}: cannot be read as a checkpoint ({error})") from None


def find_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a run's `checkpoints` folder, newest first. Local."""
    return sorted(folder.glob("epoch-*.h5"), key=position, reverse=True)


def checkpoint_path(folder: Path, epoch: int, batch: int = 0) -> Path:
    """The file name of the checkpoint after `epoch` epochs and `batch` batches of the next."""
    within = f"-batch-{batch:08d}" if batch else ""
    return folder / f"epoch-{epoch:08d}{within}.h5"


def position(path: Path) -> tuple[int, int]:
    """Epoch and batch of a checkpoint's file name; (-1, 0) for a name that is none."""
    match = re.fullmatch(r"epoch-(\d+)(?:-batch-(\d+))?\.h5", path.name)
    return (int(match[1]), int(match[2] or 0)) if match else (-1, 0)


def load_newest(folder: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest valid checkpoint of a folder, and a warning for every newer one that is not."""
    warnings: list[str] = []
    for path in find_checkpoints(folder):
        try:
            return load_checkpoint(path), warnings
        except InputError as error:
            warnings.append(f"skipped a checkpoint: {error}")
    return None, warnings


def compare_names(stored: Mapping[str, Float], expected: Mapping[str, Float], where: str) -> None:
    """InputError for the first name, shape or dtype that is not the model's."""
    for name, array in expected.items():
        if name not in stored:
            raise InputError(f"{where}: {name!r} is missing, this is another model's checkpoint")
        given = stored[name]
        if given.shape != array.shape or given.dtype != array.dtype:
            raise InputError(
                f"{where}: {name!r} is {given.dtype} {given.shape}, "
                f"the model needs {array.dtype} {array.shape}"
            )
    for name in stored:
        if name not in expected:
            raise InputError(f"{where}: {name!r} is not in the model")


def _write(file: h5py.File, checkpoint: Checkpoint) -> None:
    for name in _NUMBERS:
        file.attrs[name] = getattr(checkpoint, name)
    file.attrs["versions"] = json.dumps(checkpoint.versions or package_versions())
    text = "\n".join(json.dumps(record) for record in checkpoint.history)
    for name, value in (("config", checkpoint.config), ("history", text)):
        file.create_dataset(name, data=np.frombuffer(value.encode(), dtype=np.uint8))
    for name in _GROUPS:
        group = file.create_group(name)
        for key, array in getattr(checkpoint, name).items():
            group.create_dataset(key, data=np.asarray(array, dtype=np.float64))


def _read(file: h5py.File) -> Checkpoint:
    groups: dict[str, dict[str, Float]] = {name: {} for name in _GROUPS}
    texts = {"config": "", "history": ""}
    for name, dataset in _datasets(file).items():
        group, _, key = name.partition("/")
        if key:
            groups[group][key] = np.asarray(dataset[()])
        else:
            texts[name] = bytes(dataset[()]).decode()
    numbers: dict[str, Any] = {name: file.attrs[name].item() for name in _NUMBERS}
    history = [json.loads(line) for line in texts["history"].splitlines()]
    versions = json.loads(file.attrs["versions"])
    fields: dict[str, Any] = {**groups, **numbers}
    return Checkpoint(config=texts["config"], history=history, versions=versions, **fields)


def _seal(path: Path) -> None:
    """Write the user block of a file that HDF5 is done with, and bring it all to the disk."""
    with path.open("r+b") as file:
        digest = _digest(file)
        file.seek(0)
        file.write(_block(digest).ljust(_BLOCK, b"\0"))
        file.flush()
        os.fsync(file.fileno())


def _verify(path: Path) -> None:
    """InputError unless the file is whole; reads bytes only."""
    with path.open("rb") as file:
        block = file.read(_BLOCK).rstrip(b"\0")
        name, _, rest = block.partition(b"\n")
        if name != FORMAT.encode():
            raise InputError("is not a checkpoint of hpc_qlstm")
        version = rest.partition(b"\n")[0].removeprefix(b"version ")
        if version != str(VERSION).encode():
            shown = version[:20].decode(errors="replace")
            raise InputError(f"has format version {shown!r}, allowed: {VERSION}")
        if block != _block(_digest(file)):
            raise InputError("the checksum does not match, the file is damaged or was altered")


def _block(digest: str) -> bytes:
    return f"{FORMAT}\nversion {VERSION}\nsha256 {digest}\n".encode()


def _digest(file: Any) -> str:
    """SHA-256 of everything behind the user block."""
    file.seek(_BLOCK)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """All datasets by name, sorted; follows no soft or external link, refuses absurd sizes."""
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            # A claimed size far beyond the file's own is a sparse dataset that would fill memory.
            largest = 64 * Path(file.filename).stat().st_size
            if item.dtype.kind not in "fu" or item.nbytes > largest:
                raise InputError(f"dataset {name!r} is of a kind or size that no checkpoint has")
            found[name] = item

    file.visititems(visit)
    return dict(sorted(found.items()))


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@functools.cache
def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on. Imports none of them."""
    versions = {"python": platform.python_version()}
    for name in ("hpc-qlstm", "numpy", "scipy", "h5py", "mpi4py", "qiskit", "qiskit-aer"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
