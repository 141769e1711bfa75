"""What engines on backends share: mitigation, random numbers, counting, and a check of results."""

from __future__ import annotations

import abc
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.config import MitigationConfig
from hpc_qlstm.config_io import section_from
from hpc_qlstm.engines.base import Capabilities, Engine
from hpc_qlstm.engines.mitigation import Mitigation, ReadoutCorrection, create_mitigation
from hpc_qlstm.engines.random_stream import CALIBRATION, CALLS, RandomStream
from hpc_qlstm.errors import EngineError, InputError

_UNKEYED = 2**32
"""In the place of the partition, for calls that no model makes."""


class BackendEngine(Engine):
    """Base of the engines that run Qiskit circuits, exact or with shots; gradients by shifts.

    shots: of each circuit, 0 for exact values; seed: of everything that is drawn; mitigation: a
    MitigationConfig or its keys. Subclasses evaluate bound circuits at a noise scale. Each
    partition has an engine of its own, as each has a processor.
    """

    config_keys: ClassVar[tuple[str, ...]] = (
        "shots",
        "mitigation",
        "optimization_level",
        "options",
    )
    capabilities = Capabilities(shared=False)

    def __init__(
        self, shots: int, seed: int, mitigation: MitigationConfig | Mapping[str, Any] | None
    ) -> None:
        if isinstance(shots, bool) or not isinstance(shots, int) or shots < 0:
            raise InputError(f"engine {self.name}: shots is {shots!r}, allowed: 0 or more")
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise InputError(f"engine {self.name}: seed is {seed!r}, allowed: 0 or more")
        self.shots = shots
        self.seed = seed
        settings = section_from(MitigationConfig, mitigation, f"engine {self.name}: mitigation")
        self._mitigation: Mitigation = create_mitigation(settings)
        self._corrections: dict[Circuit, ReadoutCorrection] = {}
        self._unkeyed = 0

    @abc.abstractmethod
    def _evaluate(
        self, circuit: Circuit, angles: Float, scale: int, shots: int, draw: RandomStream
    ) -> Float:
        """Values (N, n_out) at angles (N, A), with the noise scaled by an odd number."""

    @abc.abstractmethod
    def _calibration_values(
        self, circuit: Circuit, shots: int, draw: RandomStream
    ) -> tuple[Float, Float]:
        """<Z_k> (n_out,) of |0..0> and of |1..1>, read on the circuit's own output qubits."""

    def expectations_group(
        self, circuit: Circuit, features: Float, weights: Float, draw: RandomStream | None = None
    ) -> Float:
        """See Engine; all G * B circuits go to the backend together.

        Raises UnsupportedError for too many qubits, EngineError when the backend fails.
        """
        self.check(circuit)
        shape = (weights.shape[0], features.shape[0], circuit.outputs)
        if draw is None:
            # Every call without a key draws anew, in the order of the calls.
            self._unkeyed += 1
            draw = RandomStream.of_samples((_UNKEYED, self._unkeyed), shape[1])
        if shape[0] * shape[1] == 0:
            return np.empty(shape)
        rows = np.concatenate([circuit.angles(features, w) for w in weights])
        # A circuit and its form by angles are one and the same to a backend: prepared once.
        return self._mitigated(circuit.angle_form, rows, draw.tiled(shape[0])).reshape(shape)

    def _mitigated(self, circuit: Circuit, angles: Float, draw: RandomStream) -> Float:
        mitigation = self._mitigation
        correction = self._correction(circuit, draw.key[0]) if mitigation.readout else None
        draw = replace(draw, key=(CALLS, self.seed, *draw.key))
        total = np.zeros((len(angles), circuit.outputs))
        for scale, coefficient in zip(mitigation.scales, mitigation.coefficients, strict=True):
            stream = draw.at(scale) if len(mitigation.scales) > 1 else draw
            values = self._finite(self._evaluate(circuit, angles, scale, self.shots, stream))
            self.executions += len(angles)
            if correction is not None:
                values = correction.apply(values)
            total += coefficient * values if mitigation.active else values
        return total

    def _correction(self, circuit: Circuit, partition: int) -> ReadoutCorrection:
        """The readout correction of a circuit's output qubits, measured when first needed."""
        if circuit not in self._corrections:
            key = (CALIBRATION, self.seed, partition, len(self._corrections))
            draw = RandomStream.of_samples(key, 1)
            shots = self._mitigation.calibration_shots if self.shots else 0
            zeros, ones = self._calibration_values(circuit, shots, draw)
            self.calibrations += 2
            self._corrections[circuit] = ReadoutCorrection.from_calibration(
                self._finite(zeros), self._finite(ones)
            )
        return self._corrections[circuit]

    def _finite(self, values: Float) -> Float:
        if not np.isfinite(values).all():
            count = int(np.size(values) - np.count_nonzero(np.isfinite(values)))
            raise EngineError(
                f"engine {self.name}: {count} of {np.size(values)} expectation values are "
                "not finite"
            )
        return values
