"""What more ranks would bring, on an interconnect given by a file: a table and a figure. Local."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc_qlstm.analysis.figures import PALETTE, new_figure
from hpc_qlstm.config import Config
from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.studies.markdown import table as markdown_table
from hpc_qlstm.studies.scaling.figure import plain_log_scale
from hpc_qlstm.studies.scaling.interconnect import Interconnect
from hpc_qlstm.studies.scaling.machine import Machine
from hpc_qlstm.studies.scaling.plan import grown
from hpc_qlstm.studies.scaling.recommend import PARTS, Candidate, recommend

MOST_RANKS = 4096


@dataclass(frozen=True)
class Extrapolated:
    """The best grid on so many ranks of a configuration that may have grown with them; efficiency
    against the first entry."""

    ranks: int
    best: Candidate
    efficiency: float

    @property
    def communication_share(self) -> float:
        """Of the step."""
        return self.best.step.communication / self.best.step.total


def powers_of_two(most: int = MOST_RANKS) -> list[int]:
    """1, 2, 4 .. most."""
    return [1 << k for k in range(most.bit_length()) if 1 << k <= most]


def extrapolate(
    kind: str,
    config: Config,
    ranks: Sequence[int],
    machine: Machine,
    interconnect: Interconnect,
) -> tuple[list[Extrapolated], list[str]]:
    """The best grid for each number of ranks, and notes on those that fit none.

    kind: what grows, as in `scaling`. Raises InputError where none fits.
    """
    found: list[Extrapolated] = []
    notes = []
    for count in ranks:
        larger = grown(kind, config, count)
        if not isinstance(larger, Config):
            notes.append(f"P = {count} is left out: {larger}")
            continue
        try:
            best = recommend(larger, count, machine, interconnect)[0]
        except InputError as error:
            notes.append(f"P = {count} is left out: {error}")
            continue
        first = found[0] if found else None
        ratio = first.best.step.total / best.step.total if first else 1.0
        scale = count / first.ranks if first and kind == "strong" else 1.0
        found.append(Extrapolated(count, best, ratio / scale))
    if not found:
        raise InputError(notes[0] if notes else "no number of ranks given")
    return found, notes


HEADER = (
    "P", "grid", "cell_update", "ms a step", "efficiency", "circuits ms", "messages ms", "rest ms",
    "communication %",
)  # fmt: skip


def table_rows(found: Sequence[Extrapolated]) -> list[tuple[str, ...]]:
    """The table's rows under HEADER."""
    return [
        (
            str(each.ranks),
            each.best.name,
            each.best.cell_update,
            f"{1e3 * each.best.step.total:.4g}",
            f"{each.efficiency:.2f}",
            f"{1e3 * each.best.step.compute:.4g}",
            f"{1e3 * each.best.step.communication:.4g}",
            f"{1e3 * each.best.step.rest:.4g}",
            f"{100 * each.communication_share:.1f}",
        )
        for each in found
    ]


def write(
    kind: str,
    found: Sequence[Extrapolated],
    sentences: Sequence[str],
    network: Interconnect,
    folder: Path,
    command: str,
) -> list[Path]:
    """The table as Markdown with sentences below, and a figure, into a folder; their paths. Local;
    raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"extrapolated-{kind}.md"
    lines = [f"# {kind} scaling, predicted: {network.name}", "", f"    {command}", ""]
    lines += [f"Interconnect: {network.source}.", "", markdown_table(HEADER, table_rows(found)), ""]
    lines += [f"- {text}" for text in sentences]
    replace_text(path, "\n".join(lines) + "\n")
    figure = path.with_suffix(".png")
    draw_extrapolated(kind, found, figure, f"{kind} scaling, predicted: {network.name}")
    return [path, figure]


def draw_extrapolated(kind: str, found: Sequence[Extrapolated], path: Path, title: str) -> None:
    """The step and its parts against ranks, and the communication's share. Local."""
    figure, (top, bottom) = new_figure([2.8, 1.4])
    ranks = [each.ranks for each in found]
    whole = [1e3 * each.best.step.total for each in found]
    top.plot(ranks, whole, "o-", color="#222222", markersize=4, linewidth=1.6, label="step")
    for (part, label), color in zip(PARTS.items(), PALETTE, strict=False):
        # One rank sends nothing, which a logarithm cannot show.
        values = [1e3 * getattr(each.best.step, part) or math.nan for each in found]
        top.plot(ranks, values, "o-", color=color, markersize=3, linewidth=1.1, label=label)
    if kind == "strong":
        ideal = [whole[0] * ranks[0] / count for count in ranks]
        top.plot(ranks, ideal, "--", color="#8a8a8a", linewidth=1.0, label="ideal")
    bottom.plot(ranks, [100 * each.communication_share for each in found], "o-",
                color=PALETTE[1], markersize=4, linewidth=1.2)  # fmt: skip
    bottom.axhline(50, color="#8a8a8a", linewidth=1.0, linestyle="--")
    top.set_xscale("log", base=2)
    plain_log_scale(top)
    top.set_ylabel("ms a training step")
    bottom.set_ylabel("% communication")
    bottom.set_ylim(0, 100)
    bottom.set_xlabel("ranks P")
    top.legend(frameon=False, fontsize=8.5)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=160)
