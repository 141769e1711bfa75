"""Sums over a batch in fixed blocks: the same bits however the blocks are shared."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc_qlstm.model.blocks import MAX_BLOCKS, block_bounds, block_sums, share


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
