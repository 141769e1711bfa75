"""The table of primitive gates against matrices and against Qiskit."""

import itertools

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import Operator

from hpc_qlstm.circuits.gates import PAULI, PRIMITIVES

FIXED = [name for name, kind in PRIMITIVES.items() if not kind.axis]


def full(name):
    """The matrix of a gate without an angle; the control is the more significant bit."""
    kind = PRIMITIVES[name]
    if kind.qubits == 1:
        return kind.matrix
    return np.block([[np.eye(2), np.zeros((2, 2))], [np.zeros((2, 2)), kind.matrix]])


def string(letters):
    matrix = np.eye(1)
    for letter in letters:
        matrix = np.kron(matrix, PAULI.get(letter, np.eye(2)))
    return matrix


@pytest.mark.parametrize("name", FIXED)
def test_a_gate_without_an_angle_is_its_own_inverse(name):
    np.testing.assert_allclose(full(name) @ full(name), np.eye(len(full(name))), atol=1e-15)


@pytest.mark.parametrize("name", FIXED)
def test_conjugates_are_those_of_the_matrix(name):
    kind = PRIMITIVES[name]
    generators = {
        "I" * k + p + "I" * (kind.qubits - k - 1) for k in range(kind.qubits) for p in "XZ"
    }
    assert set(kind.conjugates) <= generators
    for letters in generators:
        image = full(name) @ string(letters) @ full(name).conj().T
        same = [
            "".join(other)
            for other in itertools.product("IXYZ", repeat=kind.qubits)
            if abs(np.trace(string(other) @ image)) > 1
        ]
        assert same == [kind.conjugates.get(letters, letters)]


@pytest.mark.parametrize("name", PRIMITIVES)
def test_matrices_are_those_of_qiskit(name):
    kind = PRIMITIVES[name]
    qc = QuantumCircuit(kind.qubits)
    # Qiskit's first qubit is the least significant bit; here it is the control.
    getattr(qc, kind.qiskit)(*([0.7] if kind.axis else []), *reversed(range(kind.qubits)))
    matrix = full(name)
    if kind.axis:
        np.testing.assert_array_equal(kind.matrix, PAULI[kind.axis])
        matrix = np.cos(0.35) * np.eye(2) - 1j * np.sin(0.35) * kind.matrix
    np.testing.assert_allclose(matrix, Operator(qc).data, atol=1e-15)
