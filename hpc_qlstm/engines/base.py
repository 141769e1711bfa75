"""The contract of an engine: evaluate one circuit for a batch of samples.

The four gates of an LSTM cell share circuit and features and differ only in their weights, so the
primitive operations take a group of G weight sets. Gradients of the weights come as one row per
sample: whoever needs a sum adds the rows in an order of its own choice, which is what makes
training results independent of how samples are spread over ranks.
"""

from __future__ import annotations

import abc
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from hpc_qlstm.circuits.circuit import Circuit, Float, float_array
from hpc_qlstm.circuits.linear import LinearMap
from hpc_qlstm.config import EngineConfig
from hpc_qlstm.engines.fused import FusedGroup, GroupMember
from hpc_qlstm.engines.parameter_shift import contract, jacobian
from hpc_qlstm.engines.random_stream import RandomStream
from hpc_qlstm.errors import InputError, UnsupportedError

Gradient = Literal["adjoint", "parameter_shift", "spsa"]
GRADIENTS: tuple[Gradient, ...] = ("adjoint", "parameter_shift", "spsa")


@dataclass(frozen=True)
class JobRecord:
    """A job whose result was used: where, its id, its circuits, tries, and seconds of the last."""

    backend: str
    job_id: str
    circuits: int
    attempts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine can do; a class says what its engines can do at most.

    exact: values have no sampling error. gradient: its own method, taken unless another is asked
    for. precision: of the amplitudes. max_qubits: of a circuit. shared: one engine serves all
    partitions; otherwise each has its own, which stands for a processor, and its table of
    `engine.backends`. simulated: circuits cost time on this machine and nothing else, so they may
    be run just to be timed. gaussian: with shots, values have a normal error of 1/sqrt(shots),
    whatever the value. affine: evaluates affine maps, not circuits.
    """

    exact: bool = True
    gradient: Gradient = "parameter_shift"
    precision: tuple[str, ...] = ("double",)
    max_qubits: int = 1_000_000
    shared: bool = True
    simulated: bool = True
    gaussian: bool = False
    affine: bool = False


class Engine(abc.ABC):
    """Base of all engines. Engines are local: they know no communicator.

    name: under which it is registered in `registry.engines`. config_keys: the keys of [engine]
    that it reads, beside those that all engines have. capabilities: of the class, as a
    configuration is checked by them before an engine is made, and of the engine.
    executions: circuits that the engine has run, each with its own angles, whatever the number of
    shots; a vector-Jacobian product of the adjoint method counts as one. calibrations: circuits
    that were run to measure readout errors, which are not in executions.
    """

    name: ClassVar[str]
    config_keys: ClassVar[tuple[str, ...]] = ("options",)
    capabilities: Capabilities = Capabilities()
    executions: int = 0
    calibrations: int = 0

    @classmethod
    def from_config(cls, config: EngineConfig, seed: int, threads: int) -> Engine:
        """The engine of one partition, whose settings are `config`. Raises InputError.

        seed: of the training; threads: most threads of this process. By default `config.options`
        are the arguments of the constructor.
        """
        return cls.with_options(**config.options)

    @classmethod
    def with_options(cls, **options: Any) -> Engine:
        """The engine with arguments of its constructor. Raises InputError for an unknown one."""
        allowed = [p for p in inspect.signature(cls).parameters if p not in ("args", "kwargs")]
        for key in options:
            if key not in allowed:
                raise InputError(
                    f"engine {cls.name}: option {key!r} is not known, "
                    f"allowed: {', '.join(allowed) or 'none'}"
                )
        return cls(**options)

    @classmethod
    def exact_twin(cls, config: EngineConfig, threads: int) -> Engine:
        """An engine with exact values and the noise of the one that `config` describes.

        Raises UnsupportedError where nothing here is.
        """
        raise UnsupportedError(f"nothing here is exact for the engine {cls.name}")

    @abc.abstractmethod
    def expectations_group(
        self, circuit: Circuit, features: Float, weights: Float, draw: RandomStream | None = None
    ) -> Float:
        """Outputs (G, B, n_out) for features (B, D_m) and weights (G, *circuit.weight_shape).

        draw: the random numbers of an engine that samples; without it every call draws anew.
        """

    def vjp_group(
        self,
        circuit: Circuit,
        features: Float,
        weights: Float,
        cotangent: Float,
        draw: RandomStream | None = None,
    ) -> tuple[Float, Float, Float]:
        """Outputs and the gradients of sum(cotangent * outputs), one row per sample.

        features (B, D_m), weights (G, *weight_shape), cotangent (G, B, n_out) give outputs
        (G, B, n_out), weight gradients (G, B, weight_count) and feature gradients (G, B, D_m).
        This default applies the parameter-shift rule to `expectations_group`.
        """
        outputs, derivative = jacobian(self, circuit, features, weights, draw)
        assert outputs is not None
        return outputs, *contract(circuit, features, derivative, cotangent)

    def fuse(self, members: Sequence[GroupMember], sets: int) -> FusedGroup | None:
        """Groups of these VQCs, `sets` a partition, in one call a step; None: not this engine."""
        return None

    def take_jobs(self) -> list[JobRecord]:
        """Jobs of a backend whose results were used since this was last called."""
        return []

    def close(self) -> None:  # noqa: B027 (most engines have nothing to do)
        """Give back what the engine holds beyond this process: a session with a service, say."""

    def expectations(self, circuit: Circuit, features: Float, weights: Float) -> Float:
        """Expectation values <Z_k> of the first n_out qubits.

        features (B, D_m), weights circuit.weight_shape; returns (B, n_out).
        Raises InputError for wrong shapes, UnsupportedError for a circuit beyond the engine.
        """
        features, weights = self._checked(circuit, features, weights)
        outputs: Float = self.expectations_group(circuit, features, weights[None])[0]
        return outputs

    def vjp(
        self, circuit: Circuit, features: Float, weights: Float, cotangent: Float
    ) -> tuple[Float, Float, Float]:
        """Outputs (B, n_out) and the gradients of sum(cotangent * outputs).

        features (B, D_m), weights circuit.weight_shape, cotangent (B, n_out); returns the
        outputs, the weight gradient (weight_shape, summed over samples) and the feature
        gradient (B, D_m). Raises InputError for wrong shapes.
        """
        features, weights = self._checked(circuit, features, weights)
        cotangent = float_array("cotangent", cotangent)
        if cotangent.shape != (features.shape[0], circuit.outputs):
            raise InputError(
                f"cotangent has shape {cotangent.shape}, "
                f"allowed: {(features.shape[0], circuit.outputs)}"
            )
        return self._vjp(circuit, features, weights, cotangent)

    def _vjp(
        self, circuit: Circuit, features: Float, weights: Float, cotangent: Float
    ) -> tuple[Float, Float, Float]:
        """`vjp` of checked arrays; engines may have a faster one."""
        y, rows, to_features = self.vjp_group(circuit, features, weights[None], cotangent[None])
        return y[0], rows[0].sum(axis=0).reshape(circuit.weight_shape), to_features[0]

    def check(self, circuit: Circuit) -> None:
        """Raise UnsupportedError when the circuit is beyond this engine."""
        if isinstance(circuit, LinearMap) != self.capabilities.affine:
            raise UnsupportedError(
                f"engine {self.name}: affine maps are for engine 'linear', circuits for all others"
            )
        if circuit.qubits > self.capabilities.max_qubits:
            raise UnsupportedError(
                f"engine {self.name}: a circuit of {circuit.qubits} qubits is too large, "
                f"allowed: at most {self.capabilities.max_qubits}"
            )

    def _checked(self, circuit: Circuit, features: Float, weights: Float) -> tuple[Float, Float]:
        self.check(circuit)
        features, weights = float_array("features", features), float_array("weights", weights)
        if features.ndim != 2 or features.shape[1] != circuit.features:
            raise InputError(
                f"features have shape {features.shape}, allowed: (samples, {circuit.features})"
            )
        if weights.shape != circuit.weight_shape:
            raise InputError(f"weights have shape {weights.shape}, allowed: {circuit.weight_shape}")
        return features, weights
