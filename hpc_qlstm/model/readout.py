"""The linear readout of the hidden state and the squared error, both independent of batch splits.

A matrix product from BLAS may round differently for different batch sizes; the sums of
`kernels/batch_sums.hpp` run over the hidden units of one sample in a fixed order.
"""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.engines import native_sweep


def readout_forward(hidden: Float, weight: Float, bias: Float) -> Float:
    """W h + b for hidden (..., d_h), weight (d_y, d_h), bias (d_y,); returns (..., d_y)."""
    result: Float = np.empty((*hidden.shape[:-1], bias.shape[0]))
    native_sweep.readout(_flat(hidden), weight, bias, _flat(result))
    return result


def readout_backward(hidden: Float, weight: Float, to_prediction: Float) -> tuple[Float, Float]:
    """Cotangent of hidden (..., d_h), and rows (..., d_y * d_h + d_y) of the weight and bias."""
    lead, (outputs, units) = hidden.shape[:-1], weight.shape
    to_hidden: Float = np.empty(hidden.shape)
    rows: Float = np.empty((*lead, outputs * (units + 1)))
    native_sweep.readout_reverse(
        _flat(hidden), weight, _flat(to_prediction), _flat(to_hidden), _flat(rows)
    )
    return to_hidden, rows


def squared_errors(prediction: Float, target: Float) -> Float:
    """Sum of squared errors of each sample, (B,), over outputs and, for sequences, over steps."""
    difference = prediction - target
    rows = (difference * difference).reshape(difference.shape[0], -1)
    if rows.shape[1] == 1:
        return rows[:, 0]
    result: Float = rows.sum(axis=-1)
    return result


def _flat(values: Float) -> Float:
    """(..., n) as (rows, n); a view, as all arrays here are contiguous."""
    return values if values.ndim == 2 else values.reshape(-1, values.shape[-1])
