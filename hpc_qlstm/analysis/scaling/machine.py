"""What a machine costs: seconds of circuits, of messages, and of all that is neither. Plain data.

Circuits and messages are measured by themselves; the rest is what steps of small models took beyond
them, as a sum of a few terms (`REST`). Models that are to be predicted need not be among those.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hpc_qlstm.errors import InputError

FORMAT = 1

REST = ("batch", "step", "cell", "rows", "weights")
"""Terms of the rest: a constant of a batch; of a time step; seconds for each time step, sample and
hidden unit; for each sample and weight that a rank owns; for each weight of the model."""

DIRECTIONS = ("forward", "reverse")


@dataclass(frozen=True)
class Curve:
    """Seconds at some sizes, straight lines between them and beyond the last."""

    sizes: tuple[float, ...]
    seconds: tuple[float, ...]

    def at(self, size: float) -> float:
        """Seconds at a size; below the first as there, beyond the last on the last line."""
        x, y = self.sizes, self.seconds
        if size <= x[-1] or len(x) == 1:
            return float(np.interp(size, x, y))
        slope = (y[-1] - y[-2]) / (x[-1] - x[-2])
        return y[-1] + max(slope, 0.0) * (size - x[-1])


@dataclass(frozen=True)
class Busy:
    """Costs while so many ranks of a node compute at the same time.

    call: seconds of a time step's call without circuits; circuits: by a circuit's key, for each of
    DIRECTIONS the seconds of all gates of one partition against the samples; allgather, bcast:
    seconds against the bytes of a part, or of the buffer; empty for one rank. rest: by REST.
    """

    ranks: int
    call: float
    circuits: dict[str, dict[str, Curve]] = field(default_factory=dict)
    allgather: Curve | None = None
    bcast: Curve | None = None
    rest: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Machine:
    """A machine as it was measured. busy: by number of ranks, ascending; cores: of a node."""

    processor: str
    cores: int
    mpi: str
    busy: tuple[Busy, ...]

    def with_ranks(self, ranks: int) -> Busy:
        """The costs measured with the nearest number of ranks that is not larger."""
        fitting = [each for each in self.busy if each.ranks <= ranks]
        return fitting[-1] if fitting else self.busy[0]


def machine_text(machine: Machine) -> str:
    """The machine as JSON, which `load_machine` reads."""
    return json.dumps({"format": FORMAT, **asdict(machine)}, indent=1) + "\n"


def load_machine(path: Path) -> Machine:
    """A machine from a file that `scaling` wrote. Raises InputError. Local."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"{path}: is not JSON ({error})") from None
    try:
        if given["format"] != FORMAT:
            raise InputError(f"{path}: format {given['format']!r}, allowed: {FORMAT}")
        busy = tuple(_busy(each) for each in given["busy"])
        if not busy:
            raise InputError(f"{path}: no measurement in it")
        return Machine(given["processor"], int(given["cores"]), given["mpi"], busy)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: is no machine as scaling writes it ({type(error).__name__}: {error})"
        ) from None


def _busy(given: Mapping[str, Any]) -> Busy:
    return Busy(
        int(given["ranks"]),
        float(given["call"]),
        {
            key: {way: _curve(curves[way]) for way in DIRECTIONS}
            for key, curves in given["circuits"].items()
        },
        None if given["allgather"] is None else _curve(given["allgather"]),
        None if given["bcast"] is None else _curve(given["bcast"]),
        {name: float(given["rest"][name]) for name in REST},
    )


def _curve(given: Mapping[str, Sequence[float]]) -> Curve:
    sizes, seconds = (tuple(map(float, given[name])) for name in ("sizes", "seconds"))
    if not sizes or len(sizes) != len(seconds):
        raise ValueError("a curve of unequal lengths")
    return Curve(sizes, seconds)
