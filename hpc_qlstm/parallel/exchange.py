"""The recurrence's exchange over a row of ranks: the collectives of one time step.

Forward: one Allgather of the gate outputs, then, with `cell_update = "root"`, one Bcast of h_t.
Reverse: with `root`, one Bcast of the gates' cotangents, then one Allgather of the gradients of
v_t. Parts are padded to the largest rank's, so that plain Allgather serves; buffers are allocated
once for each batch size.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.parallel.communicator import Communicator

Float = NDArray[np.float64]
GATE_COUNT = 4


class RowExchange:
    """An Exchange of `hpc_qlstm.model` over the ranks of a row.

    comm: the row; blocks: the partitions of each of its ranks; inputs, outputs: D_m and d_h^(m)
    of every partition; replicated: every rank updates the cell, instead of rank 0 alone.
    """

    def __init__(
        self,
        comm: Communicator,
        blocks: Sequence[range],
        inputs: Sequence[int],
        outputs: Sequence[int],
        *,
        replicated: bool,
    ) -> None:
        self._comm = comm
        self.partitions = blocks[comm.rank]
        self.updates_cell = replicated or comm.rank == 0
        self._broadcasts = not replicated
        self._outputs_of = [[outputs[m] for m in block] for block in blocks]
        self._inputs_of = [[inputs[m] for m in block] for block in blocks]
        self._output_buffers: dict[int, tuple[Float, Float]] = {}
        self._input_buffers: dict[int, tuple[Float, Float]] = {}

    def gather_outputs(self, local: Sequence[Float]) -> Float | None:
        """See Exchange. One Allgather."""
        batch = local[0].shape[1]
        if batch not in self._output_buffers:
            width = max(sum(counts) for counts in self._outputs_of)
            self._output_buffers[batch] = self._buffers(GATE_COUNT, batch, width)
        send, receive = self._output_buffers[batch]
        _pack(send, local)
        self._comm.allgather(send, receive)
        if not self.updates_cell:
            return None
        parts = [receive[rank, ..., : sum(counts)] for rank, counts in enumerate(self._outputs_of)]
        return np.concatenate(parts, axis=2)

    def share_hidden(self, hidden: Float) -> None:
        """See Exchange. One Bcast, none when every rank updates the cell."""
        if self._broadcasts:
            self._comm.bcast(hidden)

    def share_cotangents(self, cotangents: Float) -> None:
        """See Exchange. One Bcast, none when every rank updates the cell."""
        if self._broadcasts:
            self._comm.bcast(cotangents)

    def gather_input_gradients(self, local: Sequence[Float]) -> list[Float] | None:
        """See Exchange. One Allgather."""
        batch = local[0].shape[0]
        if batch not in self._input_buffers:
            width = max(sum(counts) for counts in self._inputs_of)
            self._input_buffers[batch] = self._buffers(batch, width)
        send, receive = self._input_buffers[batch]
        _pack(send, local)
        self._comm.allgather(send, receive)
        if not self.updates_cell:
            return None
        gradients = []
        for rank, counts in enumerate(self._inputs_of):
            ends = np.cumsum(counts)
            gradients += [
                receive[rank, :, end - n : end] for end, n in zip(ends, counts, strict=True)
            ]
        return gradients

    def _buffers(self, *shape: int) -> tuple[Float, Float]:
        # Zeros, because the padding of a smaller rank's part is sent too.
        return np.zeros(shape), np.empty((self._comm.size, *shape))


def _pack(send: Float, parts: Sequence[Float]) -> None:
    begin = 0
    for part in parts:
        send[..., begin : begin + part.shape[-1]] = part
        begin += part.shape[-1]
