"""An affine map that stands where a circuit stands: it makes the LSTM the classical one.

The paper's equations 1a to 1e: W_a v_t + b_a in the place of VQC_a(v_t) of equations 2 to 5.
"""

from __future__ import annotations

from dataclasses import dataclass

from hpc_qlstm.circuits.circuit import Circuit


@dataclass(frozen=True)
class LinearMap(Circuit):
    """y = W x + b: no gates; weight_shape (outputs, features + 1), the last column is b."""

    @classmethod
    def of(cls, features: int, outputs: int) -> LinearMap:
        """The map between vectors of these sizes."""
        return cls(max(features, outputs), (), features, outputs, (outputs, features + 1))
