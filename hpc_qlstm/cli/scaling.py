"""Commands on how training scales with ranks: scaling measures, extrapolate predicts."""

from __future__ import annotations

import re
import shlex
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hpc_qlstm.cli.common import (
    SetOption,
    aligned,
    app,
    collective,
    console,
    print_error,
    which_part,
    writing,
)
from hpc_qlstm.errors import EXIT_FAILURE, EXIT_STOPPED, InputError
from hpc_qlstm.parallel import on_root


class Kind(StrEnum):
    """What grows with the ranks: nothing, the partitions, or the samples."""

    strong = "strong"
    weak_partitions = "weak-partitions"
    weak_samples = "weak-samples"


@app.command()
def scaling(
    kind: Annotated[Kind, typer.Argument(help="What grows: nothing, partitions or samples.")],
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file.")],
    output: Annotated[Path, typer.Option("--output", help="The folder to write.")] = Path(
        "results/scaling"
    ),
    ranks: Annotated[
        str | None,
        typer.Option(
            "--ranks", metavar="P,P,...", help="Default: powers of two up to all of them."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Runs of each.")] = 5,
    epochs: Annotated[
        int, typer.Option("--epochs", min=2, help="Epochs of a run; the first warms up.")
    ] = 3,
    steps: Annotated[int, typer.Option("--steps", min=1, help="Full batches of an epoch.")] = 20,
    cell_update: Annotated[
        str | None,
        typer.Option("--cell-update", metavar="MODE,...", help="--vary parallel.cell_update=..."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary", metavar="SECTION.KEY=VALUE,...", help="Measure each value, and combinations."
        ),
    ] = None,
    model: Annotated[
        bool, typer.Option("--model/--no-model", help="Measure this machine, and predict steps.")
    ] = True,
    part: Annotated[
        str, typer.Option("--part", metavar="K/N", help="Measure the K-th of N parts, from 0 on.")
    ] = "0/1",
    overrides: SetOption = None,
) -> None:
    """Time training steps on more and more of the ranks that this is started on, and compare bits.

    What is stored in the folder's `cells` is not measured again, so that a study that was stopped
    goes on, and jobs of an array share its repeats by --part. Exit code 1 where losses differ.
    """
    from hpc_qlstm.config_io import load_config
    from hpc_qlstm.studies.scaling.study import scaling as study
    from hpc_qlstm.training.stopping import StopRequested

    varied = [*(vary or ())]
    if cell_update is not None:
        varied.append(f"parallel.cell_update={cell_update}")
    words = ["hpc-qlstm", "scaling", kind.value, str(config), "--output", str(output)]
    words += ["--repeats", str(repeats), "--epochs", str(epochs), "--steps", str(steps)]
    words += [] if model else ["--no-model"]
    words += ["--ranks", ranks] if ranks is not None else []
    words += [word for each in varied for word in ("--vary", each)]
    words += [word for each in overrides or () for word in ("--set", each)]
    stopped, differing = "", list[str]()
    with collective() as comm:
        which = on_root(comm, lambda: which_part(part))
        counts = on_root(comm, lambda: _counts(ranks))
        resolved = on_root(comm, lambda: load_config(config, overrides or ()))
        launcher = f"mpirun -n {comm.size} " if comm.size > 1 else ""
        try:
            outcome = study(
                kind.value,
                resolved,
                output,
                comm,
                ranks=counts,
                vary=varied,
                repeats=repeats,
                epochs=epochs,
                steps=steps,
                part=which,
                model=model,
                command=launcher + shlex.join(words),
                say=lambda text: console().print(text, markup=False),
            )
        except StopRequested as reason:
            stopped = str(reason)  # on all ranks
        else:
            differing = outcome.differing
            for path in outcome.files:
                console().print(f"wrote {path}", markup=False)
            if comm.rank == 0:
                for text in differing:
                    print_error(text)
    if stopped:
        console().print(f"stopped by {stopped}; the same command goes on", markup=False)
        raise typer.Exit(EXIT_STOPPED)
    if differing:
        raise typer.Exit(EXIT_FAILURE)


@app.command()
def extrapolate(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file.")],
    machine: Annotated[
        Path, typer.Option("--machine", help="A machine.json that scaling wrote.")
    ] = Path("results/scaling/machine.json"),
    interconnect: Annotated[
        str, typer.Option("--interconnect", help="One that is known by name, or a TOML file.")
    ] = "infiniband-100",
    kind: Annotated[Kind, typer.Option("--kind", help="What grows with the ranks.")] = Kind.strong,
    ranks: Annotated[
        str | None,
        typer.Option("--ranks", metavar="P,P,...", help="Default: powers of two up to 4096."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="SECTION.KEY=VALUE,...",
            help="Instead: up to where ranks are worth adding, for each value and combinations.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="A folder for the table and a figure.")
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Predict steps on up to thousands of ranks from what scaling measured on a few."""
    from hpc_qlstm.config_io import load_config
    from hpc_qlstm.studies.scaling import extrapolate as model
    from hpc_qlstm.studies.scaling import worth
    from hpc_qlstm.studies.scaling.interconnect import load_interconnect
    from hpc_qlstm.studies.scaling.machine import load_machine

    words = ["hpc-qlstm", "extrapolate", str(config), "--machine", str(machine)]
    words += ["--interconnect", interconnect, "--kind", kind.value]
    words += ["--ranks", ranks] if ranks is not None else []
    words += [word for each in vary or () for word in ("--vary", each)]
    words += ["--output", str(output)] if output is not None else []
    words += [word for each in overrides or () for word in ("--set", each)]

    def predict() -> tuple[list[str], list[Path]]:
        if vary and kind is not Kind.strong:
            raise InputError(f"--vary with --kind {kind.value}: allowed: with strong alone")
        resolved = load_config(config, overrides or ())
        counts = sorted(_counts(ranks) or model.powers_of_two())
        network, costs = load_interconnect(interconnect), load_machine(machine)
        title, files = f"{network.name} ({network.source})", list[Path]()
        if vary:
            rows = worth.compare(resolved, vary, counts, costs, network)
            if output is not None:
                with writing(output):
                    files = worth.write_comparison(rows, network, output, shlex.join(words))
            return [title, aligned([worth.HEADER, *worth.table_rows(rows)])], files
        found, notes = model.extrapolate(kind.value, resolved, counts, costs, network)
        sentences = [*worth.limits(found, kind.value), *notes]
        if output is not None:
            with writing(output):
                files = model.write(
                    kind.value, found, sentences, network, output, shlex.join(words)
                )
        table = aligned([model.HEADER, *model.table_rows(found)])
        return [title, table, *sentences], files

    with collective() as comm:
        texts, files = on_root(comm, predict)
        console().print("\n".join(texts), markup=False)
        for path in files:
            console().print(f"wrote {path}", markup=False)


def _counts(text: str | None) -> list[int] | None:
    """Numbers of ranks; raises InputError."""
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,6}(,[1-9]\d{0,6})*", text):
        raise InputError(f"--ranks {text!r}: allowed: numbers of ranks from 1 on, with commas")
    return [int(word) for word in text.split(",")]
