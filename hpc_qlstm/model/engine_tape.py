"""A tape with any engine, one call for each partition and step; see `VqcGroup`. Local."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.engines import spsa
from hpc_qlstm.engines.base import Engine
from hpc_qlstm.engines.fused import GroupMember
from hpc_qlstm.engines.parameter_shift import contract
from hpc_qlstm.engines.parameter_shift import jacobian as shifted_jacobian
from hpc_qlstm.engines.random_stream import RandomStream
from hpc_qlstm.errors import EngineError
from hpc_qlstm.model.tape import GradientMethod, SampleKey


@dataclass(frozen=True)
class GroupSpec:
    """A group of VQCs of consecutive partitions.

    engines: one for each of `members`; sets: VQCs of a member; first: the number of the first
    partition; affine: outputs have trainable scales and shifts; stream: words that tell its random
    numbers from those of other groups.
    """

    engines: Sequence[Engine]
    method: GradientMethod
    members: Sequence[GroupMember]
    sets: int
    first: int
    affine: bool = False
    stream: tuple[int, ...] = ()


@dataclass
class GroupLog:
    """What a group's tapes have met so far: seconds spent in engines, and the first failure."""

    seconds: float = 0.0
    failure: EngineError | None = None


class EngineTape:
    """See VqcTape.

    With affine maps, outputs are scale * <Z> + shift, and weight rows have the derivatives by
    scales and shifts behind those by circuit weights.
    """

    def __init__(
        self,
        spec: GroupSpec,
        log: GroupLog,
        flat: Float,
        x: Float,
        sample_key: SampleKey,
        outputs: Float,
        *,
        back: bool,
    ) -> None:
        self._spec, self._log = spec, log
        self._x, self._sample_key, self._outputs = x, sample_key, outputs
        self._members = spec.members
        rows = [flat[m.weights].reshape(spec.sets, -1) for m in self._members]
        self._weights = [
            np.ascontiguousarray(row[:, : m.circuit.weight_count]).reshape(
                spec.sets, *m.circuit.weight_shape
            )
            for row, m in zip(rows, self._members, strict=True)
        ]
        self._maps: list[Float] | None = None
        if spec.affine:
            self._maps = [
                row[:, m.circuit.weight_count :].reshape(spec.sets, 2, -1)
                for row, m in zip(rows, self._members, strict=True)
            ]
        self._back, self._calls = back, 0
        self._columns = [np.array(m.picks) for m in self._members]
        self._values: list[list[Float]] = []
        self._features: list[list[Float]] = []
        self._jacobians: list[Float] = []
        self._adjoint = spec.method.name == "adjoint"
        # Engines with an adjoint method are this package's own, and fail with an exception only.
        self._may_fail = any(e.capabilities.gradient != "adjoint" for e in spec.engines)
        exact = all(e.capabilities.exact for e in spec.engines)
        self._drawing = not exact or spec.method.name == "spsa"
        self.expectations: list[Float] = []

    def forward(self, t: int, state: Float) -> None:
        """See VqcTape."""
        start = perf_counter()
        # x_t backwards, so that -1 - k is its column k, as picks have it.
        source = np.concatenate([state, self._x[:, t, ::-1]], axis=1)
        features = [np.take(source, columns, axis=1) for columns in self._columns]
        if not self._back:
            self._features.clear()
        self._features.append(features)
        values = [self._evaluated(m, self._calls) for m in range(len(features))]
        self._calls += 1
        self.expectations = values
        begin = 0
        for m, outputs in enumerate(values):
            if self._maps is not None:
                maps = self._maps[m]
                outputs = maps[:, None, 0] * outputs + maps[:, None, 1]
            end = begin + outputs.shape[2]
            self._outputs[:, :, begin:end] = outputs
            begin = end
        if self._maps is not None and self._back:
            self._values.append(values)
        self._log.seconds += perf_counter() - start

    def begin_reverse(self) -> None:
        """See VqcTape."""
        if self._adjoint or not self._features:
            return
        start = perf_counter()
        self._jacobians = [self._jacobian(m) for m in range(len(self._members))]
        self._log.seconds += perf_counter() - start

    def reverse(self, t: int, cotangents: Float, rows: Float, grad_inputs: Float) -> None:
        """See VqcTape."""
        start = perf_counter()
        begin = 0
        for m, member in enumerate(self._members):
            features = self._features[t][m]
            # A copy where the outputs are not all of the hidden vector.
            cotangent = outer = np.ascontiguousarray(cotangents[:, :, member.outputs])
            if self._maps is not None:
                cotangent = outer * self._maps[m][:, None, 0]
            if self._adjoint:
                _, own, grad_features = self._spec.engines[m].vjp_group(
                    member.circuit, features, self._weights[m], cotangent
                )
            else:
                derivative = self._jacobians[m][:, t]
                own, grad_features = contract(member.circuit, features, derivative, cotangent)
            if self._maps is not None:
                own = np.concatenate([own, outer * self._values[t][m], outer], axis=2)
            sets, batch, count = own.shape
            section = rows[:, member.rows_begin : member.rows_begin + sets * count]
            section += own.swapaxes(0, 1).reshape(batch, -1)
            end = begin + grad_features.shape[2]
            np.add.reduce(grad_features, axis=0, out=grad_inputs[:, begin:end])
            begin = end
        self._log.seconds += perf_counter() - start

    def release(self) -> None:
        """See VqcTape."""

    def _evaluated(self, m: int, call: int) -> Float:
        """The outputs of partition m at the newest step, the call of this number; NaN after a
        failure, here or elsewhere."""
        spec, log, circuit = self._spec, self._log, self._members[m].circuit
        features, weights = self._features[-1][m], self._weights[m]
        if not self._may_fail:
            return spec.engines[m].expectations_group(circuit, features, weights)
        if log.failure is None and np.isfinite(features).all():
            draw = self._draw(m, call, features.shape[0]) if self._drawing else None
            try:
                return spec.engines[m].expectations_group(circuit, features, weights, draw)
            except EngineError as error:
                log.failure = error
        return np.full((len(weights), features.shape[0], circuit.outputs), np.nan)

    def _jacobian(self, m: int) -> Float:
        """Derivatives (n, T, B, A, n_out) of partition m's outputs by its angles, of all steps."""
        log, circuit, steps = self._log, self._members[m].circuit, len(self._features)
        features = np.concatenate([step[m] for step in self._features])
        batch = features.shape[0] // steps
        shape = (len(self._weights[m]), steps, batch, circuit.angle_count, circuit.outputs)
        if log.failure is None and np.isfinite(features).all():
            try:
                return self._derivative(m, features).reshape(shape)
            except EngineError as error:
                log.failure = error
        return np.full(shape, np.nan)

    def _derivative(self, m: int, features: Float) -> Float:
        engine, circuit = self._spec.engines[m], self._members[m].circuit
        weights, steps, method = self._weights[m], len(self._features), self._spec.method
        draw = None
        if self._drawing:
            draw = self._draw(m, steps, features.shape[0] // steps).tiled(steps)
        if method.name == "spsa":
            assert draw is not None
            return spsa.jacobian(
                engine, circuit, features, weights, draw, method.step, method.average
            )
        return shifted_jacobian(engine, circuit, features, weights, draw, with_outputs=False)[1]

    def _draw(self, m: int, call: int, samples: int) -> RandomStream:
        key = (self._spec.first + m, *self._sample_key.key, call, *self._spec.stream)
        return RandomStream.of_samples(key, samples, self._sample_key.first)
