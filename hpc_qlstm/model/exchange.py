"""What the recurrence needs of its surroundings: where the other partitions' values come from.

The model is written once, for one process and for many. It computes the partitions that are here,
packs what others need, and asks an Exchange for the rest. This module has the protocol and its
trivial implementation; the one over MPI is in `hpc_qlstm.distributed.exchange`.

A batch may be cut into microbatches that go through the time steps side by side (`slot` is their
number), so that the messages of one travel while another one computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.native.numerics import ColumnList, add_columns, column_list, merge_columns

Columns = Sequence[Sequence[int]]
"""For each partition the columns of its inputs in a vector, for example of I_m in v_t."""


class Transport(Protocol):
    """Brings what every rank of a group sends to all of them."""

    send: Float
    """(...): this rank's part."""
    receive: Float
    """(P, ...): every rank's, after `finish`, and valid until the next start."""

    def start(self) -> None:
        """`send` is filled, and may travel. Collective."""

    def finish(self) -> None:
        """`receive` is filled afterwards. Collective."""


class Here:
    """The transport of a process that has all partitions."""

    def __init__(self, *shape: int) -> None:
        self.send: Float = np.empty(shape)
        self.receive: Float = self.send[None]

    def start(self) -> None:
        """See Transport."""

    def finish(self) -> None:
        """See Transport."""


class Outputs:
    """Outputs of a group of VQCs, from the local partitions to all of them.

    send (n, B, width): the local partitions' outputs (n, B, d_h^(m)) go to its first columns;
    received (P, n, B, width): of every rank, after `collect`; counts: how many of its columns are
    outputs, for each rank.
    """

    def __init__(self, transport: Transport, counts: Sequence[int]) -> None:
        self.send, self.received, self.counts = transport.send, transport.receive, counts
        self.start, self.collect = transport.start, transport.finish
        alone = len(counts) == 1
        self._merged = self.send if alone else np.empty((*self.send.shape[:-1], sum(counts)))

    def finish(self, needed: bool = True) -> Float:
        """`collect`, then outputs (n, B, d_h) of all partitions; not filled where not `needed`."""
        self.collect()
        if needed and self._merged is not self.send:
            merge_columns(self.received, self.counts, self._merged)
        return self._merged


class Inputs:
    """Gradients by what the partitions' VQCs read, from the local ones to all of them.

    send (B, width): the local partitions' gradients (B, D_m) go to its first columns; received
    (P, B, width): of every rank, after `collect`; columns: where its columns go in sums (B, n), in
    partition order.
    """

    def __init__(self, transport: Transport, columns: ColumnList) -> None:
        self.send, self.received, self.columns = transport.send, transport.receive, columns
        self.start, self.collect = transport.start, transport.finish

    def finish(self, sums: Float | None) -> None:
        """`collect`, then add every partition's gradient to sums (B, n), if given."""
        self.collect()
        if sums is not None:
            add_columns(self.received, self.columns, sums)


class Shared:
    """An array that the rank that updates the cell fills, and that all ranks of the group need.

    share: gives everybody what rank 0 of the group has in it; None where every rank fills it.
    """

    def __init__(self, buffer: Float, share: Callable[[Float], None] | None = None) -> None:
        self.buffer, self._share = buffer, share

    def share(self) -> None:
        """Give everybody what rank 0 of the group has in the buffer. Collective."""
        if self._share is not None:
            self._share(self.buffer)


class Exchange(Protocol):
    """A group of ranks that together own all partitions. Its methods are collective on it."""

    @property
    def partitions(self) -> range:
        """The partitions that this rank owns."""

    @property
    def updates_cell(self) -> bool:
        """Whether this rank computes the cell update, the readout and the loss."""

    @property
    def broadcasts(self) -> bool:
        """Whether other ranks of the group get the cell's values from this one."""

    def outputs(self, slot: int, sets: int, batch: int, *, early: bool = False) -> Outputs:
        """The gathering of outputs of groups of `sets` VQCs a partition.

        early: messages begin when their data are there, to travel during computation.
        """

    def inputs(
        self, slot: int, batch: int, *, of_state: bool = False, early: bool = False
    ) -> Inputs:
        """The gathering of gradients of v_t; of_state: of o*tanh(c_t), by the extra VQCs."""

    def shared(self, slot: int, sets: int, batch: int) -> Shared:
        """A buffer (sets, B, d_h): o*tanh(c_t), or the cotangents of a group's outputs."""


class LocalExchange:
    """All partitions are in this process; nothing moves.

    inputs, state_inputs: the columns of v_t, and of o*tanh(c_t), that each partition reads.
    """

    updates_cell, broadcasts = True, False

    def __init__(self, hidden_size: int, inputs: Columns, state_inputs: Columns = ()) -> None:
        self.partitions = range(len(inputs))
        self._hidden_size = hidden_size
        self._columns = [inputs, state_inputs]
        self._lists = [
            column_list([self.partitions], columns) if columns else ColumnList([])
            for columns in self._columns
        ]

    def outputs(self, slot: int, sets: int, batch: int, *, early: bool = False) -> Outputs:
        """See Exchange."""
        return Outputs(Here(sets, batch, self._hidden_size), [self._hidden_size])

    def inputs(
        self, slot: int, batch: int, *, of_state: bool = False, early: bool = False
    ) -> Inputs:
        """See Exchange."""
        width = sum(map(len, self._columns[of_state]))
        return Inputs(Here(batch, width), self._lists[of_state])

    def shared(self, slot: int, sets: int, batch: int) -> Shared:
        """See Exchange."""
        return Shared(np.empty((sets, batch, self._hidden_size)))
