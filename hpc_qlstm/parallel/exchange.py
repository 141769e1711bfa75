"""The recurrence's exchange over a row of ranks: the collectives of one time step.

Forward: one Allgather of the gate outputs, then, with `cell_update = "root"`, one Bcast of h_t.
Reverse: with `root`, one Bcast of the gates' cotangents, then one Allgather of the gradients of
v_t. Extra VQCs add an Allgather of their outputs, and the same pair on the way back, for each that
a step evaluates. Parts are padded to the largest rank's, so that plain Allgather serves; buffers
are allocated once for each batch size, and circuits fill them in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.native.numerics import ColumnList, add_columns, column_list, merge_columns
from hpc_qlstm.parallel.collectives import Gather, Kind
from hpc_qlstm.parallel.communicator import Communicator

Float = NDArray[np.float64]
Columns = Sequence[Sequence[int]]
T = TypeVar("T")

_MOST_CACHED = 64
"""Buffers for so many sizes of batches are kept; one run has three or four."""


class RowExchange:
    """An Exchange of `hpc_qlstm.model` over the ranks of a row.

    comm: the row; blocks: the partitions of each of its ranks; hidden_size: d_h; inputs,
    state_inputs: for each partition the columns of v_t, and of o*tanh(c_t), that its VQCs read;
    outputs: its d_h^(m); replicated: every rank updates the cell, instead of rank 0 alone; kind: of
    the Allgathers. None of the last two changes a bit.
    """

    def __init__(
        self,
        comm: Communicator,
        blocks: Sequence[range],
        hidden_size: int,
        inputs: Columns,
        outputs: Sequence[int],
        *,
        state_inputs: Columns = (),
        replicated: bool,
        kind: Kind = "blocking",
    ) -> None:
        self._comm = comm
        self.partitions = blocks[comm.rank]
        self.updates_cell = replicated or comm.rank == 0
        self.broadcasts = not replicated
        self._hidden_size = hidden_size
        self._kind: Kind = kind
        self._counts = [sum(outputs[m] for m in block) for block in blocks]
        self._lists = [
            column_list(blocks, columns) if columns else ColumnList([])
            for columns in (inputs, state_inputs)
        ]
        self._widths = [
            max(sum(len(columns[m]) for m in block) for block in blocks) if columns else 0
            for columns in (inputs, state_inputs)
        ]
        self._made: dict[tuple[Any, ...], Any] = {}

    def outputs(self, slot: int, sets: int, batch: int, *, early: bool = False) -> RowOutputs:
        """See Exchange. One Allgather."""
        shape = (sets, batch, max(self._counts))
        merged = (sets, batch, self._hidden_size)
        return self._cached(
            ("outputs", early, slot, *shape),
            lambda: RowOutputs(self._gather(shape, early), self._counts, np.empty(merged)),
        )

    def inputs(
        self, slot: int, batch: int, *, of_state: bool = False, early: bool = False
    ) -> RowInputs:
        """See Exchange. One Allgather."""
        shape = (batch, self._widths[of_state])
        return self._cached(
            ("inputs", early, of_state, slot, *shape),
            lambda: RowInputs(self._gather(shape, early), self._lists[of_state]),
        )

    def shared(self, slot: int, sets: int, batch: int) -> RowShared:
        """See Exchange. One Bcast, none when every rank updates the cell."""
        shape = (sets, batch, self._hidden_size)
        comm = self._comm if self.broadcasts else None
        return self._cached(("shared", slot, *shape), lambda: RowShared(comm, np.empty(shape)))

    def _gather(self, shape: tuple[int, ...], early: bool) -> Gather:
        # Zeros, because the padding of a smaller rank's part is sent too.
        send, receive = np.zeros(shape), np.empty((self._comm.size, *shape))
        return Gather(self._comm, send, receive, self._kind, early=early)

    def _cached(self, key: tuple[Any, ...], make: Callable[[], T]) -> T:
        if key not in self._made:
            if len(self._made) >= _MOST_CACHED:
                self._made.clear()
            self._made[key] = make()
        result: T = self._made[key]
        return result


class RowOutputs:
    """See OutputsGather of `hpc_qlstm.model.exchange`."""

    def __init__(self, gather: Gather, counts: Sequence[int], merged: Float) -> None:
        self.send: Float = gather.send
        self.received: Float = gather.receive
        self.counts, self._merged = counts, merged
        self.start, self.collect = gather.start, gather.finish

    def finish(self, needed: bool = True) -> Float:
        """See OutputsGather."""
        self.collect()
        if needed:
            merge_columns(self.received, self.counts, self._merged)
        return self._merged


class RowInputs:
    """See InputsGather of `hpc_qlstm.model.exchange`."""

    def __init__(self, gather: Gather, columns: ColumnList) -> None:
        self.send: Float = gather.send
        self.received: Float = gather.receive
        self.columns = columns
        self.start, self.collect = gather.start, gather.finish

    def finish(self, sums: Float | None) -> None:
        """See InputsGather."""
        self.collect()
        if sums is not None:
            add_columns(self.received, self.columns, sums)


class RowShared:
    """See Shared of `hpc_qlstm.model.exchange`; comm: None where all ranks fill the buffer."""

    def __init__(self, comm: Communicator | None, buffer: Float) -> None:
        self._comm, self.buffer = comm, buffer

    def share(self) -> None:
        """See Shared."""
        if self._comm is not None:
            self._comm.bcast(self.buffer)
