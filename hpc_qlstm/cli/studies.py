"""Commands that study a configuration: verify, resources, partition, noise; info."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpc_qlstm.cli.common import (
    ConfigArgument,
    OutputOption,
    PartOption,
    SetOption,
    aligned,
    app,
    collective,
    numbers,
    options_of,
    read_config,
    show,
    study_job,
    writing,
)
from hpc_qlstm.parallel import on_root

if TYPE_CHECKING:
    from hpc_qlstm.analysis.resources import Resources
    from hpc_qlstm.analysis.traffic import RunTraffic


class Extrapolation(StrEnum):
    """How zero-noise extrapolation is done."""

    none = "none"
    linear = "linear"
    quadratic = "quadratic"
    richardson = "richardson"


class StudyTraining(StrEnum):
    """How the models of a noise study are trained."""

    exact = "exact"
    noisy = "noisy"


@app.command()
def verify(config: ConfigArgument, overrides: SetOption = None) -> None:
    """Compare all engines on a configuration's own circuits; exit code 1 if they differ."""
    from hpc_qlstm.analysis.verify import Verdict
    from hpc_qlstm.analysis.verify import verify as verify_engines

    def cells(verdict: Verdict) -> tuple[str, ...]:
        what = (",".join(map(str, verdict.partitions)), verdict.circuit, verdict.engine)
        if verdict.reason:
            return *what, "", "", "", verdict.reason
        form, limit = ("z {:.1f}", "z {:.1f}") if verdict.sampled else ("{:.1e}", "{:.0e}")
        values = map(form.format, (verdict.outputs, verdict.gradients))
        found = "agrees" if verdict.good else f"DIFFERS by more than {limit.format(verdict.limit)}"
        return *what, *values, f"{verdict.seconds:.3g}", found

    with collective() as comm:
        verdicts = verify_engines(on_root(comm, lambda: read_config(config, overrides)), comm)
        header = ("partitions", "circuit", "engine", "outputs", "gradients", "seconds", "")
        show(aligned([header, *map(cells, verdicts)]))
    if not all(verdict.good for verdict in verdicts):
        raise typer.Exit(1)


@app.command()
def resources(
    config: ConfigArgument,
    ranks: Annotated[
        int | None, typer.Option(min=1, help="Ranks to count messages for; default: these.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Run a few batches and predict the time of an epoch.")
    ] = False,
    machine: Annotated[
        Path | None, typer.Option(help="A machine.json of scaling, to choose the grid by.")
    ] = None,
    interconnect: Annotated[
        str | None, typer.Option(help="Between nodes: one known by name, or a TOML file.")
    ] = None,
    overrides: SetOption = None,
) -> None:
    """Count qubits, weights, circuits by gradient method, and messages of a configuration; with
    --ranks, name the best process grid and why."""
    from hpc_qlstm.analysis.measured_time import measure_time, time_rows
    from hpc_qlstm.analysis.resources import resources as count_resources
    from hpc_qlstm.analysis.traffic import run_traffic
    from hpc_qlstm.build.sources import build_source
    from hpc_qlstm.studies.markdown import with_head
    from hpc_qlstm.studies.scaling.grids import compare_grids

    with collective() as comm:
        resolved = on_root(comm, lambda: read_config(config, overrides))
        source = functools.cache(lambda: build_source(resolved))  # rank 0 alone asks for it
        wanted = ranks or comm.size

        def count() -> str:
            found = count_resources(resolved, source())
            text = _resources_text(found, run_traffic(resolved, source(), wanted))
            if ranks is None and machine is None and interconnect is None:
                return text
            grids = compare_grids(resolved, wanted, machine, interconnect)
            table = [aligned(with_head(grids.rows))] if grids.rows else []
            return "\n".join([f"{text}\n", grids.title, *table, *grids.sentences])

        show(on_root(comm, count))
        if measure:
            found = on_root(comm, lambda: measure_time(resolved, source(), wanted))
            show(f"\n{aligned(time_rows(found))}")


def _resources_text(found: Resources, told: RunTraffic) -> str:
    """Partitions, equations, circuits and messages as tables."""
    from hpc_qlstm.analysis.resources import equation_rows

    columns = ("partition", "qubits", "features", "outputs", "weights", "angles", "gates")
    parts = [[str(getattr(part, name)) for name in columns] for part in found.partitions]
    marks = {found.configured: "configured"}
    circuits = ("gradient", "circuits of a step", "circuits of an epoch", "")
    demands = [
        (each.gradient, f"{each.step:,}", f"{each.training:,}", marks.get(each.gradient, ""))
        for each in found.demands
    ]
    messages = (f"messages on {told.ranks} rank(s)", "collectives", "bytes")
    names = ("of a step", "of an epoch's training", "of its evaluation")
    counts = [
        (name, f"{part.collectives:,}", f"{part.bytes:,}")
        for name, part in zip(names, (told.step, told.training, told.evaluation), strict=True)
    ]
    return (
        f"{aligned([columns, *parts])}\n\n{aligned(equation_rows(found))}\n\n"
        f"{aligned([circuits, *demands])}\n\n"
        f"evaluation of the test part: {found.evaluation:,} circuits an epoch\n"
        f"calibration: {found.calibration:,} circuits a run, on each replica\n\n"
        f"{aligned([messages, *counts])}"
    )


@app.command()
def partition(
    config: ConfigArgument,
    figure: Annotated[Path | None, typer.Option(help="Draw it, as PNG, PDF or SVG.")] = None,
    overrides: SetOption = None,
) -> None:
    """Show what each partition reads, makes and costs, and which units the input reaches when."""
    from hpc_qlstm.analysis.partition_figure import draw_partition
    from hpc_qlstm.analysis.partition_table import HEADER, partition_table, reach_rows

    with collective() as comm:
        resolved = on_root(comm, lambda: read_config(config, overrides))
        table = on_root(comm, lambda: partition_table(resolved))
        parts = aligned([HEADER, *(row.cells() for row in table.partitions)])
        columns = [f"steps from x{k}" for k in range(table.steps.shape[1])]
        reach = aligned([("hidden units", *columns), *reach_rows(table)])
        show(f"{parts}\n\n{reach}")
        for warning in table.warnings:
            show(f"warning: {warning}")
        if figure is not None:
            draw = functools.partial(draw_partition, table, figure, resolved.partition.strategy)
            on_root(comm, writing(figure)(draw))
            show(f"wrote {figure}")


@dataclass(frozen=True)
class NoiseOptions:
    """Arguments and options of `noise`."""

    config: ConfigArgument
    output: OutputOption = Path("noise")
    rates: Annotated[str, typer.Option(help="Depolarizing rates, separated by commas.")] = (
        "0,0.005,0.01,0.02,0.035,0.05"
    )
    shots: Annotated[str, typer.Option(help="Shots, separated by commas; 0 is exact.")] = (
        "64,256,1024,4096,0"
    )
    seeds: Annotated[int, typer.Option(min=1, help="Seeds of each cell.")] = 5
    readout: Annotated[float, typer.Option(min=0, max=0.49, help="Probability of a wrong bit.")] = (
        0.0
    )
    zne: Annotated[
        Extrapolation, typer.Option(help="Zero-noise extrapolation of mitigated cells.")
    ] = Extrapolation.quadratic
    training: Annotated[StudyTraining, typer.Option(help="Train without noise, or under it.")] = (
        StudyTraining.exact
    )
    part: PartOption = "0/1"
    overrides: SetOption = None


@app.command()
@options_of
def noise(options: NoiseOptions) -> None:
    """Test R2 against depolarizing rate and shots, with and without mitigation.

    What is stored in the folder's `cells` is not computed again, so that a study that was stopped
    goes on, and jobs of an array share the work by --part.
    """
    from hpc_qlstm.config import Config, MitigationConfig
    from hpc_qlstm.studies.noise.report import study_table, write_study
    from hpc_qlstm.studies.noise.study import Plan, noise_study

    def read() -> tuple[Config, Plan]:
        plan = Plan(
            numbers(options.rates, float, "--rates", 1.0),
            numbers(options.shots, int, "--shots", 10_000_000),
            options.seeds,
            options.readout,
            MitigationConfig(readout=True, zne=options.zne.value),
            options.training.value,
        )
        return read_config(options.config, options.overrides), plan

    with study_job(options.output, options.part) as job:
        study = noise_study(*on_root(job.comm, read), job)
        if study is not None:
            files = job.write(lambda: write_study(study, job.folder))
            job.say(f"{study_table(study)}\nwrote {', '.join(map(str, files))}")


@app.command()
def info() -> None:
    """Show versions, the MPI library, ranks and hosts, GPUs, Aer's devices, the kernel."""
    from hpc_qlstm.info import gather_info

    with collective() as comm:
        rows, ranks = gather_info(comm)
        if comm.rank == 0:
            table = [("rank", "host", "pid", "processors", "threads"), *ranks]
            show(aligned(rows) + "\n\n" + aligned(table))
