"""Engines: what evaluates a circuit. `create_engine` makes one by name."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from hpc_qlstm.engines.base import Capabilities, Engine
from hpc_qlstm.engines.draw import Draw
from hpc_qlstm.errors import InputError

_ENGINES = {
    "reference": ("hpc_qlstm.engines.reference", "ReferenceEngine"),
    "native": ("hpc_qlstm.engines.native", "NativeEngine"),
    "aer": ("hpc_qlstm.engines.aer", "AerEngine"),
    "primitive": ("hpc_qlstm.engines.primitive", "PrimitiveEngine"),
}
ENGINES = tuple(_ENGINES)


def create_engine(name: str, **options: Any) -> Engine:
    """Make an engine by name; `options` are the engine's own.

    Raises InputError for an unknown name or option. Imports the engine's library only now.
    """
    if name not in _ENGINES:
        raise InputError(f"engine: {name!r} is not known, allowed: {', '.join(ENGINES)}")
    module, cls = _ENGINES[name]
    engine_class = getattr(importlib.import_module(module), cls)
    allowed = [p for p in inspect.signature(engine_class).parameters if p not in ("args", "kwargs")]
    for key in options:
        if key not in allowed:
            raise InputError(
                f"engine {name}: option {key!r} is not known, "
                f"allowed: {', '.join(allowed) or 'none'}"
            )
    engine: Engine = engine_class(**options)
    return engine


__all__ = ["ENGINES", "Capabilities", "Draw", "Engine", "create_engine"]
