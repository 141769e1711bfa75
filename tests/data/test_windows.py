"""Windows, split and scaling: against the reference's windows, by hand, and by property."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc_qlstm.data import Scaler, Series, generate, make_dataset, windows_for_prediction
from hpc_qlstm.errors import InputError

REFERENCE = Path(__file__).parents[1] / "stored" / "reference_damped_pendulum.npz"


def counting(rows: int, features: int = 1, targets: int = 1) -> Series:
    """Row k holds k, k + 1000, .. as features and -k, -k - 1000, .. as targets; time is 10 k."""
    k = np.arange(rows, dtype=np.float64)[:, None]
    return Series(
        k + 1000.0 * np.arange(features),
        -k - 1000.0 * np.arange(targets),
        10.0 * k[:, 0],
        tuple(f"x{i}" for i in range(features)),
        tuple(f"y{i}" for i in range(targets)),
    )


def test_windows_of_the_pendulum_agree_with_the_reference():
    """The reference drops the last of the 236 windows and integrates to 3e-7."""
    reference = np.load(REFERENCE)
    data = make_dataset(generate("damped_pendulum"), window=4, fit_scaler_on="all")
    x = np.concatenate([data.train_x, data.test_x])
    y = np.concatenate([data.train_y, data.test_y])
    assert x.shape == (236, 4, 1)
    np.testing.assert_allclose(x[:235], reference["x"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(y[:235], reference["y"], rtol=0, atol=1e-6)


def test_scaling_of_the_reference_is_exact_on_its_own_values():
    """From the reference's rows its windows come back to the rounding of float32."""
    reference = np.load(REFERENCE)
    rows = np.concatenate([reference["x"][0], reference["y"]])
    series = Series(rows, rows, np.arange(239.0), ("v",), ("v",))
    data = make_dataset(series, window=4, fit_scaler_on="all")
    assert len(data.train_x) == reference["n_train"]
    np.testing.assert_allclose(
        np.concatenate([data.train_x, data.test_x]), reference["x"], rtol=0, atol=1e-15
    )


# Which rows go where


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(2, 60),
    window=st.integers(1, 12),
    horizon=st.integers(1, 6),
    fraction=st.floats(0.05, 0.95),
    features=st.integers(1, 3),
    targets=st.integers(1, 2),
    sequence=st.booleans(),
)
def test_every_window_holds_its_rows(rows, window, horizon, fraction, features, targets, sequence):
    series = counting(rows, features, targets)
    options = {"window": window, "horizon": horizon, "train_fraction": fraction}
    n = rows - window - horizon + 1
    try:
        data = make_dataset(series, scaler="none", sequence=sequence, **options)
    except InputError:
        assert n < 2 or int(fraction * n) < 1
        return
    n_train = len(data.train_x)
    assert n_train == int(fraction * n + 1e-9)
    assert n_train + len(data.test_x) == n
    x = np.concatenate([data.train_x, data.test_x])
    y = np.concatenate([data.train_y, data.test_y])
    time = np.concatenate([data.train_time, data.test_time])
    for i in range(n):
        np.testing.assert_array_equal(x[i], series.features[i : i + window])
        last = i + window - 1 + horizon
        wanted = series.targets[i + horizon : last + 1] if sequence else series.targets[last]
        np.testing.assert_array_equal(y[i], wanted)
        assert time[i] == series.time[last]


@pytest.mark.parametrize("sequence", [False, True])
def test_arrays_are_float64_views_that_share_their_rows(sequence):
    series = counting(30, 2, 2)
    data = make_dataset(series, window=4, sequence=sequence)
    for name in ("train_x", "train_y", "test_x", "test_y", "train_time", "test_time"):
        array = getattr(data, name)
        assert array.dtype == np.float64, name
    assert np.shares_memory(data.train_x, data.test_x)
    assert not data.train_x.flags.writeable
    assert not np.shares_memory(data.train_x, series.features)
    assert data.train_y.shape == ((17, 4, 2) if sequence else (17, 2))
    assert data.train(slice(3))[1].flags.c_contiguous
    assert data.feature_names == ("x0", "x1")
    assert data.target_names == ("y0", "y1")


@pytest.mark.parametrize("sequence", [False, True])
def test_some_test_windows_evenly_spread(sequence):
    options = {"window": 4, "sequence": sequence, "fit_scaler_on": "all"}
    whole = make_dataset(counting(34), **options)
    some = make_dataset(counting(34), test_windows=3, **options)
    assert whole.test_count == 10
    for name in ("test_x", "test_y", "test_time"):
        np.testing.assert_array_equal(getattr(some, name), getattr(whole, name)[[0, 3, 6]])
    np.testing.assert_array_equal(some.train_x, whole.train_x)
    with pytest.raises(InputError, match=r"test_windows: 11 was given.*10 windows.*at most 10"):
        make_dataset(counting(34), test_windows=11, **options)


def test_a_product_that_is_whole_but_for_rounding_counts_as_whole():
    assert 0.29 * 100 < 29
    assert len(make_dataset(counting(104), window=4, train_fraction=0.29).train_x) == 29


# Scaling and leakage


def test_windows_in_memory_share_their_rows():
    """10,000 windows of 1,000 steps: 80 MB of copies."""
    series = counting(11_000)
    tracemalloc.start()
    try:
        data = make_dataset(series, window=1000, sequence=True)
        x, _ = data.train(slice(10))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert x.shape == (10, 1000, 1)
    assert peak < 5e6


@settings(max_examples=40, deadline=None)
@given(
    window=st.integers(1, 6),
    horizon=st.integers(1, 4),
    fraction=st.floats(0.2, 0.8),
    kind=st.sampled_from(["minmax", "standard"]),
    sequence=st.booleans(),
)
def test_nothing_of_the_test_part_reaches_the_training_part(
    window, horizon, fraction, kind, sequence
):
    series = counting(40)
    options = {
        "window": window,
        "horizon": horizon,
        "train_fraction": fraction,
        "scaler": kind,
        "sequence": sequence,
    }
    before = make_dataset(series, **options)
    used = len(before.train_x) + window + horizon - 1
    series.features[used:] += 1e6
    series.targets[used:] -= 1e6
    after = make_dataset(series, **options)
    np.testing.assert_array_equal(before.train_x, after.train_x)
    np.testing.assert_array_equal(before.train_y, after.train_y)
    np.testing.assert_array_equal(before.feature_scaler.offset, after.feature_scaler.offset)
    np.testing.assert_array_equal(before.target_scaler.factor, after.target_scaler.factor)
    # The last row of the training part is one that it does use.
    series.targets[used - 1] -= 1e6
    assert make_dataset(series, **options).target_scaler.factor != after.target_scaler.factor


def test_fit_on_train_fills_the_range_there_and_on_all_everywhere():
    series = counting(40)
    train = make_dataset(series, window=3, scaler_range=(0.0, 2.0))
    assert train.train_x.min() == 0.0
    assert train.train_y.min() == pytest.approx(0.0, abs=1e-15)
    assert train.test_x.max() > 2.0
    whole = make_dataset(series, window=3, fit_scaler_on="all")
    assert whole.train_x.min() == -1.0
    assert whole.test_y.min() == pytest.approx(-1.0, abs=1e-15)


def test_a_column_that_is_constant_where_the_scaler_is_fitted_is_refused_by_name():
    series = counting(40, features=2)
    series.features[:35, 1] = 7.0
    with pytest.raises(InputError, match="in the rows to fit on, column 'x1' is constant"):
        make_dataset(series, window=3)
    make_dataset(series, window=3, fit_scaler_on="all")


# Refusals


@pytest.mark.parametrize(
    "options",
    [
        {"window": 0},
        {"window": 2.0},
        {"window": True},
        {"horizon": 0},
        {"horizon": "1"},
        {"train_fraction": 0.0},
        {"train_fraction": 1.0},
        {"train_fraction": float("nan")},
        {"train_fraction": "0.67"},
        {"fit_scaler_on": "test"},
        {"scaler": "robust"},
        {"scaler_range": (1.0, -1.0)},
        {"scaler_range": (0.0, float("inf"))},
        {"scaler_range": 3},
        {"scaler_range": (0.0, 1.0, 2.0)},
    ],
)
def test_arguments_out_of_range_are_refused(options):
    with pytest.raises(InputError):
        make_dataset(counting(40), **{"window": 4, **options})


@pytest.mark.parametrize(
    ("window", "horizon", "fraction"), [(4, 1, 0.67), (10, 5, 0.1), (1, 1, 0.5), (3, 2, 1 / 3)]
)
def test_too_few_rows_says_how_many_are_needed(window, horizon, fraction):
    options = {"window": window, "horizon": horizon, "train_fraction": fraction}
    # A scaler needs two values that differ, whatever the windows need.
    enough = next(
        rows
        for rows in range(2, 100)
        if (n := rows - window - horizon + 1) >= 2 and int(fraction * n + 1e-9) >= 1
    )
    make_dataset(counting(enough), scaler="none", **options)
    for rows in range(2, enough):
        with pytest.raises(InputError, match=f"{rows} rows are too few.*at least {enough} rows"):
            make_dataset(counting(rows), scaler="none", **options)


def test_window_longer_than_any_series():
    with pytest.raises(InputError, match="rows are too few"):
        make_dataset(counting(10), window=10**400)


def test_bad_series_are_refused():
    k = np.arange(5.0)
    with pytest.raises(InputError, match=r"must be \(N, 1\) and \(N,\)"):
        Series(k, k[:, None], k, ("x",), ("y",))
    with pytest.raises(InputError, match="must be float64"):
        Series(k[:, None].astype(np.float32), k[:, None], k, ("x",), ("y",))
    with pytest.raises(InputError, match="there is no target column"):
        make_dataset(Series(k[:, None], np.empty((5, 0)), k, ("x",), ()), window=1)
    series = counting(20)
    series.features[4] = np.nan
    with pytest.raises(InputError, match="'x0' is nan in data row 5"):
        make_dataset(series, window=3)


# Prediction


@pytest.mark.parametrize("sequence", [False, True])
def test_windows_for_prediction_go_beyond_the_data(sequence):
    series = counting(12, 2)
    data = make_dataset(series, window=3, horizon=2, sequence=sequence)
    ahead = windows_for_prediction(
        series, window=3, horizon=2, feature_scaler=data.feature_scaler, sequence=sequence
    )
    assert ahead.x.shape == (10, 3, 2)
    np.testing.assert_array_equal(ahead.x[:8], np.concatenate([data.train_x, data.test_x]))
    np.testing.assert_array_equal(ahead.time[:8], np.concatenate([data.train_time, data.test_time]))
    np.testing.assert_array_equal(ahead.time[8:], [120.0, 130.0])
    last = ahead.targets[:, -1] if sequence else ahead.targets
    np.testing.assert_array_equal(last[:8, 0], -np.arange(4.0, 12.0))
    assert np.isnan(last[8:]).all()
    if sequence:
        np.testing.assert_array_equal(ahead.targets[8, :, 0], [-10.0, -11.0, np.nan])


def test_prediction_on_one_constant_window_without_targets():
    series = Series(np.ones((1, 1)), np.empty((1, 0)), np.zeros(1), ("x",), ())
    scaler = Scaler.fit(np.array([[0.0], [2.0]]), ["x"])
    ahead = windows_for_prediction(series, window=1, feature_scaler=scaler)
    np.testing.assert_array_equal(ahead.x, np.zeros((1, 1, 1)))
    assert ahead.targets.shape == (1, 0)
    np.testing.assert_array_equal(ahead.time, [1.0])


def test_prediction_refuses_what_does_not_fit_the_model():
    scaler = make_dataset(counting(12, 2), window=3).feature_scaler
    with pytest.raises(InputError, match="a window takes 3 rows"):
        windows_for_prediction(counting(2, 2), window=3, feature_scaler=scaler)
    with pytest.raises(InputError, match="the model was trained on 2"):
        windows_for_prediction(counting(12, 3), window=3, feature_scaler=scaler)
