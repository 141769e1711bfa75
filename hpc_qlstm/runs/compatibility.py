"""Whether a checkpoint belongs to a configuration and to its data.

Equal shapes do not make an equal model: another order of v_t, another encoding or other data would
be taken up without a word and give meaningless numbers.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Sequence

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.config import Config
from hpc_qlstm.config_io import load_config
from hpc_qlstm.data import WindowSource
from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.checkpoint_format import Checkpoint

_FREE_KEYS = {
    # The same file may lie elsewhere now; its content is compared by its fingerprint.
    "data": ("file",),
    "model": ("ansatz_file",),
    "training": ("epochs", "learning_rate", "schedule", "min_learning_rate", "clip_norm"),
}
"""What may differ, by section."""


def require_same_model(stored: Checkpoint, config: Config) -> None:
    """InputError that names the first key in which model, partition or data differ. Local."""
    _compare(stored, config, "model", "partition", "data")


def require_same_training(stored: Checkpoint, config: Config) -> None:
    """As `require_same_model`, for what a resumed run may not change of its training. Local."""
    _compare(stored, config, "model", "partition", "data", "training")
    begun = stored.epoch + bool(stored.batch)
    if config.training.epochs < begun:
        raise InputError(
            f"training.epochs is {config.training.epochs}, but the run has begun {begun}; "
            f"allowed: {begun} or more"
        )


def require_same_data(stored: Checkpoint, data: WindowSource, source: str) -> None:
    """InputError when the windows are not those that the run was trained on. Local."""
    now, then = data.fingerprint, stored.data.get("fingerprint", np.empty(0))
    if now.shape != then.shape or not np.allclose(now, then, rtol=1e-8, atol=1e-8):
        raise InputError(
            f"{source}: has changed since the run was trained; use predict for new data, "
            "or train for a new run"
        )


def require_same_circuits(stored: Checkpoint, circuits: Sequence[Circuit]) -> None:
    """InputError when the circuits, read from a user's file, are not those of the run. Local."""
    then = stored.data.get("circuits")
    if then is not None and not np.array_equal(then, circuits_fingerprint(circuits)):
        raise InputError(
            "model.ansatz_file: the circuits are not those that the checkpoint was made with"
        )


def circuits_fingerprint(circuits: Sequence[Circuit]) -> Float:
    """A SHA-256 of all circuits as 32 numbers."""
    digest = hashlib.sha256(repr(tuple(circuits)).encode()).digest()
    return np.frombuffer(digest, dtype=np.uint8).astype(np.float64)


def _compare(stored: Checkpoint, config: Config, *sections: str) -> None:
    before = load_config(tomllib.loads(stored.config))
    for section in sections:
        then, now = getattr(before, section), getattr(config, section)
        for key in type(now).model_fields:
            was, given = getattr(then, key), getattr(now, key)
            if was != given and key not in _FREE_KEYS.get(section, ()):
                raise InputError(
                    f"{section}.{key} is {given!r}, but the checkpoint was made with {was!r}; "
                    "allowed: the same, or a new run with train"
                )
