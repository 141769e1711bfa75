"""Commands that look at a configuration: verify, resources, partition; and info."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpc_qlstm.cli.common import (
    ConfigArgument,
    SetOption,
    aligned,
    app,
    collective,
    read_config,
    show,
    writing,
)
from hpc_qlstm.parallel import on_root

if TYPE_CHECKING:
    from hpc_qlstm.analysis.resources import Resources
    from hpc_qlstm.analysis.traffic import RunTraffic


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


@app.command()
def info() -> None:
    """Show versions, the MPI library, ranks and hosts, GPUs, Aer's devices, the kernel."""
    from hpc_qlstm.info import gather_info

    with collective() as comm:
        rows, ranks = gather_info(comm)
        if comm.rank == 0:
            table = [("rank", "host", "pid", "processors", "threads"), *ranks]
            show(aligned(rows) + "\n\n" + aligned(table))
