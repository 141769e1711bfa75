"""The engine of affine maps, for the classical LSTM: no circuit is run and none is counted."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.engines.base import Capabilities, Engine
from hpc_qlstm.engines.random_stream import RandomStream


class LinearEngine(Engine):
    """Evaluates a `LinearMap`. Sums run over one sample at a time, never over a batch by BLAS, so
    that values do not depend on the samples beside it."""

    name: ClassVar[str] = "linear"
    capabilities = Capabilities(gradient="adjoint", affine=True)

    def expectations_group(
        self, circuit: Circuit, features: Float, weights: Float, draw: RandomStream | None = None
    ) -> Float:
        """See Engine: outputs (G, B, n_out), here of any size."""
        products = weights[:, None, :, :-1] * features[None, :, None, :]
        outputs: Float = np.add.reduce(products, axis=3) + weights[:, None, :, -1]
        return outputs

    def vjp_group(
        self,
        circuit: Circuit,
        features: Float,
        weights: Float,
        cotangent: Float,
        draw: RandomStream | None = None,
    ) -> tuple[Float, Float, Float]:
        """See Engine."""
        groups, batch = cotangent.shape[:2]
        extended = np.concatenate([features, np.ones((batch, 1))], axis=1)
        rows = cotangent[:, :, :, None] * extended[None, :, None, :]
        products = cotangent[:, :, :, None] * weights[:, None, :, :-1]
        to_features: Float = np.add.reduce(products, axis=2)
        outputs = self.expectations_group(circuit, features, weights)
        return outputs, rows.reshape(groups, batch, -1), to_features
