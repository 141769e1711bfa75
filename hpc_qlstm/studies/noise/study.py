"""Test R2 against depolarizing rate and shots, with and without mitigation, over seeds. Collective.

A trial is one rate, number of shots, mitigation and seed. Either the model is trained without noise
and its test part is predicted under noise (`exact`), or it is trained under the noise too
(`noisy`), by the configured gradient method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Literal

import numpy as np

from hpc_qlstm.build.setup import place_model, require_circuits
from hpc_qlstm.build.sources import open_source
from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config, EngineConfig, MitigationConfig, NoiseConfig
from hpc_qlstm.distributed.model import TESTING
from hpc_qlstm.distributed.scores import score
from hpc_qlstm.parallel import SerialCommunicator, on_root
from hpc_qlstm.studies import runner
from hpc_qlstm.studies.runner import Job, Result, changed, digest_of, numerics, run_trials
from hpc_qlstm.studies.training import trained_alone

VARIED = ("rate", "shots", "mitigated")
RESULT = (*VARIED, "seed", "r2")
MITIGATION = MitigationConfig(readout=True, zne="quadratic")


@dataclass(frozen=True)
class Plan:
    """What a noise study varies, and what all its trials share.

    rates: depolarizing probabilities after every gate; shots: of a circuit, 0 for exact; seeds:
    how many, counted from the configured one; readout: probability of a wrong bit; mitigation: of
    the mitigated half; training: without noise or under it.
    """

    rates: Sequence[float]
    shots: Sequence[int]
    seeds: int
    readout: float = 0.0
    mitigation: MitigationConfig = MITIGATION
    training: Literal["exact", "noisy"] = "exact"


@dataclass(frozen=True)
class Trial(runner.Trial):
    """One evaluation; shots 0 stands for exact expectation values. config: with noise and seed."""

    rate: float
    shots: int
    mitigated: bool
    seed: int
    config: Config
    training: str

    @property
    def name(self) -> str:
        """What is varied, and letters that change with the settings."""
        mitigated = "-mitigated" if self.mitigated else ""
        return f"rate{self.rate:g}-shots{self.shots}{mitigated}-seed{self.seed}-{self.digest}"

    @property
    def title(self) -> str:
        """What is varied."""
        shots, mitigated = shots_text(self.shots), "with" if self.mitigated else "without"
        return f"rate {self.rate:g}, {shots}, {mitigated} mitigation, seed {self.seed}"

    @property
    def digest(self) -> str:
        """Of the settings that decide its R2."""
        return digest_of([self.training, numerics(self.config)])

    def news(self, result: Result) -> str:
        """What is varied, and the R2."""
        return f"{self.title}: test R2 {result['r2']:.3f}"


@dataclass(frozen=True)
class Study:
    """All results of a study: with the keys of RESULT, 0 shots for exact values."""

    config: Config
    plan: Plan
    results: list[Result]

    def r2(self, rate: float, shots: int, mitigated: bool) -> Float:
        """R2 (seeds,) of a rate, number of shots and mitigation, in the order of the seeds."""
        wanted = [rate, shots, mitigated]
        return np.array([r["r2"] for r in self.results if [r[key] for key in VARIED] == wanted])

    @property
    def rates(self) -> list[float]:
        """The depolarizing rates, increasing."""
        return sorted({result["rate"] for result in self.results})

    @property
    def shots(self) -> list[int]:
        """The numbers of shots, increasing, 0 (exact) last."""
        shots = {result["shots"] for result in self.results}
        return sorted(shots, key=lambda number: number or np.inf)


def shots_text(shots: int) -> str:
    """What a number of shots is called."""
    return f"{shots} shots" if shots else "exact"


def noise_study(config: Config, plan: Plan, job: Job) -> Study | None:
    """Evaluate every trial that is not stored. Collective; None while other jobs' are missing.

    Raises InputError, on all ranks what training raises on any, StopRequested after a signal.
    """
    on_root(job.comm, lambda: require_circuits(config, "that noise could disturb"))
    data = open_source(config, job.comm)

    @cache
    def weights(seed: int) -> Float:
        """Of the model that is trained without noise: once on each rank."""
        exact = EngineConfig(threads=config.engine.threads)
        seeded = changed(config, "training", seed=seed).model_copy(update={"engine": exact})
        return trained_alone(seeded, data).state.weights

    def evaluate(trial: Trial) -> Result:
        if trial.training == "noisy":
            r2 = trained_alone(trial.config, data).state.history[-1]["test_r2"]
        else:
            sizes = data.input_size, data.output_size
            model = place_model(trial.config, SerialCommunicator(), *sizes)
            r2 = score(model, weights(trial.seed), data.test, data.test_count, (TESTING, 0)).r2
        return {**{key: getattr(trial, key) for key in (*VARIED, "seed")}, "r2": r2}

    results = run_trials(job, _trials(config, plan), evaluate)
    return None if results is None else Study(config, plan, results)


def _trials(config: Config, plan: Plan) -> list[Trial]:
    """Seed by seed, rates increasing."""
    first = config.training.seed
    seeds, rates = range(first, first + plan.seeds), sorted(set(plan.rates))
    numbers, trials = dict.fromkeys(plan.shots), []
    for seed, rate, shots, mitigated in product(seeds, rates, numbers, (False, True)):
        engine = _noisy(config.engine, plan, rate, shots, mitigated)
        noisy = changed(config, "training", seed=seed).model_copy(update={"engine": engine})
        trials.append(Trial(rate, shots, mitigated, seed, noisy, plan.training))
    return trials


def _noisy(own: EngineConfig, plan: Plan, rate: float, shots: int, mitigated: bool) -> EngineConfig:
    """The configured engine, as far as it can be Aer, under noise."""
    kept = {"spsa_step", "spsa_average", "threads"}
    if own.name == "aer":
        kept |= {"device", "precision", "options"}
    return EngineConfig(
        name="aer",
        gradient=own.gradient if own.gradient == "spsa" else "parameter_shift",
        shots=shots,
        noise=NoiseConfig(depolarizing=rate, readout=plan.readout),
        mitigation=plan.mitigation if mitigated else MitigationConfig(),
        **own.model_dump(include=kept),
    )
