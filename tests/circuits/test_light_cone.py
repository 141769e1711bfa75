"""Light cones: which features an output depends on, against derivatives at random weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpc_qlstm import ansatz, create_engine
from hpc_qlstm.circuits import ANSAETZE, ENCODINGS, Circuit, Constant, Feature, Gate, Weight
from hpc_qlstm.circuits.light_cone import feature_dependence
from hpc_qlstm.circuits.linear import LinearMap


def dependence_by_derivatives(circuit):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, circuit.features))
    weights = rng.normal(0.0, 1.3, circuit.weight_shape)
    engine = create_engine("native", threads=1)
    rows = []
    for output in range(circuit.outputs):
        cotangent = np.zeros((6, circuit.outputs))
        cotangent[:, output] = 1.0
        rows.append((np.abs(engine.vjp(circuit, x, weights, cotangent)[2]) > 1e-13).any(axis=0))
    return np.array(rows)


@pytest.mark.parametrize("name", ANSAETZE)
@pytest.mark.parametrize("encoding", [None, *ENCODINGS])
@pytest.mark.parametrize("reupload", [False, True])
def test_named_ansaetze(name, encoding, reupload):
    for qubits in (1, 2, 3, 4, 6):
        for depth in (1, 2, 3):
            circuit = ansatz(
                name, qubits=qubits, features=qubits, outputs=qubits, depth=depth,
                encoding=encoding, reupload=reupload,
            )  # fmt: skip
            np.testing.assert_array_equal(
                feature_dependence(circuit), dependence_by_derivatives(circuit)
            )


def test_a_rotation_about_a_stabilizer_does_nothing():
    turn = Gate("rx", (0,), Feature(0))
    after = Gate("ry", (0,), Weight(0))
    assert not feature_dependence(Circuit(1, (Gate("h", (0,)), turn, after), 1, 1, (1,)))[0, 0]
    assert feature_dependence(Circuit(1, (turn, after), 1, 1, (1,)))[0, 0]


def test_affine_maps_see_everything():
    assert feature_dependence(LinearMap.of(3, 2)).all()


@st.composite
def circuits(draw):
    qubits = draw(st.integers(1, 4))
    gates, weights = [], 0
    for _ in range(draw(st.integers(1, 14))):
        name = draw(st.sampled_from(["h", "x", "rx", "ry", "rz", "cnot", "cz"]))
        first = draw(st.integers(0, qubits - 1))
        if name in ("cnot", "cz"):
            if qubits == 1:
                continue
            second = (first + draw(st.integers(1, qubits - 1))) % qubits
            gates.append(Gate(name, (first, second)))
        elif name in ("h", "x"):
            gates.append(Gate(name, (first,)))
        elif draw(st.booleans()):
            gates.append(Gate(name, (first,), Feature(draw(st.integers(0, 1)))))
        else:
            gates.append(Gate(name, (first,), Weight(weights)))
            weights += 1
    return Circuit(qubits, tuple(gates), 2, qubits, (max(weights, 1),))


@settings(max_examples=150, deadline=None)
@given(circuits())
def test_no_dependence_is_missed(circuit):
    """What depends is always found; a few circuits have less dependence than the light cone."""
    assert not (dependence_by_derivatives(circuit) & ~feature_dependence(circuit)).any()


def test_constant_angles_count_as_any_angle():
    gates = (Gate("ry", (0,), Feature(0)), Gate("rx", (0,), Constant(0.3)))
    assert feature_dependence(Circuit(1, gates, 1, 1)).all()
