"""The extension's sums, Adam, columns and readout: their values, and the arrays they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from hpc_qlstm.model.blocks import block_bounds
from hpc_qlstm.native import numerics


def test_sums_over_blocks_are_in_order():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(37, 5)) * 10.0 ** rng.integers(-12, 12, (37, 5))
    bounds = block_bounds(37)
    sums = np.empty((len(bounds) - 1, 5))
    numerics.block_sums(rows, bounds, sums)
    for k in range(len(bounds) - 1):
        expected = rows[bounds[k]].copy()
        for row in rows[bounds[k] + 1 : bounds[k + 1]]:
            expected += row
        np.testing.assert_array_equal(sums[k], expected)


def test_gathered_blocks_are_added_by_replica_and_position():
    """Two replicas with three and two blocks, rows of two ranks with sections of 2 and 3."""
    rng = np.random.default_rng(2)
    received = rng.normal(size=(4, 3, 1 + 2 + 3))  # loss, two shared columns, a section
    gradient = np.full(2 + 3 + 2, np.nan)
    loss, total = numerics.add_blocks(received, [3, 2], [0, 2, 5], 1, 3, gradient)
    first = np.concatenate([received[0, :3], received[2, :2]])
    second = np.concatenate([received[1, :3], received[3, :2]])
    np.testing.assert_allclose(loss, first[:, 0].sum(), rtol=1e-14)
    np.testing.assert_allclose(total, gradient.sum(), rtol=1e-13)
    np.testing.assert_allclose(gradient[:2], first[:, 3:5].sum(axis=0), rtol=1e-13)
    np.testing.assert_allclose(gradient[2:5], second[:, 3:6].sum(axis=0), rtol=1e-13)
    np.testing.assert_allclose(gradient[5:], first[:, 1:3].sum(axis=0), rtol=1e-13)


def test_adam_follows_its_formula():
    rng = np.random.default_rng(3)
    gradient, first, weights = rng.normal(size=(3, 9))
    second = rng.uniform(0, 1, 9)
    m, v, w = first.copy(), second.copy(), weights.copy()
    numerics.adam(0.9, 0.99, 0.3, 0.7, 1e-8, gradient, first, second, weights)
    m += (1 - 0.9) * (gradient - m)
    v = v * 0.99 + (1 - 0.99) * gradient * gradient
    w -= 0.3 * m / (np.sqrt(v) / 0.7 + 1e-8)
    for ours, theirs in ((first, m), (second, v), (weights, w)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-15)


@pytest.mark.parametrize(
    "call",
    [
        lambda z: numerics.sum_blocks(z(3, 2), [0, 2], z(2)),
        lambda z: numerics.sum_blocks(z(3, 2), [0, 3], z(3)),
        lambda z: numerics.adam(0.9, 0.9, 1, 1, 1, z(3), z(3), z(2), z(3)),
        lambda z: numerics.block_sums(z(3, 2), [0, 2, 4], z(2, 2)),
        lambda z: numerics.block_sums(z(3, 2), [0, 2, 2, 3], z(3, 2)),
        lambda z: numerics.block_sums(z(3, 2), [0, 3], z(1, 3)),
        lambda z: numerics.add_blocks(z(2, 3, 6), [4], [0, 2, 5], 1, 3, z(7)),
        lambda z: numerics.add_blocks(z(2, 3, 6), [3], [0, 2, 6], 1, 3, z(8)),
        lambda z: numerics.add_blocks(z(2, 3, 6), [3], [0, 2, 5], 1, 3, z(6)),
        lambda z: numerics.merge_columns(z(2, 3, 2), [1, 3], z(3, 4)),
        lambda z: numerics.merge_columns(z(2, 3, 2), [1, 2], z(3, 4)),
        lambda z: numerics.add_columns(z(2, 3, 2), _columns((2, 0, 0)), z(3, 2)),
        lambda z: numerics.add_columns(z(2, 3, 2), _columns((0, 2, 0)), z(3, 2)),
        lambda z: numerics.add_columns(z(2, 3, 2), _columns((0, 0, 2)), z(3, 2)),
        lambda z: numerics.add_columns(z(2, 3, 2), _columns((0, 2**32 - 1, 0)), z(3, 2)),
        lambda z: numerics.pack_sums(z(3), z(3, 2), z(3, 4), [0, 3], 2**64 - 6, z(1)),
        lambda z: numerics.readout(z(3, 2), z(1, 3), z(1), z(3, 1)),
        lambda z: numerics.squared_errors(
            z(3, 1, 2), z(1, 2), z(1), z(3, 1), 1, z(3), z(3, 1, 2), z(3, 2)
        ),
        lambda z: numerics.squared_errors(
            z(3, 1, 2), z(1, 2), z(1), z(4), 1, z(3), z(3, 1, 2), z(3, 3)
        ),
        lambda z: numerics.pack_sums(z(3), z(3, 2), z(3, 4), [0, 1, 3], 2, z(7)),
        lambda z: numerics.pack_sums(z(3), z(3, 2), z(3, 4), [0, 1, 2], 2, z(8)),
        lambda z: numerics.pack_sums(z(3), z(2, 2), z(3, 4), [0, 1, 3], 2, z(8)),
    ],
)
def test_arrays_of_other_sizes_are_refused(call):
    with pytest.raises(ValueError, match="other steps, samples or sizes"):
        call(lambda *shape: np.zeros(shape))


def _columns(*added):
    return numerics.ColumnList(list(added))
