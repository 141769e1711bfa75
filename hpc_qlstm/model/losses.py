"""Losses: what training makes small, as a value and a cotangent for each sample.

A loss is one class. Built in is the mean squared error; your own is registered by name and then
chosen by `training.loss`, or given to QLSTM:

    @hpc_qlstm.registry.losses.register("huber")
    class Huber(Loss):
        def of_samples(self, prediction, target):
            error = prediction - target
            ...
            return values, cotangent
"""

from __future__ import annotations

import abc
import math
from typing import NamedTuple

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.model.readout import by_sample, by_step, predict, pull_back
from hpc_qlstm.native import numerics


class ReadoutLoss(NamedTuple):
    """The loss of each sample behind the readout, and its derivatives, scaled.

    values (B,): not scaled; grad_outputs: shaped as the layer's outputs (T, B, d_h); rows
    (B, d_y * d_h + d_y): of the readout's weight and bias.
    """

    values: Float
    grad_outputs: Float
    rows: Float


class Loss(abc.ABC):
    """A loss of predictions. Local; the same for every sample, whatever the batch around it.

    The loss of a batch is the sum of its samples' values, divided by `count` of the target's shape.
    """

    @abc.abstractmethod
    def of_samples(self, prediction: Float, target: Float) -> tuple[Float, Float]:
        """The value (B,) of each sample, and its derivative by the prediction (B, T, d_y).

        prediction, target (B, T, d_y): T is 1 unless the model predicts at every step. A value is a
        sum over its sample's steps and outputs in a fixed order: no BLAS, no sum over samples.
        """

    def count(self, shape: tuple[int, ...]) -> int:
        """What the sum of a batch's values is divided by, for a target of this shape: its size."""
        return math.prod(shape)

    def through_readout(
        self, outputs: Float, weight: Float, bias: Float, target: Float, scale: float
    ) -> ReadoutLoss:
        """The loss of W h + b, and `scale` times its derivatives.

        outputs (T, B, d_h), weight (d_y, d_h), bias (d_y,), target (B, d_y) or (B, T, d_y).
        """
        prediction = predict(outputs, weight, bias)
        values, cotangent = self.of_samples(prediction, target.reshape(prediction.shape))
        grad_outputs, rows = pull_back(outputs, weight, scale * cotangent)
        return ReadoutLoss(values, grad_outputs, rows)


class SquaredError(Loss):
    """The mean squared error; readout, loss and their derivatives are one call of the extension."""

    def of_samples(self, prediction: Float, target: Float) -> tuple[Float, Float]:
        """See Loss."""
        error = prediction - target
        values: Float = np.add.reduce((error * error).reshape(len(error), -1), axis=1)
        return values, 2.0 * error

    def through_readout(
        self, outputs: Float, weight: Float, bias: Float, target: Float, scale: float
    ) -> ReadoutLoss:
        """See Loss."""
        steps, samples, units = outputs.shape
        values: Float = np.empty(samples)
        grad_hidden: Float = np.empty((samples, steps, units))
        rows: Float = np.empty((samples, bias.shape[0] * (units + 1)))
        numerics.squared_errors(
            by_sample(outputs), weight, bias, target, 2.0 * scale, values, grad_hidden, rows
        )
        return ReadoutLoss(values, by_step(grad_hidden), rows)


LOSSES = {"mse": SquaredError}
"""The built-in losses by name."""
