"""The linear readout of the hidden state and the squared error, both independent of batch splits.

A matrix product from BLAS may round differently for different batch sizes; the sums of
`kernels/lstm/readout.hpp` run over the hidden units of one sample in a fixed order.
"""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.native import numerics


def predict(read: Float, weight: Float, bias: Float) -> Float:
    """W h + b for read (T, B, d_h), weight (d_y, d_h), bias (d_y,); returns (B, T, d_y)."""
    hidden = _by_sample(read)
    result: Float = np.empty((*hidden.shape[:2], bias.shape[0]))
    numerics.readout(
        hidden.reshape(-1, hidden.shape[2]), weight, bias, result.reshape(-1, bias.shape[0])
    )
    return result


def squared_errors(
    read: Float, weight: Float, bias: Float, target: Float, scale: float
) -> tuple[Float, Float, Float]:
    """Squared errors of each sample's predictions beside target (B, T * d_y), and derivatives.

    Gives the errors' sum of each sample (B,), and `scale` / 2 times its derivatives by read
    (T, B, d_h) and, for each sample, by weight and bias (B, d_y * d_h + d_y).
    """
    steps, samples, units = read.shape
    loss: Float = np.empty(samples)
    to_hidden: Float = np.empty((samples, steps, units))
    rows: Float = np.empty((samples, bias.shape[0] * (units + 1)))
    numerics.squared_errors(_by_sample(read), weight, bias, target, scale, loss, to_hidden, rows)
    to_read = to_hidden.reshape(1, samples, units) if steps == 1 else to_hidden.swapaxes(0, 1)
    return loss, to_read, rows


def _by_sample(read: Float) -> Float:
    """(T, B, d_h) as (B, T, d_h), contiguous; a view where T is 1."""
    steps, samples, units = read.shape
    if steps == 1:
        return read.reshape(samples, 1, units)
    return np.ascontiguousarray(read.swapaxes(0, 1))
