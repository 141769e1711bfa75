"""A whole run as the command line does it: training, then figures and the report. Collective."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from hpc_qlstm.config_io import Source, load_config
from hpc_qlstm.errors import EngineError, InputError
from hpc_qlstm.parallel import Communicator, ending_all, on_root, open_communicator
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
    go_on: bool = False,
) -> Result:
    """Train a configuration and leave a complete run directory. Collective.

    config: a TOML file's path, a dictionary, or a Config. comm: an mpi4py communicator; default:
    MPI's world under an MPI launcher, else this process alone. overrides: "section.key=value".
    quiet: print nothing. go_on: resume where the run directory holds this run already, as a job
    that was put back into a queue must. Returns the same Result on every rank.
    Raises InputError on every rank for bad input; an exception on one rank alone ends all ranks.
    """
    comm = open_communicator(comm)
    begun = _begun(config, overrides, comm) if go_on else None
    if begun is not None:
        return resume(begun, comm, overrides=overrides, console=console, quiet=quiet)
    result = train_only(config, comm, overrides=overrides, console=console, quiet=quiet)
    _finish(result, comm, console, quiet)
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
    _finish(result, comm, console, quiet)
    return result


def _begun(config: Source, overrides: Sequence[str], comm: Communicator) -> Path | None:
    """The configured run directory, if there is a run in it. Collective."""

    def find() -> Path | None:
        path = Path(load_config(config, overrides).output.run_dir).expanduser()
        return path if (path / "config.toml").is_file() else None

    with ending_all(comm):
        return on_root(comm, find)


def _finish(result: Result, comm: Communicator, console: Console | None, quiet: bool) -> None:
    """Figures and report; a trained run is not lost because they cannot be written."""
    if result.stopped or not result.config.output.figures:
        return
    try:
        with ending_all(comm):
            write_analysis(result.run_dir, comm)
    except (InputError, EngineError) as error:
        if comm.rank == 0 and not quiet:
            (console or Console(stderr=True, soft_wrap=True)).print(
                f"warning: no figures: {error}", markup=False, highlight=False
            )


def write_analysis(run_dir: str | Path, comm: Communicator) -> None:
    """Draw the figures and write the report of a run directory anew. Collective.

    Raises InputError on every rank where the directory is no run or cannot be written.
    """
    from hpc_qlstm.analysis.evaluation import evaluate
    from hpc_qlstm.analysis.figures import draw_figures
    from hpc_qlstm.analysis.report import write_report
    from hpc_qlstm.runs.run_directory import open_run_directory

    evaluation = evaluate(run_dir, comm)

    def write() -> None:
        run, config = open_run_directory(run_dir)
        title = f"{config.data.source}, {config.partition.strategy} partition"
        try:
            run.figures.mkdir(exist_ok=True)
            figures = draw_figures(evaluation, run.figures, title)
            write_report(run.report, config, evaluation, figures)
        except OSError as error:
            raise InputError(
                f"{error.filename or run.path}: cannot be written ({error.strerror})"
            ) from None

    on_root(comm, write)
