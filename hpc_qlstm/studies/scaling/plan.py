"""What a scaling study measures: points, and the order of their cells. Local, no MPI.

strong: one model on more and more ranks. weak-partitions: as many partitions as ranks, the hidden
units of a partition fixed, so that the model grows. weak-samples: replicas of the model's row of
ranks, and batches that grow with them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hpc_qlstm.build.setup import build_plan
from hpc_qlstm.build.sources import build_source
from hpc_qlstm.config import Config
from hpc_qlstm.config_io import load_config
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import process_grid

NUMERICS = ("model", "partition", "engine", "data", "training")
"""Sections that decide the numbers that training gives; `parallel` decides only how fast."""


_FORMAT = 1
"""Of a stored cell; those of another format are measured anew."""


@dataclass(frozen=True)
class Point:
    """A configuration to time on so many ranks; variant: what tells it from others of the study."""

    config: Config
    ranks: int
    variant: str


@dataclass(frozen=True)
class Cell:
    """One measurement of a point. epochs: how many are run; steps: full batches of each; timed:
    whether the table shows it, or a few batches are run only to compare their losses."""

    point: Point
    repeat: int
    epochs: int
    steps: int
    timed: bool = True

    @property
    def name(self) -> str:
        """A file name of its own for each measurement and each setting of it."""
        return f"P{self.point.ranks}-repeat{self.repeat}-{self.digest}"

    @property
    def title(self) -> str:
        """What messages call it."""
        variant = f", {self.point.variant}" if self.point.variant else ""
        return f"P = {self.point.ranks}{variant}, repeat {self.repeat}"

    @property
    def digest(self) -> str:
        """Changes with everything that decides what is measured."""
        given = self.point.config.to_dict()
        parts = {key: given[key] for key in (*NUMERICS, "parallel")}
        run = [self.point.ranks, self.repeat, self.epochs, self.steps, self.timed]
        return _digest([_FORMAT, parts, *run])

    @property
    def model(self) -> str:
        """Equal for cells whose losses must agree to the last bit."""
        given = self.point.config.to_dict()
        # Threads share one sum's blocks and change no bit either.
        given["engine"] = {k: v for k, v in given["engine"].items() if k != "threads"}
        return _digest([{key: given[key] for key in NUMERICS}, self.steps])


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def default_ranks(size: int) -> list[int]:
    """Powers of two up to the size of the world, and the world."""
    powers = [2**k for k in range(size.bit_length()) if 2**k <= size]
    return sorted({*powers, size})


def variants(vary: Sequence[str]) -> Iterator[list[str]]:
    """All combinations of "section.key=value,value", as lists of overrides. Raises InputError."""
    axes = []
    for given in vary:
        key, equals, values = given.partition("=")
        words = [word.strip() for word in values.split(",")]
        if not equals or "." not in key or not all(words) or len(set(words)) < len(words):
            raise InputError(f"--vary {given!r}: allowed: section.key=value,value,...")
        axes.append([f"{key.strip()}={word}" for word in words])
    keys = [axis[0].partition("=")[0] for axis in axes]
    if len(set(keys)) < len(keys):
        raise InputError(f"--vary: {', '.join(keys)}: allowed: each key once")
    yield from map(list, itertools.product(*axes))


def varied(config: Config, vary: Sequence[str]) -> Iterator[tuple[Config, str]]:
    """The configuration with every combination of values, and each one's name. Raises InputError.

    parallel.cell_update=root is called cell_update=root.
    """
    for overrides in variants(vary):
        try:
            chosen = load_config(config, overrides)
        except InputError as error:
            raise InputError(f"--vary: {str(error).removeprefix('configuration: ')}") from None
        yield chosen, ", ".join(override.partition(".")[2] for override in overrides)


def with_threads(config: Config, threads: int) -> Config:
    """The configuration with so many threads of a rank, where it leaves them open."""
    if config.engine.threads:
        return config
    engine = config.engine.model_copy(update={"threads": threads})
    return config.model_copy(update={"engine": engine})


def plan_points(
    kind: str,
    config: Config,
    ranks: Sequence[int],
    vary: Sequence[str],
    threads: int,
    *,
    asked: bool,
) -> tuple[list[Point], list[str]]:
    """The points of a study, variant by variant, and notes on what was left out.

    threads: of a rank, where the configuration leaves it open: the same for all points. asked: the
    user has named the ranks, so that what does not fit is refused. Raises InputError.
    """
    points, notes = [], list[str]()
    for given, variant in varied(config, vary):
        chosen = with_threads(given, threads)
        for count in ranks:
            larger = grown(kind, chosen, count)
            reason = _misfit(larger, count) if isinstance(larger, Config) else larger
            if isinstance(larger, Config) and not reason:
                _check(larger)
                points.append(Point(larger, count, variant))
            elif asked and kind != "weak-samples":
                raise InputError(f"--ranks {count}: {reason}")
            elif (note := f"P = {count} is left out: {reason}") not in notes:
                notes.append(note)
    if not points:
        raise InputError("; ".join(notes))
    return points, notes


def plan_cells(points: Sequence[Point], repeats: int, epochs: int, steps: int) -> list[Cell]:
    """All cells: every point once, then all again, so that drift of the machine hits all alike.

    Where a model is measured on one number of ranks alone, a few batches of it are run on one rank:
    their losses are what the others' are compared with.
    """
    cells = [Cell(point, repeat, epochs, steps) for repeat in range(repeats) for point in points]
    by_model: dict[str, set[int]] = {}
    for cell in cells:
        by_model.setdefault(cell.model, set()).add(cell.point.ranks)
    alone = {model for model, ranks in by_model.items() if len(ranks) == 1 and 1 not in ranks}
    for cell in cells[: len(points)]:
        if cell.model in alone:
            alone.remove(cell.model)
            variant = f", {cell.point.variant}" if cell.point.variant else ""
            what = f"to compare with P = {cell.point.ranks}{variant}"
            # One rank is one replica; how ranks share the work changes no bit.
            parallel = cell.point.config.parallel.model_copy(update={"replicas": None})
            alike = cell.point.config.model_copy(update={"parallel": parallel})
            point = Point(alike, 1, what)
            cells.append(Cell(point, 0, 1, steps, timed=False))
    return cells


def partitions(config: Config) -> int:
    """M."""
    return len(config.partition.inputs or []) or config.partition.count or 1


def _check(config: Config) -> None:
    """Raise InputError, before anything is measured, where a model cannot be trained."""
    data = build_source(config)
    data.close()
    build_plan(config, data.input_size, data.output_size)


def _misfit(config: Config, ranks: int) -> str:
    """Why the partitions do not fit so many ranks, or nothing."""
    try:
        process_grid(ranks, 0, [1.0] * partitions(config), config.parallel.replicas)
    except InputError as error:
        return str(error)
    return ""


def _more_partitions(config: Config, ranks: int) -> Config | str:
    count, settings = partitions(config), config.partition
    if settings.strategy == "explicit" or isinstance(settings.qubits, list):
        key = "inputs" if settings.strategy == "explicit" else "qubits"
        raise InputError(
            f"partition.{key}: lists for {count} partitions cannot grow with the ranks"
        )
    units, left = divmod(config.model.hidden_size, count)
    if left:
        raise InputError(
            f"model.hidden_size is {config.model.hidden_size}, allowed: a multiple of "
            f"partition.count ({count}), whose units each partition of a larger model has"
        )
    model = config.model.model_copy(update={"hidden_size": ranks * units})
    partition = settings.model_copy(update={"count": ranks})
    return config.model_copy(update={"model": model, "partition": partition})


def _more_samples(config: Config, ranks: int) -> Config | str:
    count = partitions(config)
    if config.parallel.replicas is not None:
        raise InputError(
            "parallel.replicas is given, but weak-samples makes as many as ranks allow"
        )
    if ranks % count:
        return f"replicas are rows of {count} ranks, allowed: multiples of {count}"
    size = config.training.batch_size * (ranks // count)
    training = config.training.model_copy(update={"batch_size": size})
    return config.model_copy(update={"training": training})


def grown(kind: str, config: Config, ranks: int) -> Config | str:
    """The configuration as it is on so many ranks of a study; a string says why it cannot be.

    Raises InputError for a kind that is none, and for configurations that cannot grow at all.
    """
    if kind not in KINDS:
        raise InputError(f"kind {kind!r}, allowed: {', '.join(KINDS)}")
    return _GROW[kind](config, ranks)


_GROW: dict[str, Callable[[Config, int], Config | str]] = {
    "strong": lambda config, ranks: config,
    "weak-partitions": _more_partitions,
    "weak-samples": _more_samples,
}
KINDS = tuple(_GROW)
