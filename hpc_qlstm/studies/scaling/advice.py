"""The best process grid for a configuration: by a machine's file, or by what is measured here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from hpc_qlstm.config import Config
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.studies.scaling.calibrate import measure_machine
from hpc_qlstm.studies.scaling.costs import predictable
from hpc_qlstm.studies.scaling.interconnect import SHARED_MEMORY, load_interconnect
from hpc_qlstm.studies.scaling.machine import load_machine
from hpc_qlstm.studies.scaling.model import PREDICTED
from hpc_qlstm.studies.scaling.plan import with_threads
from hpc_qlstm.studies.scaling.recommend import grid_rows, reason, recommend


@dataclass(frozen=True)
class Advice:
    """Lines around a table, which may be empty."""

    title: str
    rows: list[tuple[str, ...]]
    sentences: list[str]


def best_grid(
    config: Config, ranks: int, machine_file: Path | None, interconnect: str | None
) -> Advice:
    """The grids of so many ranks compared, and which is best and why. Local.

    Without a machine's file circuits are timed in this process, and messages are those of shared
    memory. Raises InputError for files that cannot be used and ranks that make no grid.
    """
    if not predictable(config):
        what = f"times are predicted for simulated {PREDICTED} alone"
        return Advice(f"grids are not compared: {what}", [], [])
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
    between = f"messages {'as measured' if measured else f'of {SHARED_MEMORY}'}"
    if network is not None:
        between = f"messages of {network.name}"
        if of_node > 1:
            between += f", in a node {'as measured' if measured else f'of {SHARED_MEMORY}'}"
    candidates = recommend(chosen, ranks, machine, network)
    sentences = [
        reason(candidates, chosen.engine.threads),
        f"to set: {candidates[0].settings}",
    ]
    if of_node > machine.cores:
        sentences.append(f"{of_node} ranks share the {machine.cores} cores of a node: take fewer")
    title = f"grids of {ranks} rank{'s' if ranks > 1 else ''}, predicted ({where}, {between})"
    return Advice(title, grid_rows(candidates), sentences)
