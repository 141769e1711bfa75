"""The linear readout of the hidden state and the squared error, both independent of batch splits.

A matrix product from BLAS may round differently for different batch sizes; the sums here run over
the hidden units of one sample in a fixed order.
"""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float


def readout_forward(hidden: Float, weight: Float, bias: Float) -> Float:
    """W h + b for hidden (..., d_h), weight (d_y, d_h), bias (d_y,); returns (..., d_y)."""
    result: Float = (hidden[..., None, :] * weight).sum(axis=-1) + bias
    return result


def readout_backward(hidden: Float, weight: Float, to_prediction: Float) -> tuple[Float, Float]:
    """Cotangent of hidden (..., d_h), and rows (..., d_y * d_h + d_y) of the weight and bias."""
    to_hidden = (to_prediction[..., :, None] * weight).sum(axis=-2)
    by_weight = to_prediction[..., :, None] * hidden[..., None, :]
    flat = by_weight.reshape(*by_weight.shape[:-2], -1)
    return to_hidden, np.concatenate([flat, to_prediction], axis=-1)


def squared_errors(prediction: Float, target: Float) -> Float:
    """Sum of squared errors of each sample, (B,), over outputs and, for sequences, over steps."""
    difference = prediction - target
    rows = (difference * difference).reshape(difference.shape[0], -1)
    result: Float = rows.sum(axis=-1)
    return result
