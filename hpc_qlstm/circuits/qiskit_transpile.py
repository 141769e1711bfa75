"""Circuits fitted to a backend, and circuits whose noise is scaled by folding.

Transpiled and folded circuits hold expressions of the original angles (angle + pi, -angle, sums of
neighbours). All of them are affine, so the circuit is rebuilt with one plain parameter for every
rotation and a matrix that gives its angles: evaluating expressions one by one would cost more than
running the circuits. Qiskit is imported when a function runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.circuits.qiskit_conversion import to_qiskit
from hpc_qlstm.errors import InputError, UnsupportedError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

_SEED = 0
"""Of the transpiler's random choices: the same circuit in every run and on every rank."""


@dataclass(frozen=True)
class BoundForm:
    """A Qiskit circuit with plain parameters: parameters[j] = matrix[j] @ angles + offset[j].

    matrix (A', A) and offset (A',) of the A variable angles of the circuit it was made from;
    qubits: where its output qubits are now.
    """

    circuit: QuantumCircuit
    matrix: Float
    offset: Float
    qubits: tuple[int, ...]

    def angles(self, angles: Float) -> Float:
        """Values (N, A') of the parameters for angles (N, A), without a BLAS product's rounding.

        Terms are added in the order of the angles, so that a row has the same bits in every batch.
        """
        values = np.tile(self.offset, (len(angles), 1))
        for j, k in zip(*np.nonzero(self.matrix), strict=True):
            values[:, j] += self.matrix[j, k] * angles[:, k]
        return values


def bound_form(
    circuit: Circuit,
    backend: Any = None,
    scale: int = 1,
    optimization_level: int = 1,
    basis_gates: Sequence[str] | None = None,
) -> BoundForm:
    """A circuit for a backend, its noise scaled by an odd number through global folding.

    backend: a Qiskit BackendV2, or None for a simulator, which takes every gate unless
    `basis_gates` names those to be used. The layout is chosen once, before folding, and
    optimization never sees the folds.
    Raises UnsupportedError when the backend has too few qubits or the circuit cannot be fitted.
    """
    from qiskit.exceptions import QiskitError

    plain = to_qiskit(circuit)
    originals = list(plain.parameters)
    qubits = tuple(range(circuit.outputs))
    if backend is not None and circuit.qubits > backend.num_qubits:
        raise UnsupportedError(
            f"backend {backend.name}: a circuit of {circuit.qubits} qubits is too large, "
            f"allowed: at most {backend.num_qubits}"
        )
    try:
        if backend is not None:
            plain = _transpiled(plain, optimization_level, backend=backend)
            final = plain.layout.final_index_layout()
            qubits = tuple(final[k] for k in qubits)
            if scale > 1:
                physical = list(range(plain.num_qubits))
                plain = folded(plain, scale)
                plain = _transpiled(plain, 0, backend=backend, initial_layout=physical)
        else:
            plain = folded(plain, scale)
            if basis_gates is not None:
                plain = _transpiled(plain, 0, basis_gates=list(basis_gates))
    except QiskitError as error:
        where = "basis_gates" if backend is None else f"backend {backend.name}"
        raise UnsupportedError(f"{where}: the circuit cannot be fitted: {error}") from error
    return BoundForm(*_with_plain_parameters(plain, originals), qubits)


def compact(form: BoundForm) -> tuple[BoundForm, tuple[int, ...]]:
    """The form on the qubits that it uses alone, and which these were, in increasing order."""
    from qiskit import QuantumCircuit

    circuit = form.circuit
    indices = [[circuit.find_bit(q).index for q in entry.qubits] for entry in circuit.data]
    gates = [
        (entry, where)
        for entry, where in zip(circuit.data, indices, strict=True)
        if entry.operation.name != "barrier"
    ]
    used = sorted({k for _, where in gates for k in where} | set(form.qubits))
    place = {k: n for n, k in enumerate(used)}
    result = QuantumCircuit(len(used))
    for entry, where in gates:
        result.append(entry.operation, [place[k] for k in where])
    qubits = tuple(place[k] for k in form.qubits)
    return BoundForm(result, form.matrix, form.offset, qubits), tuple(used)


def _transpiled(circuit: QuantumCircuit, level: int, **target: Any) -> QuantumCircuit:
    from qiskit import transpile

    return transpile(circuit, optimization_level=level, seed_transpiler=_SEED, **target)


def calibration_forms(form: BoundForm) -> tuple[BoundForm, BoundForm]:
    """|0..0> and |1..1> on the output qubits of a form, on its own physical qubits."""
    zeros = form.circuit.copy_empty_like()
    zeros.global_phase = 0
    ones = zeros.copy()
    for k in form.qubits:
        ones.x(k)
    no_angles = np.empty((0, 0)), np.empty(0)
    return BoundForm(zeros, *no_angles, form.qubits), BoundForm(ones, *no_angles, form.qubits)


def folded(circuit: QuantumCircuit, scale: int) -> QuantumCircuit:
    """U (U^-1 U)^k for scale 2 k + 1, barriers between. Raises InputError for an even scale."""
    if scale < 1 or scale % 2 == 0:
        raise InputError(f"folding: the noise scale is {scale}, allowed: an odd number")
    if scale == 1:
        return circuit
    inverse = circuit.inverse()
    result = circuit.copy()
    for _ in range(scale // 2):
        for part in (inverse, circuit):
            result.barrier()
            result.compose(part, inplace=True)
    return result


def _with_plain_parameters(
    circuit: QuantumCircuit, originals: list[Any]
) -> tuple[QuantumCircuit, Float, Float]:
    """The circuit with a parameter for every angle that varies, and the map from the originals."""
    from qiskit.circuit import ParameterVector

    column = {parameter: k for k, parameter in enumerate(originals)}
    places = [
        (position, slot)
        for position, instruction in enumerate(circuit.data)
        for slot, value in enumerate(instruction.operation.params)
        if getattr(value, "parameters", None)
    ]
    result = circuit.copy()
    result.global_phase = 0  # changes no expectation value, but may hold parameters
    parameters = ParameterVector("a", len(places))
    matrix, offset = np.zeros((len(places), len(originals))), np.zeros(len(places))
    for j, (position, slot) in enumerate(places):
        instruction = result.data[position]
        expression = instruction.operation.params[slot]
        offset[j], terms = _affine(expression)
        for parameter, factor in terms.items():
            matrix[j, column[parameter]] = factor
        operation = instruction.operation.to_mutable()
        values = list(operation.params)
        values[slot] = parameters[j]
        operation.params = values
        result.data[position] = instruction.replace(operation=operation)
    return result, matrix, offset


def _affine(expression: Any) -> tuple[float, dict[Any, float]]:
    """Offset and factors of an affine expression. Raises UnsupportedError for any other."""
    parameters = list(expression.parameters)

    def value(at: list[float]) -> float:
        return float(expression.bind(dict(zip(parameters, at, strict=True))))

    zero = [0.0] * len(parameters)
    offset = value(zero)
    factors = []
    for k in range(len(parameters)):
        unit = list(zero)
        unit[k] = 1.0
        # Factors are small whole numbers or halves; the difference leaves rounding behind.
        factors.append(round(value(unit) - offset, 9))
    probe = [0.37 + 0.61 * k for k in range(len(parameters))]
    expected = offset + sum(f * p for f, p in zip(factors, probe, strict=True))
    if abs(value(probe) - expected) > 1e-9:
        raise UnsupportedError(f"transpiling gave an angle that is not affine: {expression}")
    return offset, dict(zip(parameters, factors, strict=True))
