"""The reference engine: plain NumPy, slow and obvious. The oracle that the tests trust.

The state of a batch is an array (B, 2, ..., 2) whose axis 1 + k belongs to qubit k. Gradients are
taken by the adjoint method (Jones and Gacon, arXiv 2009.02823): one forward sweep, one reverse
sweep that takes the gates off again, and d<O>/dangle = Im <lambda| P |psi> at every rotation.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Constant, Float, Gate
from hpc_qlstm.circuits.gates import PAULI, PRIMITIVES, Complex
from hpc_qlstm.engines.base import Capabilities, Engine
from hpc_qlstm.engines.random_stream import RandomStream


def _apply(matrix: Complex, state: Complex, qubit: int) -> Complex:
    """Apply a 2x2 matrix, or one matrix per sample (B, 2, 2), to one qubit."""
    moved = np.moveaxis(state, 1 + qubit, 1)
    flat = moved.reshape(*moved.shape[:2], 2 ** (state.ndim - 2))
    return np.moveaxis((matrix @ flat).reshape(moved.shape), 1, 1 + qubit)


def _apply_gate(gate: Gate, angle: Float | None, state: Complex) -> Complex:
    """The gate applied to the batch; `angle` (B,) for rotations."""
    kind = PRIMITIVES[gate.name]
    matrix, target = kind.matrix, gate.qubits[-1]
    if angle is not None:
        identity = np.eye(2)
        cos, sin = np.cos(angle / 2)[:, None, None], np.sin(angle / 2)[:, None, None]
        matrix = cos * identity - 1j * sin * matrix
    if kind.qubits == 1:
        return _apply(matrix, state, target)
    control = gate.qubits[0]
    state = state.copy()
    on = (slice(None),) * (1 + control) + (1,)
    state[on] = _apply(matrix, state[on], target - (control < target))
    return state


class ReferenceEngine(Engine):
    """Exact statevector simulation in NumPy, complex128, adjoint gradient."""

    name: ClassVar[str] = "reference"
    config_keys = ()
    capabilities = Capabilities(gradient="adjoint", max_qubits=20)

    def expectations_group(
        self, circuit: Circuit, features: Float, weights: Float, draw: RandomStream | None = None
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
        draw: RandomStream | None = None,
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
        state = np.zeros((batch,) + (2,) * circuit.qubits, dtype=complex)
        state[(slice(None),) + (0,) * circuit.qubits] = 1
        angles = _by_gate(circuit, circuit.angles(features, weights))
        for gate, angle in zip(circuit.gates, angles, strict=True):
            state = _apply_gate(gate, angle, state)
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
            bra += cotangent[:, k].reshape(shape) * _apply(PAULI["Z"], state, k)
        gradient = np.zeros_like(angles)
        columns = {n: j for j, n in enumerate(circuit.variable_gates)}
        axes = tuple(range(1, state.ndim))
        by_gate = _by_gate(circuit, angles)
        for n, gate in reversed(list(enumerate(circuit.gates))):
            if n in columns:
                turned = _apply(PRIMITIVES[gate.name].matrix, state, gate.qubits[0])
                gradient[:, columns[n]] = np.sum(np.conj(bra) * turned, axis=axes).imag
            angle = by_gate[n]
            inverse = None if angle is None else -angle
            state = _apply_gate(gate, inverse, state)
            bra = _apply_gate(gate, inverse, bra)
        return gradient


def _by_gate(circuit: Circuit, angles: Float) -> list[Float | None]:
    """The angles (B,) of every gate, None where it has none, from the variable ones (B, A)."""
    found: list[Float | None] = [
        np.full(len(angles), gate.angle.value) if isinstance(gate.angle, Constant) else None
        for gate in circuit.gates
    ]
    for n, column in zip(circuit.variable_gates, angles.T, strict=True):
        found[n] = column
    return found
