"""The LSTM cell update of the paper's equations 1 to 5 and 8, and its derivative.

The arithmetic is the extension's (`kernels/lstm/cell_kernel.cpp`): element-wise operations alone,
so that values do not depend on the batch around a sample.
"""

from __future__ import annotations

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.native import extension
from hpc_qlstm.native.kernels import find_kernel

GATES = ("forget", "input", "candidate", "output")
EXTRAS = ("hidden", "prediction")
"""The extra VQCs of the six-VQC cell (N_extra = 2): o*tanh(c_t) to h_t, and to what the readout
sees."""


class Cell:
    """The cell over T time steps of a batch; remembers what the reverse sweep needs.

    A step's z holds the four gates' VQC outputs in the order of GATES, (4, B, d_h). c_0 = 0.
    Call `forward` for t = 0 .. T-1, then `reverse` for t = T-1 .. 0, unless made without `back`.
    """

    def __init__(self, steps: int, batch: int, hidden_size: int, *, back: bool = True) -> None:
        self._cell = extension.Cell(find_kernel(), steps, batch * hidden_size, back)

    def forward(self, t: int, z: Float, hidden: Float) -> None:
        """Step t: from z (4, B, d_h) to h_t, written into `hidden` (B, d_h)."""
        self._cell.forward(t, z, hidden)

    def reverse(self, t: int, to_hidden: Float, to_z: Float) -> None:
        """Step t back: from the cotangent of h_t (B, d_h) to that of z, written into `to_z`.

        The cotangent of c_t comes from the step after and goes to the one before by itself.
        """
        self._cell.reverse(t, to_hidden, to_z)
