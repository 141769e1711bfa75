"""Seconds of an epoch, predicted from the costs of a few batches measured here. Local.

A batch is trained and a part of the test windows is predicted in this process alone, with the
configured engine. The time of circuits is then shared among ranks by the partitions' costs, and
what is not circuits (cell, readout, optimizer, Python) stays with every rank; messages are not
counted. Threads are those that the engine has here: set `engine.threads` to what a rank will have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from hpc_qlstm.build.setup import place_model
from hpc_qlstm.config import Config
from hpc_qlstm.data import WindowSource
from hpc_qlstm.distributed.batches import epoch_size
from hpc_qlstm.distributed.messages import message_plan
from hpc_qlstm.distributed.model import PREDICTION_ROWS
from hpc_qlstm.model.cost import partition_costs
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.training.optimizers import create_optimizer

_SECONDS = 0.5
"""How long each of the two is repeated; at least three times, the first of which does not count."""


@dataclass(frozen=True)
class MeasuredTime:
    """Of a full batch's step and of the test part's evaluation: seconds in circuits and in all else
    here, and of both on `ranks`, predicted; epoch: predicted."""

    ranks: int
    step: tuple[float, float, float]
    evaluation: tuple[float, float, float]
    epoch: float


def measure_time(config: Config, data: WindowSource, ranks: int = 1) -> MeasuredTime:
    """Measure and predict. Raises InputError where this many ranks do not fit, EngineError."""
    placed = place_model(config, SerialCommunicator(), data.input_size, data.output_size)
    plan, costs = message_plan(placed.model, ranks, config.parallel), partition_costs(placed.model)
    # Of the partitions of a group, and of the groups' parts of a batch, the largest counts.
    largest = sum(costs[m] for m in plan.grid.busiest(costs)) / sum(costs)
    flat = placed.model.layout.initial(config.training.seed, config.model.init_scale)
    optimizer = create_optimizer(config.training, flat.size)
    x, y = data.train(slice(config.training.batch_size))
    tested, _ = data.test(slice(PREDICTION_ROWS))

    def step() -> None:
        _, gradient = placed.loss_and_gradient(flat, x, y)
        optimizer.step(flat, gradient, 1e-9)  # what it costs, without going anywhere

    def seconds(call: Callable[[], object], samples: int, whole: int) -> tuple[float, float, float]:
        rows: list[tuple[float, float]] = []
        begin = perf_counter()
        while len(rows) < 3 or perf_counter() - begin < _SECONDS:
            placed.local.reset_seconds()
            start = perf_counter()
            call()
            rows.append((placed.local.seconds, perf_counter() - start))
        circuits, total = (np.median(rows[1:], axis=0) * whole / samples).tolist()
        share = largest * max(plan.samples(samples)) / samples
        return circuits, total - circuits, circuits * share + total - circuits

    try:
        of_step = seconds(step, len(x), len(x))
        of_test = seconds(lambda: placed.predict(flat, tested), len(tested), data.test_count)
    finally:
        for engine in placed.local.engines:
            engine.close()
    epoch = of_step[-1] * epoch_size(config, data) / len(x) + of_test[-1]
    return MeasuredTime(ranks, of_step, of_test, epoch)


def time_rows(found: MeasuredTime) -> list[tuple[str, ...]]:
    """The rows of a table, in milliseconds."""
    ranks = f"{found.ranks} rank{'s' if found.ranks > 1 else ''}"
    return [
        ("measured here, ms", "circuits", "rest"),
        ("step of a full batch", *map(_ms, found.step[:2])),
        ("evaluation of the test part", *map(_ms, found.evaluation[:2])),
        (f"epoch on {ranks}, predicted without messages", _ms(found.epoch), ""),
    ]


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3f}"
