"""Seconds of a training step, predicted: circuits, messages, and the rest. Local.

A step of T time steps on a grid of R replicas of groups of S ranks takes, on the rank that updates
the cell,

    T (2 call + sum over its partitions of circuits(B_r)) + messages + rest,

B_r samples being its share of the batch. Messages: T times an Allgather of gate outputs, a Bcast
of h_t, a Bcast of cotangents, an Allgather of input gradients over the group (the Bcasts with
`cell_update = "root"` alone), and once an Allgather of gradients and a Bcast of weights over all.
Rest: `REST` of `machine`, by the machine's numbers. Beyond the ranks that were measured, messages
are those of an interconnect, added to what they take inside a node.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from hpc_qlstm.build.setup import build_plan
from hpc_qlstm.build.sources import build_source
from hpc_qlstm.circuits import Circuit
from hpc_qlstm.config import Config
from hpc_qlstm.distributed.messages import Message, MessagePlan, message_plan
from hpc_qlstm.errors import InputError
from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.cost import partition_costs
from hpc_qlstm.studies.runner import digest_of
from hpc_qlstm.studies.scaling.interconnect import Interconnect, shared_memory
from hpc_qlstm.studies.scaling.machine import Curve, LoadCosts, Machine
from hpc_qlstm.studies.scaling.plan import with_threads

PREDICTED = "cells of four VQCs without mixing"


@dataclass(frozen=True)
class StepPrediction:
    """Seconds of a training step on a grid (replicas, ranks of a group), and their parts."""

    grid: tuple[int, int]
    compute: float
    communication: float
    rest: float

    @property
    def total(self) -> float:
        """The whole step."""
        return self.compute + self.communication + self.rest


@dataclass(frozen=True)
class StepWork:
    """A step of a full batch on a grid: what its time depends on.

    plan: of its messages; batch: windows of this many steps; circuits: keys of the circuits of the
    busiest rank; own_weights: of its partitions.
    """

    plan: MessagePlan
    batch: int
    steps: int
    circuits: tuple[str, ...]
    own_weights: int

    @property
    def samples(self) -> int:
        """The largest share of the batch that a group has."""
        return max(self.plan.samples(self.batch))

    def rest_terms(self) -> list[float]:
        """What each of REST is multiplied with."""
        model, samples = self.plan.model, self.samples
        each = self.steps * samples * model.hidden_size
        terms = 1, self.steps, each, samples * self.own_weights, model.layout.size
        return [float(term) for term in terms]

    def compute_seconds(self, costs: LoadCosts) -> float:
        """Seconds in circuits. Raises KeyError for a circuit that was not measured."""
        total, samples = 2 * costs.call, self.samples
        for key in self.circuits:
            curves = costs.circuits[key]
            total += curves["forward"].at(samples) + curves["reverse"].at(samples)
        return self.steps * total

    def message_seconds(self, costs: LoadCosts, interconnect: Interconnect | None = None) -> float:
        """Seconds in collectives: in each time step those of the group with most samples, and once
        those of all."""

        def added(messages: Sequence[Message], total: float = 0.0) -> float:
            for kind in ("allgather", "bcast"):
                same = [each for each in messages if each.kind == kind]
                total += sum(each.count * _seconds(each, costs, interconnect) for each in same)
            return total

        once = [self.plan.gradients(self.batch), self.plan.weights()]
        return added(once, self.steps * added(self.plan.sweep(self.samples, 1)))


def circuit_key(circuit: Circuit, config: Config, m: int = 0) -> str:
    """Equal for circuits of partitions m that take the same time: all that decides it."""
    engine = config.engine.of_partition(m)
    settings = engine.model_dump(mode="json", exclude={"threads", "backends"})
    gates = "".join(f"{gate.name}{'' if gate.angle is None else 'a'}" for gate in circuit.gates)
    place = f"{circuit.qubits}q {circuit.features}f {circuit.outputs}o {circuit.weight_count}w"
    how = digest_of([settings, config.model.affine])[:8]
    place = f"{place} {len(circuit.gates)}g {digest_of(gates)[:8]}"
    return f"{place} {engine.name} {how} {max(1, engine.threads)}t"


def _keys(config: Config, model: QLSTM, block: range) -> tuple[str, ...]:
    """Of the circuits of a block; a thousand partitions on one engine have one or two."""
    if config.engine.backends:
        return tuple(circuit_key(model.circuits[m], config, m) for m in block)
    circuits = {id(model.circuits[m]): model.circuits[m] for m in block}
    keys = {name: circuit_key(circuit, config) for name, circuit in circuits.items()}
    return tuple(keys[id(model.circuits[m])] for m in block)


def has_four_vqcs(config: Config) -> bool:
    """Whether the cell is one of PREDICTED."""
    model = config.model
    return model.gates == "vqc" and not model.extra_vqcs and not model.mix


def step_work(config: Config, model: QLSTM, steps: int, ranks: int) -> StepWork:
    """A full batch's step of windows of this many steps. Raises InputError where the grid does not
    fit; models with mixing, extra VQCs or classical gates are not predicted."""
    if not has_four_vqcs(config):
        raise InputError(f"times are predicted for {PREDICTED} alone")
    plan = message_plan(model, ranks, config.parallel)
    block = plan.grid.busiest(partition_costs(model))
    own = model.layout.section(block)
    keys = _keys(config, model, block)
    return StepWork(plan, config.training.batch_size, steps, keys, own.stop - own.start)


def _seconds(message: Message, costs: LoadCosts, interconnect: Interconnect | None) -> float:
    """Inside a node as measured, where more ranks take more rounds and bring more parts; then
    between nodes. A machine that was measured on one rank has messages of shared memory."""
    kind, inside, size, between = message.kind, message.ranks, message.bytes, 0.0
    if interconnect is not None:
        between = getattr(interconnect, kind)(inside, size)
        inside = min(inside, interconnect.ranks_per_node)
    if inside == 1:
        return between
    curve: Curve | None = getattr(costs, kind)
    if curve is None:
        within: float = getattr(shared_memory(), kind)(inside, size)
        return between + within
    rounds, measured = _rounds(inside), _rounds(costs.ranks)
    if kind == "bcast":
        return between + curve.at(size) * rounds / measured
    parts = (inside - 1) / (costs.ranks - 1)
    return between + curve.at(size * parts) + max(0, rounds - measured) * curve.at(0)


def _rounds(ranks: int) -> int:
    return max(1, math.ceil(math.log2(ranks)))


def predict_step(
    config: Config, ranks: int, machine: Machine, interconnect: Interconnect | None = None
) -> StepPrediction:
    """A training step of a configuration on `ranks` ranks. Raises InputError where it does not fit
    or has circuits that were not measured. `engine.threads` 0: as many as were measured with.

    More ranks than a node has cores take turns; with an interconnect there are enough of them.
    """
    config = with_threads(config, machine.threads)
    work = step_work(config, *plan_of(config), ranks)
    costs = machine.with_ranks(ranks)
    turns = 1.0 if interconnect else max(1.0, ranks / machine.cores)
    turns /= max(1.0, costs.ranks / machine.cores)  # measured while these took turns
    try:
        compute = turns * work.compute_seconds(costs)
    except KeyError as error:
        raise InputError(
            f"the machine's file has no times of the circuit {error}; hpc-qlstm scaling measures "
            "those of its configuration, and of what it is told to --vary"
        ) from None
    rest = sum(a * b for a, b in zip(work.rest_terms(), costs.rest.values(), strict=True))
    grid, communication = work.plan.grid, work.message_seconds(costs, interconnect)
    return StepPrediction((grid.replicas, grid.group_size), compute, communication, turns * rest)


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
