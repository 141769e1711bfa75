"""Which process grid is best for a configuration on so many ranks, and why. Local."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpc_qlstm.config import Config
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel.grid import allowed_replicas
from hpc_qlstm.studies.scaling.interconnect import Interconnect
from hpc_qlstm.studies.scaling.machine import Machine
from hpc_qlstm.studies.scaling.model import StepPrediction, plan_of, predict_step

UPDATES = ("root", "replicated")
PARTS = {"compute": "circuits", "communication": "messages", "rest": "what is neither"}


@dataclass(frozen=True)
class Candidate:
    """A grid with a way of updating the cell, and the step predicted for it."""

    step: StepPrediction
    cell_update: str

    @property
    def name(self) -> str:
        """Replicas x ranks of a row."""
        replicas, row = self.step.grid
        return f"{replicas} x {row}"

    @property
    def settings(self) -> str:
        """What to set to get it."""
        return f"parallel.replicas={self.step.grid[0]} parallel.cell_update={self.cell_update}"


def recommend(
    config: Config, ranks: int, machine: Machine, interconnect: Interconnect | None = None
) -> list[Candidate]:
    """All grids of so many ranks, the fastest first. Raises InputError where there is none."""
    model, _ = plan_of(config)
    found = []
    for replicas in allowed_replicas(ranks, model.partition.count):
        for update in UPDATES if ranks // replicas > 1 else UPDATES[:1]:
            settings = {"cell_update": update, "replicas": replicas}
            parallel = config.parallel.model_copy(update=settings)
            chosen = config.model_copy(update={"parallel": parallel})
            step = predict_step(chosen, ranks, machine, interconnect)
            found.append(Candidate(step, update))
    if not found:
        raise InputError(
            f"{ranks} ranks make no grid of {model.partition.count} partitions, allowed: "
            f"1 to {model.partition.count}, or multiples of what a row may have"
        )
    return sorted(found, key=lambda each: each.step.total)


def reason(candidates: Sequence[Candidate], threads: int) -> str:
    """Why the first of `recommend` is the best, in a sentence or two."""
    best = candidates[0]
    largest = max(PARTS, key=lambda part: getattr(best.step, part))
    text = (
        f"best grid: {best.name} (replicas x ranks of a row), cell_update {best.cell_update}, "
        f"{threads} thread{'s' if threads > 1 else ''} a rank: {_ms(best.step.total)} a step, "
        f"most of it {PARTS[largest]}"
    )
    others = [each for each in candidates[1:] if each.step.grid != best.step.grid]
    if not others:
        return text + "; there is no other grid of so many ranks"
    other = others[0]
    gains = {part: getattr(other.step, part) - getattr(best.step, part) for part in PARTS}
    won = max(gains, key=lambda part: gains[part])
    lost = min(gains, key=lambda part: gains[part])
    text += (
        f"; {other.name} would take {_ms(other.step.total)}: {_ms(gains[won])} more for "
        f"{PARTS[won]}"
    )
    if gains[lost] < 0:
        text += f", {_ms(-gains[lost])} less for {PARTS[lost]}"
    return text


def grid_rows(candidates: Sequence[Candidate]) -> list[tuple[str, ...]]:
    """The rows of a table."""
    header = ("grid", "cell_update", "ms a step", "circuits", "messages", "rest")
    return [
        header,
        *(
            (
                each.name,
                each.cell_update,
                *(
                    f"{1e3 * value:.4g}"
                    for value in (
                        each.step.total,
                        each.step.compute,
                        each.step.communication,
                        each.step.rest,
                    )
                ),
            )
            for each in candidates
        ),
    ]


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"
