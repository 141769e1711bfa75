"""What a scaling study measures: points, and the order of their trials. Local, no MPI.

strong: one model on more and more ranks. weak-partitions: as many partitions as ranks, the hidden
units of a partition fixed, so that the model grows. weak-samples: replicas of the group of ranks
that holds the model, and batches that grow with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from hpc_qlstm.config import Config
from hpc_qlstm.config_io import load_config
from hpc_qlstm.distributed.rank_reports import SHARES
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import process_grid
from hpc_qlstm.studies.runner import Result, Trial, changed, digest_of, numerics

_FORMAT = 1
"""Of a stored trial; those of another format are measured anew."""

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Point:
    """A configuration to time on a number of ranks; variant: what tells it from the other ones."""

    config: Config
    ranks: int
    variant: str = ""

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"P = {self.ranks}{', ' if self.variant else ''}{self.variant}"


@dataclass(frozen=True)
class StepTrial(Trial):
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
        return f"{self.point.title}, repeat {self.repeat}"

    @property
    def digest(self) -> str:
        """Changes with everything that decides what is measured."""
        config = self.point.config
        parts = numerics(config) | {"parallel": config.to_dict()["parallel"]}
        run = [self.point.ranks, self.repeat, self.epochs, self.steps, self.timed]
        return digest_of([_FORMAT, parts, *run])

    @property
    def model(self) -> str:
        """Equal for trials whose losses must agree to the last bit."""
        given = numerics(self.point.config)
        # Threads share one sum's blocks and change no bit either.
        del given["engine"]["threads"]
        return digest_of([given, self.steps])

    def accepts(self, result: Result) -> bool:
        """Whether a stored result is this trial's, and whole."""
        try:
            step, slowest = result["step_seconds"], result["slowest"]
            if self.timed and not (step["median"] > 0 and sum(slowest[k] for k in SHARES) > 0):
                return False
            for name in ("batches", "train", "test"):
                list(map(float.fromhex, result["losses"][name]))
            [int(number) for number in (*result["grid"], result["partitions"], *result["qubits"])]
            dict(result["machine"]), dict(result["versions"]), list(result["warnings"])
            int(result["hosts"]), str(result["title"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return False
        return super().accepts(result)

    def news(self, result: Result) -> str:
        """The step's time, if it was taken."""
        return self.title + (
            f": {1e3 * result['step_seconds']['median']:.4g} ms a step" if self.timed else ""
        )


def default_ranks(size: int) -> list[int]:
    """Powers of two up to the size of the world, and the world."""
    return sorted({*powers_of_two(size), size})


def powers_of_two(most: int) -> list[int]:
    """1, 2, 4 .. most."""
    return [1 << k for k in range(most.bit_length())]


def grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    """Items by their key, in the order in which they come."""
    groups: dict[K, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def spread(values: Sequence[float]) -> dict[str, float]:
    """Their median, the least and the largest."""
    return {"median": float(np.median(values)), "min": min(values), "max": max(values)}


def variants(vary: Sequence[str]) -> Iterator[list[str]]:
    """All combinations of "section.key=value,value", as lists of overrides. Raises InputError."""
    axes: dict[str, list[str]] = {}
    for given in vary:
        key, equals, values = given.partition("=")
        words = [word.strip() for word in values.split(",")]
        if not equals or "." not in key or not all(words) or len(set(words)) < len(words):
            raise InputError(f"--vary {given!r}: allowed: section.key=value,value,...")
        if key.strip() in axes:
            raise InputError(f"--vary {given!r}: allowed: each key once")
        axes[key.strip()] = [f"{key.strip()}={word}" for word in words]
    yield from map(list, itertools.product(*axes.values()))


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
    """The configuration with this many threads per rank, where it leaves them open."""
    return config if config.engine.threads else changed(config, "engine", threads=threads)


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
        check_growth(kind, given)
        for count in ranks:
            try:
                larger = grown(kind, with_threads(given, threads), count)
                process_grid(count, 0, [1.0] * partitions(larger), larger.parallel.replicas)
            except InputError as error:
                if asked and kind != "weak-samples":
                    raise InputError(f"--ranks {count}: {error}") from None
                if (note := f"P = {count} is left out: {error}") not in notes:
                    notes.append(note)
            else:
                points.append(Point(larger, count, variant))
    if not points:
        raise InputError("; ".join(notes))
    return points, notes


def plan_trials(points: Sequence[Point], repeats: int, epochs: int, steps: int) -> list[StepTrial]:
    """All trials: every point once, then all again, so that drift of the machine hits all alike.

    Where a model is measured on one number of ranks alone, a few batches of it are run on one rank:
    their losses are what the others' are compared with.
    """
    trials = [StepTrial(point, k, epochs, steps) for k in range(repeats) for point in points]
    for same in grouped(trials[: len(points)], lambda trial: trial.model).values():
        point = same[0].point
        if {trial.point.ranks for trial in same} == {point.ranks} != {1}:
            # One rank is one replica; how ranks share the work changes no bit.
            alike = changed(point.config, "parallel", replicas=None)
            compared = Point(alike, 1, f"to compare with {point.title}")
            trials.append(StepTrial(compared, 0, 1, steps, timed=False))
    return trials


def partitions(config: Config) -> int:
    """M."""
    return len(config.partition.inputs or []) or config.partition.count or 1


KINDS = ("strong", "weak-partitions", "weak-samples")


def check_growth(kind: str, config: Config) -> None:
    """Raise InputError for an unknown kind, and for a configuration that cannot grow at all."""
    count, size, settings = partitions(config), config.model.hidden_size, config.partition
    if kind not in KINDS:
        raise InputError(f"kind {kind!r}, allowed: {', '.join(KINDS)}")
    if kind == "weak-samples" and config.parallel.replicas is not None:
        raise InputError(
            "parallel.replicas is given, but weak-samples makes as many as ranks allow"
        )
    if kind != "weak-partitions":
        return
    if settings.strategy == "explicit" or isinstance(settings.qubits, list):
        key = "inputs" if settings.strategy == "explicit" else "qubits"
        raise InputError(
            f"partition.{key}: lists for {count} partitions cannot grow with the ranks"
        )
    if size % count:
        raise InputError(
            f"model.hidden_size is {size}, allowed: a multiple of partition.count ({count}), whose "
            "units each partition of a larger model has"
        )


def grown(kind: str, config: Config, ranks: int) -> Config:
    """A configuration that passed `check_growth`, for this many ranks of a study.

    Raises InputError for a number of ranks that it cannot grow to.
    """
    count = partitions(config)
    if kind == "weak-partitions":
        units = config.model.hidden_size // count
        larger = changed(config, "model", hidden_size=ranks * units)
        return changed(larger, "partition", count=ranks)
    if kind == "weak-samples":
        if ranks % count:
            raise InputError(
                f"a replica is a group of {count} ranks, allowed: multiples of {count}"
            )
        size = config.training.batch_size * (ranks // count)
        return changed(config, "training", batch_size=size)
    return config
