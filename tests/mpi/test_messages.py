"""The plan of messages against the collectives that a model really calls: kinds, shapes, counts."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from hpc_qlstm.build.setup import set_up
from hpc_qlstm.distributed.messages import message_plan, traffic
from hpc_qlstm.parallel import Traffic
from hpc_qlstm.parallel.mpi import MpiCommunicator

pytestmark = pytest.mark.mpi

STEPS, BATCH = 3, 7


class Logging(MpiCommunicator):
    """Remembers what is sent: (kind, ranks, shape)."""

    def __init__(self, comm):
        super().__init__(comm)
        self.log = []
        self.parts = []

    def allgather(self, send, receive):
        self.log.append(("allgather", self.size, send.shape))
        super().allgather(send, receive)

    def start_allgather(self, send, receive, prepared=None):
        self.log.append(("allgather", self.size, send.shape))
        return super().start_allgather(send, receive, prepared)

    def bcast(self, buffer):
        self.log.append(("bcast", self.size, buffer.shape))
        super().bcast(buffer)

    def split(self, color):
        part = Logging(self._comm.Split(color, self.rank))
        self.parts.append(part)
        return part

    def sent(self):
        """By all groups and by all ranks since the last call; rank 0 of each counts."""
        found, moved = Counter(), Traffic()
        for own in (self, *self.parts):
            every = self.allgather_object((own.log, own.moved) if own.rank == 0 else ([], 0))
            for log, some in every:
                found.update(log)
                moved = moved + Traffic(len(log), some)
            own.log, own.moved = [], 0
        return found, moved


def planned(messages):
    found = Counter()
    for message in messages:
        found[message.kind, message.ranks, message.shape] += message.count
    return +found, traffic(messages)


@pytest.mark.parametrize("cell_update", ["root", "replicated"])
@pytest.mark.parametrize(
    ("model", "count", "parallel"),
    [
        ({}, 4, {}),
        ({"sequence": True}, 4, {"overlap": "on", "collectives": "persistent"}),
        ({"extra_vqcs": 2, "mix": True}, 5, {"overlap": "on"}),
        ({"extra_vqcs": 2, "sequence": True}, 4, {"replicas": 2}),
        ({"affine": True}, 1, {}),
    ],
)
def test_the_plan_is_what_is_sent(comm, configured, agree, model, count, parallel, cell_update):
    if comm.size % parallel.get("replicas", 1):
        pytest.skip("too few ranks")
    config = configured(
        model={"hidden_size": 7, **model},
        partition={"strategy": "overlap", "count": count},
        data={"window": STEPS},
        training={"batch_size": BATCH},
        parallel={"cell_update": cell_update, **parallel},
    )
    ours = Logging(comm)
    setup = set_up(config, ours)
    placed, plan = setup.model, message_plan(setup.model.model, comm.size, config.parallel)
    agree(plan == placed.plan or comm.rank > 0)
    flat = placed.model.layout.initial(0)
    x, y = setup.data.train(slice(BATCH))
    ours.sent()
    overlap = config.parallel.overlap == "on"
    # Twice, because buffers are made in the first; a smaller batch last.
    for samples in (BATCH, BATCH, 2):
        placed.step(flat, x[:samples], y[:samples], with_expectations=samples == 2)
        placed.share_weights(flat)
        expected = plan.training(samples, STEPS, overlap=overlap)
        expected += [plan.expectations(samples)] * (samples == 2)
        found = ours.sent()
        agree(found == planned(expected), f"{found} is not {planned(expected)}")
        placed.predict(flat, np.ascontiguousarray(x[:samples]))
        found = ours.sent()
        agree(found == planned(plan.evaluation(samples, STEPS)), str(found))
    placed.free()
