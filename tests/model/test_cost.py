"""The costs of partitions, by which ranks share them."""

import itertools

import numpy as np

from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.classical import classical_lstm
from hpc_qlstm.model.cost import partition_costs
from hpc_qlstm.partition import Partition


def test_costs_of_partitions_follow_their_circuits():
    """Two more qubits make small circuits a few times as expensive; four more make large ones
    more than sixteen times as expensive. Extra VQCs add to that."""

    def costs(qubits, **options):
        units = [q - 1 for q in qubits]
        size = sum(units) + 1
        begins = np.cumsum([0, *units])
        inputs = [[*range(a, b), size - 1] for a, b in itertools.pairwise(begins)]
        partition = Partition(inputs, units)
        return partition_costs(QLSTM(1, size - 1, 1, partition=partition, **options))

    small, larger, large, largest = costs([3, 5, 10, 14])
    assert 1.5 < larger / small < 5
    assert 16 < largest / large < 16 * 14 / 10
    assert costs([3, 5], extra_vqcs=2)[0] > small
    linear = classical_lstm(1, 4, 1, "hx", Partition.contiguous(5, 4, 2))
    assert min(partition_costs(linear)) > 0
