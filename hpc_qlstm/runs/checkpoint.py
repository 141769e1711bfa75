"""Checkpoint files of a run: found, and verified before HDF5 sees them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.checkpoint_format import (
    BLOCK,
    FORMAT,
    GROUPS,
    NUMBERS,
    VERSION,
    Checkpoint,
    Position,
    user_block,
)

NO_POSITION = (-1, 0)
_LARGEST_ATTRIBUTE = 65536


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
    """Where the checkpoint after `epoch` epochs and `batch` batches of the next belongs."""
    within = f"-batch-{batch:08d}" if batch else ""
    return folder / f"epoch-{epoch:08d}{within}.h5"


def position(path: Path) -> Position:
    """Epoch and batch of a checkpoint's file name; NO_POSITION for a name that is none."""
    match = re.fullmatch(r"epoch-(\d+)(?:-batch-(\d+))?\.h5", path.name)
    return (int(match[1]), int(match[2] or 0)) if match else NO_POSITION


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


def _read(file: h5py.File) -> Checkpoint:
    groups: dict[str, dict[str, Float]] = {name: {} for name in GROUPS}
    texts = {"config": "", "history": ""}
    for name, dataset in _datasets(file).items():
        group, _, key = name.partition("/")
        if key:
            groups[group][key] = np.asarray(dataset[()])
        else:
            texts[name] = bytes(dataset[()]).decode()
    numbers: dict[str, Any] = {name: _attribute(file, name).item() for name in NUMBERS}
    history = [json.loads(line) for line in texts["history"].splitlines()]
    versions = json.loads(_attribute(file, "versions"))
    fields: dict[str, Any] = {**groups, **numbers}
    return Checkpoint(config=texts["config"], history=history, versions=versions, **fields)


def _attribute(file: h5py.File, name: str) -> Any:
    """A root attribute of fixed size; the first files had `versions` of variable size: {} for it.

    What is of variable size lies in a heap, in which a file made on purpose can keep the HDF5
    library going round for ever.
    """
    attribute = h5py.h5a.open(file.id, name.encode())
    kind = attribute.get_type()
    if isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str() and name == "versions":
        return b"{}"
    fixed = isinstance(kind, h5py.h5t.TypeIntegerID | h5py.h5t.TypeFloatID) or (
        isinstance(kind, h5py.h5t.TypeStringID) and not kind.is_variable_str()
    )
    if not fixed or attribute.shape != () or attribute.get_storage_size() > _LARGEST_ATTRIBUTE:
        raise InputError(f"attribute {name!r} is of a kind that no checkpoint has")
    return file.attrs[name]


def _verify(path: Path) -> None:
    """InputError unless the file is whole; reads bytes only."""
    with path.open("rb") as file:
        block = file.read(BLOCK)
        name, _, rest = block.partition(b"\n")
        if name != FORMAT.encode():
            raise InputError("is not a checkpoint of hpc_qlstm")
        version = rest.partition(b"\n")[0].removeprefix(b"version ")
        if version != str(VERSION).encode():
            shown = version[:20].decode(errors="replace")
            raise InputError(f"has format version {shown!r}, allowed: {VERSION}")
        if block != user_block(_digest(file)):
            raise InputError("the checksum does not match, the file is damaged or was altered")


def _digest(file: Any) -> str:
    """SHA-256 of everything behind the user block."""
    file.seek(BLOCK)
    return hashlib.file_digest(file, "sha256").hexdigest()


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """All datasets by name, sorted; follows no soft or external link, refuses absurd sizes."""
    found: dict[str, h5py.Dataset] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            # A claimed size far beyond the file's own is a sparse dataset that would fill memory.
            largest = 64 * Path(file.filename).stat().st_size
            elsewhere = item.external or item.is_virtual
            if item.dtype.kind not in "fu" or item.nbytes > largest or elsewhere:
                raise InputError(f"dataset {name!r} is of a kind or size that no checkpoint has")
            found[name] = item

    file.visititems(visit)
    return dict(sorted(found.items()))
