"""The command that makes the paper's tables and figures: reproduce."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hpc_qlstm.cli.common import OutputOption, PartOption, SetOption, app, command_words, study_job

Target = StrEnum(
    "Target", "table1 table2 fig3 fig4 fig5 fig6 literature selection partitions concentration"
)


@app.command()
def reproduce(
    target: Annotated[Target, typer.Argument(help="A table or figure of the paper, or a study.")],
    output: OutputOption = Path("results"),
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each row.")] = 10,
    part: PartOption = "0/1",
    overrides: SetOption = None,
) -> None:
    """Train what a table or figure of the paper shows, with seeds, and write it.

    What is stored in the folder's `cells` is not computed again, so that a run that was stopped
    goes on, and jobs of an array share the work by --part.
    """
    from hpc_qlstm.studies.reproduce.targets import reproduce as make

    given = [*(overrides or ())]
    words = command_words("reproduce", target.value, output=output, seeds=seeds, set=given)
    with study_job(output, part, words) as job:
        for path in make(target.value, job, seeds=seeds, overrides=given):
            job.say(f"wrote {path}")
