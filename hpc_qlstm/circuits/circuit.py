"""A circuit as data: the one description that every engine consumes.

Conventions: qubit 0 is the least significant bit of a basis state's index (Qiskit's order);
RX, RY and RZ are exp(-i angle P / 2) with the angle in radians; the outputs of a circuit are the
expectation values <Z_k> of its first `outputs` qubits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.circuits.gates import PRIMITIVES
from hpc_qlstm.errors import InputError

Float = NDArray[np.float64]
Transform = Literal["identity", "arctan", "arctan_square"]

TRANSFORMS: tuple[Transform, ...] = ("identity", "arctan", "arctan_square")


@dataclass(frozen=True, slots=True)
class Constant:
    """A fixed angle in radians."""

    value: float


@dataclass(frozen=True, slots=True)
class Weight:
    """The angle is `scale` times the trainable weight at `index` of the flattened weight array."""

    index: int
    scale: float = 1.0

    def __repr__(self) -> str:
        # Checkpoints hold a hash of circuits' text: a scale of 1 does not show in it.
        scale = "" if self.scale == 1.0 else f", scale={self.scale!r}"
        return f"Weight(index={self.index!r}{scale})"


@dataclass(frozen=True, slots=True)
class Feature:
    """The angle is `scale * transform(x[index])`; `arctan_square` is arctan(x**2)."""

    index: int
    transform: Transform = "identity"
    scale: float = 1.0


Angle = Constant | Weight | Feature


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate: `name` in PRIMITIVES; `qubits` is (target,) or (control, target)."""

    name: str
    qubits: tuple[int, ...]
    angle: Angle | None = None


@dataclass(frozen=True)
class Circuit:
    """A parameterised circuit: gates in order, with the sizes of its inputs and outputs.

    qubits: number of qubits q >= 1; features: number of input features D_m;
    outputs: number of expectation values, at most q; weight_shape: the shape of the weight array.
    Raises InputError when the gates do not fit these sizes.
    """

    qubits: int
    gates: tuple[Gate, ...]
    features: int
    outputs: int
    weight_shape: tuple[int, ...] = field(default=(0,))

    def __post_init__(self) -> None:
        if self.qubits < 1:
            raise InputError(f"circuit: qubits is {self.qubits}, allowed: 1 or more")
        if not 1 <= self.outputs <= self.qubits:
            raise InputError(
                f"circuit: outputs is {self.outputs}, allowed: 1 to {self.qubits} (the qubits)"
            )
        if self.features < 0:
            raise InputError(f"circuit: features is {self.features}, allowed: 0 or more")
        for position, gate in enumerate(self.gates):
            self._check_gate(position, gate)

    def _check_gate(self, position: int, gate: Gate) -> None:
        where = f"circuit: gate {position} ({gate.name} on {gate.qubits})"
        kind = PRIMITIVES.get(gate.name)
        if kind is None:
            raise InputError(f"{where}: unknown gate, allowed: {', '.join(PRIMITIVES)}")
        if len(gate.qubits) != kind.qubits or len(set(gate.qubits)) != kind.qubits:
            raise InputError(f"{where}: needs {kind.qubits} different qubits")
        if any(not 0 <= k < self.qubits for k in gate.qubits):
            raise InputError(f"{where}: qubits must be 0 to {self.qubits - 1}")
        if bool(kind.axis) != (gate.angle is not None):
            raise InputError(f"{where}: rotations need an angle, other gates have none")
        match gate.angle:
            case Constant(value) if not math.isfinite(value):
                raise InputError(f"{where}: angle {value} is not finite")
            case Weight(scale=scale) | Feature(scale=scale) if not math.isfinite(scale):
                raise InputError(f"{where}: scale {scale} is not finite")
            case Weight(index) if not 0 <= index < self.weight_count:
                raise InputError(f"{where}: weight {index}, allowed: 0 to {self.weight_count - 1}")
            case Feature(index) if not 0 <= index < self.features:
                raise InputError(f"{where}: feature {index}, allowed: 0 to {self.features - 1}")
            case Feature(transform=transform) if transform not in TRANSFORMS:
                raise InputError(
                    f"{where}: transform {transform!r}, allowed: {', '.join(TRANSFORMS)}"
                )

    @property
    def weight_count(self) -> int:
        """Number of trainable weights."""
        return math.prod(self.weight_shape)

    @cached_property
    def variable_gates(self) -> tuple[int, ...]:
        """Positions of the gates whose angle is a weight or a feature, in order."""
        return tuple(
            n for n, gate in enumerate(self.gates) if isinstance(gate.angle, Weight | Feature)
        )

    @property
    def angle_count(self) -> int:
        """Number A of variable angles (weights and features, counted once for each use)."""
        return len(self.variable_gates)

    @cached_property
    def angle_form(self) -> Circuit:
        """The same circuit with every variable angle as a feature of its own and no weights.

        Its feature j is the angle of gate `variable_gates[j]`, so that any engine can evaluate
        the circuit at freely chosen angles, as the parameter-shift rule needs.
        """
        gates = list(self.gates)
        for j, n in enumerate(self.variable_gates):
            gates[n] = Gate(gates[n].name, gates[n].qubits, Feature(j))
        return Circuit(self.qubits, tuple(gates), self.angle_count, self.outputs, (0,))

    def angles(self, features: Float, weights: Float) -> Float:
        """Variable angles (B, A) in radians, for features (B, D_m) and one set of weights."""
        flat = np.reshape(weights, -1)
        angles = np.empty((features.shape[0], self.angle_count))
        for j, n in enumerate(self.variable_gates):
            match self.gates[n].angle:
                case Weight(index, scale):
                    angles[:, j] = scale * flat[index]
                case Feature(index, transform, scale):
                    angles[:, j] = scale * apply_transform(transform, features[:, index])
        return angles

    def pull_back(self, features: Float, angle_gradient: Float) -> tuple[Float, Float]:
        """Chain rule from angles (B, A) to weights (B, weight_count) and features (B, D_m)."""
        batch = features.shape[0]
        to_weights = np.zeros((batch, self.weight_count))
        to_features = np.zeros((batch, self.features))
        for j, n in enumerate(self.variable_gates):
            match self.gates[n].angle:
                case Weight(index, scale):
                    to_weights[:, index] += scale * angle_gradient[:, j]
                case Feature(index, transform, scale):
                    slope = scale * transform_slope(transform, features[:, index])
                    to_features[:, index] += slope * angle_gradient[:, j]
        return to_weights, to_features


def float_array(name: str, value: object) -> Float:
    """A user's value as a contiguous float64 array; InputError, with its name, if it is none."""
    if type(value) is np.ndarray and value.dtype == np.float64 and value.flags.c_contiguous:
        return value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "fiu":
        given = array.dtype if array.dtype != object else type(value).__name__
        raise InputError(f"{name} is no array of real numbers ({given} given)")
    return np.ascontiguousarray(array, dtype=np.float64)


def apply_transform(transform: Transform, x: Float) -> Float:
    """The named transform of feature values."""
    if transform == "arctan":
        return np.arctan(x)
    if transform == "arctan_square":
        return np.arctan(x * x)
    return x


def transform_slope(transform: Transform, x: Float) -> Float:
    """The derivative of the named transform at feature values."""
    if transform == "arctan":
        return 1.0 / (1.0 + x * x)
    if transform == "arctan_square":
        return 2.0 * x / (1.0 + (x * x) ** 2)
    return np.ones_like(x)
