"""Gradients by the parameter-shift rule, for any engine that gives expectation values.

The paper's section II.E: df/dtheta = (f(theta + pi/2) - f(theta - pi/2)) / 2, exact for every
RX, RY and RZ angle. Encoding angles are shifted like weights; the chain rule through their
transform gives the gradients of the features. Every use of a weight is an angle of its own: the
two halves of a controlled rotation take four evaluations, which the chain rule adds up with their
factors. All evaluations go to the engine in one call.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.engines.random_stream import RandomStream


class Evaluator(Protocol):
    """What gives expectation values, as every `Engine` does."""

    def expectations_group(
        self, circuit: Circuit, features: Float, weights: Float, draw: RandomStream | None = None
    ) -> Float:
        """See `Engine.expectations_group`."""


def shifted(angles: Float) -> Float:
    """The angles (.., A) themselves, then with each shifted up and down: (1 + 2 A, .., A)."""
    count = angles.shape[-1]
    points = np.repeat(angles[None], 1 + 2 * count, axis=0)
    for j in range(count):
        points[1 + 2 * j, ..., j] += np.pi / 2
        points[2 + 2 * j, ..., j] -= np.pi / 2
    return points


def jacobian(
    engine: Evaluator,
    circuit: Circuit,
    features: Float,
    weights: Float,
    draw: RandomStream | None = None,
    *,
    with_outputs: bool = True,
) -> tuple[Float | None, Float]:
    """Outputs and their derivatives by every variable angle, in one call to the engine.

    features (B, D_m), weights (G, *weight_shape); returns outputs (G, B, n_out), None without
    `with_outputs`, and derivatives (G, B, A, n_out) per radian. Evaluates 2 A circuits for each
    sample and weight set, and one more for the outputs.
    """
    groups, batch, count = weights.shape[0], features.shape[0], circuit.angle_count
    angles = np.stack([circuit.angles(features, w) for w in weights])
    first = int(with_outputs)
    points = shifted(angles)[1 - first :]
    values = engine.expectations_group(
        circuit.angle_form,
        points.reshape(len(points) * groups * batch, count),
        np.empty((1, 0)),
        None if draw is None else draw.tiled(len(points) * groups),
    ).reshape(first + 2 * count, groups, batch, circuit.outputs)
    derivative = 0.5 * (values[first::2] - values[first + 1 :: 2])
    outputs = values[0] if with_outputs else None
    return outputs, np.ascontiguousarray(np.moveaxis(derivative, 0, 2))


def contract(
    circuit: Circuit, features: Float, derivative: Float, cotangent: Float
) -> tuple[Float, Float]:
    """Gradients from a Jacobian: weight rows (G, B, weight_count), feature rows (G, B, D_m).

    derivative (G, B, A, n_out) as `jacobian` gives it, cotangent (G, B, n_out).
    """
    by_angle = (derivative * cotangent[:, :, None, :]).sum(axis=-1)
    rows = [circuit.pull_back(features, by_angle[g]) for g in range(cotangent.shape[0])]
    return np.stack([w for w, _ in rows]), np.stack([x for _, x in rows])
