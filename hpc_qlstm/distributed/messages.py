"""The messages of a run, listed from sizes alone: the shapes of their arrays, and how many. Local.

By this one list buffers are allocated, a run's bytes are counted before it, and a step's seconds
are predicted. docs/develop/architecture.md says when each is sent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Literal

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import ParallelConfig
from hpc_qlstm.model import LSTM_GATES, QLSTM
from hpc_qlstm.model.blocks import Bounds, block_bounds, share
from hpc_qlstm.model.cost import partition_costs
from hpc_qlstm.parallel import ProcessGrid, Traffic, process_grid

NOTES = 3
"""Numbers that a rank may send with a batch: no collective of their own is needed for them."""
HEAD = 1 + NOTES
"""Columns before the gradients: a block's loss, and in the first row the rank's notes."""
CUT_ROWS = 2
"""A batch is cut in two at a multiple of this many samples, which with four lstm gates fill the
widest vector registers."""

Collective = Literal["allgather", "bcast"]


@dataclass(frozen=True)
class Message:
    """One collective on float64, or `count` equal ones.

    ranks: of its communicator; shape: of what each rank gives to an Allgather, or of the buffer of
    a Bcast. count is 0 where nobody needs it.
    """

    kind: Collective
    ranks: int
    shape: tuple[int, ...]
    count: int

    @property
    def bytes(self) -> int:
        """Of what each rank gives to an Allgather, or of the buffer of a Bcast."""
        return 8 * math.prod(self.shape)

    def buffers(self) -> tuple[Float, Float]:
        """Of an Allgather: what a rank sends, and what it receives, (ranks, *shape)."""
        # Zeros, because a smaller rank's padding and unused rows are sent too.
        return np.zeros(self.shape), np.empty((self.ranks, *self.shape))


def traffic(messages: Iterable[Message]) -> Traffic:
    """What has to cross from one rank to another, however the MPI library routes it: P (P - 1) s
    bytes in an Allgather of parts of s bytes over P ranks, (P - 1) s in a Bcast."""
    total = Traffic()
    for message in messages:
        senders = message.ranks if message.kind == "allgather" else 1
        moved = senders * (message.ranks - 1) * message.bytes
        total = total + Traffic(message.count, message.count * moved)
    return total


@dataclass(frozen=True)
class MessagePlan:
    """The messages of a model on a grid of ranks.

    replicated: every rank updates the cell, instead of rank 0 of each group alone. In the methods
    `batch` counts the samples of all groups, `samples` those that go through the time steps of one
    group together; `steps` are time steps.
    """

    model: QLSTM
    grid: ProcessGrid
    replicated: bool

    @property
    def ranks(self) -> int:
        """Of all groups."""
        return self.grid.replicas * self.grid.group_size

    @cached_property
    def counts(self) -> list[int]:
        """How many outputs the partitions of each rank of a group have."""
        return self._sums(self.model.partition.outputs)

    @cached_property
    def offsets(self) -> list[int]:
        """Boundaries of the sections of the weights that the ranks of a group own."""
        return [0, *(self.model.layout.section(block).stop for block in self.grid.blocks)]

    def outputs(self, sets: int, samples: int, count: int = 1) -> Message:
        """Outputs of `sets` VQCs of each partition."""
        width = max(self.counts)
        return _message("allgather", self.grid.group_size, sets, samples, width, count=count)

    def inputs(self, samples: int, count: int = 1, *, of_state: bool = False) -> Message:
        """Gradients of what each partition reads of v_t, or of o*tanh(c_t)."""
        read = self.model.state_inputs if of_state else self.model.partition.inputs
        width = max(self._sums([len(columns) for columns in read]))
        return _message("allgather", self.grid.group_size, samples, width, count=count)

    def shared(self, sets: int, samples: int, count: int = 1) -> Message:
        """o*tanh(c_t), or the cotangents of outputs, from the rank that has the cell."""
        count, width = 0 if self.replicated else count, self.model.hidden_size
        return _message("bcast", self.grid.group_size, sets, samples, width, count=count)

    def gradients(self, batch: int) -> Message:
        """Sums over blocks of samples: HEAD, gradients of what no partition owns, of a section."""
        rows = max(sent_rows(block_bounds(batch), self.grid.replicas))
        shared = self.model.layout.shared
        section = max(end - begin for begin, end in pairwise(self.offsets))
        return _message("allgather", self.ranks, rows, HEAD + shared.stop - shared.start + section)

    def weights(self) -> Message:
        """All weights after a step of the optimizer."""
        return _message("bcast", self.ranks, self.model.layout.size)

    def expectations(self, batch: int) -> Message:
        """Expectation values of the gates in the last time step."""
        samples, width = max(self.samples(batch)), max(self.counts)
        return _message("allgather", self.ranks, len(LSTM_GATES), samples, width)

    def predictions(self, batch: int, steps: int) -> Message:
        """Predictions for windows of this many steps."""
        looked_at = [steps] if self.model.sequence else []
        samples, width = max(self.samples(batch)), self.model.output_size
        return _message("allgather", self.ranks, samples, *looked_at, width)

    def sweep(self, samples: int, steps: int, *, back: bool = True) -> list[Message]:
        """The messages of one group in all time steps; back: of the reverse sweep too."""
        gates, extra = len(LSTM_GATES), 0
        if self.model.extra_circuits:  # one VQC's but in the last step, and the readout's
            extra = steps - 1 + (steps if self.model.sequence else 1)
        found = [
            self.outputs(gates, samples, steps),
            self.shared(1, samples, steps),
            self.outputs(1, samples, extra),
        ]
        if back:
            found += [
                self.shared(gates, samples, steps),
                self.inputs(samples, steps),
                self.shared(1, samples, extra),
                self.inputs(samples, extra, of_state=True),
            ]
        return found

    def training(self, batch: int, steps: int, *, overlap: bool = False) -> list[Message]:
        """The messages of a training step; overlap: samples are cut, see `batch_cuts`."""
        found = [self.gradients(batch), self.weights()]
        for samples in filter(None, self.samples(batch)):
            cuts = batch_cuts(samples) if overlap else []
            for begin, end in pairwise([0, *cuts, samples]):
                found += self.sweep(end - begin, steps)
        return found

    def evaluation(self, batch: int, steps: int) -> list[Message]:
        """The messages of predictions for a batch of windows."""
        found = [self.predictions(batch, steps)]
        for samples in filter(None, self.samples(batch)):
            found += self.sweep(samples, steps, back=False)
        return found

    def samples(self, batch: int) -> list[int]:
        """How many samples of a batch each group has."""
        bounds = block_bounds(batch)
        parts = [share(bounds, r, self.grid.replicas) for r in range(self.grid.replicas)]
        return [part[-1] - part[0] for part in parts]

    def _sums(self, values: Sequence[int]) -> list[int]:
        """From a number for each partition to its sum for each rank of a group."""
        return [sum(values[block.start : block.stop]) for block in self.grid.blocks]


def _message(kind: Collective, ranks: int, *shape: int, count: int = 1) -> Message:
    return Message(kind, ranks, shape, count if ranks > 1 else 0)


def message_plan(model: QLSTM, ranks: int, settings: ParallelConfig) -> MessagePlan:
    """The plan of a model on this many ranks. Raises InputError where they do not fit."""
    grid = process_grid(ranks, 0, partition_costs(model), settings.replicas)
    return MessagePlan(model, grid, settings.cell_update == "replicated")


@lru_cache(maxsize=256)
def sent_rows(bounds: Bounds, replicas: int) -> tuple[int, ...]:
    """Rows of gradients that a rank of each replica sends: one for each of its blocks of samples.

    A single replica has all blocks of its partitions, and adds them up itself in the same order.
    """
    if replicas == 1:
        return (1,)
    return tuple(len(share(bounds, r, replicas)) - 1 for r in range(replicas))


def batch_cuts(samples: int) -> list[int]:
    """Where this many samples of a rank are cut in two; nowhere where they are too few."""
    half = -(-samples // (2 * CUT_ROWS)) * CUT_ROWS
    return [half] if 0 < half < samples else []
