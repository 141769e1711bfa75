"""Measure what a machine costs, for `model` to predict with. Collective.

Everything is measured on as many ranks at a time as it is meant for: processors that all compute
share caches, memory and power. Ranks that take no part sleep.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import nnls

from hpc_qlstm.build.setup import build_model
from hpc_qlstm.config import Config
from hpc_qlstm.config_io import load_config
from hpc_qlstm.model import QLSTM
from hpc_qlstm.parallel import Communicator, mpi_library, processor_name
from hpc_qlstm.studies.scaling.machine import REST, LoadCosts, Machine, median_of
from hpc_qlstm.studies.scaling.measure import measure
from hpc_qlstm.studies.scaling.model import circuit_key, plan_of, step_work
from hpc_qlstm.studies.scaling.plan import Point, StepTrial
from hpc_qlstm.studies.scaling.timing import call_seconds, circuit_curves, message_curves

ROUNDS = 3
"""How often everything is timed, in turn: what disturbs the machine for a moment hits one round."""

# Partitions, hidden units of each, depth, batch, window: small circuits, so that the rest shows;
# each term of REST is large in one of them.
SETTINGS = (
    (2, 2, 1, 8, 2),
    (2, 2, 1, 8, 10),
    (2, 2, 1, 64, 3),
    (2, 3, 2, 24, 6),
    (4, 2, 1, 16, 4),
    (8, 2, 1, 40, 3),
    (16, 2, 3, 16, 3),
    (64, 2, 2, 12, 2),
)


def measure_machine(
    comm: Communicator,
    configs: Sequence[Config],
    ranks: Sequence[int],
    say: Callable[[str], None] = lambda text: None,
    settings: Sequence[tuple[int, int, int, int, int]] = SETTINGS,
) -> Machine:
    """The machine under this job, with what these configurations' circuits cost, measured on each
    number of ranks up to those of `comm`. Collective; the same on every rank."""
    counts = sorted({count for count in ranks if count <= comm.size} | {1})
    found: list[LoadCosts] = []
    for count in counts:
        say(f"measuring this machine's costs on {count} rank{'s' if count > 1 else ''}")
        team = comm.split(0 if comm.rank < count else 1)
        costs = None
        if comm.rank < count:
            small = [rest_config(each, configs[0], count) for each in settings]
            costs = _measure_costs(team, configs, small)
        comm.sleep_until_all()
        team.free()
        found.append(comm.bcast_object(costs))
    threads = max(1, configs[0].engine.threads)
    return Machine(processor_name(), os.cpu_count() or 1, mpi_library(comm), tuple(found), threads)


def rest_config(setting: tuple[int, int, int, int, int], like: Config, ranks: int) -> Config:
    """The configuration of one of SETTINGS, with threads and exchange as in `like`. It has as many
    partitions as ranks where the ranks do not fit the setting's."""
    count, units, depth, batch, window = setting
    if ranks > count and ranks % count:
        count = ranks
    return load_config(
        {
            "model": {"hidden_size": count * units, "depth": depth},
            "partition": {"strategy": "broadcast_input", "count": count},
            "engine": {"threads": max(1, like.engine.threads)},
            "data": {"task": "sine", "window": window},
            "training": {"batch_size": batch},
            "parallel": like.parallel.model_dump(include={"cell_update", "collectives"}),
        }
    )


def _measure_costs(
    team: Communicator, configs: Sequence[Config], small: Sequence[Config]
) -> LoadCosts:
    models, circuits = [], dict[str, tuple[QLSTM, int]]()
    for config in (*configs, *small):
        plan, _ = plan_of(config)
        threads = max(1, config.engine.threads)
        models.append(build_model(config, plan.input_size, plan.output_size, threads))
        for m, circuit in enumerate(models[-1].circuits):
            circuits.setdefault(circuit_key(circuit, config, m), (models[-1], m))
    most = max(each.training.batch_size for each in (*configs, *small))
    rounds, steps = [], []
    for _ in range(ROUNDS):
        call = call_seconds(team)
        curves = {
            key: circuit_curves(team, model, m, most, call) for key, (model, m) in circuits.items()
        }
        messages = message_curves(team) if team.size > 1 else (None, None)
        rounds.append(LoadCosts(team.size, call, curves, *messages))
        trials = [StepTrial(Point(config, team.size), 0, 2, 20) for config in small]
        steps.append([measure(trial, team)["step_seconds"]["median"] for trial in trials])
    for model in models:
        for engine in model.engines:
            engine.close()
    costs = median_of(rounds)
    return replace(costs, rest=_fit_rest(team, costs, small, np.median(steps, axis=0).tolist()))


def _fit_rest(
    team: Communicator, costs: LoadCosts, small: Sequence[Config], steps: Sequence[float]
) -> dict[str, float]:
    """REST from what steps of small models take beyond circuits and messages."""
    terms, left = [], []
    for config, seconds in zip(small, steps, strict=True):
        work = step_work(config, *plan_of(config), team.size)
        rest = seconds - work.compute_seconds(costs) - work.message_seconds(costs)
        terms.append(np.array(work.rest_terms()) / seconds)
        left.append(max(rest, 0.0) / seconds)
    # Relative to the step: what is to be right is its prediction.
    found, _ = nnls(np.array(terms), np.array(left))
    shared = team.bcast_object(found.tolist())
    return dict(zip(REST, shared, strict=True))
