from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import Pauli, Statevector

from hpc_qlstm.circuits import ANSAETZE, Circuit, Constant, Feature, Gate, Weight, ansatz
from hpc_qlstm.circuits.qiskit_conversion import from_qiskit, to_qiskit
from hpc_qlstm.engines.reference import ReferenceEngine
from hpc_qlstm.errors import InputError


def statevector_outputs(qc, outputs):
    state = Statevector(qc)
    return [state.expectation_value(Pauli("Z"), [k]).real for k in range(outputs)]


@pytest.mark.parametrize("name", ANSAETZE)
@pytest.mark.parametrize("qubits", [1, 2, 3, 5])
@pytest.mark.parametrize("reupload", [False, True])
def test_bound_circuit_has_the_values_of_the_reference(name, qubits, reupload):
    rng = np.random.default_rng(qubits)
    circuit = ansatz(
        name,
        qubits=qubits,
        features=max(1, qubits - 1),
        outputs=max(1, qubits - 2),
        depth=2,
        reupload=reupload,
    )
    x, w = rng.normal(size=(1, circuit.features)), rng.normal(size=circuit.weight_shape)
    y = statevector_outputs(to_qiskit(circuit, x[0], w), circuit.outputs)
    np.testing.assert_allclose(y, ReferenceEngine().expectations(circuit, x, w)[0], atol=1e-12)


def test_free_parameters_are_the_variable_angles_in_order():
    circuit = ansatz("rot_ring", qubits=3, features=3, outputs=3, depth=2)
    assert circuit.angle_count > 10  # so that sorting parameters by name would show
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(1, 3)), rng.normal(size=circuit.weight_shape)
    free = to_qiskit(circuit)
    assert free.num_parameters == circuit.angle_count
    bound = free.assign_parameters(circuit.angles(x, w)[0])
    y = statevector_outputs(bound, 3)
    np.testing.assert_allclose(y, ReferenceEngine().expectations(circuit, x, w)[0], atol=1e-12)


def test_constants_and_every_gate_are_translated():
    gates = (Gate("x", (0,)), Gate("h", (1,)), Gate("cz", (0, 1)), Gate("rx", (1,), Constant(0.4)))
    circuit = Circuit(2, gates, 0, 2)
    y = statevector_outputs(to_qiskit(circuit), 2)
    expected = ReferenceEngine().expectations(circuit, np.empty((1, 0)), np.empty(0))[0]
    np.testing.assert_allclose(y, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("features", "weights"), [(np.zeros(2), None), (None, np.zeros((1, 2))), (np.zeros(3), 0.0)]
)
def test_to_qiskit_refuses_wrong_shapes(features, weights):
    circuit = ansatz("ry_brickwork", qubits=2, features=2, outputs=1, depth=1)
    with pytest.raises(InputError, match="to_qiskit"):
        to_qiskit(circuit, features, weights)


def test_a_user_circuit_keeps_its_values():
    x, w = ParameterVector("x", 2), ParameterVector("w", 12)
    qc = QuantumCircuit(3, global_phase=0.3)
    qc.h([0, 1, 2])
    for i in range(2):
        qc.ry(x[i].arctan(), i)
        qc.rz(1.5 * (x[i] ** 2).arctan(), i)
        qc.rx(-0.5 * x[i], 2)
    qc.barrier()
    for i in range(12):
        (qc.rz, qc.ry, qc.rx)[i % 3](w[i], i % 3)
        qc.cx(i % 3, (i + 1) % 3)
        qc.cz(0, 2)
    qc.x(1)
    qc.ry(np.pi / 5, 1)
    circuit = from_qiskit(qc, x, w, outputs=3)
    assert circuit.weight_shape == (12,)
    rng = np.random.default_rng(1)
    values_x, values_w = rng.normal(size=(4, 2)), rng.normal(size=12)
    y = ReferenceEngine().expectations(circuit, values_x, values_w)
    for n in range(4):
        bound = qc.assign_parameters({x: values_x[n], w: values_w})
        np.testing.assert_allclose(y[n], statevector_outputs(bound, 3), atol=1e-12)


@pytest.mark.parametrize(
    ("angle", "expected"),
    [
        (lambda x: x, Feature(0)),
        (lambda x: 2 * x, Feature(0, "identity", 2.0)),
        (lambda x: -x / 4, Feature(0, "identity", -0.25)),
        (lambda x: x.arctan(), Feature(0, "arctan")),
        (lambda x: 3.0 * x.arctan(), Feature(0, "arctan", 3.0)),
        (lambda x: (x**2).arctan(), Feature(0, "arctan_square")),
        (lambda x: (x * x).arctan() * 0.5, Feature(0, "arctan_square", 0.5)),
    ],
)
def test_input_transforms_are_recognised(angle, expected):
    x = Parameter("x")
    qc = QuantumCircuit(1)
    qc.ry(angle(x), 0)
    found = from_qiskit(qc, [x], [], 1).gates[0].angle
    assert (found.index, found.transform) == (expected.index, expected.transform)
    assert found.scale == pytest.approx(expected.scale, rel=1e-14)


def test_a_multiple_of_a_weight_keeps_its_factor():
    w = Parameter("w")
    qc = QuantumCircuit(1)
    for angle in (2 * w, -w / 4, w):
        qc.rx(angle, 0)
    found = [gate.angle for gate in from_qiskit(qc, [], [w], 1).gates]
    assert found == [Weight(0, 2.0), Weight(0, -0.25), Weight(0)]


def test_weights_are_numbered_in_the_order_given():
    a, b = Parameter("a"), Parameter("b")
    qc = QuantumCircuit(1)
    qc.rx(a, 0)
    qc.rx(b, 0)
    assert [g.angle for g in from_qiskit(qc, [], [b, a], 1).gates] == [Weight(1), Weight(0)]


X, W, OTHER = Parameter("x"), Parameter("w"), Parameter("other")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda qc: qc.iswap(0, 1), r"instruction 0 \(iswap on \(0, 1\)\).*allowed gates: y, z"),
        (lambda qc: qc.measure_all(), "measure.*leave measurements out"),
        (lambda qc: qc.cx(0, 1, ctrl_state=0), "cx_o0"),
        (lambda qc: qc.crx(W, 0, 1, ctrl_state=0), "crx_o0"),
        (lambda qc: qc.ry(W + 1, 0), r"angle 1 \+ w"),
        (
            lambda qc: qc.ry(W.arctan(), 0),
            r"angle atan\(w\).*allowed: a number, a weight w as w or",
        ),
        (lambda qc: qc.ry(W + X, 0), "angle"),
        (lambda qc: qc.ry(X.sin(), 0), r"angle sin\(x\)"),
        (lambda qc: qc.ry((2 * X).arctan(), 0), r"angle atan\(2\*x\)"),
        (lambda qc: qc.ry(X.log(), 0), "angle"),
        (lambda qc: qc.ry(X + 1, 0), "angle"),
        (lambda qc: qc.ry(OTHER, 0), "'other' is neither an input nor a weight"),
    ],
)
def test_what_cannot_be_converted_is_refused_by_name(build, message):
    qc = QuantumCircuit(2)
    build(qc)
    with pytest.raises(InputError, match=message):
        from_qiskit(qc, [X], [W], 1)


def test_a_parameter_with_two_roles_is_refused():
    with pytest.raises(InputError, match="twice"):
        from_qiskit(QuantumCircuit(1), [X], [X], 1)


def test_import_does_not_load_qiskit():
    code = "import sys, hpc_qlstm.circuits.qiskit_conversion; assert 'qiskit' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
