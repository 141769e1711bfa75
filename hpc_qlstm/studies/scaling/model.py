"""Seconds of a training step, predicted: circuits, messages, and the rest. Local.

A step of T time steps on a grid of R replicas of rows of S ranks takes, on the rank that updates
the cell,

    T (2 call + sum over its partitions of circuits(B_r)) + messages + rest,

B_r samples being its share of the batch. Messages: T times an Allgather of gate outputs, a Bcast
of h_t, a Bcast of cotangents, an Allgather of input gradients over the row (the Bcasts with
`cell_update = "root"` alone), and once an Allgather of gradients and a Bcast of weights over all.
Rest: `REST` of `machine`, by the machine's numbers. Beyond the ranks that were measured, messages
are those of an interconnect, added to what they take inside a node.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from hpc_qlstm.build.setup import build_plan
from hpc_qlstm.build.sources import build_source
from hpc_qlstm.circuits import Circuit
from hpc_qlstm.config import Config
from hpc_qlstm.distributed.model import HEAD, sent_rows
from hpc_qlstm.errors import InputError
from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.blocks import block_bounds, share
from hpc_qlstm.model.cell import GATES
from hpc_qlstm.model.cost import partition_costs
from hpc_qlstm.parallel import ProcessGrid, process_grid
from hpc_qlstm.studies.scaling.interconnect import Interconnect, shared_memory
from hpc_qlstm.studies.scaling.machine import LoadCosts as Busy
from hpc_qlstm.studies.scaling.machine import Machine
from hpc_qlstm.studies.scaling.plan import with_threads

_NUMBER = 8

PREDICTED = "cells of four VQCs without mixing"


@dataclass(frozen=True)
class StepPrediction:
    """Seconds of a training step on a grid (replicas, ranks of a row), and their parts."""

    grid: tuple[int, int]
    compute: float
    communication: float
    rest: float

    @property
    def total(self) -> float:
        """The whole step."""
        return self.compute + self.communication + self.rest


@dataclass(frozen=True)
class StepSizes:
    """What a step's time depends on, for the busiest rank of a grid.

    circuits: keys of its partitions' circuits; samples: of its share of the batch; outputs,
    inputs: numbers that a rank of the row sends for each sample; gradient_rows and gradient_width:
    what each rank sends once; own_weights: of its partitions.
    """

    ranks: int
    grid: tuple[int, int]
    steps: int
    samples: int
    hidden: int
    circuits: tuple[str, ...]
    outputs: int
    inputs: int
    gradient_rows: int
    gradient_width: int
    own_weights: int
    weights: int
    replicated: bool


def circuit_key(circuit: Circuit, config: Config, m: int = 0) -> str:
    """Equal for circuits of partitions m that take the same time: all that decides it."""
    engine = config.engine.of_partition(m)
    settings = engine.model_dump(mode="json", exclude={"threads", "backends"})
    how = json.dumps([settings, config.model.affine], sort_keys=True)
    gates = "".join(f"{gate.name}{'' if gate.angle is None else 'a'}" for gate in circuit.gates)
    place = f"{circuit.qubits}q {circuit.features}f {circuit.outputs}o {circuit.weight_count}w"
    place = f"{place} {len(circuit.gates)}g {hash_text(gates)}"
    return f"{place} {engine.name} {hash_text(how)} {max(1, engine.threads)}t"


def _keys(config: Config, model: QLSTM, block: range) -> tuple[str, ...]:
    """Of the circuits of a block; a thousand partitions on one engine have one or two."""
    if config.engine.backends:
        return tuple(circuit_key(model.circuits[m], config, m) for m in block)
    circuits = {id(model.circuits[m]): model.circuits[m] for m in block}
    keys = {name: circuit_key(circuit, config) for name, circuit in circuits.items()}
    return tuple(keys[id(model.circuits[m])] for m in block)


@lru_cache(maxsize=1024)
def hash_text(text: str) -> str:
    """A few letters that stand for a long text."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def has_four_vqcs(config: Config) -> bool:
    """Whether the cell is one of PREDICTED."""
    model = config.model
    return model.gates == "vqc" and not model.extra_vqcs and not model.mix


def step_sizes(
    config: Config, model: QLSTM, steps: int, ranks: int, replicas: int | None = None
) -> StepSizes:
    """The sizes of a full batch's step of windows of so many steps. Raises InputError where the
    grid does not fit; models with mixing, extra VQCs or classical gates are not predicted."""
    if not has_four_vqcs(config):
        raise InputError(f"times are predicted for {PREDICTED} alone")
    given = config.parallel.replicas if replicas is None else replicas
    grid = process_grid(ranks, 0, partition_costs(model), given)
    bounds = block_bounds(config.training.batch_size)
    shares = [share(bounds, r, grid.replicas) for r in range(grid.replicas)]
    samples = max(part[-1] - part[0] for part in shares)
    block = _busiest(model, grid)
    parts, layout = model.partition, model.layout
    sections = [layout.section(each) for each in grid.blocks]
    shared = layout.shared.stop - layout.shared.start
    own = layout.section(block)
    return StepSizes(
        ranks,
        (grid.replicas, grid.row_size),
        steps,
        samples,
        model.hidden_size,
        _keys(config, model, block),
        len(GATES) * max(sum(parts.outputs[m] for m in each) for each in grid.blocks),
        max(sum(len(parts.inputs[m]) for m in each) for each in grid.blocks),
        max(sent_rows(bounds, grid.replicas)),
        HEAD + max(s.stop - s.start for s in sections) + shared,
        own.stop - own.start,
        layout.size,
        config.parallel.cell_update == "replicated",
    )


def _busiest(model: QLSTM, grid: ProcessGrid) -> range:
    """The partitions of the rank with most to compute."""
    costs: Sequence[float] = partition_costs(model)
    return max(grid.blocks, key=lambda block: sum(costs[m] for m in block))


def rest_terms(sizes: StepSizes) -> list[float]:
    """What each of REST is multiplied with."""
    each = sizes.steps * sizes.samples * sizes.hidden
    rows = sizes.samples * sizes.own_weights
    return [1.0, float(sizes.steps), float(each), float(rows), float(sizes.weights)]


def compute_seconds(sizes: StepSizes, busy: Busy) -> float:
    """Seconds in circuits. Raises KeyError for a circuit that was not measured."""
    total = 2 * busy.call
    for key in sizes.circuits:
        curves = busy.circuits[key]
        total += curves["forward"].at(sizes.samples) + curves["reverse"].at(sizes.samples)
    return sizes.steps * total


def message_seconds(
    sizes: StepSizes, busy: Busy, interconnect: Interconnect | None = None
) -> float:
    """Seconds in collectives."""
    if sizes.ranks == 1:
        return 0.0

    def allgather(ranks: int, numbers: float) -> float:
        return _allgather(ranks, _NUMBER * numbers, busy, interconnect)

    def bcast(ranks: int, numbers: float) -> float:
        return _bcast(ranks, _NUMBER * numbers, busy, interconnect)

    row, each = sizes.grid[1], 0.0
    if row > 1:
        each = allgather(row, sizes.samples * sizes.outputs)
        each += allgather(row, sizes.samples * sizes.inputs)
        if not sizes.replicated:
            state = sizes.samples * sizes.hidden
            each += bcast(row, state) + bcast(row, len(GATES) * state)
    total = sizes.steps * each
    total += allgather(sizes.ranks, sizes.gradient_rows * sizes.gradient_width)
    return total + bcast(sizes.ranks, sizes.weights)


def _allgather(ranks: int, part: float, busy: Busy, interconnect: Interconnect | None) -> float:
    """Inside a node as measured, where more ranks take more rounds and bring more parts; then
    between nodes. A machine that was measured on one rank has messages of shared memory."""
    inside = min(ranks, interconnect.ranks_per_node) if interconnect else ranks
    between = interconnect.allgather(ranks, part) if interconnect else 0.0
    if inside == 1:
        return between
    if busy.allgather is None:
        return between + shared_memory().allgather(inside, part)
    rounds = _rounds(inside) - _rounds(busy.ranks)
    parts = (inside - 1) / (busy.ranks - 1)
    return between + busy.allgather.at(part * parts) + max(0, rounds) * busy.allgather.at(0)


def _bcast(ranks: int, size: float, busy: Busy, interconnect: Interconnect | None) -> float:
    inside = min(ranks, interconnect.ranks_per_node) if interconnect else ranks
    between = interconnect.bcast(ranks, size) if interconnect else 0.0
    if inside == 1:
        return between
    if busy.bcast is None:
        return between + shared_memory().bcast(inside, size)
    return between + busy.bcast.at(size) * _rounds(inside) / _rounds(busy.ranks)


def _rounds(ranks: int) -> int:
    return max(1, math.ceil(math.log2(ranks)))


def predict_sizes(
    sizes: StepSizes, machine: Machine, interconnect: Interconnect | None = None
) -> StepPrediction:
    """The step of these sizes. Raises KeyError for a circuit that was not measured.

    More ranks than a node has cores take turns; with an interconnect there are enough of them.
    """
    busy = machine.with_ranks(sizes.ranks)
    turns = 1.0 if interconnect else max(1.0, sizes.ranks / machine.cores)
    turns /= max(1.0, busy.ranks / machine.cores)  # measured while these took turns
    rest = sum(a * b for a, b in zip(rest_terms(sizes), busy.rest.values(), strict=True))
    return StepPrediction(
        sizes.grid,
        turns * compute_seconds(sizes, busy),
        message_seconds(sizes, busy, interconnect),
        turns * rest,
    )


def predict_step(
    config: Config,
    ranks: int,
    machine: Machine,
    interconnect: Interconnect | None = None,
    replicas: int | None = None,
) -> StepPrediction:
    """A training step of a configuration on so many ranks. Raises InputError where it does not fit
    or has circuits that were not measured. `engine.threads` 0: as many as were measured with."""
    config = with_threads(config, machine.threads)
    model, steps = plan_of(config)
    sizes = step_sizes(config, model, steps, ranks, replicas)
    try:
        return predict_sizes(sizes, machine, interconnect)
    except KeyError as error:
        raise InputError(
            f"the machine's file has no times of the circuit {error}; hpc-qlstm scaling measures "
            "those of its configuration, and of what it is told to --vary"
        ) from None


def plan_of(config: Config) -> tuple[QLSTM, int]:
    """The model without its engines, and the time steps of a window; kept for the next call."""
    text = config.model_dump_json(include={"model", "partition", "data", "engine", "training"})
    return _plan_by_text(text)


@lru_cache(maxsize=64)
def _plan_by_text(text: str) -> tuple[QLSTM, int]:
    config = Config.model_validate_json(text)
    data = build_source(config)
    data.close()
    return build_plan(config, data.input_size, data.output_size), data.window
