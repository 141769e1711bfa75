"""The VQCs of the partitions that one process owns, a group of them at a time: the four gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.engines import spsa
from hpc_qlstm.engines.base import Engine, Gradient
from hpc_qlstm.engines.draw import Draw
from hpc_qlstm.engines.parameter_shift import contract
from hpc_qlstm.engines.parameter_shift import jacobian as shifted_jacobian
from hpc_qlstm.errors import EngineError


@dataclass(frozen=True)
class GradientMethod:
    """How a circuit's gradient is taken; step (radians) and average are those of spsa."""

    name: Gradient
    step: float = 0.2
    average: int = 1


@dataclass(frozen=True)
class Place:
    """Where a sweep stands in a run, for the random numbers of engines that sample.

    key: the sweep, for example (phase, epoch, batch); first: the number of the first sample here
    in the whole batch.
    """

    key: tuple[int, ...] = ()
    first: int = 0


class LocalGates:
    """Gate outputs and their vector-Jacobian products for consecutive partitions.

    engines, circuits, inputs (indices or a slice of v_t), outputs (slices of the hidden vector) and
    weights (4, *weight_shape) are given for each partition; first: the number of the first one.
    Other groups of VQCs than the gates (see `LocalCell`) have their own number in place of 4 and a
    `stream` of random numbers of their own; what stands for v_t is then what they read.
    Given affine maps (4, 2, d_h^(m)) of the partitions in `begin`, outputs are scale * <Z> + shift,
    and weight rows have the derivatives by scales and shifts behind those by circuit weights.

    With `parameter_shift` and `spsa` all time steps go to an engine in one call at the begin of the
    reverse sweep; with `adjoint` each step of it makes its own call.
    `seconds` counts the time spent here since it was last set.

    An engine that fails does not leave other ranks waiting: from then on all values here are NaN,
    which every rank sees in the loss or the gradient, and `take_failure` tells why.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        gradient: GradientMethod,
        circuits: Sequence[Circuit],
        inputs: Sequence[NDArray[np.int64] | slice],
        outputs: Sequence[slice],
        first: int = 0,
        stream: tuple[int, ...] = (),
    ) -> None:
        self.engines = engines
        self._gradient = gradient
        self._circuits = circuits
        self._inputs = inputs
        self._outputs = outputs
        self._first = first
        self._stream = stream
        self._exact = all(engine.capabilities.exact for engine in engines)
        self._adjoint = gradient.name == "adjoint"
        # Engines with an adjoint method are this package's own, and fail with an exception only.
        self._may_fail = any(engine.capabilities.gradient != "adjoint" for engine in engines)
        self._drawing = not self._exact or gradient.name == "spsa"
        self._weights: Sequence[Float] = ()
        self._maps: Sequence[Float] | None = None
        self._values: list[list[Float]] = []
        self._features: list[list[Float]] = []
        self._jacobians: list[Float] = []
        self._place = Place()
        self._failure: EngineError | None = None
        self.expectations: list[Float] = []
        """Expectation values (4, B, d_h^(m)) of each partition at the newest step."""
        self.seconds = 0.0

    @property
    def gradient(self) -> Gradient:
        """The name of the gradient method."""
        return self._gradient.name

    def begin(
        self,
        weights: Sequence[Float],
        place: Place | None = None,
        maps: Sequence[Float] | None = None,
    ) -> None:
        """Start a forward sweep with these weights and affine maps; forgets earlier steps."""
        self._weights = [np.ascontiguousarray(each) for each in weights]
        self._maps = maps
        self._values = []
        self._features = []
        self._jacobians = []
        self._place = place or Place()

    def forward(self, v: Float) -> list[Float]:
        """Outputs (4, B, d_h^(m)) of each partition at the next step, from v_t (B, D)."""
        start = perf_counter()
        features = [np.array(v[:, index], order="C") for index in self._inputs]
        self._features.append(features)
        if self._may_fail:
            outputs = [self._guarded_forward(m) for m in range(len(features))]
        else:
            outputs = [
                engine.expectations_group(circuit, x, w)
                for engine, circuit, x, w in zip(
                    self.engines, self._circuits, features, self._weights, strict=True
                )
            ]
        self.expectations = outputs
        if self._maps is not None:
            self._values.append(outputs)
            outputs = [
                maps[:, None, 0] * values + maps[:, None, 1]
                for maps, values in zip(self._maps, outputs, strict=True)
            ]
        self.seconds += perf_counter() - start
        return outputs

    def begin_reverse(self) -> None:
        """Start the reverse sweep over the steps seen since `begin`."""
        if self._adjoint or not self._features:
            return
        start = perf_counter()
        self._jacobians = [self._jacobian(m) for m in range(len(self._circuits))]
        self.seconds += perf_counter() - start

    def reverse(self, step: int, cotangents: Float) -> tuple[list[Float], list[Float]]:
        """Weight rows (4, B, weight_count), longer with affine maps, and input gradients (B, D_m).

        cotangents: those of all gate outputs at this step, (4, B, d_h).
        """
        start = perf_counter()
        weight_rows, input_gradients = [], []
        for m, circuit in enumerate(self._circuits):
            features = self._features[step][m]
            # A copy where the outputs are not all of the hidden vector.
            cotangent = outer = np.ascontiguousarray(cotangents[:, :, self._outputs[m]])
            if self._maps is not None:
                cotangent = outer * self._maps[m][:, None, 0]
            if self._adjoint:
                _, rows, to_features = self.engines[m].vjp_group(
                    circuit, features, self._weights[m], cotangent
                )
            else:
                derivative = self._jacobians[m][:, step]
                rows, to_features = contract(circuit, features, derivative, cotangent)
            if self._maps is not None:
                rows = np.concatenate([rows, outer * self._values[step][m], outer], axis=2)
            weight_rows.append(rows)
            input_gradients.append(np.add.reduce(to_features, axis=0))
        self.seconds += perf_counter() - start
        return weight_rows, input_gradients

    def take_failure(self) -> EngineError | None:
        """The EngineError of the first engine that failed, if any; it is forgotten here."""
        failure, self._failure = self._failure, None
        return failure

    def _guarded_forward(self, m: int) -> Float:
        """The outputs of partition m at the newest step; NaN after a failure, here or elsewhere."""
        circuit, step = self._circuits[m], len(self._features) - 1
        features = self._features[step][m]
        if self._failure is None and np.isfinite(features).all():
            draw = self._draw(m, step, features.shape[0]) if self._drawing else None
            try:
                return self.engines[m].expectations_group(circuit, features, self._weights[m], draw)
            except EngineError as error:
                self._failure = error
        return np.full((len(self._weights[m]), features.shape[0], circuit.outputs), np.nan)

    def _jacobian(self, m: int) -> Float:
        """Derivatives (4, T, B, A, n_out) of partition m's outputs by its angles, of all steps."""
        circuit, steps = self._circuits[m], len(self._features)
        features = np.concatenate([step[m] for step in self._features])
        batch = features.shape[0] // steps
        shape = (len(self._weights[m]), steps, batch, circuit.angle_count, circuit.outputs)
        if self._failure is None and np.isfinite(features).all():
            try:
                return self._derivative(m, features).reshape(shape)
            except EngineError as error:
                self._failure = error
        return np.full(shape, np.nan)

    def _derivative(self, m: int, features: Float) -> Float:
        engine, circuit, weights = self.engines[m], self._circuits[m], self._weights[m]
        steps = len(self._features)
        draw = None
        if self._drawing:
            samples = self._draw(m, steps, features.shape[0] // steps)
            draw = samples.tiled(steps)
        if self._gradient.name == "spsa":
            assert draw is not None
            return spsa.jacobian(
                engine,
                circuit,
                features,
                weights,
                draw,
                self._gradient.step,
                self._gradient.average,
            )
        return shifted_jacobian(engine, circuit, features, weights, draw, with_outputs=False)[1]

    def _draw(self, m: int, call: int, samples: int) -> Draw:
        key = (self._first + m, *self._place.key, call, *self._stream)
        return Draw.of_samples(key, samples, self._place.first)
