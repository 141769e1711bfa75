"""What a machine costs: seconds of circuits, of messages, and of all that is neither. Plain data.

Circuits and messages are measured by themselves; the rest is what steps of small models took beyond
them, as a sum of a few terms (`REST`). Models that are to be predicted need not be among those.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from hpc_qlstm.errors import InputError

FORMAT = 2

REST = ("batch", "step", "cell", "rows", "weights")
"""Terms of the rest: a constant of a batch; of a time step; seconds for each time step, sample and
hidden unit; for each sample and weight that a rank owns; for each weight of the model."""

DIRECTIONS = ("forward", "reverse")


Number = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]


@dataclass(frozen=True)
class Curve:
    """Seconds at some sizes, straight lines between them and beyond the last."""

    sizes: tuple[Number, ...]
    seconds: tuple[Number, ...]

    def __post_init__(self) -> None:
        if not self.sizes or len(self.sizes) != len(self.seconds):
            raise ValueError("sizes and seconds are not equally many")
        if any(b <= a for a, b in pairwise(self.sizes)):
            raise ValueError("sizes do not ascend")

    def at(self, size: float) -> float:
        """Seconds at a size; below the first as there, beyond the last on the last line."""
        x, y = self.sizes, self.seconds
        slope = (y[-1] - y[-2]) / (x[-1] - x[-2]) if len(x) > 1 else 0.0
        return float(np.interp(size, x, y)) + max(slope, 0.0) * max(size - x[-1], 0.0)


@dataclass(frozen=True)
class LoadCosts:
    """What things cost while this many ranks of a node compute at the same time.

    call: seconds of a time step's call without circuits; circuits: by a circuit's key, for each of
    DIRECTIONS the seconds of all gates of one partition against the samples; allgather, bcast:
    seconds against the bytes of a part, or of the buffer; empty for one rank. rest: by REST.
    """

    ranks: Count
    call: Number
    circuits: dict[str, dict[str, Curve]] = field(default_factory=dict)
    allgather: Curve | None = None
    bcast: Curve | None = None
    rest: dict[str, Number] = field(default_factory=lambda: dict.fromkeys(REST, 0.0))

    def __post_init__(self) -> None:
        if any(set(curves) != set(DIRECTIONS) for curves in self.circuits.values()):
            raise ValueError(f"circuits need curves of {' and '.join(DIRECTIONS)}")
        if set(self.rest) != set(REST):
            raise ValueError(f"the rest has other terms than {', '.join(REST)}")
        if {self.allgather is None, self.bcast is None} != {self.ranks == 1}:
            raise ValueError("messages are measured on two ranks or more, and only there")


@dataclass(frozen=True)
class Machine:
    """A machine as it was measured. busy: by number of ranks, ascending; cores: of a node; threads:
    of a rank while it was measured."""

    processor: str
    cores: Count
    mpi: str
    busy: tuple[LoadCosts, ...]
    threads: Count = 1

    def __post_init__(self) -> None:
        if not self.busy:
            raise ValueError("no measurement in it")
        if any(b.ranks <= a.ranks for a, b in pairwise(self.busy)):
            raise ValueError("numbers of ranks do not ascend")

    def with_ranks(self, ranks: int) -> LoadCosts:
        """The costs measured with the nearest number of ranks that is not larger."""
        fitting = [each for each in self.busy if each.ranks <= ranks]
        return fitting[-1] if fitting else self.busy[0]


T = TypeVar("T", Machine, LoadCosts)


def median_of(several: Sequence[T]) -> T:
    """Medians, number by number, of what was measured several times in the same way."""
    values = _medians([asdict(each) for each in several])
    result: T = TypeAdapter(type(several[0])).validate_python(values)
    return result


def _medians(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, dict):
        return {key: _medians([each[key] for each in values]) for key in first}
    if isinstance(first, tuple):
        return tuple(map(_medians, zip(*values, strict=True)))
    return statistics.median(values) if isinstance(first, float) else first


def machine_text(machine: Machine) -> str:
    """The machine as JSON, which `load_machine` reads."""
    return json.dumps({"format": FORMAT, **asdict(machine)}, indent=1) + "\n"


def load_machine(path: Path) -> Machine:
    """A machine from a file that `scaling` wrote. Raises InputError. Local."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not JSON ({error})") from None
    if not isinstance(given, dict) or given.pop("format", None) != FORMAT:
        raise InputError(
            f"{path}: is no machine as this version's scaling writes it; measure it anew"
        )
    try:
        return TypeAdapter(Machine).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise InputError(
            f"{path}: is no machine as scaling writes it ({place}: {first['msg']})"
        ) from None
