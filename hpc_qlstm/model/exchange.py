"""What the recurrence needs of its surroundings: where the other partitions' values come from.

The model is written once, for one process and for many. It computes the partitions that are here,
packs what others need, and asks an Exchange for the rest. This module has the protocol and its
trivial implementation; the one over MPI is in `hpc_qlstm.parallel.exchange`.

A batch may be cut into microbatches that go through the time steps side by side (`slot` is their
number), so that the messages of one travel while another one computes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.native.numerics import ColumnList, add_columns, column_list

Columns = Sequence[Sequence[int]]
"""For each partition the columns of its inputs in a vector, for example of I_m in v_t."""


class OutputsGather(Protocol):
    """Outputs of a group of VQCs, from the local partitions to all of them."""

    send: Float
    """(n, B, width): the local partitions' outputs (n, B, d_h^(m)) go to its first columns."""

    received: Float
    """(P, n, B, width): what every rank has sent, after `collect`."""
    counts: Sequence[int]
    """How many columns of it are outputs, for each rank."""

    def start(self) -> None:
        """`send` is filled, and may travel. Collective."""

    def collect(self) -> None:
        """`received` is filled afterwards, and valid until the next start. Collective."""

    def finish(self, needed: bool = True) -> Float:
        """`collect`, then outputs (n, B, d_h) of all partitions; not filled where not `needed`."""


class InputsGather(Protocol):
    """Gradients by what the partitions' VQCs read, from the local ones to all of them."""

    send: Float
    """(B, width): the local partitions' gradients (B, D_m) go to its first columns."""
    received: Float
    """(P, B, width): what every rank has sent, after `collect`."""
    columns: ColumnList
    """Where its columns go in sums (B, n), in partition order."""

    def start(self) -> None:
        """`send` is filled, and may travel. Collective."""

    def collect(self) -> None:
        """`received` is filled afterwards, and valid until the next start. Collective."""

    def finish(self, sums: Float | None) -> None:
        """`collect`, then add every partition's gradient to sums (B, n), if given."""


class Shared(Protocol):
    """An array that the rank that updates the cell fills, and that all ranks of the row need."""

    buffer: Float

    def share(self) -> None:
        """Give everybody what rank 0 of the row has in the buffer. Collective."""


class Exchange(Protocol):
    """One row of ranks that together own all partitions. Every method is collective on the row."""

    @property
    def partitions(self) -> range:
        """The partitions that this rank owns."""

    @property
    def updates_cell(self) -> bool:
        """Whether this rank computes the cell update, the readout and the loss."""

    @property
    def broadcasts(self) -> bool:
        """Whether other ranks of the row get the cell's values from this one."""

    def outputs(self, slot: int, sets: int, batch: int, *, early: bool = False) -> OutputsGather:
        """The gathering of outputs of groups of `sets` VQCs a partition.

        early: messages begin when their data are there, to travel during computation.
        """

    def inputs(
        self, slot: int, batch: int, *, of_state: bool = False, early: bool = False
    ) -> InputsGather:
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

    def outputs(self, slot: int, sets: int, batch: int, *, early: bool = False) -> OutputsGather:
        """See Exchange."""
        return _LocalOutputs(np.empty((sets, batch, self._hidden_size)))

    def inputs(
        self, slot: int, batch: int, *, of_state: bool = False, early: bool = False
    ) -> InputsGather:
        """See Exchange."""
        width = sum(map(len, self._columns[of_state]))
        return _LocalInputs(np.empty((batch, width)), self._lists[of_state])

    def shared(self, slot: int, sets: int, batch: int) -> Shared:
        """See Exchange."""
        return _LocalShared(np.empty((sets, batch, self._hidden_size)))


class _LocalOutputs:
    def __init__(self, send: Float) -> None:
        self.send, self.received = send, send[None]
        self.counts: Sequence[int] = [send.shape[2]]

    def start(self) -> None:
        pass

    def collect(self) -> None:
        pass

    def finish(self, needed: bool = True) -> Float:
        return self.send


class _LocalInputs:
    def __init__(self, send: Float, columns: ColumnList) -> None:
        self.send, self.received, self.columns = send, send[None], columns

    def start(self) -> None:
        pass

    def collect(self) -> None:
        pass

    def finish(self, sums: Float | None) -> None:
        if sums is not None:
            add_columns(self.received, self.columns, sums)


class _LocalShared:
    def __init__(self, buffer: Float) -> None:
        self.buffer = buffer

    def share(self) -> None:
        pass
