"""What the recurrence needs of its surroundings: where the other partitions' values come from.

The model is written once, for one process and for many. It computes the partitions that are here
and asks an Exchange for the rest. This module has the protocol and its trivial implementation;
the one over MPI is in `hpc_qlstm.parallel.exchange`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from hpc_qlstm.circuits.circuit import Float


class Exchange(Protocol):
    """One row of ranks that together own all partitions. Every method is collective on the row."""

    @property
    def partitions(self) -> range:
        """The partitions that this rank owns."""

    @property
    def updates_cell(self) -> bool:
        """Whether this rank computes the cell update, the readout and the loss."""

    def gather_outputs(self, local: Sequence[Float]) -> Float | None:
        """Gate outputs (4, B, d_h) of all partitions from the local ones (4, B, d_h^(m)).

        None on a rank that does not update the cell.
        """

    def gather_everywhere(self, local: Sequence[Float]) -> Float:
        """As `gather_outputs` for any group of VQCs, (n, B, d_h), on every rank."""

    def share_hidden(self, hidden: Float) -> None:
        """Give every rank o*tanh(c_t) (B, d_h), in place; it is h_t without extra VQCs."""

    def share_cotangents(self, cotangents: Float) -> None:
        """Give every rank the cotangents of a group's outputs (n, B, d_h), in place."""

    def gather_input_gradients(
        self, local: Sequence[Float], *, of_state: bool = False
    ) -> list[Float] | None:
        """Gradients (B, D_m) of v_t by every partition's inputs, in partition order.

        of_state: of o*tanh(c_t), by what the extra VQCs read of it. None on a rank that does not
        update the cell.
        """


class LocalExchange:
    """All partitions are in this process; nothing moves."""

    updates_cell = True

    def __init__(self, count: int) -> None:
        self.partitions = range(count)

    def gather_outputs(self, local: Sequence[Float]) -> Float:
        """See Exchange."""
        return local[0] if len(local) == 1 else np.concatenate(local, axis=2)

    gather_everywhere = gather_outputs

    def share_hidden(self, hidden: Float) -> None:
        """See Exchange."""

    def share_cotangents(self, cotangents: Float) -> None:
        """See Exchange."""

    def gather_input_gradients(
        self, local: Sequence[Float], *, of_state: bool = False
    ) -> list[Float]:
        """See Exchange."""
        return list(local)
