"""One batch on a grid of ranks: from samples to the gradient of all weights.

The collectives of a batch: those of the recurrence (2 Allgather and, with `root`, 2 Bcast a time
step, on the group; more with extra VQCs), one Allgather of the gradients, one Bcast of the updated
weights; at an epoch's first batch one Allgather of expectation values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.distributed.batches import Samples
from hpc_qlstm.distributed.exchange import GroupExchange
from hpc_qlstm.distributed.messages import HEAD, MessagePlan, batch_cuts, sent_rows
from hpc_qlstm.model import QLSTM, Exchange, SampleGradients
from hpc_qlstm.model.blocks import Bounds, block_bounds, block_sums, share
from hpc_qlstm.model.local_cell import LocalCell
from hpc_qlstm.model.local_model import BatchPart
from hpc_qlstm.model.tape import SampleKey
from hpc_qlstm.native.numerics import add_blocks, pack_sums
from hpc_qlstm.parallel import Communicator, ProcessGrid, together
from hpc_qlstm.parallel.collectives import Kind

TRAINING, TESTING, PREDICTING = 0, 1, 2
"""Phases of a run: each has random numbers of its own, see `SampleKey`."""

PREDICTION_ROWS = 4096
"""Samples that are predicted at a time."""


@dataclass(slots=True)
class StepResult:
    """A batch on all ranks, the same on every rank.

    gradient (n,): by the flat weights; gradient_sum: finite if all of the gradient is; notes
    (P, NOTES): of all ranks; expectations: where they were asked for, each partition's expectation
    values (4, B, d_h^(m)) at the last time step.
    """

    loss: float
    gradient: Float
    gradient_sum: float
    notes: Float
    expectations: list[Float] | None = None


class DistributedModel:
    """A QLSTM on a process grid. Every rank holds all weights; methods are collective.

    comm: all ranks; grid: this rank's place; local: its partitions' circuits; replicated: every
    rank updates the cell; collectives: kind of the group's Allgathers; seed: of what engines draw.
    """

    def __init__(
        self,
        model: QLSTM,
        comm: Communicator,
        grid: ProcessGrid,
        local: LocalCell,
        *,
        replicated: bool = False,
        collectives: Kind = "blocking",
        seed: int = 0,
    ) -> None:
        self.model, self.comm, self.grid, self.local = model, comm, grid, local
        self.plan = MessagePlan(model, grid, replicated)
        self.group = comm.split(grid.replica) if grid.replicas > 1 else comm
        self.overlap = False
        """Whether a batch is computed in two parts, of which one's messages travel while the other
        is computed; the same on every rank. Has no effect where a group is one rank."""
        self._exchange: Exchange = model.local_exchange()
        if grid.group_size > 1:
            self._exchange = GroupExchange(self.group, self.plan, collectives)
        self._local = model.local_model(local, self._exchange)
        self._seed = seed
        self._sections_begin = HEAD + model.layout.shared.stop - model.layout.shared.start
        self._buffers = cache(lambda batch: self.plan.gradients(batch).buffers())

    def loss_and_gradient(
        self, flat: Float, x: Float | Samples, y: Float | Samples
    ) -> tuple[float, Float]:
        """The loss of a batch and its gradient (n,) by the flat weights; see `step`."""
        result = self.step(flat, x, y)
        return result.loss, result.gradient

    def step(
        self,
        flat: Float,
        x: Float | Samples,
        y: Float | Samples,
        key: tuple[int, ...] = (),
        notes: Callable[[], Sequence[float]] = tuple,
        *,
        with_expectations: bool = False,
    ) -> StepResult:
        """Loss and gradient of a batch, on every rank.

        x (B, T, d_x), y (B, d_y) or (B, T, d_y): the whole batch, the same on every rank, or this
        rank's part of it. key: which batch of the run this is, for engines that draw. notes:
        asked, when this rank's part is computed, for up to NOTES numbers that travel along. One
        rank's result, bit for bit, for every size of the grid. Raises EngineError on every rank
        when a backend failed on any. with_expectations: one more Allgather.
        """
        bounds = block_bounds(x.shape[0])
        mine = share(bounds, self.grid.replica, self.grid.replicas)
        samples = slice(mine[0], mine[-1])
        send, receive = self._buffers(x.shape[0])
        expectations: list[Float] | None = None
        if len(mine) > 1:
            part = BatchPart(
                x[samples],
                y[samples],
                x.shape[0],
                SampleKey((self._seed, TRAINING, *key), mine[0]),
                batch_cuts(mine[-1] - mine[0]) if self.overlap and self.can_overlap else [],
            )
            rows = self._local.gradients(flat, part, with_expectations=with_expectations)
            expectations = rows.expectations
            self._pack(rows, mine, send)
        own_notes = notes()
        send[0, 1 : 1 + len(own_notes)] = own_notes
        if self.comm.size > 1:
            self.comm.allgather(send, receive)
        else:
            receive[0] = send
        loss, gradient, total = self._add_blocks(receive, bounds, y.shape)
        self._raise_failures(loss + total)
        result = StepResult(loss, gradient, total, receive[:, 0, 1:HEAD].copy())
        if with_expectations:
            result.expectations = self._gather_expectations(expectations, x.shape[0])
        return result

    def _pack(self, part: SampleGradients, bounds: Bounds, send: Float) -> None:
        """Sums over blocks of samples, or over all of them, into what this rank sends."""
        if self.grid.replicas == 1:
            pack_sums(part.loss, part.shared, part.partitions, bounds, HEAD, send[0])
            return
        parts = {0: part.loss[:, None], HEAD: part.shared, self._sections_begin: part.partitions}
        for column, rows in parts.items():
            send[: len(bounds) - 1, column : column + rows.shape[1]] = block_sums(rows, bounds)

    def predict(
        self,
        flat: Float,
        x: Float,
        step: tuple[int, ...] = (PREDICTING,),
        rows: int = PREDICTION_ROWS,
        first: int = 0,
    ) -> Float:
        """Predictions (n, ...) for x (n, T, d_x), on every rank; `rows` samples at a time.

        step: phase and epoch, first: number of the first sample, for engines that draw. Raises
        EngineError as `step`.
        """
        chunks = [
            self._predict_chunk(flat, x[k : k + rows], SampleKey((self._seed, *step), first + k))
            for k in range(0, x.shape[0], rows)
        ]
        prediction = np.concatenate(chunks)
        self._raise_failures(float(np.add.reduce(prediction, axis=None)))
        return prediction

    def _raise_failures(self, checked: float) -> None:
        """Raise on all ranks what failed on any. Collective where `checked` is not finite.

        `checked` has the same value on every rank: a failed engine's numbers are NaN.
        """
        if not math.isfinite(checked):
            together(self.comm, self.local.raise_failure)

    def _gather_expectations(self, own: list[Float] | None, batch: int) -> list[Float]:
        """Each partition's expectation values, on every rank; own: of this rank's partitions and
        samples, None where it has no samples of the batch. One Allgather."""
        parts, size = self.model.partition, self.grid.group_size
        if self.comm.size == 1:
            assert own is not None
            return own
        counts = self.plan.samples(batch)
        send, receive = self.plan.expectations(batch).buffers()
        if own is not None:
            packed = np.concatenate(own, axis=2)
            send[:, : packed.shape[1], : packed.shape[2]] = packed
        self.comm.allgather(send, receive)
        values = []
        for position, block in enumerate(self.grid.blocks):
            rows = [receive[r * size + position, :, :n] for r, n in enumerate(counts) if n]
            begin = 0
            for width in parts.outputs[block.start : block.stop]:
                pieces = [row[:, :, begin : begin + width] for row in rows]
                values.append(np.concatenate(pieces, axis=1))
                begin += width
        return values

    def check_collectives(self) -> None:
        """Raise InputError where the MPI library lacks the configured collectives. Collective on
        the group, and all of its ranks raise or none."""
        self._exchange.outputs(0, 1, 1)

    def free(self) -> None:
        """The end: MPI takes back what it holds for the group. Collective on the group."""
        if self.group is self.comm:
            self.group.free_prepared()
        else:
            self.group.free()

    @property
    def can_overlap(self) -> bool:
        """Whether there are messages of a time step that could travel during computation."""
        return self.grid.group_size > 1

    def share_weights(self, flat: Float) -> None:
        """Rank 0's weights to all ranks, in place. One Bcast."""
        if self.comm.size > 1:
            self.comm.bcast(flat)

    def _predict_chunk(self, flat: Float, x: Float, sample_key: SampleKey) -> Float:
        bounds = block_bounds(x.shape[0])
        mine = share(bounds, self.grid.replica, self.grid.replicas)
        own = x[mine[0] : mine[-1]]
        part = None
        if len(own):
            part = self._local.predict(
                flat, own, SampleKey(sample_key.key, sample_key.first + mine[0])
            )
        if self.comm.size == 1:
            assert part is not None
            return part
        send, receive = self.plan.predictions(*x.shape[:2]).buffers()
        if part is not None:
            send[: part.shape[0]] = part
        self.comm.allgather(send, receive)
        roots, counts = receive[:: self.grid.group_size], self.plan.samples(x.shape[0])
        return np.concatenate([rows[:n] for rows, n in zip(roots, counts, strict=True)])

    def _add_blocks(
        self, received: Float, bounds: Bounds, shape: tuple[int, ...]
    ) -> tuple[float, Float, float]:
        """Add all blocks in block order: the loss, the gradient of the flat weights, and its sum.

        shape: of the whole batch's targets.
        """
        gradient = np.empty(self.model.layout.size)
        rows, begin = sent_rows(bounds, self.grid.replicas), self._sections_begin
        loss, total = add_blocks(received, rows, self.plan.offsets, HEAD, begin, gradient)
        return loss / self._local.loss.count(shape), gradient, total
