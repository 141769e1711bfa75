"""Random numbers of sampled circuits: keyed by what is sampled, not by who samples it."""

import numpy as np

from hpc_qlstm.engines import RandomStream

STORED = [1109940381359201263, 432895093046057968]
STORED_SEED = 1473111560


def numbers(draw):
    return [generator.integers(1 << 60) for generator in draw.generators()]


def test_a_part_of_a_batch_draws_as_the_whole():
    whole = numbers(RandomStream.of_samples((3, 0, 7), 6).tiled(4))
    parts = [numbers(RandomStream.of_samples((3, 0, 7), 3, first).tiled(4)) for first in (0, 3)]
    joined = [n for k in range(4) for part in parts for n in part[3 * k : 3 * k + 3]]
    assert joined == whole


def test_rows_calls_and_positions_differ():
    drawn = numbers(RandomStream.of_samples((1,), 50).tiled(20)) + numbers(
        RandomStream.of_samples((2,), 50)
    )
    drawn += numbers(RandomStream.of_samples((1,), 50).at(0))
    assert len(set(drawn)) == len(drawn) == 1100


def test_tiling_twice_is_tiling_by_the_product():
    once = RandomStream.of_samples((5,), 3).tiled(6)
    twice = RandomStream.of_samples((5,), 3).tiled(2).tiled(3)
    np.testing.assert_array_equal(once.position, twice.position)
    np.testing.assert_array_equal(once.sample, twice.sample)
    assert once.positions == twice.positions == 6


def test_the_random_streams_never_change():
    """Stored runs must be repeatable: another stream of random numbers changes results."""
    assert numbers(RandomStream.of_samples((1, 2), 2, 5)) == STORED
    assert RandomStream.of_samples((1, 2), 2).seed() == STORED_SEED


def test_what_a_row_draws_does_not_reach_the_next():
    few = [g.random() for g in RandomStream.of_samples((0,), 3).generators()]
    many = [g.random(1000)[0] for g in RandomStream.of_samples((0,), 3).generators()]
    assert few == many
