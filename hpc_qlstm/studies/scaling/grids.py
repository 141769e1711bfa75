"""Process grids compared for a configuration and a number of ranks. Local."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc_qlstm.config import Config
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.parallel.grid import allowed_replicas
from hpc_qlstm.studies.runner import changed
from hpc_qlstm.studies.scaling.calibrate import measure_machine
from hpc_qlstm.studies.scaling.costs import predictable
from hpc_qlstm.studies.scaling.interconnect import SHARED_MEMORY, Interconnect, load_interconnect
from hpc_qlstm.studies.scaling.machine import Machine, load_machine
from hpc_qlstm.studies.scaling.model import PREDICTED, StepPrediction, plan_of, predict_step
from hpc_qlstm.studies.scaling.plan import with_threads

UPDATES = ("root", "replicated")
PARTS = {"compute": "circuits", "communication": "messages", "rest": "what is neither"}


@dataclass(frozen=True)
class Candidate:
    """A grid with a way of updating the cell, and the step predicted for it."""

    step: StepPrediction
    cell_update: str

    @property
    def name(self) -> str:
        """Replicas x ranks of a group."""
        return f"{self.step.grid[0]} x {self.step.grid[1]}"

    @property
    def settings(self) -> str:
        """What to set to get it."""
        return f"parallel.replicas={self.step.grid[0]} parallel.cell_update={self.cell_update}"

    def cells(self) -> dict[str, str]:
        """Its text by the columns of a table."""
        step = self.step
        return {
            "grid": self.name,
            "cell_update": self.cell_update,
            "ms a step": f"{1e3 * step.total:.4g}",
            "circuits": f"{1e3 * step.compute:.4g}",
            "messages": f"{1e3 * step.communication:.4g}",
            "rest": f"{1e3 * step.rest:.4g}",
        }


@dataclass(frozen=True)
class Comparison:
    """A table of grids, its rows given by column, between a title and sentences.

    rows: empty where nothing can be predicted.
    """

    title: str
    rows: list[dict[str, str]]
    sentences: list[str]


def ranked_grids(
    config: Config, ranks: int, machine: Machine, interconnect: Interconnect | None = None
) -> list[Candidate]:
    """All grids of this many ranks, the fastest first. Raises InputError where there is none."""
    model, _ = plan_of(config)
    found = []
    for replicas in allowed_replicas(ranks, model.partition.count):
        for update in UPDATES if ranks // replicas > 1 else UPDATES[:1]:
            chosen = changed(config, "parallel", cell_update=update, replicas=replicas)
            step = predict_step(chosen, ranks, machine, interconnect)
            found.append(Candidate(step, update))
    if not found:
        raise InputError(
            f"{ranks} ranks make no grid of {model.partition.count} partitions, allowed: "
            f"1 to {model.partition.count}, or multiples of what a group may have"
        )
    return sorted(found, key=lambda each: each.step.total)


def reason(candidates: Sequence[Candidate], threads: int) -> str:
    """Why the first of `ranked_grids` is the best, in a sentence or two."""
    best = candidates[0]
    largest = max(PARTS, key=lambda part: getattr(best.step, part))
    text = (
        f"best grid: {best.name} (replicas x ranks of a group), cell_update {best.cell_update}, "
        f"{threads} thread{'s' if threads > 1 else ''} a rank: {_ms(best.step.total)} a step, "
        f"most of it {PARTS[largest]}"
    )
    other = next((each for each in candidates if each.step.grid != best.step.grid), None)
    if other is None:
        return text + "; there is no other grid of so many ranks"
    gains = {part: getattr(other.step, part) - getattr(best.step, part) for part in PARTS}
    won, lost = max(gains, key=gains.__getitem__), min(gains, key=gains.__getitem__)
    text += f"; {other.name} would take {_ms(other.step.total)}: {_ms(gains[won])} more for "
    text += PARTS[won]
    return text + (f", {_ms(-gains[lost])} less for {PARTS[lost]}" if gains[lost] < 0 else "")


def compare_grids(
    config: Config, ranks: int, machine_file: Path | None, interconnect: str | None
) -> Comparison:
    """The grids of this many ranks compared: which is best, and why.

    Without a machine's file circuits are timed in this process, and messages are those of shared
    memory. Raises InputError for files that cannot be used and ranks that make no grid.
    """
    if not predictable(config):
        what = f"times are predicted for simulated {PREDICTED} alone"
        return Comparison(f"grids are not compared: {what}", [], [])
    network = None if interconnect is None else load_interconnect(interconnect)
    # A file of an interconnect says how many ranks share a node; else all do.
    of_node = min(ranks, network.ranks_per_node) if network else ranks
    if machine_file is not None:
        machine, where = load_machine(machine_file), f"by {machine_file}"
        chosen = with_threads(config, machine.threads)
    else:
        chosen = with_threads(config, max(1, (os.cpu_count() or 1) // of_node))
        machine, where = measure_machine(SerialCommunicator(), [chosen], [1]), "timed here"
    measured = machine.with_ranks(ranks).allgather is not None
    messages = inside = "as measured" if measured else f"of {SHARED_MEMORY}"
    if network is not None:
        messages = f"of {network.name}" + (f", in a node {inside}" if of_node > 1 else "")
    candidates = ranked_grids(chosen, ranks, machine, network)
    best = candidates[0].settings
    sentences = [reason(candidates, chosen.engine.threads), f"to set: {best}"]
    if of_node > machine.cores:
        sentences.append(f"{of_node} ranks share the {machine.cores} cores of a node: take fewer")
    title = f"grids of {ranks} rank{'s' if ranks > 1 else ''}"
    title += f", predicted ({where}, messages {messages})"
    return Comparison(title, [each.cells() for each in candidates], sentences)


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms"
