"""The LSTM cell update of the paper's equations 1 to 5 and 8, and its derivative.

z holds the four gates' VQC outputs in the order of GATES, shape (4, B, d_h).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hpc_qlstm.circuits.circuit import Float

GATES = ("forget", "input", "candidate", "output")


@dataclass(frozen=True, slots=True)
class CellCache:
    """What one step's derivative needs: gate activations (4, B, d_h), c_{t-1} and tanh(c_t)."""

    gates: Float
    previous: Float
    tanh_cell: Float


def cell_forward(z: Float, cell: Float) -> tuple[Float, Float, CellCache]:
    """h_t, c_t (B, d_h) and the cache, from z (4, B, d_h) and c_{t-1} (B, d_h)."""
    # sigmoid(z) = (1 + tanh(z / 2)) / 2: one function for all gates, and it cannot overflow.
    gates = 0.5 * z
    gates[2] = z[2]
    np.tanh(gates, out=gates)
    for sigmoid in (gates[:2], gates[3]):
        sigmoid += 1.0
        sigmoid *= 0.5
    forget, take, candidate, output = gates
    new_cell = forget * cell + take * candidate
    tanh_cell = np.tanh(new_cell)
    return output * tanh_cell, new_cell, CellCache(gates, cell, tanh_cell)


def cell_backward(cache: CellCache, to_hidden: Float, to_cell: Float) -> tuple[Float, Float]:
    """Cotangents of z (4, B, d_h) and of c_{t-1}, from those of h_t and c_t (B, d_h)."""
    forget, take, candidate, output = cache.gates
    to_new = to_cell + to_hidden * output * (1.0 - cache.tanh_cell * cache.tanh_cell)
    to_z = np.empty_like(cache.gates)
    to_z[0] = to_new * cache.previous * forget * (1.0 - forget)
    to_z[1] = to_new * candidate * take * (1.0 - take)
    to_z[2] = to_new * take * (1.0 - candidate * candidate)
    to_z[3] = to_hidden * cache.tanh_cell * output * (1.0 - output)
    return to_z, to_new * forget
