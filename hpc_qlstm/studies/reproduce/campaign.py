"""Cells of a study computed by many ranks and many jobs, each once. Collective."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from hpc_qlstm.config import StopConfig
from hpc_qlstm.errors import HpcQlstmError, InputError
from hpc_qlstm.parallel import Communicator, on_root, together
from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.studies.reproduce.cells import Cell, Result
from hpc_qlstm.training.stopping import NOTHING, StopRequested, StopWatch


def run_cells(
    cells: Sequence[Cell],
    folder: Path,
    comm: Communicator,
    *,
    part: tuple[int, int] = (0, 1),
    say: Callable[[str], None] = lambda text: None,
) -> list[Result] | None:
    """Results of all cells, in their order; None where some are still missing. Collective.

    folder: where each cell is stored as a file, which is not computed again unless its
    configuration has changed. part (k, n): compute only every n-th cell, beginning with the k-th,
    as one of n jobs. Ranks take cells in turn. A rank that gets a signal stops after its cell.
    Raises InputError where the folder cannot be used, StopRequested on all ranks when any stopped.
    """

    def begin() -> list[int]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror})") from None
        return [k for k, cell in enumerate(cells) if stored(folder, cell) is None]

    missing = on_root(comm, begin)
    own_part = [k for k in missing if k % part[1] == part[0]]
    say(
        f"{len(cells)} cells, {len(cells) - len(missing)} of them stored in {folder}, "
        f"{len(own_part)} to compute"
    )

    def compute() -> int:
        mine = own_part[comm.rank :: comm.size]
        for number, k in enumerate(mine):
            if wish := watch.step():
                return wish
            cell = cells[k]
            try:
                result = cell.run()
            except HpcQlstmError as error:
                error.args = (f"{cell.row}, seed {cell.seed}: {error}",)
                raise
            try:
                replace_text(folder / f"{cell.name}.json", json.dumps(result) + "\n")
            except OSError as error:
                raise InputError(
                    f"{error.filename or folder}: cannot be written ({error.strerror})"
                ) from None
            done = min(len(own_part), (number + 1) * comm.size)
            say(f"{done}/{len(own_part)}: {cell.row}, test MSE {result['test_mse']:.3g}")
        return NOTHING

    with StopWatch(StopConfig(), None) as watch:
        # Ranks work by themselves here: what fails on one has to be told to the others.
        wish = together(comm, compute)
    if stopped := max(comm.allgather_object(wish)):
        raise StopRequested(stopped)

    def collect() -> list[Result] | None:
        found = [stored(folder, cell) for cell in cells]
        return None if None in found else [result for result in found if result is not None]

    return on_root(comm, collect)


class Named(Protocol):
    """What is stored in a file of its own."""

    @property
    def name(self) -> str:
        """The file's name, without its ending."""

    @property
    def digest(self) -> str:
        """Changes with everything that decides what is in the file."""


def stored(folder: Path, cell: Named) -> Result | None:
    """A cell's stored result; None where there is none of this configuration."""
    try:
        result = json.loads((folder / f"{cell.name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    right = isinstance(result, dict) and result.get("digest") == cell.digest
    return result if right else None
