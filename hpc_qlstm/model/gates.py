"""The VQCs of the partitions that one process owns, evaluated for all four gates at a time."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.engines.base import Engine, Gradient
from hpc_qlstm.engines.parameter_shift import contract, jacobian
from hpc_qlstm.model.cell import GATES


class LocalGates:
    """Gate outputs and their vector-Jacobian products for consecutive partitions.

    engine: evaluates the circuits; circuits, inputs (indices or a slice of v_t), outputs (slices of
    the hidden vector) and weights (4, *weight_shape) are given for each partition.
    With `parameter_shift` all time steps go to the engine in one call at the begin of the reverse
    sweep; with `adjoint` each step of it makes its own call.
    `seconds` counts the time spent here since it was last set.
    """

    def __init__(
        self,
        engine: Engine,
        gradient: Gradient,
        circuits: Sequence[Circuit],
        inputs: Sequence[np.ndarray | slice],
        outputs: Sequence[slice],
    ) -> None:
        self._engine = engine
        self._gradient = gradient
        self._circuits = circuits
        self._inputs = inputs
        self._outputs = outputs
        self._weights: Sequence[Float] = ()
        self._features: list[list[Float]] = []
        self._jacobians: list[Float] = []
        self.seconds = 0.0

    def begin(self, weights: Sequence[Float]) -> None:
        """Start a forward sweep with these weights; forgets earlier steps."""
        self._weights = weights
        self._features = []
        self._jacobians = []

    def forward(self, v: Float) -> list[Float]:
        """Outputs (4, B, d_h^(m)) of each partition at the next step, from v_t (B, D)."""
        start = perf_counter()
        features = [np.array(v[:, index], order="C") for index in self._inputs]
        self._features.append(features)
        outputs = [
            self._engine.expectations_group(circuit, x, w)
            for circuit, x, w in zip(self._circuits, features, self._weights, strict=True)
        ]
        self.seconds += perf_counter() - start
        return outputs

    def begin_reverse(self) -> None:
        """Start the reverse sweep over the steps seen since `begin`."""
        if self._gradient == "adjoint":
            return
        start = perf_counter()
        steps = len(self._features)
        for m, circuit in enumerate(self._circuits):
            features = np.concatenate([step[m] for step in self._features])
            _, derivative = jacobian(
                self._engine, circuit, features, self._weights[m], with_outputs=False
            )
            by_step = derivative.reshape(len(GATES), steps, -1, *derivative.shape[2:])
            self._jacobians.append(by_step)
        self.seconds += perf_counter() - start

    def reverse(self, step: int, cotangents: Float) -> tuple[list[Float], list[Float]]:
        """Weight rows (4, B, weight_count) and input gradients (B, D_m) of each partition.

        cotangents: those of all gate outputs at this step, (4, B, d_h).
        """
        start = perf_counter()
        weight_rows, input_gradients = [], []
        for m, circuit in enumerate(self._circuits):
            features = self._features[step][m]
            # A copy where the outputs are not all of the hidden vector.
            cotangent = np.ascontiguousarray(cotangents[:, :, self._outputs[m]])
            if self._gradient == "adjoint":
                _, rows, to_features = self._engine.vjp_group(
                    circuit, features, self._weights[m], cotangent
                )
            else:
                derivative = self._jacobians[m][:, step]
                rows, to_features = contract(circuit, features, derivative, cotangent)
            weight_rows.append(rows)
            input_gradients.append(np.add.reduce(to_features, axis=0))
        self.seconds += perf_counter() - start
        return weight_rows, input_gradients
