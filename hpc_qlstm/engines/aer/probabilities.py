"""Expectation values from probabilities, bit for bit the same in every batch."""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float


def marginals(probabilities: Float, outputs: int) -> Float:
    """Probabilities (N, 2**outputs) of the first qubits from those (N, 2**n) of all."""
    while probabilities.shape[1] > 2**outputs:
        half = probabilities.shape[1] // 2
        probabilities = probabilities[:, :half] + probabilities[:, half:]
    return probabilities


def misread(probabilities: Float, confusions: Float) -> Float:
    """Probabilities (N, 2**n) of what is read, for the qubits' confusions (n, true, read)."""
    rows, size = probabilities.shape
    result = probabilities
    for k, matrix in enumerate(confusions):
        # Axis 2 is qubit k: element by element, so that rows do not depend on their batch.
        split = result.reshape(rows, -1, 2, 2**k)
        zero, one = split[:, :, 0], split[:, :, 1]
        read = [zero * matrix[0, j] + one * matrix[1, j] for j in (0, 1)]
        result = np.stack(read, axis=2).reshape(rows, size)
    return result


def expectations_of_z(probabilities: Float, outputs: int) -> Float:
    """<Z_k> (N, outputs) of the first qubits from basis-state probabilities (N, 2**n).

    Every step takes one qubit off, the highest first, and adds element by element: a sample's
    values are then bitwise the same in every batch, which a BLAS product does not promise.
    """
    folded = probabilities[:, None, :]
    for k in reversed(range(int(probabilities.shape[1]).bit_length() - 1)):
        zero, one = folded[..., : 2**k], folded[..., 2**k :]
        both = zero + one
        if k < outputs:
            both = np.concatenate([both, zero[:, :1] - one[:, :1]], axis=1)
        folded = both
    # Row 0 is the norm; the differences follow in the order in which the qubits went.
    return np.ascontiguousarray(folded[:, :0:-1, 0])
