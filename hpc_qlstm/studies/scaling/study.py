"""A scaling study: measured on parts of one job's ranks, stored, compared, written. Collective."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hpc_qlstm.config import Config, StopConfig
from hpc_qlstm.errors import HpcQlstmError, InputError
from hpc_qlstm.parallel import Communicator, Watchdog, on_root, threads_per_rank, together
from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.studies.scaling.costs import Costs, circuits_text, stored_machine
from hpc_qlstm.studies.scaling.figure import draw_scaling
from hpc_qlstm.studies.scaling.machine import Machine, machine_text
from hpc_qlstm.studies.scaling.measure import Result, measure, stored
from hpc_qlstm.studies.scaling.model import predict_step
from hpc_qlstm.studies.scaling.plan import (
    KINDS,
    Cell,
    Point,
    default_ranks,
    partitions,
    plan_cells,
    plan_points,
)
from hpc_qlstm.studies.scaling.table import (
    Measured,
    Predict,
    csv_text,
    difference_text,
    make_rows,
    markdown_text,
)
from hpc_qlstm.training.stopping import StopRequested, StopWatch

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """files: those written, none where cells are still missing; differing: a sentence for each
    cell whose losses are not those of the same model elsewhere."""

    files: list[Path]
    differing: list[str]


def scaling(
    kind: str,
    config: Config,
    output: str | Path,
    comm: Communicator,
    *,
    ranks: Sequence[int] | None = None,
    vary: Sequence[str] = (),
    repeats: int = 5,
    epochs: int = 3,
    steps: int = 20,
    part: tuple[int, int] = (0, 1),
    command: str = "",
    model: bool = True,
    say: Say = lambda text: None,
) -> Outcome:
    """Measure what is missing of a study and, when nothing is, write its files. Collective.

    kind: one of KINDS; config: the same on all ranks; output: the folder, whose `cells` keep what
    was measured. ranks: numbers of ranks, by default powers of two up to those of `comm`; vary:
    "section.key=value,value,...", all combinations of which are measured. repeats of epochs of
    steps, the first epoch of each a warm-up. part (k, n): only every n-th repeat, beginning with
    the k-th, as one of n jobs; the job that finds all cells stored writes the files. command: what
    made it, for the files. model: also measure what this machine costs, and predict the steps.
    Raises InputError for bad input, StopRequested on all ranks after a signal to any.
    """
    folder = Path(output)
    threads = min(comm.allgather_object(threads_per_rank(comm)))

    def plan() -> tuple[list[Point], list[Cell], list[str], list[int]]:
        if kind not in KINDS:
            raise InputError(f"kind {kind!r}, allowed: {', '.join(KINDS)}")
        if repeats < 1 or steps < 1 or epochs < 2:
            raise InputError(
                f"{repeats} repeats, {epochs} epochs, {steps} steps: allowed are at least 1, "
                "2 (the first warms up) and 1"
            )
        if beyond := [p for p in ranks or () if not 1 <= p <= comm.size]:
            raise InputError(
                f"--ranks {beyond[0]}: allowed: 1 to {comm.size}, the ranks of this job"
            )
        chosen = sorted(set(ranks)) if ranks else default_ranks(comm.size)
        points, notes = plan_points(kind, config, chosen, vary, threads, asked=ranks is not None)
        cells = plan_cells(points, repeats, epochs, steps)
        return points, cells, notes, _missing(cells, folder / "cells")

    points, cells, notes, missing = on_root(comm, plan)
    for note in notes:
        say(note)
    # Whole repeats: the numbers of ranks that are compared are measured by the same job.
    mine = [k for k in missing if cells[k].repeat % part[1] == part[0]]
    say(
        f"{len(cells)} cells, {len(cells) - len(missing)} of them stored in {folder / 'cells'}, "
        f"{len(mine)} to measure"
    )
    with Watchdog(comm, config.parallel.watchdog), StopWatch(StopConfig(), None) as watch:
        # Before and after: what the machine does in between is what the model is held against.
        configs = list({circuits_text(p.config): p.config for p in points}.values())
        counts = [point.ranks for point in points]
        costs = Costs(folder / "costs", part, model and bool(mine), configs, counts)
        costs.measure(comm, "before", say)
        _measure_all([cells[k] for k in mine], folder / "cells", comm, watch, say)
        costs.measure(comm, "after", say)

    def finish() -> Outcome | None:
        found = [(cell, stored(folder / "cells", cell)) for cell in cells]
        measured = [(cell, result) for cell, result in found if result is not None]
        if len(measured) < len(cells):
            return None
        try:
            machine, unusable = stored_machine(costs.folder) if model else (None, [])
            if machine is not None:
                replace_text(folder / "machine.json", machine_text(machine))
            predict = None if machine is None else partial(_predicted, machine)
            return _write(kind, points, measured, folder, [*notes, *unusable], command, predict)
        except OSError as error:
            raise _unwritable(folder, error) from None

    outcome = on_root(comm, finish)
    if outcome is None:
        say("other parts are not done yet")
        return Outcome([], [])
    return outcome


def _predicted(machine: Machine, config: Config, ranks: int) -> float | None:
    """Seconds of a step by the model; None for what it does not know."""
    try:
        return predict_step(config, ranks, machine).total
    except InputError:
        return None


def _missing(cells: Sequence[Cell], folder: Path) -> list[int]:
    """Indices of the cells that are not stored; makes the folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None
    return [k for k, cell in enumerate(cells) if stored(folder, cell) is None]


def _measure_all(
    cells: Sequence[Cell], folder: Path, comm: Communicator, watch: StopWatch, say: Say
) -> None:
    """Measure cells one after the other, each on the first ranks of `comm`, and store them.

    The other ranks sleep meanwhile: one that waits in a collective spins, and takes a processor
    from those that are measured, or what they share with it: a core's other thread, power.
    """
    teams = {
        count: comm.split(0 if comm.rank < count else 1)
        for count in sorted({cell.point.ranks for cell in cells})
    }
    for number, cell in enumerate(cells, start=1):
        result: Result | None = None
        failure: HpcQlstmError | None = None
        if comm.rank < cell.point.ranks:
            try:
                result = measure(cell, teams[cell.point.ranks], watch.step)
            except StopRequested:
                pass  # the watches say so below, on the ranks that slept too
            except HpcQlstmError as error:
                if not getattr(error, "shared", False):
                    raise  # of this rank alone: the job ends
                failure = error
        comm.sleep_until_all()
        together(comm, partial(_settle, cell, result, failure, folder, comm.rank))
        if wish := max(comm.allgather_object(watch.step())):
            raise StopRequested(wish)
        if result is not None:
            median = result["step_seconds"].get("median")
            time = "" if median is None else f": {1e3 * median:.4g} ms a step"
            say(f"{number}/{len(cells)}: {cell.title}{time}")
    for team in teams.values():
        team.free()


def _settle(
    cell: Cell, result: Result | None, failure: HpcQlstmError | None, folder: Path, rank: int
) -> None:
    """Store a cell, or raise what kept it from being measured. Local."""
    if failure is not None:
        failure.args = (f"{cell.title}: {failure}",)
        raise failure
    if rank == 0 and result is not None:
        try:
            replace_text(folder / f"{cell.name}.json", json.dumps(result) + "\n")
        except OSError as error:
            raise _unwritable(folder, error) from None


def _write(
    kind: str,
    points: Sequence[Point],
    measured: Measured,
    folder: Path,
    notes: Sequence[str],
    command: str,
    predict: Predict | None,
) -> Outcome:
    """The table as CSV, JSON and Markdown, and the figure. Local; raises OSError."""
    rows = make_rows(kind, points, measured, predict)
    differing = difference_text(measured)
    places: list[dict[str, object]] = []
    warnings = list(notes)
    for _, result in measured:
        places += [result["machine"]] if result["machine"] not in places else []
        warnings += [each for each in result["warnings"] if each not in warnings]
    first = points[0].config
    title = f"{kind} scaling: {first.data.source}, {_sizes(kind, first)}"
    bits = (
        "; ".join(differing)
        if differing
        else "bits identical over all ranks, variants and repeats of the same model"
    )
    content = {
        "kind": kind,
        "command": command,
        "versions": measured[0][1]["versions"],
        "machines": places,
        "notes": warnings,
        "bits": bits,
        "rows": [row.to_dict() for row in rows],
        "cells": [result for _, result in measured],
    }
    hosts = max(result["hosts"] for _, result in measured)
    where = [
        f"{place['processor']}, {place['cores']} cores, MPI: {place['mpi']}" for place in places
    ]
    where.append(f"{hosts} host{'s' if hosts > 1 else ''}")
    lines = [f"# {title[0].upper()}{title[1:]}", "", f"    {command}", "", "; ".join(where), ""]
    lines += [markdown_text(rows), "", f"Losses: {bits}.", ""]
    lines += [f"- {note}" for note in warnings]
    path = folder / f"scaling-{kind}"
    texts = {
        path.with_suffix(".csv"): csv_text(rows),
        path.with_suffix(".json"): json.dumps(content, indent=1) + "\n",
        path.with_suffix(".md"): "\n".join(lines).rstrip("\n") + "\n",
    }
    for file, text in texts.items():
        replace_text(file, text)
    figure = path.with_suffix(".png")
    draw_scaling(kind, rows, figure, title)
    return Outcome([*texts, figure], differing)


def _sizes(kind: str, config: Config) -> str:
    """What does not change with the ranks, for the title."""
    return {
        "strong": f"M = {partitions(config)}, batches of {config.training.batch_size}",
        "weak-partitions": f"M = P, batches of {config.training.batch_size}",
        "weak-samples": f"M = {partitions(config)}, batches grow with the replicas",
    }[kind]


def _unwritable(folder: Path, error: OSError) -> InputError:
    return InputError(f"{error.filename or folder}: cannot be written ({error.strerror})")
