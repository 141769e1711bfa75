"""What `hpc-qlstm reproduce` makes: for every target its cells and what it writes. Collective."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import Communicator, on_root
from hpc_qlstm.studies.reproduce import reports
from hpc_qlstm.studies.reproduce.campaign import run_cells
from hpc_qlstm.studies.reproduce.concentration import concentration_rows
from hpc_qlstm.studies.reproduce.literature import literature_rows
from hpc_qlstm.studies.reproduce.paper import table_rows
from hpc_qlstm.studies.reproduce.partition_report import write_partitions
from hpc_qlstm.studies.reproduce.partitions import partition_rows
from hpc_qlstm.studies.reproduce.selection import SEEDS, selection_rows, write_selection
from hpc_qlstm.studies.reproduce.study import Row, check, seeded, summaries

_ROWS: dict[str, Callable[[Sequence[str]], list[Row]]] = {
    "table1": lambda overrides: table_rows("table1", overrides),
    "table2": lambda overrides: table_rows("table2", overrides),
    "literature": literature_rows,
    "selection": selection_rows,
    "partitions": partition_rows,
    "concentration": concentration_rows,
}

_WRITE: dict[str, reports.Write] = {
    "table1": reports.write_table,
    "fig3": reports.write_losses,
    "fig4": reports.write_predictions,
    "table2": reports.write_table,
    "fig5": reports.write_losses,
    "fig6": reports.write_predictions,
    "literature": reports.write_literature,
    "selection": write_selection,
    "partitions": write_partitions,
    "concentration": reports.write_concentration,
}

TARGETS = tuple(_WRITE)


def reproduce(
    target: str,
    output: str | Path,
    comm: Communicator,
    *,
    seeds: int = 10,
    part: tuple[int, int] = (0, 1),
    overrides: Sequence[str] = (),
    command: str = "",
    say: Callable[[str], None] = lambda text: None,
) -> list[Path]:
    """Compute what is missing of a target and write its files. Collective.

    output: the folder; cells are kept in its `cells`. seeds: of each row. part (k, n): compute the
    k-th of n parts; the files are written by the part that finds all cells there. overrides:
    "section.key=value" for all rows. command: what made it, for the files. Returns the files
    written, none where cells are still missing. Raises InputError.
    """
    study = reports.STUDY_OF.get(target, target)
    folder = Path(output)

    def plan() -> list[Row]:
        if target not in TARGETS:
            raise InputError(f"target {target!r}, allowed: {', '.join(TARGETS)}")
        rows = _ROWS[study](overrides)
        for row in rows:  # a row that cannot be used is refused before any is trained
            check(row)
        return rows

    rows = on_root(comm, plan)
    if overrides:
        command += "  (settings changed by --set: the text below describes the defaults)"
    count = min(seeds, SEEDS) if target == "selection" else seeds
    cells = seeded(study, rows, count)
    results = run_cells(cells, folder / "cells" / study, comm, part=part, say=say)
    if results is None:
        say("other parts are not done yet")
        return []
    found = summaries(rows, results)

    def write() -> list[Path]:
        try:
            return _WRITE[target](target, found, folder, command)
        except OSError as error:
            raise InputError(
                f"{error.filename or folder}: cannot be written ({error.strerror})"
            ) from None

    return on_root(comm, write)
