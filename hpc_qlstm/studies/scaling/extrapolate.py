"""What more ranks would bring, on an interconnect given by a file. Local."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpc_qlstm.config import Config
from hpc_qlstm.errors import InputError
from hpc_qlstm.studies.scaling.grids import Candidate, ranked_grids
from hpc_qlstm.studies.scaling.interconnect import Interconnect
from hpc_qlstm.studies.scaling.machine import Machine
from hpc_qlstm.studies.scaling.plan import check_growth, grown

MOST_RANKS = 4096


@dataclass(frozen=True)
class Extrapolated:
    """The best grid for a number of ranks, of a configuration that may have grown with them.

    efficiency: against the fewest ranks that were extrapolated to.
    """

    ranks: int
    best: Candidate
    efficiency: float

    @property
    def seconds(self) -> float:
        """Of a step."""
        return self.best.step.total

    @property
    def communication_share(self) -> float:
        """Of the step."""
        return self.best.step.communication / self.seconds

    def cells(self) -> dict[str, str]:
        """Its text by the table's columns."""
        best = self.best.cells()
        parts = {f"{part} ms": best.pop(part) for part in ("circuits", "messages", "rest")}
        parts["communication %"] = f"{100 * self.communication_share:.1f}"
        return {"P": str(self.ranks), **best, "efficiency": f"{self.efficiency:.2f}", **parts}


def extrapolate(
    kind: str, config: Config, ranks: Sequence[int], machine: Machine, network: Interconnect
) -> tuple[list[Extrapolated], list[str]]:
    """The best grid for each number of ranks, and notes on those that fit none.

    kind: what grows, as in `scaling`. Raises InputError where none fits.
    """
    check_growth(kind, config)
    found: list[Extrapolated] = []
    notes = []
    for count in ranks:
        try:
            best = ranked_grids(grown(kind, config, count), count, machine, network)[0]
        except InputError as error:
            notes.append(f"P = {count} is left out: {error}")
            continue
        first = found[0] if found else Extrapolated(count, best, 1.0)
        scale = count / first.ranks if kind == "strong" else 1.0
        found.append(Extrapolated(count, best, first.seconds / best.step.total / scale))
    if not found:
        raise InputError(notes[0] if notes else "no number of ranks given")
    return found, notes
