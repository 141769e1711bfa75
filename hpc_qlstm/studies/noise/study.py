"""Test R2 against depolarizing rate and shots, with and without mitigation, over seeds. Collective.

A cell of the study is one rate, number of shots, mitigation and seed. Either the model is trained
without noise and its test part is predicted under noise (`exact`), or it is trained under the noise
too (`noisy`), by the configured gradient method. Ranks take cells in turn, each by itself.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hpc_qlstm.build.setup import place_model, require_circuits, set_up
from hpc_qlstm.build.sources import open_source
from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config, EngineConfig, MitigationConfig, NoiseConfig
from hpc_qlstm.data import WindowSource
from hpc_qlstm.distributed.model import TESTING
from hpc_qlstm.distributed.scores import score
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import Communicator, SerialCommunicator, on_root, together
from hpc_qlstm.training.trainer import Trainer

Training = Literal["exact", "noisy"]


@dataclass(frozen=True)
class Cell:
    """One evaluation; shots 0 stands for exact expectation values, r2 is NaN before it is known."""

    rate: float
    shots: int
    mitigated: bool
    seed: int
    r2: float = float("nan")


@dataclass(frozen=True)
class Study:
    """All cells of a study, and how they were made."""

    training: Training
    readout: float
    mitigation: MitigationConfig
    cells: list[Cell]

    def r2(self, rate: float, shots: int, mitigated: bool) -> Float:
        """R2 (seeds,) of a rate, number of shots and mitigation, in the order of the seeds."""
        return np.array(
            [
                cell.r2
                for cell in self.cells
                if (cell.rate, cell.shots, cell.mitigated) == (rate, shots, mitigated)
            ]
        )

    @property
    def rates(self) -> list[float]:
        """The depolarizing rates, increasing."""
        return sorted({cell.rate for cell in self.cells})

    @property
    def shots(self) -> list[int]:
        """The numbers of shots, increasing, 0 (exact) last."""
        return sorted({cell.shots for cell in self.cells}, key=lambda shots: shots or np.inf)


def noise_study(
    config: Config,
    comm: Communicator,
    *,
    rates: Sequence[float],
    shots: Sequence[int],
    seeds: int,
    readout: float = 0.0,
    mitigation: MitigationConfig | None = None,
    training: Training = "exact",
) -> Study:
    """Evaluate every cell. Collective; every rank gets the whole study.

    rates: depolarizing probabilities after every gate; shots: of a circuit, 0 for exact; seeds:
    how many, counted from the configured one; readout: probability of a wrong bit, in all cells;
    mitigation: of the mitigated half, default readout correction and quadratic extrapolation.
    Raises InputError.
    """
    mitigation = mitigation or MitigationConfig(readout=True, zne="quadratic")
    first = config.training.seed
    cells = [
        Cell(*values)
        for values in itertools.product(
            sorted(set(rates)), dict.fromkeys(shots), (False, True), range(first, first + seeds)
        )
    ]
    on_root(comm, lambda: require_circuits(config, "that noise could disturb"))
    data = open_source(config, comm)
    # Cells of one seed go to one rank where there are enough seeds: it trains once.
    cells.sort(key=lambda cell: cell.seed)
    mine = [k for k in range(len(cells)) if k * comm.size // len(cells) == comm.rank]
    worker = _Worker(config, data, readout, mitigation, training)
    # Ranks work by themselves here: what fails on one has to be told to the others.
    done = together(comm, lambda: [(k, worker.evaluate(cells[k])) for k in mine])
    results = dict(item for part in comm.allgather_object(done) for item in part)
    return Study(training, readout, mitigation, [results[k] for k in range(len(cells))])


class _Worker:
    """Evaluates cells on one rank; keeps the weights of seeds that were trained without noise."""

    def __init__(
        self,
        config: Config,
        data: WindowSource,
        readout: float,
        mitigation: MitigationConfig,
        training: Training,
    ) -> None:
        self._config = config
        self._data = data
        self._readout = readout
        self._mitigation = mitigation
        self._training = training
        self._weights: dict[int, Float] = {}

    def evaluate(self, cell: Cell) -> Cell:
        """The cell with its R2."""
        noisy = self._with_engine(cell)
        comm = SerialCommunicator()
        if self._training == "noisy":
            trainer = self._trained(noisy)
            return Cell(**{**asdict(cell), "r2": trainer.state.history[-1]["test_r2"]})
        if cell.seed not in self._weights:
            exact = self._seeded(cell.seed, EngineConfig(threads=self._config.engine.threads))
            self._weights[cell.seed] = self._trained(exact).state.weights
        sizes = self._data.input_size, self._data.output_size
        model = place_model(noisy, comm, *sizes)
        data, weights = self._data, self._weights[cell.seed]
        scores = score(model, weights, data.test, data.test_count, (TESTING, 0))
        return Cell(**{**asdict(cell), "r2": scores.r2})

    def _trained(self, config: Config) -> Trainer:
        trainer = Trainer(set_up(config, SerialCommunicator(), self._data))
        for _ in range(config.training.epochs):
            trainer.run_epoch()
        return trainer

    def _with_engine(self, cell: Cell) -> Config:
        own = self._config.engine
        simulator = own if own.name == "aer" else EngineConfig(name="aer")
        noise = NoiseConfig(depolarizing=cell.rate, readout=self._readout)
        gradient = own.gradient if own.gradient == "spsa" else "parameter_shift"
        engine = EngineConfig(
            name="aer",
            gradient=gradient,
            spsa_step=own.spsa_step,
            spsa_average=own.spsa_average,
            threads=own.threads,
            device=simulator.device,
            precision=simulator.precision,
            options=simulator.options,
            shots=cell.shots,
            noise=noise,
            mitigation=self._mitigation if cell.mitigated else MitigationConfig(),
        )
        return self._seeded(cell.seed, engine)

    def _seeded(self, seed: int, engine: EngineConfig) -> Config:
        training = self._config.training.model_copy(update={"seed": seed})
        return self._config.model_copy(update={"training": training, "engine": engine})


def write_study(study: Study, config: Config, folder: Path) -> list[Path]:
    """Write noise.json, noise.md and noise.png; returns the files. Local; raises InputError."""
    from hpc_qlstm.studies.noise.figure import draw_study

    files = [folder / f"noise.{suffix}" for suffix in ("json", "md", "png")]
    content = {
        "training": study.training,
        "readout": study.readout,
        "mitigation": study.mitigation.model_dump(),
        "config": config.to_dict(),
        "cells": [asdict(cell) for cell in study.cells],
    }
    make_folder(folder)
    try:
        files[0].write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        files[1].write_text(study_table(study) + "\n", encoding="utf-8")
        draw_study(study, files[2])
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from None
    return files


def make_folder(folder: Path) -> None:
    """Make the folder to write to; raises InputError. Local, before a study rather than after."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from None


def study_table(study: Study) -> str:
    """Mean and standard deviation of R2 over seeds, as Markdown."""
    names = ["exact" if not shots else f"{shots} shots" for shots in study.shots]
    lines = ["| rate | mitigation | " + " | ".join(names) + " |"]
    lines.append("|---" * (2 + len(names)) + "|")
    for rate in study.rates:
        for mitigated in (False, True):
            values: list[Any] = [study.r2(rate, shots, mitigated) for shots in study.shots]
            shown = [f"{r2.mean():.3f} ± {r2.std(ddof=min(1, r2.size - 1)):.3f}" for r2 in values]
            row = [f"{rate:g}", "yes" if mitigated else "no", *shown]
            lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines)
