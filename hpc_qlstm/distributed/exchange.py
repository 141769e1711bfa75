"""The recurrence's exchange over a group of ranks: the collectives of one time step.

Forward: one Allgather of the gate outputs, then, with `cell_update = "root"`, one Bcast of h_t.
Reverse: with `root`, one Bcast of the gates' cotangents, then one Allgather of the gradients of
v_t. Extra VQCs add an Allgather of their outputs, and the same pair on the way back, for each that
a step evaluates. Buffers are allocated once for each batch size, and circuits fill them in place.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from hpc_qlstm.distributed.messages import Message, MessagePlan
from hpc_qlstm.model.exchange import Inputs, Outputs, Shared
from hpc_qlstm.native.numerics import ColumnList, column_list
from hpc_qlstm.parallel import Communicator
from hpc_qlstm.parallel.collectives import Gather, Kind

_MOST_CACHED = 64
"""Buffers are kept for this many sizes of batches; a run has three or four."""


class GroupExchange:
    """An Exchange of `hpc_qlstm.model` over a group of ranks.

    comm: the group; plan: of its messages; kind: of the Allgathers, which changes no bit. `outputs`
    and `inputs` are an Allgather each, `shared` is a Bcast, or none where every rank updates the
    cell.
    """

    def __init__(self, comm: Communicator, plan: MessagePlan, kind: Kind = "blocking") -> None:
        self._comm, self._plan, self._kind = comm, plan, kind
        self.partitions = plan.grid.blocks[comm.rank]
        self.updates_cell = plan.replicated or comm.rank == 0
        self.broadcasts = not plan.replicated
        self._columns = [
            column_list(plan.grid.blocks, read) if read else ColumnList([])
            for read in (plan.model.partition.inputs, plan.model.state_inputs)
        ]
        self.outputs = lru_cache(_MOST_CACHED)(self._outputs)
        self.inputs = lru_cache(_MOST_CACHED)(self._inputs)
        self.shared = lru_cache(_MOST_CACHED)(self._shared)

    def _outputs(self, slot: int, sets: int, batch: int, *, early: bool = False) -> Outputs:
        return Outputs(self._gather(self._plan.outputs(sets, batch), early), self._plan.counts)

    def _inputs(
        self, slot: int, batch: int, *, of_state: bool = False, early: bool = False
    ) -> Inputs:
        message = self._plan.inputs(batch, of_state=of_state)
        return Inputs(self._gather(message, early), self._columns[of_state])

    def _shared(self, slot: int, sets: int, batch: int) -> Shared:
        message = self._plan.shared(sets, batch)
        return Shared(np.empty(message.shape), self._comm.bcast if message.count else None)

    def _gather(self, message: Message, early: bool) -> Gather:
        return Gather(self._comm, *message.buffers(), self._kind, early=early)
