"""Seconds of an epoch, predicted from the costs of a few batches measured here. Local.

A batch is trained and a part of the test windows is predicted in this process alone, with the
configured engine. The time of circuits is then shared among ranks by the partitions' costs, and
what is not circuits (cell, readout, optimizer, Python) stays with every rank; messages are not
counted. Threads are those that the engine has here: set `engine.threads` to what a rank will have.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np

from hpc_qlstm.build.setup import place_model
from hpc_qlstm.config import Config
from hpc_qlstm.data import WindowSource
from hpc_qlstm.distributed.batches import epoch_size
from hpc_qlstm.distributed.model import PREDICTION_ROWS
from hpc_qlstm.model.blocks import block_bounds, share
from hpc_qlstm.model.cost import partition_costs
from hpc_qlstm.parallel import SerialCommunicator, process_grid
from hpc_qlstm.training.optimizers import create_optimizer

_SECONDS = 0.5
"""How long each of the two is repeated; at least three times, the first of which does not count."""


@dataclass(frozen=True)
class MeasuredTime:
    """Seconds: circuits and rest of a full batch's step and of the test part's evaluation, on one
    rank; epoch: predicted on `ranks`."""

    ranks: int
    step_circuits: float
    step_rest: float
    evaluation_circuits: float
    evaluation_rest: float
    epoch: float


def measure_time(config: Config, data: WindowSource, ranks: int = 1) -> MeasuredTime:
    """Measure and predict. Raises InputError where so many ranks do not fit, EngineError."""
    placed = place_model(config, SerialCommunicator(), data.input_size, data.output_size)
    model, size = placed.model, config.training.batch_size
    costs = partition_costs(model)
    grid = process_grid(ranks, 0, costs, config.parallel.replicas)
    flat = model.layout.initial(config.training.seed, config.model.init_scale)
    optimizer = create_optimizer(config.training, flat.size)
    x, y = data.train(slice(size))
    tested, _ = data.test(slice(PREDICTION_ROWS))

    def step() -> None:
        _, gradient = placed.loss_and_gradient(flat, x, y)
        optimizer.step(flat, gradient, 1e-9)  # what it costs, without going anywhere

    def evaluate() -> None:
        placed.predict(flat, tested)

    times = []
    try:
        for call in (step, evaluate):
            rows: list[tuple[float, float]] = []
            begin = perf_counter()
            while len(rows) < 3 or perf_counter() - begin < _SECONDS:
                placed.local.reset_seconds()
                start = perf_counter()
                call()
                rows.append((placed.local.seconds, perf_counter() - start))
            circuits, whole = np.median(np.array(rows[1:]), axis=0).tolist()
            times.append((circuits, whole - circuits))
    finally:
        for engine in placed.local.engines:
            engine.close()
    batches = epoch_size(config, data) / len(x)
    scale = data.test_count / len(tested)
    # Of a rank's row of partitions, and of a replica's part of the samples, the largest counts.
    part = max(sum(costs[m] for m in block) for block in grid.blocks) / sum(costs)
    (step_circuits, step_rest), (circuits, rest) = times
    circuits, rest = scale * circuits, scale * rest
    epoch = batches * (step_circuits * part * _largest_share(len(x), grid.replicas) + step_rest)
    epoch += circuits * part * _largest_share(len(tested), grid.replicas) + rest
    return MeasuredTime(ranks, step_circuits, step_rest, circuits, rest, epoch)


def _largest_share(samples: int, replicas: int) -> float:
    """The largest part of a batch that one replica has."""
    bounds = block_bounds(samples)
    parts = [share(bounds, r, replicas) for r in range(replicas)]
    return max(part[-1] - part[0] for part in parts) / samples


def time_rows(found: MeasuredTime) -> list[tuple[str, str, str]]:
    """The rows of a table, in milliseconds."""

    def row(name: str, circuits: float, rest: float) -> tuple[str, str, str]:
        return name, f"{1e3 * circuits:.3f}", f"{1e3 * rest:.3f}"

    ranks = f"{found.ranks} rank{'s' if found.ranks > 1 else ''}"
    return [
        ("measured here, ms", "circuits", "rest"),
        row("step of a full batch", found.step_circuits, found.step_rest),
        row("evaluation of the test part", found.evaluation_circuits, found.evaluation_rest),
        (f"epoch on {ranks}, predicted without messages", f"{1e3 * found.epoch:.3f}", ""),
    ]
