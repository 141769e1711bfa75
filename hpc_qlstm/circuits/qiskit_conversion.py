"""Conversion between this package's circuits and Qiskit's, both ways.

Qubit order and rotations agree (qubit 0 is the least significant bit, RX, RY and RZ are
exp(-i angle P / 2)), so gates translate one by one. Qiskit is imported when a function runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hpc_qlstm.circuits.circuit import (
    TRANSFORMS,
    Angle,
    Circuit,
    Constant,
    Feature,
    Float,
    Gate,
    Weight,
    apply_transform,
)
from hpc_qlstm.circuits.composite import TEMPLATES, composite
from hpc_qlstm.circuits.gates import PRIMITIVES
from hpc_qlstm.errors import InputError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

_ALLOWED_ANGLES = (
    "allowed: a number, a weight w as w or c*w, or an input x as x, c*x, arctan(x), c*arctan(x), "
    "arctan(x**2), c*arctan(x**2)"
)
# Points at which an expression of one input is compared with the transforms: of both signs,
# small and large, so that the three transforms and their multiples are far apart. The first
# gives the scale, for c*x exactly.
_PROBES = np.array([1.0, 0.37, -1.3, 2.1, -0.08, 5.9, -17.0])


def to_qiskit(
    circuit: Circuit, features: Float | None = None, weights: Float | None = None
) -> QuantumCircuit:
    """The circuit as a Qiskit circuit of the same qubits, without measurements.

    Without features and weights every variable angle is a parameter of its own: the result's
    `parameters[j]` is the angle, in radians, of gate `circuit.variable_gates[j]`. With features
    (D_m,) of one sample and weights of shape `circuit.weight_shape` the angles are numbers; what
    the circuit has none of may be left out.
    Raises InputError for features or weights of another shape.
    """
    from qiskit.circuit import ParameterVector

    angles: Sequence[Any]
    if features is None and weights is None:
        angles = ParameterVector("angle", circuit.angle_count)
    else:
        angles = _bound_angles(circuit, features, weights)
    variable = iter(angles)
    return _built(
        circuit, lambda angle: angle.value if isinstance(angle, Constant) else next(variable)
    )


def named_qiskit(
    circuit: Circuit, weights: Float | None = None, *, expressions: bool = True
) -> QuantumCircuit:
    """The circuit as a Qiskit circuit whose parameters are its features and weights, by name.

    Feature i is the parameter `x{i}`, under its transform. With `expressions` false a transform
    other than the identity is a parameter of its own, `arctan_x{i}` or `arctan_square_x{i}`:
    OpenQASM 3 readers know few functions of inputs. Weight j is the number weights.ravel()[j], or
    without weights the parameter `w{j}`. Raises InputError for weights of another shape.
    """
    from qiskit.circuit import Parameter

    if weights is not None:
        _check_shape("named_qiskit: weights", weights, circuit.weight_shape)
    numbers = None if weights is None else np.ravel(weights).tolist()
    parameters: dict[str, Any] = {}

    def parameter(name: str) -> Any:
        return parameters.setdefault(name, Parameter(name))

    def angle_of(angle: Angle) -> Any:
        if isinstance(angle, Constant):
            return angle.value
        if isinstance(angle, Weight):
            value = parameter(f"w{angle.index}") if numbers is None else numbers[angle.index]
        elif not expressions or angle.transform == "identity":
            prefix = "" if angle.transform == "identity" else f"{angle.transform}_"
            value = parameter(f"{prefix}x{angle.index}")
        else:
            value = parameter(f"x{angle.index}")
            value = (value * value if angle.transform == "arctan_square" else value).arctan()
        return value if angle.scale == 1.0 else angle.scale * value

    return _built(circuit, angle_of)


def _built(circuit: Circuit, angle_of: Callable[[Angle], Any]) -> QuantumCircuit:
    """The circuit in Qiskit with the angles that `angle_of` gives, asked in the order of gates."""
    from qiskit import QuantumCircuit

    result = QuantumCircuit(circuit.qubits)
    for gate in circuit.gates:
        append = getattr(result, PRIMITIVES[gate.name].qiskit)
        append(*([] if gate.angle is None else [angle_of(gate.angle)]), *gate.qubits)
    return result


def qasm3_text(circuit: Circuit, weights: Float | None = None, comments: Sequence[str] = ()) -> str:
    """The circuit as OpenQASM 3, with comment lines before it; see `named_qiskit`."""
    from qiskit import qasm3

    header = "".join(f"// {line}\n" for line in comments)
    return header + str(qasm3.dumps(named_qiskit(circuit, weights, expressions=False)))


def qpy_bytes(circuit: Circuit, weights: Float | None = None) -> bytes:
    """The circuit in Qiskit's binary format QPY; see `named_qiskit`."""
    from io import BytesIO

    from qiskit import qpy

    file = BytesIO()
    qpy.dump(named_qiskit(circuit, weights), file)
    return file.getvalue()


def from_qiskit(
    qc: QuantumCircuit,
    inputs: Sequence[Parameter],
    weights: Sequence[Parameter],
    outputs: int,
) -> Circuit:
    """A user's Qiskit circuit as a circuit of this package.

    inputs: the parameters that are features, feature i is inputs[i]; weights: the trainable
    parameters, the weight array is (len(weights),) in this order; outputs: the number of
    expectation values <Z_k>, of the first qubits. Both sequences may be ParameterVectors.
    Gates: the primitive and the composite ones, which become primitive ones. An angle is a number,
    a multiple of a weight, or an input under one of the transforms of `Feature`. Barriers and the
    global phase change no expectation value and are left out.
    Raises InputError for anything else, with the instruction's position and name.
    """
    roles: dict[Any, Weight | Feature] = {p: Feature(i) for i, p in enumerate(inputs)}
    roles.update({p: Weight(i) for i, p in enumerate(weights)})
    if len(roles) != len(inputs) + len(weights):
        raise InputError("from_qiskit: a parameter is named twice in inputs and weights")
    gates: list[Gate] = []
    for position, instruction in enumerate(qc.data):
        name = instruction.operation.name
        if name == "barrier":
            continue
        qubits = tuple(qc.find_bit(bit).index for bit in instruction.qubits)
        where = f"from_qiskit: instruction {position} ({name} on {qubits})"
        if name not in TEMPLATES:
            raise InputError(f"{where} cannot be converted: {_refusal(name)}")
        if getattr(instruction.operation, "condition", None) is not None:
            raise InputError(f"{where} cannot be converted: it has a classical condition")
        angles = [_angle(where, value, roles) for value in instruction.operation.params]
        gates += composite(name, qubits, *angles)
    return Circuit(qc.num_qubits, tuple(gates), len(inputs), outputs, (len(weights),))


def _bound_angles(circuit: Circuit, features: Float | None, weights: Float | None) -> list[float]:
    x = np.asarray(() if features is None else features, dtype=np.float64)
    theta = np.zeros(circuit.weight_shape if circuit.weight_count == 0 else 0)
    if weights is not None:
        theta = np.asarray(weights, dtype=np.float64)
    _check_shape("to_qiskit: features", x, (circuit.features,))
    _check_shape("to_qiskit: weights", theta, circuit.weight_shape)
    angles: list[float] = circuit.angles(x[None], theta)[0].tolist()
    return angles


def _check_shape(name: str, array: Any, shape: tuple[int, ...]) -> None:
    if np.shape(array) != shape:
        raise InputError(f"{name} have shape {np.shape(array)}, allowed: {shape}")


def _refusal(name: str) -> str:
    if name == "measure":
        return "outputs are expectation values, leave measurements out (remove_final_measurements)"
    return (
        f"allowed gates: {', '.join(TEMPLATES)}; others must be rewritten in these first, for "
        "example by transpile(..., basis_gates=[...])"
    )


def _angle(where: str, value: Any, roles: dict[Any, Weight | Feature]) -> Angle:
    """The angle that a number or a parameter expression of Qiskit stands for."""
    parameters = tuple(getattr(value, "parameters", ()))
    if not parameters:
        return _constant(where, value)
    for parameter in parameters:
        if parameter not in roles:
            raise InputError(
                f"{where} cannot be converted: parameter {parameter.name!r} is neither an input "
                "nor a weight"
            )
    if len(parameters) == 1:
        role = roles[parameters[0]]
        found = _transformed(role.index, value, parameters[0])
        if isinstance(role, Feature) and found is not None:
            return found
        if found is not None and found.transform == "identity":
            return Weight(role.index, found.scale)
    raise InputError(f"{where} cannot be converted: angle {value}, {_ALLOWED_ANGLES}")


def _constant(where: str, value: Any) -> Constant:
    try:
        number = float(value)
    except TypeError as error:
        raise InputError(f"{where} cannot be converted: angle {value} is not real") from error
    return Constant(number)


def _transformed(index: int, expression: Any, parameter: Any) -> Feature | None:
    """The feature whose transform and scale give the expression's values at all probes.

    Values and not symbols are compared: Qiskit's symbolic engine has changed between releases,
    and equal functions can be written in many ways.
    """
    try:
        values = np.array([float(expression.bind({parameter: float(x)})) for x in _PROBES])
    except Exception:
        # Qiskit raises errors of many kinds for values outside a function's domain.
        return None
    for transform in TRANSFORMS:
        basis = apply_transform(transform, _PROBES)
        scale = float(values[0] / basis[0])
        if math.isfinite(scale) and np.allclose(values, scale * basis, rtol=1e-13, atol=0):
            return Feature(index, transform, scale)
    return None
