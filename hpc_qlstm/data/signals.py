"""The signals of the benchmark tasks as functions of time: mathematics only, no checks.

Every function takes the times, (points,) float64 in ascending order, and returns the values at
them, (points,) float64. Times are in seconds where the signal is mechanical, otherwise in the units
of the formula. The range of each argument is stated and enforced in `tasks`. The suite of signals
is that of Chen, Yoo and Fang, "Quantum long short-term memory" (arXiv 2009.01783), which the
distributed QLSTM (arXiv 2503.14088, sec. III) takes up; equation numbers refer to the latter.

SciPy is imported where it is needed: it would be a third of the start-up time of every command.
"""

from __future__ import annotations

import math

import numpy as np

from hpc_qlstm.data.series import Float
from hpc_qlstm.errors import InputError


def damped_pendulum(
    time: Float, b: float, m: float, g: float, length: float, theta0: float, theta_dot0: float
) -> Float:
    """Angular velocity of a damped pendulum, rad/s (eq. 14).

    theta'' = -(b/m) theta' - (g/length) sin(theta), from theta0 (rad) and theta_dot0 (rad/s) at
    t = 0. Integrated to a relative error of about 1e-10.
    """
    from scipy.integrate import solve_ivp

    def derivative(_: float, state: Float) -> tuple[float, float]:
        theta, theta_dot = state
        return theta_dot, -(b / m) * theta_dot - (g / length) * math.sin(theta)

    solution = solve_ivp(
        derivative,
        (0.0, time[-1]),
        (theta0, theta_dot0),
        method="DOP853",
        t_eval=time,
        rtol=1e-11,
        atol=1e-13,
    )
    if not solution.success:
        raise InputError(f"damped_pendulum cannot be integrated: {solution.message}")
    return np.asarray(solution.y[1], dtype=np.float64)


def damped_oscillator(time: Float, omega0: float, zeta: float, x0: float, v0: float) -> Float:
    """Displacement of a damped harmonic oscillator (eq. 13), in closed form.

    x'' + 2 zeta omega0 x' + omega0^2 x = 0 from x0 and v0 at t = 0; omega0 in rad/s.
    With a = zeta omega0, x = C x0 + S (v0 + a x0), where C and S are exp(-a t) times cosine and
    sine over frequency, or their hyperbolic counterparts for zeta > 1.
    """
    a = zeta * omega0
    if zeta <= 1.0:
        omega_d = omega0 * math.sqrt((1.0 - zeta) * (1.0 + zeta))
        envelope = np.exp(-a * time)
        cosine = envelope * np.cos(omega_d * time)
        # sinc keeps sin(omega_d t) / omega_d exact up to critical damping, where it becomes t.
        sine = envelope * time * np.sinc(omega_d * time / np.pi)
    else:
        # cosh and sinh overflow long before their product with exp(-a t) is large; the rates of
        # the two decays, and their difference by expm1, stay exact next to critical damping too.
        k = omega0 * math.sqrt((zeta - 1.0) * (zeta + 1.0))
        slow, fast = omega0**2 / (a + k), a + k
        cosine = 0.5 * (np.exp(-slow * time) + np.exp(-fast * time))
        sine = -np.exp(-slow * time) * np.expm1(-2.0 * k * time) / (2.0 * k)
    return np.asarray(x0 * cosine + (v0 + a * x0) * sine, dtype=np.float64)


def narma(time: Float, order: int, alpha: float, beta: float, gamma: float, period: float) -> Float:
    """Nonlinear autoregressive moving average sequence of the given order n; `time` is 0, 1, 2, ...

    Order 2 (eq. 15): y[t+1] = 0.4 y[t] + 0.4 y[t] y[t-1] + 0.6 u[t]^3 + 0.1. Any other order:
    y[t+1] = 0.3 y[t] + 0.05 y[t] sum_{i<n} y[t-i] + 1.5 u[t-n+1] u[t] + 0.1. The input is
    u[t] = 0.1 (sin(2 pi alpha t/T) sin(2 pi beta t/T) sin(2 pi gamma t/T) + 1) with T = period,
    and y[0] .. y[n-1] = 0. With the default input the recursion runs away somewhere above order 20.
    Raises InputError when the sequence diverges.
    """
    points = len(time)
    waves = [np.sin(2.0 * np.pi * rate * time / period) for rate in (alpha, beta, gamma)]
    u = 0.1 * (waves[0] * waves[1] * waves[2] + 1.0)
    y = np.zeros(points)
    for t in range(order - 1, points - 1):
        if order == 2:
            y[t + 1] = 0.4 * y[t] + 0.4 * y[t] * y[t - 1] + 0.6 * u[t] ** 3 + 0.1
        else:
            memory = y[t - order + 1 : t + 1].sum()
            y[t + 1] = 0.3 * y[t] + 0.05 * y[t] * memory + 1.5 * u[t - order + 1] * u[t] + 0.1
        if y[t + 1] > 1e3:
            raise InputError(
                f"narma of order {order} diverges at point {t + 2} of {points}; "
                "use a lower order or fewer points"
            )
    return y


def bessel_j2(time: Float) -> Float:
    """Bessel function of the first kind and second order, J_2(t)."""
    from scipy.special import jv

    return np.asarray(jv(2, time), dtype=np.float64)


def delayed_quantum_control(
    time: Float, pulses: int, delay: float, sharpness: float, lifetime: float
) -> Float:
    """Field of a quantum emitter under delayed feedback: a decaying train of Gaussian pulses.

    exp(-t/lifetime) * sum over n = 0 .. pulses-1 of exp(-sharpness (t - delay n)^2).
    """
    train: Float = np.zeros(len(time))
    for n in range(pulses):
        train += np.exp(-sharpness * (time - delay * n) ** 2)
    train *= np.exp(-time / lifetime)
    return train


def population_inversion(time: Float, nbar: float, g: float) -> Float:
    """Atomic inversion of the resonant Jaynes-Cummings model: collapse and revival.

    W(t) = sum over n of P_n cos(2 g t sqrt(n + 1)), for an excited atom and a
    coherent field of mean photon number nbar, P_n = exp(-nbar) nbar^n / n!. The oscillation
    collapses after about 1/g and revives around t = 2 pi sqrt(nbar) / g.
    """
    from scipy.special import gammaln

    # Beyond twelve standard deviations (and 30 for small nbar) the weights are below 1e-16.
    reach = 12.0 * math.sqrt(nbar) + 30.0
    n = np.arange(max(0, math.floor(nbar - reach)), math.ceil(nbar + reach))
    weights = np.exp(n * math.log(nbar) - nbar - gammaln(n + 1.0))
    weights /= weights.sum()
    inversion = np.zeros(len(time))
    # One photon number at a time: the (points, n) table would outgrow memory for large nbar.
    for weight, rabi in zip(weights, 2.0 * g * np.sqrt(n + 1.0), strict=True):
        inversion += weight * np.cos(rabi * time)
    return inversion


def sine(time: Float, amplitude: float, omega: float, phase: float) -> Float:
    """amplitude * sin(omega t + phase); omega in rad/s, phase in rad."""
    return amplitude * np.sin(omega * time + phase)
