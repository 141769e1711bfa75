"""Commands on runs: train, resume, evaluate, predict, report, checkpoint, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hpc_qlstm.cli.common import (
    ConfigArgument,
    RunArgument,
    SetOption,
    Which,
    WhichOption,
    aligned,
    app,
    collective,
    show,
)
from hpc_qlstm.errors import EXIT_STOPPED
from hpc_qlstm.parallel import on_root


@app.command()
def train(
    config: ConfigArgument,
    overrides: SetOption = None,
    go_on: Annotated[
        bool, typer.Option("--continue", help="Resume the run where its directory holds one.")
    ] = False,
) -> None:
    """Train a configuration into its run directory."""
    from hpc_qlstm import run

    _report(run.train(config, overrides=overrides or [], go_on=go_on))


@app.command()
def resume(run_dir: RunArgument, overrides: SetOption = None) -> None:
    """Go on with a run from its newest valid checkpoint, on any allowed number of ranks."""
    from hpc_qlstm import run

    _report(run.resume(run_dir, overrides=overrides or []))


@app.command()
def evaluate(run_dir: RunArgument, weights: WhichOption = Which.last) -> None:
    """Score a run on its training and test windows, beside trivial predictors; prints JSON."""
    from hpc_qlstm.analysis.baselines import baselines
    from hpc_qlstm.analysis.evaluation import evaluate as evaluate_run

    with collective() as comm:
        evaluation = evaluate_run(run_dir, comm, weights.value)
        trivial = baselines(evaluation.data)
        shown = {"epoch": evaluation.epoch, **evaluation.scores, "baselines": trivial}
        show(json.dumps(shown, indent=2))


@app.command()
def predict(
    run_dir: RunArgument,
    data: Annotated[Path, typer.Option(help="A CSV, NPZ or HDF5 file.")],
    output: Annotated[Path, typer.Option(help="The CSV file to write.")] = Path("predictions.csv"),
    weights: WhichOption = Which.last,
) -> None:
    """Predict the windows of a file with a trained run; writes a CSV."""
    from hpc_qlstm.analysis.evaluation import predict as predict_file

    with collective() as comm:
        count = predict_file(run_dir, data, output, comm, weights.value)
        show(f"wrote {count} predictions to {output}")


@app.command()
def report(run_dir: RunArgument) -> None:
    """Draw a run's figures and write its report.html anew."""
    from hpc_qlstm.run import write_analysis

    with collective() as comm:
        write_analysis(run_dir, comm)
        show(f"wrote {run_dir / 'report.html'}")


@app.command()
def checkpoint(run_dir: RunArgument) -> None:
    """List and verify a run's checkpoints, newest first; exit code 1 if none is valid."""
    from hpc_qlstm.analysis.inventory import checkpoint_inventory

    with collective() as comm:
        entries = on_root(comm, lambda: checkpoint_inventory(run_dir))
        header = ("checkpoint", "epoch", "batch", "test loss", "bytes", "written", "")
        rows = [header, *(entry.cells() for entry in entries)]
        show(aligned(rows))
    if not any(entry.valid for entry in entries):
        raise typer.Exit(1)


@app.command()
def export(
    run_dir: RunArgument,
    output: Annotated[
        Path | None, typer.Option(help="The folder to write; default RUN/export.")
    ] = None,
    weights: WhichOption = Which.last,
    free: Annotated[
        bool, typer.Option("--free", help="Leave weights as parameters; values in the manifest.")
    ] = False,
) -> None:
    """Write a run's trained sub-circuits as OpenQASM 3 and QPY."""
    from hpc_qlstm.analysis.export import export as export_run

    with collective() as comm:
        files = export_run(run_dir, output, comm, weights.value, free=free)
        show(f"wrote {len(files)} files to {files[0].parent}")


def _report(result: Any) -> None:
    if result.stopped:
        raise typer.Exit(EXIT_STOPPED)
    last = result.history[-1] if result.history else {}
    show(
        f"{result.run_dir}: epoch {last.get('epoch', 0)}, "
        f"test loss {last.get('test_loss', float('nan')):.4e}, "
        f"R2 {last.get('test_r2', float('nan')):.4f}"
    )
