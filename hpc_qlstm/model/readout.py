"""The linear readout of the layer's outputs, independent of how a batch is split.

A matrix product from BLAS may round differently for different batch sizes; these sums run over the
hidden units of one sample in a fixed order (`kernels/lstm/readout.hpp`).
"""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.native import numerics


def predict(outputs: Float, weight: Float, bias: Float) -> Float:
    """W h + b for outputs (T, B, d_h), weight (d_y, d_h), bias (d_y,); returns (B, T, d_y)."""
    hidden = by_sample(outputs)
    result: Float = np.empty((*hidden.shape[:2], bias.shape[0]))
    numerics.readout(
        hidden.reshape(-1, hidden.shape[2]), weight, bias, result.reshape(-1, bias.shape[0])
    )
    return result


def pull_back(outputs: Float, weight: Float, cotangent: Float) -> tuple[Float, Float]:
    """From the cotangent (B, T, d_y) of the predictions to that of outputs (T, B, d_h).

    The second value has for each sample the gradients of weight and bias, (B, d_y * d_h + d_y).
    """
    hidden = by_sample(outputs)
    grad_hidden: Float = np.add.reduce(cotangent[..., None] * weight, axis=2)
    by_weight = np.add.reduce(cotangent[..., None] * hidden[:, :, None, :], axis=1)
    by_bias = np.add.reduce(cotangent, axis=1)
    rows = np.concatenate([by_weight.reshape(len(hidden), -1), by_bias], axis=1)
    return by_step(grad_hidden), rows


def by_sample(outputs: Float) -> Float:
    """(T, B, d_h) as (B, T, d_h), contiguous; a view where T is 1."""
    steps, samples, units = outputs.shape
    if steps == 1:
        return outputs.reshape(samples, 1, units)
    return np.ascontiguousarray(outputs.swapaxes(0, 1))


def by_step(hidden: Float) -> Float:
    """(B, T, d_h) as (T, B, d_h)."""
    samples, steps, units = hidden.shape
    return hidden.reshape(1, samples, units) if steps == 1 else hidden.swapaxes(0, 1)
