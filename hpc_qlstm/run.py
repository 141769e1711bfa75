"""A whole run as the command line does it: training, then figures and the report. Collective."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from hpc_qlstm.config_io import Source
from hpc_qlstm.parallel import ending_all, open_communicator
from hpc_qlstm.training import Result
from hpc_qlstm.training import resume as resume_training
from hpc_qlstm.training import train as train_only


def train(
    config: Source,
    comm: Any = None,
    *,
    overrides: Sequence[str] = (),
    console: Console | None = None,
    quiet: bool = False,
) -> Result:
    """Train a configuration and leave a complete run directory. Collective.

    config: a TOML file's path, a dictionary, or a Config. comm: an mpi4py communicator; default:
    MPI's world under an MPI launcher, else this process alone. overrides: "section.key=value".
    quiet: print nothing. Returns the same Result on every rank.
    Raises InputError on every rank for bad input; an exception on one rank alone ends all ranks.
    """
    comm = open_communicator(comm)
    result = train_only(config, comm, overrides=overrides, console=console, quiet=quiet)
    _finish(result, comm)
    return result


def resume(
    run_dir: str | Path,
    comm: Any = None,
    *,
    overrides: Sequence[str] = (),
    console: Console | None = None,
    quiet: bool = False,
) -> Result:
    """Go on with a run directory from its newest valid checkpoint, as `train`. Collective."""
    comm = open_communicator(comm)
    result = resume_training(run_dir, comm, overrides=overrides, console=console, quiet=quiet)
    _finish(result, comm)
    return result


def _finish(result: Result, comm: Any) -> None:
    if result.config.output.figures:
        with ending_all(comm):
            write_analysis(result.run_dir, comm)


def write_analysis(run_dir: str | Path, comm: Any) -> None:
    """Draw the figures and write the report of a run directory anew. Collective."""
    from hpc_qlstm.analysis.evaluation import evaluate
    from hpc_qlstm.analysis.figures import draw_figures
    from hpc_qlstm.analysis.report import write_report
    from hpc_qlstm.training.run_directory import open_run_directory

    evaluation = evaluate(run_dir, comm)
    if comm.rank == 0:
        run, config = open_run_directory(run_dir)
        run.figures.mkdir(exist_ok=True)
        title = f"{config.data.source}, {config.partition.strategy} partition"
        figures = draw_figures(evaluation, run.figures, title)
        write_report(run.report, config, evaluation, figures)
