"""Gradients by simultaneous perturbation (SPSA), for noisy processors.

Spall, "Multivariate stochastic approximation using a simultaneous perturbation gradient
approximation" (IEEE Trans. Autom. Control 37, 1992): all angles are shifted at once by +c or -c
with random signs s, and (f(theta + c s) - f(theta - c s)) / (2 c) * s estimates the derivatives,
up to terms of order c^2: two evaluations, whatever the number of angles.

Here the rule is applied to every circuit of the recurrence by itself, with signs of its own for
every sample, gate and time step, and back-propagation does the rest exactly. Because the signs
are independent, the product of the estimates along time has the right mean, and the sum over
samples and steps averages the noise that one direction for all weights would leave.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.engines.parameter_shift import Evaluator
from hpc_qlstm.engines.random_stream import SIGNS, RandomStream


def jacobian(
    engine: Evaluator,
    circuit: Circuit,
    features: Float,
    weights: Float,
    draw: RandomStream,
    step: float,
    average: int,
) -> Float:
    """Estimated derivatives (G, B, A, n_out) of the outputs by every variable angle, per radian.

    features (B, D_m), weights (G, *weight_shape); step: the shift c in radians; average: the
    number K of directions. Evaluates 2 K circuits for each sample and weight set, in one call.
    """
    groups, batch, count = weights.shape[0], features.shape[0], circuit.angle_count
    angles = np.stack([circuit.angles(features, w) for w in weights])
    rows = replace(draw, key=(SIGNS, *draw.key)).tiled(average * groups)
    bits = np.array([generator.integers(0, 2, count) for generator in rows.generators()])
    signs = 2.0 * bits.reshape(average, groups, batch, count) - 1.0
    points = np.stack([angles + step * signs, angles - step * signs])
    values = engine.expectations_group(
        circuit.angle_form,
        points.reshape(2 * average * groups * batch, count),
        np.empty((1, 0)),
        draw.tiled(2 * average * groups),
    ).reshape(2, average, groups, batch, 1, circuit.outputs)
    slopes = (values[0] - values[1]) / (2.0 * step)
    estimate: Float = np.add.reduce(slopes * signs[..., None], axis=0) / average
    return estimate
