"""The benchmark tasks by name: their options, defaults and ranges, and their generation."""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpc_qlstm.data import signals
from hpc_qlstm.data.series import Float, Series, validate
from hpc_qlstm.errors import InputError


@dataclass(frozen=True, slots=True)
class Option:
    """A number that a task takes: its default, its closed range and what it means."""

    default: int | float
    low: int | float
    high: int | float
    meaning: str

    @property
    def integer(self) -> bool:
        """Whether only whole numbers are allowed, as an integer default says."""
        return isinstance(self.default, int)

    @property
    def allowed(self) -> str:
        """The allowed values in words, for messages and help texts."""
        kind = "an integer" if self.integer else "a number"
        return f"{kind} from {self.low:g} to {self.high:g}"

    def check(self, task: str, name: str, given: object) -> int | float:
        """`given` as int or float; InputError naming task, option, what was given and allowed."""
        wanted: Any = numbers.Integral if self.integer else numbers.Real
        # Compared before converted: int and float of what is out of range may overflow.
        if (
            isinstance(given, wanted)
            and not isinstance(given, bool)
            and self.low <= given <= self.high
        ):
            return int(given) if self.integer else float(given)
        raise InputError(
            f"task {task!r}, option {name!r} ({self.meaning}): {given!r} was given, "
            f"allowed is {self.allowed}"
        )


@dataclass(frozen=True, slots=True)
class Task:
    """A univariate series to forecast from its own past: column name, signal and options."""

    column: str
    signal: Callable[..., Float]
    options: Mapping[str, Option]


def _task(column: str, signal: Callable[..., Float], points: int, **options: Option) -> Task:
    """A task with its own options and those that all tasks have."""
    common = {
        "points": Option(points, 8, 100_000, "number of points"),
        **options,
        "noise": Option(0.0, 0.0, 1e6, "standard deviation of additive Gaussian measurement noise"),
        "seed": Option(0, 0, 2**63 - 1, "seed of the measurement noise"),
    }
    return Task(column, signal, common)


def _t_end(default: float) -> Option:
    return Option(default, 1e-3, 1e4, "end of the time interval")


TASKS: dict[str, Task] = {
    "damped_pendulum": _task(
        "angular_velocity",
        signals.damped_pendulum,
        points=240,
        t_end=Option(20.0, 1e-3, 1e3, "end of the time interval, s"),
        b=Option(0.15, 0.0, 10.0, "damping coefficient, kg/s"),
        m=Option(1.0, 0.01, 1e3, "mass, kg"),
        g=Option(9.81, 0.0, 100.0, "gravity, m/s^2"),
        length=Option(1.0, 0.1, 1e3, "length of the pendulum, m"),
        theta0=Option(0.0, -math.pi, math.pi, "initial angle, rad"),
        theta_dot0=Option(3.0, -100.0, 100.0, "initial angular velocity, rad/s"),
    ),
    "damped_oscillator": _task(
        "displacement",
        signals.damped_oscillator,
        points=240,
        t_end=_t_end(20.0),
        omega0=Option(2.0, 1e-3, 1e3, "natural frequency, rad/s"),
        zeta=Option(0.1, 0.0, 100.0, "damping ratio"),
        x0=Option(1.0, -1e6, 1e6, "initial displacement"),
        v0=Option(0.0, -1e6, 1e6, "initial velocity"),
    ),
    "narma": _task(
        "y",
        signals.narma,
        points=300,
        order=Option(2, 1, 100, "order of the recursion"),
        alpha=Option(2.11, 0.0, 100.0, "frequency of the first input wave, 1/period"),
        beta=Option(3.73, 0.0, 100.0, "frequency of the second input wave, 1/period"),
        gamma=Option(4.11, 0.0, 100.0, "frequency of the third input wave, 1/period"),
        period=Option(100.0, 1.0, 1e6, "T of the input, steps"),
    ),
    "bessel_j2": _task(
        "j2",
        signals.bessel_j2,
        points=256,
        t_start=Option(2.0, 0.0, 1e4, "start of the interval"),
        t_end=_t_end(100.0),
    ),
    "delayed_quantum_control": _task(
        "field",
        signals.delayed_quantum_control,
        points=2201,
        t_start=Option(-2.0, -100.0, 1e4, "start of the time interval"),
        t_end=_t_end(20.0),
        pulses=Option(11, 1, 1000, "number of pulses"),
        delay=Option(2.0, 1e-3, 1e3, "time from pulse to pulse"),
        sharpness=Option(10.0, 1e-3, 1e6, "factor in the exponent of a pulse"),
        lifetime=Option(16.0, 1.0, 1e6, "time constant of the decay"),
    ),
    "population_inversion": _task(
        "inversion",
        signals.population_inversion,
        points=1001,
        t_end=_t_end(50.0),
        nbar=Option(40.0, 1e-3, 1e3, "mean photon number of the coherent field"),
        g=Option(1.0, 1e-3, 1e3, "coupling of atom and field"),
    ),
    "sine": _task(
        "sine",
        signals.sine,
        points=240,
        t_end=_t_end(20.0),
        amplitude=Option(1.0, 1e-6, 1e6, "amplitude"),
        omega=Option(1.0, 1e-3, 1e3, "angular frequency, rad/s"),
        phase=Option(0.0, -2 * math.pi, 2 * math.pi, "phase at t = 0, rad"),
    ),
}


def resolve_options(task: str, given: Mapping[str, object]) -> dict[str, int | float]:
    """Every option of a task with its checked value: the one given, or the default.

    Raises InputError for an unknown task, an unknown option, or a value of the wrong type or out
    of range, naming the task, the option, what was given and what is allowed.
    """
    if task not in TASKS:
        raise InputError(f"unknown task {task!r}; known are {', '.join(TASKS)}")
    options = TASKS[task].options
    for name in given:
        if name not in options:
            raise InputError(
                f"task {task!r} has no option {name!r}; its options are {', '.join(options)}"
            )
    values = {
        name: option.check(task, name, given[name]) if name in given else option.default
        for name, option in options.items()
    }
    if values.get("t_start", -math.inf) >= values.get("t_end", math.inf):
        raise InputError(
            f"task {task!r}, option 't_end': {values['t_end']:g} was given, allowed is a number "
            f"above t_start, which is {values['t_start']:g}"
        )
    if values.get("order", 0) + 2 > values["points"]:
        raise InputError(
            f"task {task!r}, option 'points': {values['points']} was given, allowed are at least "
            f"{values['order'] + 2} for order {values['order']}"
        )
    return values


def generate(task: str, **options: object) -> Series:
    """The series of a named task: features and targets are both the signal, shape (points, 1).

    `options` are those of TASKS[task], checked as `resolve_options` does. The same options give
    the same series; the seed matters only with noise > 0. Local, no communication.
    Raises InputError for bad options, and for good ones whose series is constant or diverges.
    """
    values = resolve_options(task, options)
    points, noise, seed = (values.pop(name) for name in ("points", "noise", "seed"))
    if "t_end" in values:
        time = np.linspace(
            values.pop("t_start", 0.0), values.pop("t_end"), int(points), dtype=np.float64
        )
    else:
        time = np.arange(points, dtype=np.float64)
    signal = TASKS[task].signal(time, **values)
    if noise > 0:
        signal = signal + np.random.default_rng(int(seed)).normal(0.0, noise, signal.shape)
    column = np.ascontiguousarray(signal[:, None], dtype=np.float64)
    names = (TASKS[task].column,)
    series = Series(column, column.copy(), time, names, names)
    validate(series, source=f"task {task!r}")
    return series
