"""The LSTM cell update of the paper's equations 1 to 5 and 8, and its derivative.

The arithmetic is the extension's (`kernels/lstm/cell_kernel.cpp`): element-wise operations alone,
so that values do not depend on the batch around a sample.
"""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.native import extension
from hpc_qlstm.native.kernels import find_kernel

LSTM_GATES = ("forget", "input", "candidate", "output")
EXTRAS = ("hidden", "prediction")
"""The extra VQCs of the six-VQC cell (N_extra = 2): o*tanh(c_t) to h_t, and to what the readout
sees."""


class Cell:
    """The cell over T time steps of a batch; remembers what the way back needs.

    A step's z holds the VQC outputs of the lstm gates in the order of LSTM_GATES, (4, B, d_h).
    `begin`, then `forward` for t = 0 .. T-1; then, unless made without `back`, `begin_reverse` and
    `reverse` for t = T-1 .. 0.
    """

    def __init__(self, steps: int, batch: int, hidden_size: int, *, back: bool = True) -> None:
        self._cell = extension.Cell(find_kernel(), steps, batch * hidden_size, back)
        self._shape = batch, hidden_size

    def begin(self, c0: Float | None = None) -> None:
        """Start from c_0 (B, d_h), by default zeros."""
        self._cell.begin(c0)

    def forward(self, t: int, z: Float, hidden: Float) -> None:
        """Step t: from z (4, B, d_h) to h_t, written into `hidden` (B, d_h)."""
        self._cell.forward(t, z, hidden)

    def state(self) -> Float:
        """c_T (B, d_h), after the last step."""
        c: Float = np.empty(self._shape)
        self._cell.state(c)
        return c

    def begin_reverse(self, grad_c: Float | None = None) -> None:
        """Start the way back from the cotangent of c_T (B, d_h), by default zeros."""
        self._cell.begin_reverse(grad_c)

    def reverse(self, t: int, grad_hidden: Float, grad_z: Float) -> None:
        """Step t back: from the cotangent of h_t (B, d_h) to that of z, written into `grad_z`.

        The cotangent of c_t comes from the step after and goes to the one before by itself.
        """
        self._cell.reverse(t, grad_hidden, grad_z)

    def grad_state(self) -> Float:
        """The cotangent of c_0 (B, d_h), after the way back."""
        grad_c: Float = np.empty(self._shape)
        self._cell.grad_state(grad_c)
        return grad_c
