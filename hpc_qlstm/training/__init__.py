"""Training: the loop, optimizers, stopping."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpc_qlstm.training.loop import Result, resume, train

__all__ = ["Result", "resume", "train"]


def __getattr__(name: str) -> Any:
    """Loaded when it is first used: a configuration asks for the names of optimizers alone."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("hpc_qlstm.training.loop"), name)
