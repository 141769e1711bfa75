"""Threads of a rank: its share of the processors of its node."""

import pytest

from hpc_qlstm.parallel import SerialCommunicator, resources, threads_per_rank


class FakeRanks(SerialCommunicator):
    """One rank's view of a job whose ranks may run on `masks`; `node` are its neighbours."""

    def __init__(self, masks, node):
        super().__init__()
        self.masks, self.node = masks, node

    def allgather_object(self, value):
        return [value, *self.masks[1:]]

    def node_ranks(self):
        return self.node


@pytest.mark.parametrize(
    ("masks", "node", "threads"),
    [
        ([(0, 1, 2, 3)], [0], 4),
        ([(0, 1, 2, 3)] * 2, [0, 1], 2),
        ([(0, 1, 2, 3)] * 3, [0, 1, 2], 1),
        ([(0, 1, 2, 3)] * 9, list(range(9)), 1),
        ([(0, 1), (2, 3)], [0, 1], 2),
        ([(0, 1, 2, 3)] * 4, [0, 2], 2),
    ],
)
def test_threads_per_rank_shares_the_processors_of_a_node(monkeypatch, masks, node, threads):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(resources, "processors", lambda: masks[0])
    assert threads_per_rank(FakeRanks(masks, node)) == threads
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert threads_per_rank(FakeRanks(masks, node)) == 7
    monkeypatch.setenv("OMP_NUM_THREADS", "4,2")
    assert threads_per_rank(FakeRanks(masks, node)) == 4
    for nothing in ("0", "", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", nothing)
        assert threads_per_rank(FakeRanks(masks, node)) == threads
