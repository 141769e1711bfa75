"""The communicator over MPI, the agreement on errors, and the exchange's collectives."""

from __future__ import annotations

import time

import numpy as np
import pytest

from hpc_qlstm import Partition
from hpc_qlstm.distributed.exchange import GroupExchange
from hpc_qlstm.distributed.messages import MessagePlan
from hpc_qlstm.errors import InputError
from hpc_qlstm.model import QLSTM
from hpc_qlstm.parallel import (
    ProcessGrid,
    SerialCommunicator,
    on_root,
    open_communicator,
    threads_per_rank,
    together,
)

pytestmark = pytest.mark.mpi


def test_world_is_found_under_a_launcher(comm, agree):
    found = open_communicator()
    agree((found.rank, found.size) == (comm.rank, comm.size))
    agree(open_communicator(comm).size == comm.size)


def test_arrays_move(comm, agree):
    ours = open_communicator(comm)
    received = np.empty((comm.size, 3))
    ours.allgather(np.full(3, float(comm.rank)), received)
    agree(bool((received[:, 0] == np.arange(comm.size)).all()))
    buffer = np.full(4, float(comm.rank))
    ours.bcast(buffer)
    agree(bool((buffer == 0).all()))
    agree(len(ours.durations) == 2 and min(ours.durations) >= 0)


def test_minimum_is_elementwise_and_no_message_of_training(comm, agree):
    ours = open_communicator(comm)
    values = np.array([float(comm.rank), -float(comm.rank), 7.5])
    least = ours.minimum(values)
    agree(least.tolist() == [0.0, 1.0 - comm.size, 7.5], str(least))
    agree(values[0] == comm.rank and ours.durations == [] and ours.moved == 0)
    serial = SerialCommunicator().minimum(values)
    agree(serial is not values and serial.tolist() == values.tolist())


def test_waiting_ranks_sleep(comm, agree):
    """All wait for the last rank, for as long as it works, and take next to no processor time."""
    ours = open_communicator(comm)
    last, work = comm.size - 1, 0.3
    comm.Barrier()
    wall, used = time.monotonic(), time.process_time()
    if comm.rank == last:
        while time.monotonic() - wall < work:
            pass
    ours.sleep_until_all()
    wall, used = time.monotonic() - wall, time.process_time() - used
    agree(wall >= 0.95 * work, f"left after {wall:.3f} s")
    agree(wall < work + 0.5, f"left after {wall:.3f} s")
    agree(comm.rank == last or used < 0.1 * work, f"took {used:.3f} s of a processor")
    agree(ours.waiting_since is None)
    SerialCommunicator().sleep_until_all()


def test_split_and_node(comm, agree):
    ours = open_communicator(comm)
    row = ours.split(comm.rank % 2)
    agree(row.size == (comm.size + 1 - comm.rank % 2) // 2)
    agree(ours.node_ranks() == list(range(comm.size)))
    agree(threads_per_rank(ours) >= 1)


def test_freed_communicators_leave_the_rest_usable(comm, agree):
    ours = open_communicator(comm)
    row = ours.split(0)
    row.prepare_allgather(np.zeros(2), np.zeros((comm.size, 2)))
    row.free()
    agree(not row._comm)  # MPI's null handle
    request = ours.prepare_allgather(np.zeros(2), np.zeros((comm.size, 2)))
    ours.free_prepared()
    agree(not request)
    ours.free()  # not made by split
    agree(ours.allgather_object(ours.rank) == list(range(comm.size)))
    SerialCommunicator().free()


def test_an_error_of_one_rank_is_raised_on_all(comm, agree):
    last = comm.size - 1

    def refuse():
        if comm.rank == last:
            raise InputError(f"rank {last} refuses")

    with pytest.raises(InputError, match=f"rank {last} refuses"):
        together(open_communicator(comm), refuse)
    agree(True)


def test_root_speaks_for_all(comm, agree):
    ours = open_communicator(comm)
    agree(on_root(ours, lambda: comm.rank) == 0)

    def fail():
        raise ValueError("only on root")

    with pytest.raises(Exception, match="only on root"):
        on_root(ours, fail)


@pytest.mark.parametrize("kind", ["blocking", "persistent"])
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("replicated", [False, True])
def test_group_exchange_puts_parts_in_partition_order(comm, agree, replicated, early, kind):
    """Two parts of a batch under way at once, twice over, as the recurrence does it."""
    ours = open_communicator(comm)
    count = comm.size + 1
    blocks = [range(r, r + 1) for r in range(comm.size - 1)] + [range(comm.size - 1, count)]
    outputs = [1 + m % 2 for m in range(count)]
    hidden = sum(outputs)
    columns = [[m, *range(m + 1, hidden + 1, 2)] for m in range(count)]
    model = QLSTM(1, hidden, 1, depth=1, partition=Partition(columns, outputs))
    plan = MessagePlan(model, ProcessGrid(1, 0, comm.rank, tuple(blocks)), replicated)
    exchange = GroupExchange(ours, plan, kind)
    batch = 3

    def part(m, width, lead, salt):
        return 100.0 * m + salt + np.arange(np.prod([*lead, width])).reshape(*lead, width)

    right = True
    for round in range(2):
        z, gradients = [], []
        for slot in range(2):
            salt = 0.25 * (2 * round + slot)
            z.append(exchange.outputs(slot, 4, batch, early=early))
            own = [part(m, outputs[m], (4, batch), salt) for m in exchange.partitions]
            packed = np.concatenate(own, axis=2)
            z[-1].send[:, :, : packed.shape[2]] = packed
            z[-1].start()
            gradients.append(exchange.inputs(slot, batch, early=early))
            own = [part(m, len(columns[m]), (batch,), salt) for m in exchange.partitions]
            packed = np.concatenate(own, axis=1)
            gradients[-1].send[:, : packed.shape[1]] = packed
            gradients[-1].start()
        for slot in range(2):
            salt = 0.25 * (2 * round + slot)
            merged = z[slot].finish(exchange.updates_cell)
            sums = np.zeros((batch, hidden + 1))
            gradients[slot].finish(sums if exchange.updates_cell else None)
            if exchange.updates_cell:
                every = [part(m, outputs[m], (4, batch), salt) for m in range(count)]
                right &= np.array_equal(merged, np.concatenate(every, axis=2))
                expected = np.zeros((batch, hidden + 1))
                for m in range(count):
                    expected[:, columns[m]] += part(m, len(columns[m]), (batch,), salt)
                right &= np.array_equal(sums, expected)
    agree(exchange.updates_cell == (replicated or comm.rank == 0))
    agree(right, "parts are not in partition order")
    state = exchange.shared(0, 1, batch)
    state.buffer[...] = comm.rank
    state.share()
    agree(bool((state.buffer == (comm.rank if replicated else 0)).all()))


def test_serial_communicator_needs_no_mpi():
    serial = SerialCommunicator()
    received = np.empty((1, 2))
    serial.allgather(np.array([1.0, 2.0]), received)
    assert received.tolist() == [[1.0, 2.0]]
    assert serial.split(3).size == 1
