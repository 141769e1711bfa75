"""The command that makes the paper's tables and figures: reproduce."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hpc_qlstm.cli.common import SetOption, app, collective, console, which_part
from hpc_qlstm.errors import EXIT_STOPPED
from hpc_qlstm.parallel import on_root


class Target(StrEnum):
    """What to reproduce."""

    table1 = "table1"
    table2 = "table2"
    fig3 = "fig3"
    fig4 = "fig4"
    fig5 = "fig5"
    fig6 = "fig6"
    literature = "literature"
    selection = "selection"
    partitions = "partitions"
    concentration = "concentration"


@app.command()
def reproduce(
    target: Annotated[Target, typer.Argument(help="A table or figure of the paper, or a study.")],
    output: Annotated[Path, typer.Option("--output", help="The folder to write.")] = Path(
        "results"
    ),
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Seeds of each row.")] = 10,
    part: Annotated[
        str, typer.Option("--part", metavar="K/N", help="Compute the K-th of N parts, from 0 on.")
    ] = "0/1",
    overrides: SetOption = None,
) -> None:
    """Train what a table or figure of the paper shows, with seeds, and write it.

    What is stored in the folder's `cells` is not computed again, so that a run that was stopped
    goes on, and jobs of an array share the work by --part.
    """
    from hpc_qlstm.studies.reproduce.targets import reproduce as make
    from hpc_qlstm.training.stopping import StopRequested

    given = [*(overrides or ())]
    words = ["hpc-qlstm", "reproduce", target.value, "--output", str(output), "--seeds", str(seeds)]
    words += [word for each in given for word in ("--set", each)]
    stopped = ""
    with collective() as comm:
        which = on_root(comm, lambda: which_part(part))
        files = []
        try:
            files = make(
                target.value,
                output,
                comm,
                seeds=seeds,
                part=which,
                overrides=given,
                command=shlex.join(words),
                say=lambda text: console().print(text, markup=False),
            )
        except StopRequested as reason:
            stopped = str(reason)  # on all ranks
        for path in files:
            console().print(f"wrote {path}", markup=False)
    if stopped:
        console().print(f"stopped by {stopped}; the same command goes on", markup=False)
        raise typer.Exit(EXIT_STOPPED)
