"""The command of the noise study: noise."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hpc_qlstm.cli.common import (
    ConfigArgument,
    OutputOption,
    PartOption,
    SetOption,
    app,
    numbers,
    options_of,
    read_config,
    study_job,
)
from hpc_qlstm.parallel import on_root


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
