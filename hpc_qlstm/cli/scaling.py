"""Commands on how training scales with ranks: scaling measures, extrapolate predicts."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hpc_qlstm.cli.common import (
    ConfigArgument,
    OutputOption,
    SetOption,
    aligned,
    app,
    collective,
    command_words,
    options_of,
    print_error,
    read_config,
    show,
    study_job,
    writing,
)
from hpc_qlstm.errors import EXIT_FAILURE, InputError
from hpc_qlstm.parallel import on_root


class Kind(StrEnum):
    """What grows with the ranks: nothing, the partitions, or the samples."""

    strong = "strong"
    weak_partitions = "weak-partitions"
    weak_samples = "weak-samples"


@dataclass(frozen=True)
class ScalingOptions:
    """Arguments and options of `scaling`."""

    kind: Annotated[Kind, typer.Argument(help="What grows: nothing, partitions or samples.")]
    config: ConfigArgument
    output: OutputOption = Path("results/scaling")
    ranks: Annotated[
        str | None,
        typer.Option(metavar="P,P,...", help="Default: powers of two up to all of them."),
    ] = None
    repeats: Annotated[int, typer.Option(min=1, help="Runs of each.")] = 5
    epochs: Annotated[int, typer.Option(min=2, help="Epochs of a run; the first warms up.")] = 3
    steps: Annotated[int, typer.Option(min=1, help="Full batches of an epoch.")] = 20
    cell_update: Annotated[
        str | None, typer.Option(metavar="MODE,...", help="--vary parallel.cell_update=...")
    ] = None
    vary: Annotated[
        list[str] | None,
        typer.Option(metavar="SECTION.KEY=VALUE,...", help="Measure each value, and combinations."),
    ] = None
    model: Annotated[bool, typer.Option(help="Measure this machine, and predict steps.")] = True
    part: Annotated[
        str, typer.Option(metavar="K/N", help="Measure the K-th of N parts, from 0 on.")
    ] = "0/1"
    overrides: SetOption = None


@app.command()
@options_of
def scaling(options: ScalingOptions) -> None:
    """Time training steps on more and more of the ranks that this is started on, and compare bits.

    What is stored in the folder's `cells` is not measured again, so that a study that was stopped
    goes on, and jobs of an array share its repeats by --part. Exit code 1 where losses differ.
    """
    from hpc_qlstm.studies.scaling.study import Wanted
    from hpc_qlstm.studies.scaling.study import scaling as study

    kind, repeats, epochs = options.kind.value, options.repeats, options.epochs
    vary = [*(options.vary or ())]
    if options.cell_update is not None:
        vary.append(f"parallel.cell_update={options.cell_update}")
    words = command_words(
        "scaling", kind, options.config, output=options.output, repeats=repeats, epochs=epochs,
        steps=options.steps, no_model=not options.model, ranks=options.ranks, vary=vary,
        set=options.overrides,
    )  # fmt: skip
    with study_job(options.output, options.part, words) as job:
        comm = job.comm
        counts = on_root(comm, lambda: _counts(options.ranks))
        config = on_root(comm, lambda: read_config(options.config, options.overrides))
        if comm.size > 1:
            job = replace(job, command=f"mpirun -n {comm.size} {job.command}")
        wanted = Wanted(kind, counts, vary, repeats, epochs, options.steps, options.model)
        outcome = study(wanted, config, job)
        for path in outcome.files:
            show(f"wrote {path}")
        for text in outcome.differing if comm.rank == 0 else ():
            print_error(text)
    if outcome.differing:
        raise typer.Exit(EXIT_FAILURE)


@dataclass(frozen=True)
class ExtrapolateOptions:
    """Arguments and options of `extrapolate`."""

    config: ConfigArgument
    machine: Annotated[Path, typer.Option(help="A machine.json that scaling wrote.")] = Path(
        "results/scaling/machine.json"
    )
    interconnect: Annotated[
        str, typer.Option(help="One that is known by name, or a TOML file.")
    ] = "infiniband-100"
    kind: Annotated[Kind, typer.Option(help="What grows with the ranks.")] = Kind.strong
    ranks: Annotated[
        str | None, typer.Option(metavar="P,P,...", help="Default: powers of two up to 4096.")
    ] = None
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SECTION.KEY=VALUE,...",
            help="Instead: up to where ranks are worth adding, for each value and combinations.",
        ),
    ] = None
    output: Annotated[Path | None, typer.Option(help="A folder for the table and a figure.")] = None
    overrides: SetOption = None


@app.command()
@options_of
def extrapolate(options: ExtrapolateOptions) -> None:
    """Predict steps on up to thousands of ranks from what scaling measured on a few."""
    from hpc_qlstm.studies.markdown import with_head
    from hpc_qlstm.studies.scaling.extrapolate import MOST_RANKS
    from hpc_qlstm.studies.scaling.interconnect import load_interconnect
    from hpc_qlstm.studies.scaling.machine import load_machine
    from hpc_qlstm.studies.scaling.plan import powers_of_two
    from hpc_qlstm.studies.scaling.prediction import predict_limits, predict_scaling

    kind, vary, output = options.kind.value, options.vary, options.output
    words = command_words(
        "extrapolate", options.config, machine=options.machine, interconnect=options.interconnect,
        kind=kind, ranks=options.ranks, vary=vary, output=output, set=options.overrides,
    )  # fmt: skip

    def predict() -> list[str]:
        if vary and options.kind is not Kind.strong:
            raise InputError(f"--vary with --kind {kind}: allowed: with strong alone")
        config = read_config(options.config, options.overrides)
        counts = sorted(_counts(options.ranks) or powers_of_two(MOST_RANKS))
        network, machine = load_interconnect(options.interconnect), load_machine(options.machine)
        if vary:
            found = predict_limits(config, vary, counts, machine, network)
        else:
            found = predict_scaling(kind, config, counts, machine, network)
        lines = [f"{network.name} ({network.source})", aligned(with_head(found.rows))]
        lines += found.sentences
        if output is not None:
            with writing(output):
                lines += [f"wrote {path}" for path in found.write(output, shlex.join(words))]
        return lines

    with collective() as comm:
        show("\n".join(on_root(comm, predict)))


def _counts(text: str | None) -> list[int] | None:
    """Numbers of ranks; raises InputError."""
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,6}(,[1-9]\d{0,6})*", text):
        raise InputError(f"--ranks {text!r}: allowed: numbers of ranks from 1 on, with commas")
    return [int(word) for word in text.split(",")]
