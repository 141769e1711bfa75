"""Scalers: fitted ranges, their inverse, and the columns and arrays they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hpc_qlstm.data import Scaler
from hpc_qlstm.errors import InputError


@settings(max_examples=80, deadline=None)
@given(
    values=arrays(
        np.float64, st.tuples(st.integers(2, 20), st.integers(1, 3)), elements=st.floats(-1e6, 1e6)
    ),
    kind=st.sampled_from(["minmax", "standard", "none"]),
    ends=st.tuples(st.floats(-10, 10), st.floats(0.1, 10)),
)
def test_inverse_undoes_transform_and_range_is_kept(values, kind, ends):
    names = [f"c{i}" for i in range(values.shape[1])]
    low, high = ends[0], ends[0] + ends[1]
    assume(kind == "none" or (np.ptp(values, axis=0) > 1e-100).all())
    scaler = Scaler.fit(values, names, kind, (low, high))
    scaled = scaler.transform(values)
    size = np.abs(values).max() + np.abs(scaler.offset).max()
    np.testing.assert_allclose(scaler.inverse(scaled), values, rtol=0, atol=1e-14 * size + 1e-300)
    if kind == "minmax":
        slack = 1e-9 + 1e-14 * np.abs(values).max() * scaler.factor
        assert (scaled >= low - slack).all()
        assert (scaled <= high + slack).all()
    again = Scaler(scaler.kind, scaler.offset, scaler.factor)
    np.testing.assert_array_equal(again.transform(values), scaled)


def test_standard_scaler_gives_mean_zero_and_deviation_one():
    values = np.random.default_rng(0).normal(5.0, 3.0, (500, 2))
    scaled = Scaler.fit(values, ["a", "b"], "standard").transform(values)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(scaled.std(axis=0), 1, rtol=1e-13)


def test_scaler_works_on_stacked_windows():
    scaler = Scaler("minmax", np.array([1.0, 2.0]), np.array([2.0, 0.5]))
    assert scaler.transform(np.ones((3, 4, 2))).shape == (3, 4, 2)
    with pytest.raises(InputError, match="last axis must be 2"):
        scaler.transform(np.ones((3, 4)))


@pytest.mark.parametrize(
    ("kind", "offset", "factor"),
    [
        ("minmax", [0.0], [1.0, 2.0]),
        ("minmax", [0.0], [0.0]),
        ("minmax", [np.nan], [1.0]),
        ("median", [0.0], [1.0]),
    ],
)
def test_invalid_arrays_of_a_scaler_are_refused(kind, offset, factor):
    with pytest.raises(InputError, match="scaler"):
        Scaler(kind, np.array(offset), np.array(factor))


def test_columns_beyond_double_precision_are_refused():
    for column in ([-1.7e308, 1.7e308], [0.0, 5e-324]):
        for kind in ("minmax", "standard"):
            with pytest.raises(InputError, match="'a' runs from"):
                Scaler.fit(np.array(column)[:, None], ["a"], kind)
