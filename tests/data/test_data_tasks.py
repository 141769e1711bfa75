"""The benchmark tasks against closed forms and naive recomputation, and their option checks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import jv

from hpc_qlstm.data import TASKS, generate, resolve_options
from hpc_qlstm.errors import InputError


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_a_univariate_series(task):
    series = generate(task)
    points = TASKS[task].options["points"].default
    assert series.features.shape == series.targets.shape == (points, 1)
    assert series.time.shape == (points,)
    assert series.features.dtype == series.time.dtype == np.float64
    np.testing.assert_array_equal(series.features, series.targets)
    assert series.feature_names == series.target_names == (TASKS[task].column,)
    assert np.isfinite(series.features).all()
    assert (np.diff(series.time) > 0).all()


@pytest.mark.parametrize("task", TASKS)
def test_defaults_are_allowed_and_points_are_obeyed(task):
    options = TASKS[task].options
    for name, option in options.items():
        assert option.check(task, name, option.default) == option.default
    assert len(generate(task, points=50)) == 50


# Pendulum and oscillator


def test_pendulum_defaults_are_those_of_the_paper():
    series = generate("damped_pendulum")
    np.testing.assert_allclose(series.time, np.linspace(0, 20, 240), rtol=1e-15)
    assert series.features[0, 0] == 3.0


def test_pendulum_agrees_with_another_integrator():
    series = generate("damped_pendulum")
    solution = solve_ivp(
        lambda _, s: (s[1], -0.15 * s[1] - 9.81 * np.sin(s[0])),
        (0, 20),
        (0.0, 3.0),
        method="Radau",
        t_eval=series.time,
        rtol=1e-9,
        atol=1e-11,
    )
    np.testing.assert_allclose(series.features[:, 0], solution.y[1], atol=1e-7)


def test_pendulum_conserves_energy_without_damping():
    """With b = 0, every return to theta = 0 is at full speed: the extremes stay at +-3 rad/s."""
    velocity = generate("damped_pendulum", b=0.0, points=20001).features[:, 0]
    assert velocity.max() == pytest.approx(3.0, abs=1e-8)
    late = velocity[10000:]
    assert late.max() == pytest.approx(3.0, abs=1e-5)
    assert late.min() == pytest.approx(-3.0, abs=1e-5)


def test_pendulum_without_gravity_decays_exponentially():
    series = generate("damped_pendulum", g=0.0, b=0.4, m=2.0)
    np.testing.assert_allclose(series.features[:, 0], 3 * np.exp(-0.2 * series.time), rtol=1e-9)


def test_pendulum_of_small_amplitude_is_the_linear_oscillator():
    pendulum = generate("damped_pendulum", theta_dot0=1e-3, t_end=5.0)
    omega0 = math.sqrt(9.81)
    decay = 0.15 / 2
    omega_d = math.sqrt(omega0**2 - decay**2)
    t = pendulum.time
    exact = np.exp(-decay * t) * (np.cos(omega_d * t) - decay / omega_d * np.sin(omega_d * t))
    # sin(theta) differs from theta by 2e-8 of it, over the 15 rad of phase of this interval.
    np.testing.assert_allclose(pendulum.features[:, 0], 1e-3 * exact, rtol=0, atol=1e-9)


@pytest.mark.parametrize("zeta", [0.0, 0.1, 0.999999, 1.0, 1.000001, 3.0])
def test_oscillator_solves_its_equation_in_every_regime(zeta):
    options = {"omega0": 1.7, "zeta": zeta, "x0": 0.8, "v0": -0.3}
    series = generate("damped_oscillator", **options)
    solution = solve_ivp(
        lambda _, s: (s[1], -2 * zeta * 1.7 * s[1] - 1.7**2 * s[0]),
        (0, 20),
        (0.8, -0.3),
        method="DOP853",
        t_eval=series.time,
        rtol=1e-11,
        atol=1e-13,
    )
    np.testing.assert_allclose(series.features[:, 0], solution.y[0], atol=1e-9)


def test_oscillator_far_beyond_critical_damping_does_not_overflow():
    series = generate("damped_oscillator", zeta=100.0, omega0=1e3, t_end=1e3)
    assert np.isfinite(series.features).all()
    slow = 1e3 * (100.0 - math.sqrt(100.0**2 - 1))
    np.testing.assert_allclose(series.features[1:, 0], np.exp(-slow * series.time[1:]), rtol=1e-3)


# NARMA


def naive_narma(order: int, points: int) -> list[float]:
    u = [
        0.1 * (math.prod(math.sin(2 * math.pi * a * t / 100) for a in (2.11, 3.73, 4.11)) + 1)
        for t in range(points)
    ]
    y = [0.0] * points
    for t in range(order - 1, points - 1):
        if order == 2:
            y[t + 1] = 0.4 * y[t] + 0.4 * y[t] * y[t - 1] + 0.6 * u[t] ** 3 + 0.1
        else:
            past = sum(y[t - i] for i in range(order))
            y[t + 1] = 0.3 * y[t] + 0.05 * y[t] * past + 1.5 * u[t - order + 1] * u[t] + 0.1
    return y


@pytest.mark.parametrize("order", [1, 2, 3, 5, 10])
def test_narma_agrees_with_the_recursion_written_out(order):
    series = generate("narma", order=order)
    np.testing.assert_allclose(series.features[:, 0], naive_narma(order, 300), rtol=1e-12)
    assert series.features[order, 0] != 0
    assert not series.features[:order].any()


def test_narma_2_first_values_by_hand():
    y = generate("narma").features[:, 0]
    # u[1] = 0.1 (sin(0.13258) sin(0.23436) sin(0.25824) + 1), and y[2] has no past but zeros.
    u1 = 0.1 * (0.13219 * 0.23222 * 0.25538 + 1)
    assert y[2] == pytest.approx(0.6 * u1**3 + 0.1, abs=1e-7)


def test_narma_that_diverges_is_refused():
    with pytest.raises(InputError, match="narma of order 100 diverges"):
        generate("narma", order=100)


# Special functions and quantum tasks


def test_bessel_known_values():
    series = generate("bessel_j2", t_start=0.0, t_end=10.0, points=11)
    # Abramowitz and Stegun, table 9.1.
    np.testing.assert_allclose(
        series.features[[0, 1, 2, 5, 10], 0],
        [0, 0.1149034849, 0.3528340286, 0.0465651163, 0.2546303137],
        atol=1e-10,
    )
    default = generate("bessel_j2")
    assert (default.time[0], default.time[-1]) == (2.0, 100.0)
    np.testing.assert_array_equal(default.features[:, 0], jv(2, default.time))


def test_delayed_quantum_control_pulses():
    series = generate("delayed_quantum_control")
    np.testing.assert_allclose(np.diff(series.time), 0.01, rtol=1e-9)
    t, field = series.time, series.features[:, 0]
    # At a pulse its neighbours, two units away, add exp(-40) each.
    for n in range(11):
        assert field[np.argmin(abs(t - 2 * n))] == pytest.approx(math.exp(-2 * n / 16), rel=1e-12)
    expected = sum(math.exp(-10 * (0.5 - 2 * n) ** 2) for n in range(11)) * math.exp(-0.5 / 16)
    assert field[np.argmin(abs(t - 0.5))] == pytest.approx(expected, rel=1e-12)


def test_population_inversion_agrees_with_the_sum_written_out():
    series = generate("population_inversion", nbar=4.0, g=0.7, t_end=10.0, points=60)
    exact = [
        sum(
            math.exp(-4.0) * 4.0**n / math.factorial(n) * math.cos(1.4 * t * math.sqrt(n + 1))
            for n in range(80)
        )
        for t in series.time
    ]
    np.testing.assert_allclose(series.features[:, 0], exact, atol=1e-13)


def test_population_inversion_collapses_and_revives():
    series = generate("population_inversion")
    t, w = series.time, series.features[:, 0]
    assert w[0] == pytest.approx(1.0, abs=1e-14)
    assert abs(w[(t > 5) & (t < 25)]).max() < 1e-3
    revival = t[np.argmax(abs(w) * (t > 20))]
    assert revival == pytest.approx(2 * math.pi * math.sqrt(40.0), rel=0.05)


@pytest.mark.parametrize("nbar", [1e-3, 1.0, 1000.0])
def test_population_inversion_weights_sum_to_one(nbar):
    assert generate("population_inversion", nbar=nbar).features[0, 0] == pytest.approx(1, abs=1e-13)


def test_sine():
    series = generate("sine", amplitude=2.0, omega=3.0, phase=0.5)
    np.testing.assert_array_equal(series.features[:, 0], 2 * np.sin(3 * series.time + 0.5))


# Noise


def test_noise_is_seeded_and_has_the_given_size():
    clean = generate("sine", points=20000)
    noisy = generate("sine", points=20000, noise=0.1, seed=7)
    again = generate("sine", points=20000, noise=0.1, seed=7)
    other = generate("sine", points=20000, noise=0.1, seed=8)
    np.testing.assert_array_equal(noisy.features, again.features)
    np.testing.assert_array_equal(noisy.features, noisy.targets)
    assert (noisy.features != other.features).any()
    assert (noisy.features - clean.features).std() == pytest.approx(0.1, rel=0.03)


# Options


def test_unknown_task_and_option_are_refused_with_what_is_known():
    with pytest.raises(InputError, match=r"unknown task 'cosine'.*damped_pendulum.*narma"):
        generate("cosine")
    with pytest.raises(InputError, match=r"'sine' has no option 'order'.*amplitude.*seed"):
        generate("sine", order=2)


@pytest.mark.parametrize(
    ("task", "option", "value"),
    [
        ("damped_pendulum", "points", 7),
        ("damped_pendulum", "points", 240.0),
        ("damped_pendulum", "points", True),
        ("damped_pendulum", "points", 10**400),
        ("damped_pendulum", "m", 0),
        ("damped_pendulum", "b", -0.1),
        ("damped_pendulum", "b", "0.15"),
        ("damped_pendulum", "g", math.nan),
        ("damped_pendulum", "t_end", math.inf),
        ("damped_oscillator", "omega0", 0.0),
        ("narma", "order", 0),
        ("narma", "order", None),
        ("population_inversion", "nbar", [40.0]),
        ("sine", "noise", -1.0),
        ("sine", "seed", -1),
    ],
)
def test_bad_values_are_refused_by_task_and_option(task, option, value):
    with pytest.raises(InputError) as caught:
        generate(task, **{option: value})
    message = str(caught.value)
    for part in (repr(task), repr(option), "was given", "allowed is"):
        assert part in message


def test_options_that_contradict_each_other_are_refused():
    with pytest.raises(InputError, match=r"'t_end'.*above t_start, which is 50"):
        generate("bessel_j2", t_start=50.0, t_end=40.0)
    with pytest.raises(InputError, match=r"'points'.*at least 22 for order 20"):
        generate("narma", order=20, points=20)


def test_a_pendulum_at_rest_is_refused_as_constant():
    with pytest.raises(InputError, match=r"damped_pendulum.*'angular_velocity' is constant"):
        generate("damped_pendulum", theta_dot0=0.0)


def test_resolve_options_fills_in_defaults_and_converts():
    values = resolve_options("damped_pendulum", {"b": 1, "points": np.int64(50)})
    assert values["b"] == 1.0
    assert isinstance(values["b"], float)
    assert type(values["points"]) is int
    assert values["g"] == 9.81
    assert set(values) == set(TASKS["damped_pendulum"].options)
