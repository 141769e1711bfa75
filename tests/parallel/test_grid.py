"""The process grid: which rank has which partitions and samples."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel.grid import allowed_replicas, balanced_blocks, process_grid


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
            assert rank == grid.replica * grid.group_size + grid.position
            assert grid.replicas * grid.group_size == size
            assert grid.group_size == min(size, count)
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


def test_grids_with_a_given_number_of_replicas():
    grids = [process_grid(6, rank, [1.0] * 4, replicas=2) for rank in range(6)]
    assert [(g.replica, g.position) for g in grids] == [(r, p) for r in (0, 1) for p in (0, 1, 2)]
    assert sorted(m for g in grids[:3] for m in g.partitions) == [0, 1, 2, 3]
    assert process_grid(4, 0, [1.0] * 4, replicas=4).group_size == 1
    assert allowed_replicas(6, 4) == [2, 3, 6]
    assert allowed_replicas(8, 1) == [8]
    with pytest.raises(InputError, match=r"replicas is 1, .* 6 ranks and 4 .* allowed: 2, 3, 6"):
        process_grid(6, 0, [1.0] * 4, replicas=1)
