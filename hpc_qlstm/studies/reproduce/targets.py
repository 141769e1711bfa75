"""What `hpc-qlstm reproduce` makes: for every target its trials and what it writes. Collective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import on_root
from hpc_qlstm.studies.reproduce import paper_report
from hpc_qlstm.studies.reproduce.concentration import concentration_report, concentration_rows
from hpc_qlstm.studies.reproduce.literature import literature_rows
from hpc_qlstm.studies.reproduce.literature_report import literature_report
from hpc_qlstm.studies.reproduce.paper import table_rows
from hpc_qlstm.studies.reproduce.partition_report import partitions_report
from hpc_qlstm.studies.reproduce.partitions import partition_rows
from hpc_qlstm.studies.reproduce.report import Found, Report, summaries
from hpc_qlstm.studies.reproduce.rows import Row, check
from hpc_qlstm.studies.reproduce.selection import SEEDS, selection_report, selection_rows
from hpc_qlstm.studies.reproduce.trials import Trial, trials_of
from hpc_qlstm.studies.runner import Job, run_trials

STUDIES: dict[str, Callable[[Sequence[str]], list[Row]]] = {
    "table1": partial(table_rows, "table1"),
    "table2": partial(table_rows, "table2"),
    "literature": literature_rows,
    "selection": selection_rows,
    "partitions": partition_rows,
    "concentration": concentration_rows,
}
"""The rows of each study for given overrides."""

TARGETS: dict[str, tuple[str, Callable[[Found], Report]]] = {
    "table1": ("table1", partial(paper_report.table_report, "table1")),
    "fig3": ("table1", partial(paper_report.losses_report, "fig3", "table1")),
    "fig4": ("table1", partial(paper_report.predictions_report, "fig4", "table1")),
    "table2": ("table2", partial(paper_report.table_report, "table2")),
    "fig5": ("table2", partial(paper_report.losses_report, "fig5", "table2")),
    "fig6": ("table2", partial(paper_report.predictions_report, "fig6", "table2")),
    "literature": ("literature", literature_report),
    "selection": ("selection", selection_report),
    "partitions": ("partitions", partitions_report),
    "concentration": ("concentration", concentration_report),
}
"""The study whose trials a target shows, and its report."""


def reproduce(
    target: str, job: Job, *, seeds: int = 10, overrides: Sequence[str] = ()
) -> list[Path]:
    """Compute what is missing of a target and write its files. Collective.

    seeds: of each row; overrides: "section.key=value" for all rows. Returns the files written, none
    where trials are still missing. Raises InputError, and what training raises.
    """

    def plan() -> list[Row]:
        if target not in TARGETS:
            raise InputError(f"target {target!r}, allowed: {', '.join(TARGETS)}")
        rows = STUDIES[TARGETS[target][0]](overrides)
        for row in rows:  # a row that cannot be used is refused before any is trained
            check(row)
        return rows

    rows = on_root(job.comm, plan)
    study, report = TARGETS[target]
    trials = trials_of(study, rows, min(seeds, SEEDS) if target == "selection" else seeds)
    results = run_trials(job, trials, Trial.run, study)
    if results is None:
        return []
    if overrides:
        note = "  (settings changed by --set: the text below describes the defaults)"
        job = replace(job, command=job.command + note)
    return job.write(lambda: report(summaries(rows, results)).write(target, job))
