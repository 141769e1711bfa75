"""Engines of a run: one for all partitions, or one processor for each, made where it is used."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any

from hpc_qlstm import registry
from hpc_qlstm.config import Config
from hpc_qlstm.engines import Engine
from hpc_qlstm.errors import InputError
from hpc_qlstm.model.tape import GradientMethod


def build_engines(config: Config, partitions: int, threads: int) -> Engine | Sequence[Engine]:
    """The configured engine, or one for each partition where engines stand for processors. Local.

    Raises InputError when engine.backends does not fit the partitions.
    """
    if registry.engines[config.engine.name].capabilities.shared:
        return partition_engine(config, 0, threads)
    check_backends(config, partitions)
    return ProcessorEngines(config, partitions, threads)


def partition_engine(config: Config, m: int, threads: int) -> Engine:
    """The engine that partition m is configured to have. Local; raises InputError."""
    settings = config.engine.of_partition(m)
    kind = registry.engines[settings.name]
    engine: Engine = kind.from_config(settings, config.training.seed, threads)
    return engine


def check_backends(config: Config, partitions: int) -> None:
    """InputError when engine.backends has neither one entry nor one for each partition. Local."""
    given = len(config.engine.backends)
    if given not in (0, 1, partitions):
        raise InputError(
            f"engine.backends has {given} entries, allowed: 1 or one for each of "
            f"{partitions} partitions"
        )


def build_gradient(config: Config) -> GradientMethod | None:
    """The configured gradient method; None for the engine's own. Local."""
    engine = config.engine
    if engine.gradient == "auto":
        return None
    return GradientMethod(engine.gradient, engine.spsa_step, engine.spsa_average)


class ProcessorEngines(Sequence[Engine]):
    """An engine for each partition, made when it is first asked for.

    A rank asks for those of its own partitions only: a session on a quantum processor is opened by
    the rank that uses it and by no other.
    """

    def __init__(self, config: Config, partitions: int, threads: int) -> None:
        self._numbers = range(partitions)
        self._engine = cache(partial(partition_engine, config, threads=threads))

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, m: Any) -> Any:
        found = self._numbers[m]
        return self._engine(found) if isinstance(found, int) else [*map(self._engine, found)]
