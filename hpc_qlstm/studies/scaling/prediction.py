"""What is predicted on an interconnect as tables for the terminal and for files. Local."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc_qlstm.analysis.figures import PALETTE, new_figure
from hpc_qlstm.config import Config
from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.studies.markdown import listed, table, with_head
from hpc_qlstm.studies.scaling.extrapolate import Extrapolated, extrapolate
from hpc_qlstm.studies.scaling.figure import DASHED, finish
from hpc_qlstm.studies.scaling.grids import PARTS
from hpc_qlstm.studies.scaling.interconnect import Interconnect
from hpc_qlstm.studies.scaling.limits import SAVED, compare_limits, limit_sentences
from hpc_qlstm.studies.scaling.machine import Machine

_REMARK = (
    f"Worth adding: while twice as many ranks save {100 * SAVED:.0f}% of a step or more. Speed-ups "
    "are against the first P, with the best grid of each number of ranks."
)


@dataclass(frozen=True)
class Prediction:
    """A table, its rows given by column.

    name: of the files; sentences: what follows from the table, one a line; remark: for the files;
    kind, found: what the figure shows, if there is one.
    """

    name: str
    title: str
    network: Interconnect
    rows: list[dict[str, str]]
    sentences: Sequence[str] = ()
    remark: str = ""
    kind: str = ""
    found: Sequence[Extrapolated] = ()

    def write(self, folder: Path, command: str) -> list[Path]:
        """The table as Markdown, and a figure, into a folder; their paths. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        path, title = folder / f"{self.name}.md", f"{self.title}, predicted: {self.network.name}"
        head, *rows = with_head(self.rows)
        lines = [f"# {title}", "", f"    {command}", "", f"Interconnect: {self.network.source}."]
        lines += ["", table(head, rows), "", self.remark or listed(self.sentences)]
        replace_text(path, "\n".join(lines) + "\n")
        if not self.found:
            return [path]
        _draw(self.kind, self.found, path.with_suffix(".png"), title)
        return [path, path.with_suffix(".png")]


def predict_scaling(
    kind: str, config: Config, ranks: Sequence[int], machine: Machine, network: Interconnect
) -> Prediction:
    """The best grid for each number of ranks. Raises InputError as `extrapolate` does."""
    found, notes = extrapolate(kind, config, ranks, machine, network)
    rows, sentences = [each.cells() for each in found], [*limit_sentences(found, kind), *notes]
    name, title = f"extrapolated-{kind}", f"{kind} scaling"
    return Prediction(name, title, network, rows, sentences, kind=kind, found=found)


def predict_limits(
    config: Config, vary: Sequence[str], ranks: Sequence[int], machine: Machine, net: Interconnect
) -> Prediction:
    """Up to where ranks are worth adding, for all combinations of values. Raises InputError as
    `compare_limits` does."""
    rows = compare_limits(config, vary, ranks, machine, net)
    return Prediction("worth-adding", "Ranks worth adding", net, rows, remark=_REMARK)


def _draw(kind: str, found: Sequence[Extrapolated], path: Path, title: str) -> None:
    """The step and its parts against ranks, and the communication's share."""
    figure, axes = new_figure([2.8, 1.4])
    top, bottom = axes
    top.set_xscale("log", base=2)
    ranks = [each.ranks for each in found]
    whole = [1e3 * each.seconds for each in found]
    top.plot(ranks, whole, "o-", color="#222222", markersize=4, linewidth=1.6, label="step")
    for (part, label), color in zip(PARTS.items(), PALETTE, strict=False):
        # One rank sends nothing, which a logarithm cannot show.
        values = [1e3 * getattr(each.best.step, part) or math.nan for each in found]
        top.plot(ranks, values, "o-", color=color, markersize=3, linewidth=1.1, label=label)
    if kind == "strong":
        ideal = [whole[0] * ranks[0] / count for count in ranks]
        top.plot(ranks, ideal, label="ideal", **DASHED)
    bottom.plot(ranks, [100 * each.communication_share for each in found], "o-",
                color=PALETTE[1], markersize=4, linewidth=1.2)  # fmt: skip
    bottom.axhline(50, **DASHED)
    bottom.set(ylabel="% communication", ylim=(0, 100))
    finish(figure, axes, path, title, log=True)
