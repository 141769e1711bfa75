"""The LSTM cell update of the paper's equations 1 to 5 and 8, and its derivative.

Only element-wise operations: values do not depend on the batch around a sample.
"""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float

GATES = ("forget", "input", "candidate", "output")

# sigmoid(z) = tanh(z / 2) / 2 + 1 / 2: one function serves all gates, and it cannot overflow.
# The columns belong to GATES; the candidate's activation is tanh itself.
_SCALE = np.array([0.5, 0.5, 1.0, 0.5]).reshape(4, 1, 1)
_SHIFT = np.array([0.5, 0.5, 0.0, 0.5]).reshape(4, 1, 1)


class Cell:
    """The cell over T time steps of a batch; remembers what the reverse sweep needs.

    A step's z holds the four gates' VQC outputs in the order of GATES, (4, B, d_h). c_0 = 0.
    Call `forward` for t = 0 .. T-1, then `begin_reverse`, then `reverse` for t = T-1 .. 0.
    """

    def __init__(self, steps: int, batch: int, hidden_size: int) -> None:
        self._gates = np.empty((steps, 4, batch, hidden_size))
        self._cells = np.zeros((steps + 1, batch, hidden_size))
        self._tanh_cells = np.empty((steps, batch, hidden_size))
        self._to_cell = np.zeros((batch, hidden_size))

    def forward(self, t: int, z: Float, hidden: Float) -> None:
        """Step t: from z (4, B, d_h) to h_t, written into `hidden` (B, d_h)."""
        gates, cell = self._gates[t], self._cells[t + 1]
        np.multiply(z, _SCALE, out=gates)
        np.tanh(gates, out=gates)
        gates *= _SCALE
        gates += _SHIFT
        forget, take, candidate, output = gates
        np.multiply(forget, self._cells[t], out=cell)
        cell += take * candidate
        np.tanh(cell, out=self._tanh_cells[t])
        np.multiply(output, self._tanh_cells[t], out=hidden)

    def begin_reverse(self) -> None:
        """Prepare the reverse sweep: the derivatives of all steps at once."""
        forget, take, candidate, output = np.moveaxis(self._gates, 1, 0)
        self._factors = np.empty_like(self._gates)
        self._factors[:, 0] = self._cells[:-1] * forget * (1.0 - forget)
        self._factors[:, 1] = candidate * take * (1.0 - take)
        self._factors[:, 2] = take * (1.0 - candidate * candidate)
        self._factors[:, 3] = self._tanh_cells * output * (1.0 - output)
        self._into_cell = output * (1.0 - self._tanh_cells * self._tanh_cells)
        self._to_cell[...] = 0.0

    def reverse(self, t: int, to_hidden: Float, to_z: Float) -> None:
        """Step t back: from the cotangent of h_t (B, d_h) to that of z, written into `to_z`.

        The cotangent of c_t comes from the step after and goes to the one before by itself.
        """
        to_cell = self._to_cell
        to_cell += to_hidden * self._into_cell[t]
        np.multiply(self._factors[t, :3], to_cell, out=to_z[:3])
        np.multiply(self._factors[t, 3], to_hidden, out=to_z[3])
        to_cell *= self._gates[t, 0]
