"""The recurrence's exchange over a row of ranks: the collectives of one time step.

Forward: one Allgather of the gate outputs, then, with `cell_update = "root"`, one Bcast of h_t.
Reverse: with `root`, one Bcast of the gates' cotangents, then one Allgather of the gradients of
v_t. Extra VQCs add an Allgather of their outputs, and the same pair on the way back, for each that
a step evaluates. Parts are padded to the largest rank's, so that plain Allgather serves; buffers
are allocated once for each batch size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.parallel.communicator import Communicator

Float = NDArray[np.float64]


class RowExchange:
    """An Exchange of `hpc_qlstm.model` over the ranks of a row.

    comm: the row; blocks: the partitions of each of its ranks; inputs, outputs: D_m and d_h^(m)
    of every partition; state_inputs: what its extra VQCs read; replicated: every rank updates the
    cell, instead of rank 0 alone.
    """

    def __init__(
        self,
        comm: Communicator,
        blocks: Sequence[range],
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        state_inputs: Sequence[int] = (),
        replicated: bool,
    ) -> None:
        self._comm = comm
        self.partitions = blocks[comm.rank]
        self.updates_cell = replicated or comm.rank == 0
        self._broadcasts = not replicated
        self._outputs_of = [[outputs[m] for m in block] for block in blocks]
        self._inputs_of = [[inputs[m] for m in block] for block in blocks]
        self._state_inputs_of = [
            [state_inputs[m] for m in block] if state_inputs else [] for block in blocks
        ]
        self._buffers: dict[tuple[int, ...], tuple[Float, Float]] = {}

    def gather_outputs(self, local: Sequence[Float]) -> Float | None:
        """See Exchange. One Allgather."""
        receive = self._gather(local, self._outputs_of)
        return self._outputs(receive) if self.updates_cell else None

    def gather_everywhere(self, local: Sequence[Float]) -> Float:
        """See Exchange. One Allgather."""
        return self._outputs(self._gather(local, self._outputs_of))

    def share_hidden(self, hidden: Float) -> None:
        """See Exchange. One Bcast, none when every rank updates the cell."""
        if self._broadcasts:
            self._comm.bcast(hidden)

    def share_cotangents(self, cotangents: Float) -> None:
        """See Exchange. One Bcast, none when every rank updates the cell."""
        if self._broadcasts:
            self._comm.bcast(cotangents)

    def gather_input_gradients(
        self, local: Sequence[Float], *, of_state: bool = False
    ) -> list[Float] | None:
        """See Exchange. One Allgather."""
        counts_of = self._state_inputs_of if of_state else self._inputs_of
        receive = self._gather(local, counts_of)
        if not self.updates_cell:
            return None
        gradients = []
        for rank, counts in enumerate(counts_of):
            ends = np.cumsum(counts)
            gradients += [
                receive[rank, :, end - n : end] for end, n in zip(ends, counts, strict=True)
            ]
        return gradients

    def _gather(self, local: Sequence[Float], counts_of: Sequence[Sequence[int]]) -> Float:
        """Every rank's parts (.., B, n) side by side, (ranks, .., B, width). One Allgather."""
        width = max(sum(counts) for counts in counts_of)
        shape = (*local[0].shape[:-1], width)
        if shape not in self._buffers:
            # Zeros, because the padding of a smaller rank's part is sent too.
            self._buffers[shape] = np.zeros(shape), np.empty((self._comm.size, *shape))
        send, receive = self._buffers[shape]
        _pack(send, local)
        self._comm.allgather(send, receive)
        return receive

    def _outputs(self, receive: Float) -> Float:
        parts = [receive[rank, ..., : sum(counts)] for rank, counts in enumerate(self._outputs_of)]
        return np.concatenate(parts, axis=2)


def _pack(send: Float, parts: Sequence[Float]) -> None:
    begin = 0
    for part in parts:
        send[..., begin : begin + part.shape[-1]] = part
        begin += part.shape[-1]
