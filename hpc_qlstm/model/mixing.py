"""The communicating variant: each gate's concatenated outputs are mixed by a trainable matrix.

A hidden unit then depends on all partitions' outputs, z_a = A_a [z_a^(1); ..; z_a^(M)], so that
partitions that share no inputs are not cut off from each other. The d_h x d_h matrices begin as
identities and live where the cell is updated: no message more is needed.

Sums run over the hidden units of one sample in a fixed order, see `readout`.
"""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float


def mix(outputs: Float, matrices: Float) -> Float:
    """A z for outputs (4, B, d_h) and matrices (4, d_h, d_h): (4, B, d_h)."""
    mixed: Float = (outputs[:, :, None, :] * matrices[:, None]).sum(axis=-1)
    return mixed


def unmix(cotangents: Float, outputs: Float, matrices: Float) -> tuple[Float, Float]:
    """Cotangents (4, B, d_h) of the outputs, and rows (B, 4 d_h^2) of the matrices' gradient.

    cotangents: those of the mixed outputs; outputs: before mixing, as given to `mix`.
    """
    transposed = np.ascontiguousarray(matrices.swapaxes(1, 2))
    to_outputs = mix(cotangents, transposed)
    by_matrix = cotangents[:, :, :, None] * outputs[:, :, None, :]
    rows = np.ascontiguousarray(by_matrix.swapaxes(0, 1))
    return to_outputs, rows.reshape(rows.shape[0], -1)
