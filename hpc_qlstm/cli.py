"""The command line. Every command works with and without mpirun; rank 0 alone prints.

Exit codes: 0 done, 2 bad input, 1 anything else.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hpc_qlstm.errors import EXIT_BAD_INPUT, HpcQlstmError
from hpc_qlstm.parallel import ending_all, launched_rank, on_root, open_communicator

app = typer.Typer(
    name="hpc-qlstm",
    help="Train distributed quantum LSTMs, alone or under mpirun.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Override a configuration key."),
]


class Which(StrEnum):
    """Which weights of a run to use."""

    last = "last"
    best = "best"


WhichOption = Annotated[
    Which, typer.Option("--weights", help="Of the last epoch, or of the best test loss.")
]


@app.command()
def train(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file.")],
    overrides: SetOption = None,
) -> None:
    """Train a configuration into its run directory."""
    from hpc_qlstm import run

    _report(run.train(config, overrides=overrides or []))


@app.command()
def resume(run_dir: RunArgument, overrides: SetOption = None) -> None:
    """Go on with a run from its newest valid checkpoint, on any allowed number of ranks."""
    from hpc_qlstm import run

    _report(run.resume(run_dir, overrides=overrides or []))


@app.command()
def evaluate(run_dir: RunArgument, weights: WhichOption = Which.last) -> None:
    """Score a run on its training and test windows; prints JSON."""
    from hpc_qlstm.analysis.evaluation import evaluate as evaluate_run

    with _collective() as comm:
        evaluation = evaluate_run(run_dir, comm, weights.value)
        _print_json({"epoch": evaluation.epoch, **evaluation.scores})


@app.command()
def predict(
    run_dir: RunArgument,
    data: Annotated[Path, typer.Option("--data", help="A CSV, NPZ or HDF5 file.")],
    output: Annotated[Path, typer.Option("--output", help="The CSV file to write.")] = Path(
        "predictions.csv"
    ),
    weights: WhichOption = Which.last,
) -> None:
    """Predict the windows of a file with a trained run; writes a CSV."""
    from hpc_qlstm.analysis.evaluation import predict as predict_file

    with _collective() as comm:
        count = predict_file(run_dir, data, output, comm, weights.value)
        _console().print(f"wrote {count} predictions to {output}", markup=False)


@app.command()
def report(run_dir: RunArgument) -> None:
    """Draw a run's figures and write its report.html anew."""
    from hpc_qlstm.run import write_analysis

    with _collective() as comm:
        write_analysis(run_dir, comm)
        _console().print(f"wrote {run_dir / 'report.html'}", markup=False)


@app.command()
def export(
    run_dir: RunArgument,
    output: Annotated[
        Path | None, typer.Option("--output", help="The folder to write; default RUN/export.")
    ] = None,
    weights: WhichOption = Which.last,
    free: Annotated[
        bool, typer.Option("--free", help="Leave weights as parameters; values in the manifest.")
    ] = False,
) -> None:
    """Write a run's trained sub-circuits as OpenQASM 3 and QPY."""
    from hpc_qlstm.analysis.export import export as export_run

    with _collective() as comm:
        files = export_run(run_dir, output, comm, weights.value, free=free)
        _console().print(f"wrote {len(files)} files to {files[0].parent}", markup=False)


@app.command()
def verify(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file.")],
    overrides: SetOption = None,
) -> None:
    """Compare all engines on a configuration's own circuits; exit code 1 if they differ."""
    from hpc_qlstm.analysis.verify import Verdict
    from hpc_qlstm.analysis.verify import verify as verify_engines
    from hpc_qlstm.config_io import load_config

    def cells(verdict: Verdict) -> tuple[str, ...]:
        where = ",".join(map(str, verdict.partitions))
        if verdict.reason:
            return where, verdict.circuit, verdict.engine, "", "", "", verdict.reason
        return (
            where,
            verdict.circuit,
            verdict.engine,
            f"{verdict.outputs:.1e}",
            f"{verdict.gradients:.1e}",
            f"{verdict.seconds:.3g}",
            "agrees" if verdict.good else f"DIFFERS by more than {verdict.limit:.0e}",
        )

    with _collective() as comm:
        verdicts = verify_engines(on_root(comm, lambda: load_config(config, overrides or ())), comm)
        header = ("partitions", "circuit", "engine", "outputs", "gradients", "seconds", "")
        _console().print(_aligned([header, *map(cells, verdicts)]), markup=False)
    if not all(verdict.good for verdict in verdicts):
        raise typer.Exit(1)


@app.command()
def resources(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file.")],
    overrides: SetOption = None,
) -> None:
    """Count qubits, weights and circuits of a configuration for each gradient method."""
    from hpc_qlstm.analysis.resources import resources as count_resources
    from hpc_qlstm.config_io import load_config

    with _collective() as comm:
        found = on_root(comm, lambda: count_resources(load_config(config, overrides or ())))
        columns = ("partition", "qubits", "features", "outputs", "weights", "angles", "gates")
        parts = [
            columns,
            *(tuple(str(getattr(part, name)) for name in columns) for part in found.partitions),
        ]
        demands = [
            ("gradient", "circuits of a step", "circuits of an epoch", ""),
            *(
                (
                    d.gradient,
                    f"{d.step:,}",
                    f"{d.training:,}",
                    "configured" if d.gradient == found.configured else "",
                )
                for d in found.demands
            ),
        ]
        _console().print(
            f"{_aligned(parts)}\n\n{_aligned(demands)}\n\n"
            f"evaluation of the test part: {found.evaluation:,} circuits an epoch\n"
            f"calibration: {found.calibration:,} circuits a run, on each replica",
            markup=False,
        )


@app.command()
def info() -> None:
    """Show versions, the MPI library, ranks and hosts, GPUs, Aer's devices, the kernel."""
    from hpc_qlstm.info import gather_info

    with _collective() as comm:
        rows, ranks = gather_info(comm)
        if comm.rank == 0:
            table = [("rank", "host", "pid", "processors", "threads"), *ranks]
            _console().print(_aligned(rows) + "\n\n" + _aligned(table), markup=False)


def main() -> None:
    """Entry point of `hpc-qlstm`: runs a command and ends the process with its exit code."""
    rank = launched_rank() or 0
    with contextlib.ExitStack() as stack:
        if rank:
            # Usage, help and results come from rank 0; a failing rank still has its stderr.
            null = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(null))
        sys.exit(_run(rank))


def _run(rank: int) -> int:
    # Typer carries its own copy of click in some versions: take the exceptions from where it does.
    from typer.main import get_command

    command = get_command(app)
    try:
        result = command.main(standalone_mode=False)
    except HpcQlstmError as error:
        if rank == 0:
            _error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        usage: Any = error
        if rank == 0:
            _error(usage.format_message())
        if launched_rank() is not None:
            # All ranks got the same words. A launcher ends the job when the first of them leaves,
            # so wait until rank 0 has spoken.
            open_communicator().allgather_object(None)
        return int(getattr(usage, "exit_code", EXIT_BAD_INPUT))
    return result if isinstance(result, int) else 0


@contextlib.contextmanager
def _collective() -> Iterator[Any]:
    """The communicator for a command; an exception on one rank ends all."""
    comm = open_communicator()
    with ending_all(comm):
        yield comm


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True)


def _report(result: Any) -> None:
    last = result.history[-1] if result.history else {}
    _console().print(
        f"{result.run_dir}: epoch {last.get('epoch', 0)}, "
        f"test loss {last.get('test_loss', float('nan')):.4e}, "
        f"R2 {last.get('test_r2', float('nan')):.4f}",
        markup=False,
    )


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Rows as text, columns aligned; lines are never wrapped, so that scripts can read them."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def _print_json(value: Any) -> None:
    _console().print(json.dumps(value, indent=2), markup=False)


def _error(message: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"error: {message}", markup=False)
