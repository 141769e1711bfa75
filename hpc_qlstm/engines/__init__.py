"""Engines: what evaluates a circuit. `create_engine` makes one by name."""

from __future__ import annotations

from typing import Any

from hpc_qlstm import registry
from hpc_qlstm.engines.base import Capabilities, Engine
from hpc_qlstm.engines.random_stream import RandomStream

ENGINES = registry.engines.built_in
Draw = RandomStream
"""The earlier name of RandomStream."""


def create_engine(name: str, **options: Any) -> Engine:
    """Make an engine by name; `options` are the engine's own.

    Raises InputError for an unknown name or option. Imports the engine's library only now.
    """
    engine: Engine = registry.engines[name].with_options(**options)
    return engine


__all__ = ["ENGINES", "Capabilities", "Engine", "RandomStream", "create_engine"]
