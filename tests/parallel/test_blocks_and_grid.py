"""Sums in fixed blocks, the process grid, the weight layout, threads: pure functions of sizes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc_qlstm.circuits import ansatz
from hpc_qlstm.errors import InputError
from hpc_qlstm.model import QLSTM, WeightLayout
from hpc_qlstm.model.blocks import MAX_BLOCKS, block_bounds, block_sums, share
from hpc_qlstm.model.classical import classical_lstm
from hpc_qlstm.model.cost import partition_costs
from hpc_qlstm.parallel import SerialCommunicator, resources, threads_per_rank
from hpc_qlstm.parallel.grid import allowed_replicas, balanced_blocks, process_grid
from hpc_qlstm.partition import Partition


@given(samples=st.integers(0, 500))
def test_block_bounds(samples):
    bounds = block_bounds(samples)
    assert (bounds[0], bounds[-1]) == (0, samples)
    sizes = np.diff(bounds)
    assert len(sizes) == min(samples, MAX_BLOCKS)
    if samples:
        assert sizes.min() >= 1
        assert sizes.max() - sizes.min() <= 1


@given(samples=st.integers(0, 200), parts=st.integers(1, 40))
def test_shares_concatenate_to_the_bounds(samples, parts):
    bounds = block_bounds(samples)
    joined = [0]
    for part in range(parts):
        own = share(bounds, part, parts)
        assert own[0] == joined[-1]
        joined += own[1:]
    assert tuple(joined) == bounds


@settings(max_examples=100, deadline=None)
@given(
    samples=st.integers(1, 120),
    parts=st.integers(1, 20),
    width=st.sampled_from([(), (1,), (5,), (3, 2)]),
    seed=st.integers(0, 1000),
)
def test_block_sums_are_the_same_bits_however_blocks_are_shared(samples, parts, width, seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(samples, *width)) * 10.0 ** rng.integers(-8, 8, (samples, *width))
    bounds = block_bounds(samples)
    whole = block_sums(rows, bounds)
    shares = [share(bounds, part, parts) for part in range(parts)]
    split = np.concatenate([block_sums(rows[b[0] : b[-1]].copy(), b) for b in shares])
    assert split.tobytes() == whole.tobytes()
    np.testing.assert_allclose(whole.sum(axis=0), rows.sum(axis=0), rtol=1e-9, atol=1e-6)
    for k, (begin, end) in enumerate(itertools.pairwise(bounds)):
        np.testing.assert_allclose(whole[k], rows[begin:end].sum(axis=0), rtol=1e-9, atol=1e-6)


@settings(max_examples=200, deadline=None)
@given(
    costs=st.lists(
        st.one_of(st.integers(0, 9), st.floats(0.01, 1e6)).filter(lambda c: c > 0),
        min_size=1,
        max_size=8,
    ),
    data=st.data(),
)
def test_balanced_blocks_against_brute_force(costs, data):
    parts = data.draw(st.integers(1, len(costs)))
    blocks = balanced_blocks(costs, parts)
    assert len(blocks) == parts
    assert all(len(block) for block in blocks)
    assert [i for block in blocks for i in block] == list(range(len(costs)))
    best = min(
        max(sum(costs[a:b]) for a, b in itertools.pairwise((0, *cuts, len(costs))))
        for cuts in itertools.combinations(range(1, len(costs)), parts - 1)
    )
    assert max(sum(costs[i] for i in block) for block in blocks) <= best * (1 + 1e-9)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_process_grid_places_every_rank(count):
    costs = [1.0 + m % 2 for m in range(count)]
    for size in [*range(1, count + 1), 2 * count, 3 * count]:
        grids = [process_grid(size, rank, costs) for rank in range(size)]
        assert len({(grid.replica, grid.position) for grid in grids}) == size
        for rank, grid in enumerate(grids):
            assert rank == grid.replica * grid.row_size + grid.position
            assert grid.replicas * grid.row_size == size
            assert grid.row_size == min(size, count)
            assert [m for block in grid.blocks for m in block] == list(range(count))
            assert grid.partitions == grid.blocks[grid.position]
            assert len(grid.partitions) >= 1


@pytest.mark.parametrize(("size", "count"), [(3, 2), (5, 4), (6, 4), (7, 4), (10, 4)])
def test_process_grid_refuses_and_lists_what_works(size, count):
    with pytest.raises(InputError) as caught:
        process_grid(size, 0, [1.0] * count)
    allowed = f"1 to {count}, or a multiple of {count} ({2 * count}, {3 * count}, {4 * count}, ...)"
    others = ", ".join(map(str, allowed_replicas(size, count)))
    assert str(caught.value) == (
        f"MPI: {size} ranks do not fit {count} partitions, allowed: {allowed}; or these, with "
        f"parallel.replicas {others}"
    )


def layout_of(*sizes, hidden=3, outputs=2):
    circuits = [ansatz("rot_ring", qubits=q, features=f, outputs=n, depth=2) for q, f, n in sizes]
    return WeightLayout(tuple(circuits), hidden, outputs)


TWO = layout_of((3, 3, 2), (2, 1, 1))


def test_grids_with_replicas_of_ones_own():
    grids = [process_grid(6, rank, [1.0] * 4, replicas=2) for rank in range(6)]
    assert [(g.replica, g.position) for g in grids] == [(r, p) for r in (0, 1) for p in (0, 1, 2)]
    assert sorted(m for g in grids[:3] for m in g.partitions) == [0, 1, 2, 3]
    assert process_grid(4, 0, [1.0] * 4, replicas=4).row_size == 1
    assert allowed_replicas(6, 4) == [2, 3, 6]
    assert allowed_replicas(8, 1) == [8]
    with pytest.raises(InputError, match=r"replicas is 1, .* 6 ranks and 4 .* allowed: 2, 3, 6"):
        process_grid(6, 0, [1.0] * 4, replicas=1)


def test_layout_sections_and_views():
    assert TWO.offsets == (0, 4 * 18, 4 * 18 + 4 * 12, 4 * 30 + 2 * 4)
    assert TWO.size == 128
    assert TWO.section(range(1, 2)) == slice(72, 120)
    assert TWO.section(range(2)) == slice(0, 120)
    assert TWO.readout == slice(120, 128)
    flat = np.arange(128.0)
    views = TWO.views(flat)
    assert list(views)[:3] == ["forget.0", "forget.1", "input.0"]
    assert list(views)[-2:] == ["readout.weight", "readout.bias"]
    assert len(views) == 10
    shapes = {name: view.shape for name, view in views.items()}
    assert shapes["output.0"] == (2, 3, 3)
    assert shapes["candidate.1"] == (2, 2, 3)
    assert (shapes["readout.weight"], shapes["readout.bias"]) == ((2, 3), (2,))
    assert views["output.1"].ravel()[0] == 72 + 3 * 12
    assert sorted(np.concatenate([v.ravel() for v in views.values()])) == list(flat)
    views["input.1"][0, 0, 0] = -1
    assert flat[72 + 12] == -1


def test_flatten_is_the_inverse_of_views():
    flat = np.random.default_rng(0).normal(size=TWO.size)
    named = {name: view.copy() for name, view in reversed(TWO.views(flat).items())}
    again = TWO.flatten(named)
    np.testing.assert_array_equal(again, flat)
    again[:] = 0
    assert all(array.any() for array in named.values())
    named["readout.bias"] = [1, 2]
    assert TWO.flatten(named)[-2:].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"forget.2": np.zeros(1)}, "weights: 'forget.2' is not one of this model's"),
        ({"input.1": None}, "weights: 'input.1' is missing"),
        ({"input.1": np.zeros((2, 2, 2))}, r"'input.1' has shape \(2, 2, 2\), allowed: \("),
        ({"readout.bias": np.zeros(1)}, r"'readout.bias' has shape \(1,\)"),
        (
            {"readout.bias": np.zeros(2, complex)},
            r"'readout.bias' is no array of real numbers \(complex128",
        ),
        ({"readout.bias": ["a", "b"]}, "'readout.bias' is no array of real numbers"),
    ],
)
def test_flatten_refuses(change, message):
    named = {**TWO.views(np.zeros(TWO.size)), **change}
    with pytest.raises(InputError, match=message):
        TWO.flatten({name: array for name, array in named.items() if array is not None})


def test_initial_weights_depend_on_seed_gate_and_partition_alone():
    one, two = layout_of((3, 3, 3)), layout_of((3, 3, 2), (3, 3, 1))
    alone, both = (layout.views(layout.initial(seed=7)) for layout in (one, two))
    for gate in ("forget", "input", "candidate", "output"):
        np.testing.assert_array_equal(alone[f"{gate}.0"], both[f"{gate}.0"])
        assert (both[f"{gate}.0"] != both[f"{gate}.1"]).all()
    assert (both["forget.1"] != both["input.1"]).all()
    np.testing.assert_array_equal(alone["readout.weight"], both["readout.weight"])
    assert (two.initial(8) != two.initial(7)).all()


def test_initial_weights_have_the_designs_distributions():
    layout = layout_of((20, 20, 16), hidden=16, outputs=40)
    flat = layout.initial(seed=1, scale=0.01)
    circuits, readout = flat[: layout.readout.start], flat[layout.readout]
    assert circuits.std() == pytest.approx(0.01, rel=0.1)
    assert abs(circuits.mean()) < 1e-3
    bound = 1 / np.sqrt(16)
    assert 0.95 * bound < np.abs(readout).max() <= bound
    assert readout.std() == pytest.approx(bound / np.sqrt(3), rel=0.1)
    assert (layout.initial(1, scale=0.0)[: layout.readout.start] == 0).all()


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


def test_costs_of_partitions_follow_their_circuits():
    """Two qubits more are a few times the work of small circuits, and sixteen times that of large
    ones that have four more; extra VQCs come on top."""

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
