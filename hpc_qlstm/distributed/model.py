"""One batch on a grid of ranks: from samples to the gradient of all weights.

The collectives of a batch: those of the recurrence (2 Allgather and, with `root`, 2 Bcast a time
step, on the row; more with extra VQCs), one Allgather of the gradients, one Bcast of the updated
weights; at an epoch's first batch one Allgather of expectation values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.distributed.batches import Samples
from hpc_qlstm.distributed.exchange import RowExchange
from hpc_qlstm.distributed.messages import HEAD, NOTES, MessagePlan, batch_cuts, sent_rows
from hpc_qlstm.model import QLSTM, Exchange, SampleGradients
from hpc_qlstm.model.blocks import Bounds, block_bounds, block_sums, share
from hpc_qlstm.model.local_cell import LocalCell
from hpc_qlstm.model.sweep import Place
from hpc_qlstm.native.numerics import add_blocks, pack_sums
from hpc_qlstm.parallel import Communicator, ProcessGrid, together
from hpc_qlstm.parallel.collectives import Kind

TRAINING, TESTING, PREDICTING = 0, 1, 2
"""Phases of a run: each has random numbers of its own, see `Place`."""

PREDICTION_ROWS = 4096
"""Samples that are predicted at a time."""


class DistributedModel:
    """A QLSTM on a process grid. Every rank holds all weights; methods are collective.

    comm: all ranks; grid: this rank's place; local: its partitions' circuits; replicated: every
    rank updates the cell; collectives: kind of the row's Allgathers; seed: of what engines draw.
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
        self.model = model
        self.comm = comm
        self.grid = grid
        self.plan = MessagePlan(model, grid, replicated)
        self.row = comm.split(grid.replica) if grid.replicas > 1 else comm
        self._exchange: Exchange
        self._row_exchange: RowExchange | None = None
        self.overlap = False
        """Whether a batch is computed in two parts, of which one's messages travel while the other
        is computed; the same on every rank. Has no effect where a row is one rank."""
        if grid.row_size == 1:
            self._exchange = model.local_exchange()
        else:
            self._exchange = self._row_exchange = RowExchange(self.row, self.plan, collectives)
        self.local = local
        self._seed = seed
        self._sections_begin = HEAD + model.layout.shared.stop - model.layout.shared.start
        self._buffers: dict[int, tuple[Float, Float]] = {}
        self.notes: Float = np.zeros((comm.size, NOTES))
        self.gradient_sum = 0.0
        """Of the newest gradient: finite if all of it is."""

    def loss_and_gradient(
        self,
        flat: Float,
        x: Float | Samples,
        y: Float | Samples,
        step: tuple[int, ...] = (),
        notes: Callable[[], Sequence[float]] = tuple,
    ) -> tuple[float, Float]:
        """Mean squared error of a batch and its gradient (n,) by the flat weights, on every rank.

        x (B, T, d_x), y (B, d_y) or (B, T, d_y): the whole batch, the same on every rank, or this
        rank's part of it. step: which batch of the run this is, for engines that draw. notes:
        asked, when this rank's part is computed, for up to NOTES numbers that travel along; the
        attribute `notes` has those of all ranks afterwards. One rank's result, bit for bit, for
        every size of the grid. Raises EngineError on every rank when a backend failed on any.
        """
        bounds = block_bounds(x.shape[0])
        mine = share(bounds, self.grid.replica, self.grid.replicas)
        samples = slice(mine[0], mine[-1])
        blocks = len(mine) - 1
        if x.shape[0] not in self._buffers:
            self._buffers[x.shape[0]] = self.plan.gradients(x.shape[0]).buffers()
        send, receive = self._buffers[x.shape[0]]
        if blocks:
            part = self.model.sample_gradients(
                flat,
                x[samples],
                y[samples],
                x.shape[0],
                self._exchange,
                self.local,
                Place((self._seed, TRAINING, *step), mine[0]),
                self._cuts(mine[-1] - mine[0]),
            )
            self._pack(part, mine, send)
        own_notes = notes()
        send[0, 1 : 1 + len(own_notes)] = own_notes
        if self.comm.size > 1:
            self.comm.allgather(send, receive)
        else:
            receive[0] = send
        self.notes = receive[:, 0, 1:HEAD].copy()
        loss, gradient = self._add_blocks(receive, bounds, y.size)
        self._raise_failures(loss + self.gradient_sum)
        return loss, gradient

    def _pack(self, part: SampleGradients, bounds: Bounds, send: Float) -> None:
        """Sums over blocks of samples, or over all of them, into what this rank sends."""
        if self.grid.replicas == 1:
            pack_sums(part.loss, part.shared, part.partitions, bounds, HEAD, send[0])
            return
        for column, rows in (
            (0, part.loss[:, None]),
            (HEAD, part.shared),
            (self._sections_begin, part.partitions),
        ):
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
        EngineError as `loss_and_gradient`.
        """
        chunks = [
            self._predict_chunk(flat, x[k : k + rows], Place((self._seed, *step), first + k))
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

    def expectations(self, samples: int) -> list[Float]:
        """Each partition's expectation values (4, B, d_h^(m)) of the newest sweep's last step.

        samples: the size B of its batch. The same on every rank. One Allgather.
        """
        parts, row = self.model.partition, self.grid.row_size
        own = self.local.gates.expectations
        if self.comm.size == 1:
            return own
        counts = self.plan.samples(samples)
        send, receive = self.plan.expectations(samples).buffers()
        if counts[self.grid.replica]:
            packed = np.concatenate(own, axis=2)
            send[:, : packed.shape[1], : packed.shape[2]] = packed
        self.comm.allgather(send, receive)
        values = []
        for position, block in enumerate(self.grid.blocks):
            begin = 0
            for m in block:
                columns = slice(begin, begin + parts.outputs[m])
                begin = columns.stop
                pieces = [
                    receive[r * row + position, :, :n, columns] for r, n in enumerate(counts) if n
                ]
                values.append(np.concatenate(pieces, axis=1))
        return values

    def check_collectives(self) -> None:
        """Raise InputError where the MPI library lacks the configured collectives. Collective on
        the row, and all of its ranks raise or none."""
        if self._row_exchange is not None:
            self._row_exchange.outputs(0, 1, 1)

    def free(self) -> None:
        """The end: MPI takes back what it holds for the row. Collective on the row."""
        if self.row is self.comm:
            self.row.free_prepared()
        else:
            self.row.free()

    @property
    def can_overlap(self) -> bool:
        """Whether there are messages of a time step that could travel during computation."""
        return self._row_exchange is not None

    def share_weights(self, flat: Float) -> None:
        """Rank 0's weights to all ranks, in place. One Bcast."""
        if self.comm.size > 1:
            self.comm.bcast(flat)

    def _predict_chunk(self, flat: Float, x: Float, place: Place) -> Float:
        bounds = block_bounds(x.shape[0])
        mine = share(bounds, self.grid.replica, self.grid.replicas)
        if self._row_exchange is not None:
            self._row_exchange.early = False
        part = self.model.predict_local(
            flat,
            x[mine[0] : mine[-1]],
            self._exchange,
            self.local,
            Place(place.key, place.first + mine[0]),
        )
        if self.comm.size == 1:
            assert part is not None
            return part
        send, receive = self.plan.predictions(*x.shape[:2]).buffers()
        if part is not None:
            send[: part.shape[0]] = part
        self.comm.allgather(send, receive)
        roots, counts = receive[:: self.grid.row_size], self.plan.samples(x.shape[0])
        return np.concatenate([rows[:n] for rows, n in zip(roots, counts, strict=True)])

    def _cuts(self, samples: int) -> list[int]:
        """Where the samples of this rank are cut, for messages to travel during computation."""
        if self._row_exchange is None:
            return []
        cuts = batch_cuts(samples) if self.overlap else []
        self._row_exchange.early = bool(cuts)
        return cuts

    def _add_blocks(self, received: Float, bounds: Bounds, values: int) -> tuple[float, Float]:
        """Add all blocks in block order: loss per value and the gradient of the flat weights."""
        gradient = np.empty(self.model.layout.size)
        rows = sent_rows(bounds, self.grid.replicas)
        loss, self.gradient_sum = add_blocks(
            received, rows, self.plan.offsets, HEAD, self._sections_begin, gradient
        )
        return loss / values, gradient
