"""The reference engine: plain NumPy, slow and obvious. The oracle that the tests trust.

The state of a batch is an array (B, 2, ..., 2) whose axis 1 + k belongs to qubit k. Gradients are
taken by the adjoint method (Jones and Gacon, arXiv 2009.02823): one forward sweep, one reverse
sweep that takes the gates off again, and d<O>/dangle = Im <lambda| P |psi> at every rotation.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.circuits.circuit import Circuit, Constant, Float, Gate
from hpc_qlstm.engines.base import Capabilities, Engine
from hpc_qlstm.engines.draw import Draw

Complex = NDArray[np.complex128]

_H = np.array([[1, 1], [1, -1]], dtype=complex) / np.sqrt(2)
_PAULI = {
    "rx": np.array([[0, 1], [1, 0]], dtype=complex),
    "ry": np.array([[0, -1j], [1j, 0]]),
    "rz": np.array([[1, 0], [0, -1]], dtype=complex),
}
_X = _PAULI["rx"]


def _apply(matrix: Complex, state: Complex, qubit: int) -> Complex:
    """Apply a 2x2 matrix, or one matrix per sample (B, 2, 2), to one qubit."""
    moved = np.moveaxis(state, 1 + qubit, 1)
    flat = moved.reshape(*moved.shape[:2], 2 ** (state.ndim - 2))
    return np.moveaxis((matrix @ flat).reshape(moved.shape), 1, 1 + qubit)


def _apply_gate(gate: Gate, angle: Float | None, state: Complex) -> Complex:
    """The gate applied to the batch; `angle` (B,) for rotations."""
    if angle is not None:
        identity = np.eye(2)
        cos, sin = np.cos(angle / 2)[:, None, None], np.sin(angle / 2)[:, None, None]
        return _apply(cos * identity - 1j * sin * _PAULI[gate.name], state, gate.qubits[0])
    if gate.name == "h":
        return _apply(_H, state, gate.qubits[0])
    if gate.name == "x":
        return _apply(_X, state, gate.qubits[0])
    control, target = gate.qubits
    state = state.copy()
    on = [slice(None)] * state.ndim
    on[1 + control] = 1  # type: ignore[call-overload]
    if gate.name == "cz":
        on[1 + target] = 1  # type: ignore[call-overload]
        state[tuple(on)] *= -1
    else:
        axis = 1 + target - (control < target)
        state[tuple(on)] = np.flip(state[tuple(on)], axis=axis)
    return state


class ReferenceEngine(Engine):
    """Exact statevector simulation in NumPy, complex128, adjoint gradient."""

    name: ClassVar[str] = "reference"
    config_keys = ()
    capabilities = Capabilities(gradient="adjoint", max_qubits=20)

    def expectations_group(
        self, circuit: Circuit, features: Float, weights: Float, draw: Draw | None = None
    ) -> Float:
        """See Engine."""
        self.executions += weights.shape[0] * features.shape[0]
        return np.stack([self._outputs(circuit, self._run(circuit, features, w)) for w in weights])

    def vjp_group(
        self,
        circuit: Circuit,
        features: Float,
        weights: Float,
        cotangent: Float,
        draw: Draw | None = None,
    ) -> tuple[Float, Float, Float]:
        """See Engine; one reverse sweep whatever the number of angles."""
        self.executions += weights.shape[0] * features.shape[0]
        outputs, to_weights, to_features = [], [], []
        for w, dy in zip(weights, cotangent, strict=True):
            state = self._run(circuit, features, w)
            outputs.append(self._outputs(circuit, state))
            by_angle = self._reverse(circuit, circuit.angles(features, w), state, dy)
            rows = circuit.pull_back(features, by_angle)
            to_weights.append(rows[0])
            to_features.append(rows[1])
        return np.stack(outputs), np.stack(to_weights), np.stack(to_features)

    def _run(self, circuit: Circuit, features: Float, weights: Float) -> Complex:
        batch = features.shape[0]
        angles = circuit.angles(features, weights)
        state = np.zeros((batch,) + (2,) * circuit.qubits, dtype=complex)
        state[(slice(None),) + (0,) * circuit.qubits] = 1
        column = 0
        for gate in circuit.gates:
            angle, step = _angle_of(gate, angles, column)
            state = _apply_gate(gate, angle, state)
            column += step
        return state

    def _outputs(self, circuit: Circuit, state: Complex) -> Float:
        probability = np.abs(state) ** 2
        outputs = np.empty((state.shape[0], circuit.outputs))
        for k in range(circuit.outputs):
            other = tuple(1 + j for j in range(circuit.qubits) if j != k)
            marginal = probability.sum(axis=other)
            outputs[:, k] = marginal[:, 0] - marginal[:, 1]
        return outputs

    def _reverse(self, circuit: Circuit, angles: Float, state: Complex, cotangent: Float) -> Float:
        """Gradient of sum_k cotangent[:, k] <Z_k> by every variable angle, (B, A)."""
        bra = np.zeros_like(state)
        for k in range(circuit.outputs):
            shape = (state.shape[0],) + (1,) * circuit.qubits
            bra += cotangent[:, k].reshape(shape) * _apply(_PAULI["rz"], state, k)
        gradient = np.zeros_like(angles)
        column = angles.shape[1]
        axes = tuple(range(1, state.ndim))
        for gate in reversed(circuit.gates):
            variable = gate.angle is not None and not isinstance(gate.angle, Constant)
            column -= variable
            angle, _ = _angle_of(gate, angles, column)
            if variable:
                turned = _apply(_PAULI[gate.name], state, gate.qubits[0])
                gradient[:, column] = np.sum(np.conj(bra) * turned, axis=axes).imag
            inverse: Any = None if angle is None else -angle
            state = _apply_gate(gate, inverse, state)
            bra = _apply_gate(gate, inverse, bra)
        return gradient


def _angle_of(gate: Gate, angles: Float, column: int) -> tuple[Float | None, int]:
    """The gate's angle (B,) and whether it takes a column of the variable angles."""
    if gate.angle is None:
        return None, 0
    if isinstance(gate.angle, Constant):
        return np.full(angles.shape[0], gate.angle.value), 0
    return angles[:, column], 1
