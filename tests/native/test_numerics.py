"""The extension's sums, Adam, columns and readout: their values, and the arrays they refuse."""

from __future__ import annotations

import numpy as np
import pytest

from hpc_qlstm.model.blocks import block_bounds
from hpc_qlstm.native import extension, numerics
from hpc_qlstm.native.kernels import find_kernel


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
    ("message", "call"),
    [
        (r"bounds are \[0, 2\], .* last 3", lambda z: numerics.sum_blocks(z(3, 2), [0, 2], z(2))),
        (r"sum has shape \(3,\), allowed: \(2,\)",
         lambda z: numerics.sum_blocks(z(3, 2), [0, 3], z(3))),
        (r"gradient has shape \(2,\), allowed: \(3,\)",
         lambda z: numerics.adam(0.9, 0.9, 1, 1, 1, z(2), z(3), z(3), z(3))),
        (r"first has shape \(4,\), allowed: \(3,\)",
         lambda z: numerics.adam(0.9, 0.9, 1, 1, 1, z(3), z(4), z(3), z(3))),
        (r"second has shape \(2,\), allowed: \(3,\)",
         lambda z: numerics.adam(0.9, 0.9, 1, 1, 1, z(3), z(3), z(2), z(3))),
        (r"bounds are \[0, 2, 4\]", lambda z: numerics.block_sums(z(3, 2), [0, 2, 4], z(2, 2))),
        (r"bounds are \[0, 2, 2, 3\], allowed: ascending",
         lambda z: numerics.block_sums(z(3, 2), [0, 2, 2, 3], z(3, 2))),
        (r"sums have shape \(1, 3\), allowed: \(1, 2\)",
         lambda z: numerics.block_sums(z(3, 2), [0, 3], z(1, 3))),
        (r"counts are \[4\], allowed: at most 3",
         lambda z: numerics.add_blocks(z(2, 3, 6), [4], [0, 2, 5], 1, 3, z(7))),
        (r"received has shape \(2, 3, 6\), allowed: 4 columns from 3 on",
         lambda z: numerics.add_blocks(z(2, 3, 6), [3], [0, 2, 6], 1, 3, z(8))),
        (r"received has shape \(3, 3, 6\), allowed: \(2, blocks, width\)",
         lambda z: numerics.add_blocks(z(3, 3, 6), [3], [0, 2, 5], 1, 3, z(7))),
        (r"gradient has shape \(6,\), allowed: 5 numbers and 2 more",
         lambda z: numerics.add_blocks(z(2, 3, 6), [3], [0, 2, 5], 1, 3, z(6))),
        (r"offsets are \[0, 5, 2\], allowed: ascending",
         lambda z: numerics.add_blocks(z(2, 3, 6), [3], [0, 5, 2], 1, 3, z(7))),
        ("begin is 7, allowed: 1 to 6",
         lambda z: numerics.add_blocks(z(2, 3, 6), [3], [0, 2, 5], 1, 7, z(7))),
        (r"parts have shape \(2, 0\)", lambda z: numerics.merge_columns(z(2, 0), [0, 0], z(0))),
        (r"parts have shape \(2, 3, 2\), allowed: \(1,",
         lambda z: numerics.merge_columns(z(2, 3, 2), [1], z(3, 1))),
        (r"counts are \[1, 3\], allowed: at most 2",
         lambda z: numerics.merge_columns(z(2, 3, 2), [1, 3], z(3, 4))),
        (r"merged has shape \(3, 4\), allowed: 9 numbers",
         lambda z: numerics.merge_columns(z(2, 3, 2), [1, 2], z(3, 4))),
        (r"sums have shape \(2, 2\), allowed: \(3, sums\)",
         lambda z: numerics.add_columns(z(2, 3, 2), _columns((0, 0, 0)), z(2, 2))),
        ("columns lie outside .* 2 parts of 2 columns, 2 sums",
         lambda z: numerics.add_columns(z(2, 3, 2), _columns((2, 0, 0)), z(3, 2))),
        ("columns lie outside",
         lambda z: numerics.add_columns(z(2, 3, 2), _columns((0, 2, 0)), z(3, 2))),
        ("columns lie outside",
         lambda z: numerics.add_columns(z(2, 3, 2), _columns((0, 0, 2)), z(3, 2))),
        ("columns lie outside",
         lambda z: numerics.add_columns(z(2, 3, 2), _columns((0, 2**32 - 1, 0)), z(3, 2))),
        (r"weight has shape \(1, 3\), allowed: \(1, 2\)",
         lambda z: numerics.readout(z(3, 2), z(1, 3), z(1), z(3, 1))),
        (r"out has shape \(3, 2\), allowed: \(3, 1\)",
         lambda z: numerics.readout(z(3, 2), z(1, 2), z(1), z(3, 2))),
        (r"weight has shape \(2, 2\)", lambda z: errors(z, weight=z(2, 2))),
        (r"target has shape \(4,\), allowed: 3 numbers", lambda z: errors(z, target=z(4))),
        (r"loss has shape \(2,\), allowed: \(3,\)", lambda z: errors(z, loss=z(2))),
        (r"grad_hidden has shape \(3, 2, 2\)", lambda z: errors(z, grad_hidden=z(3, 2, 2))),
        (r"rows have shape \(3, 2\), allowed: \(3, 3\)", lambda z: errors(z, rows=z(3, 2))),
        (r"sent has shape \(1,\), allowed: 2 and 4 numbers from 18446744073709551610 on",
         lambda z: numerics.pack_sums(z(3), z(3, 2), z(3, 4), [0, 3], 2**64 - 6, z(1))),
        (r"sent has shape \(7,\), allowed: 2 and 4 numbers from 2 on",
         lambda z: numerics.pack_sums(z(3), z(3, 2), z(3, 4), [0, 1, 3], 2, z(7))),
        ("head is 0", lambda z: numerics.pack_sums(z(3), z(3, 2), z(3, 4), [0, 1, 3], 0, z(8))),
        (r"bounds are \[0, 1, 2\]",
         lambda z: numerics.pack_sums(z(3), z(3, 2), z(3, 4), [0, 1, 2], 2, z(8))),
        (r"shared has shape \(2, 2\), allowed: \(3, columns\)",
         lambda z: numerics.pack_sums(z(3), z(2, 2), z(3, 4), [0, 1, 3], 2, z(8))),
        (r"partitions have shape \(2, 4\), allowed: \(3, columns\)",
         lambda z: numerics.pack_sums(z(3), z(3, 2), z(2, 4), [0, 1, 3], 2, z(8))),
        (r"z has shape \(4, 2, 2\), allowed: 24 numbers",
         lambda z: cell().forward(0, z(4, 2, 2), z(2, 3))),
        (r"c0 has shape \(5,\), allowed: 6 numbers", lambda z: cell().begin(z(5))),
        (r"grad_c has shape \(5,\)", lambda z: cell().begin_reverse(z(5))),
        (r"c has shape \(7,\)", lambda z: cell().state(z(7))),
        (r"grad_c has shape \(7,\)", lambda z: cell().grad_state(z(7))),
        (r"^c0 has shape \(5,\), allowed: 6 numbers", lambda z: cell().begin(z(5))),
        (r"^grad_c has shape \(5,\)", lambda z: cell().begin_reverse(z(5))),
        (r"^c has shape \(7,\)", lambda z: cell().state(z(7))),
        (r"^grad_c has shape \(7,\)", lambda z: cell().grad_state(z(7))),
        (r"hidden has shape \(5,\), allowed: 6 numbers",
         lambda z: cell().forward(0, z(4, 2, 3), z(5))),
        ("t is 2, allowed: less than 2", lambda z: cell().forward(2, z(4, 2, 3), z(6))),
        (r"grad_hidden has shape \(7,\)", lambda z: cell().reverse(1, z(7), z(4, 2, 3))),
        (r"grad_z has shape \(3, 2, 3\)", lambda z: cell().reverse(1, z(6), z(3, 2, 3))),
    ],
)  # fmt: skip
def test_arrays_of_other_sizes_are_refused(message, call):
    with pytest.raises(ValueError, match=message):
        call(lambda *shape: np.zeros(shape))


def errors(zeros, **others):
    """The squared errors of three samples, one step, two hidden units and one output."""
    given = {
        "hidden": zeros(3, 1, 2), "weight": zeros(1, 2), "bias": zeros(1), "target": zeros(3, 1),
        "scale": 1, "loss": zeros(3), "grad_hidden": zeros(3, 1, 2), "rows": zeros(3, 3),
    }  # fmt: skip
    numerics.squared_errors(**given | others)


def cell():
    """Two steps of two samples with three hidden units each."""
    return extension.Cell(find_kernel(), 2, 6)


def _columns(*added):
    return numerics.ColumnList(list(added))
