"""Up to where ranks are worth adding: for one configuration, and for many side by side. Local."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc_qlstm.config import Config
from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.studies.markdown import table as markdown_table
from hpc_qlstm.studies.scaling.extrapolate import Extrapolated, extrapolate
from hpc_qlstm.studies.scaling.interconnect import Interconnect
from hpc_qlstm.studies.scaling.machine import Machine
from hpc_qlstm.studies.scaling.model import plan_of
from hpc_qlstm.studies.scaling.plan import varied

WORTH = 0.25
"""Ranks are called worth adding while twice as many save this part of a step's time at least: an
efficiency of two thirds from one doubling to the next."""


def last_worth(found: Sequence[Extrapolated]) -> Extrapolated:
    """The most ranks that are worth adding, of increasing numbers of them."""
    last = found[0]
    for each in found[1:]:
        doublings = math.log2(each.ranks / last.ranks)
        if each.best.step.total > last.best.step.total * (1.0 - WORTH) ** doublings:
            break
        last = each
    return last


def fastest(found: Sequence[Extrapolated]) -> Extrapolated:
    """The number of ranks with the shortest step."""
    return min(found, key=lambda each: each.best.step.total)


def mostly_messages(found: Sequence[Extrapolated]) -> int | None:
    """The first number of ranks on which communication takes more than half of the step."""
    return next((each.ranks for each in found if each.communication_share > 0.5), None)


def limits(found: Sequence[Extrapolated], kind: str) -> list[str]:
    """Where communication passes half of the step, and up to where ranks are worth adding."""
    half = mostly_messages(found)
    texts = [
        f"communication passes half of the step at P = {half}"
        if half
        else f"communication stays below half of the step up to P = {found[-1].ranks}"
    ]
    if kind == "strong":
        last, best = last_worth(found), fastest(found)
        texts.append(
            f"doubling the ranks saves {100 * WORTH:.0f}% of a step or more up to P = {last.ranks}"
        )
        texts.append(
            f"the fastest is P = {best.ranks} with {1e3 * best.best.step.total:.3g} ms a step"
        )
    return texts


@dataclass(frozen=True)
class Limits:
    """One configuration: qubits of its largest partition, batch, time steps, and what `last_worth`,
    `fastest` and `mostly_messages` say of it. variant: what tells it from the others."""

    variant: str
    partitions: int
    qubits: int
    batch: int
    steps: int
    first: Extrapolated
    worth: Extrapolated
    fastest: Extrapolated
    half: int | None


def compare(
    config: Config,
    vary: Sequence[str],
    ranks: Sequence[int],
    machine: Machine,
    interconnect: Interconnect,
) -> list[Limits]:
    """The limits of strong scaling of every combination of "section.key=value,value".

    Raises InputError for values that cannot be, and for circuits the machine's file has not.
    """
    rows = []
    for chosen, variant in varied(config, vary):
        try:
            found, _ = extrapolate("strong", chosen, ranks, machine, interconnect)
        except InputError as error:
            raise InputError(f"{variant}: {error}") from None
        model, steps = plan_of(chosen)
        rows.append(
            Limits(
                variant,
                model.partition.count,
                max(model.partition.qubits),
                chosen.training.batch_size,
                steps,
                found[0],
                last_worth(found),
                fastest(found),
                mostly_messages(found),
            )
        )
    return rows


HEADER = (
    "M", "q", "B", "T", "variant", "P", "ms a step", "worth adding up to P", "speed-up there",
    "fastest P", "its speed-up", "messages above half from P",
)  # fmt: skip


def table_rows(rows: Sequence[Limits]) -> list[tuple[str, ...]]:
    """The table's rows under HEADER."""

    def gain(of: Limits, at: Extrapolated) -> str:
        return f"{of.first.best.step.total / at.best.step.total:.1f}"

    return [
        (
            str(row.partitions),
            str(row.qubits),
            str(row.batch),
            str(row.steps),
            row.variant,
            str(row.first.ranks),
            f"{1e3 * row.first.best.step.total:.4g}",
            str(row.worth.ranks),
            gain(row, row.worth),
            str(row.fastest.ranks),
            gain(row, row.fastest),
            str(row.half) if row.half else "never",
        )
        for row in rows
    ]


def write_comparison(
    rows: Sequence[Limits], network: Interconnect, folder: Path, command: str
) -> list[Path]:
    """The table as Markdown into a folder; its path. Local; raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "worth-adding.md"
    lines = [f"# Ranks worth adding, predicted: {network.name}", "", f"    {command}", ""]
    lines += [f"Interconnect: {network.source}.", "", markdown_table(HEADER, table_rows(rows)), ""]
    lines += [
        f"Worth adding: while twice as many ranks save {100 * WORTH:.0f}% of a step or more. "
        "Speed-ups are against the first P, with the best grid of each number of ranks.",
    ]
    replace_text(path, "\n".join(lines) + "\n")
    return [path]
