"""Circuits and ansaetze gate by gate, and the reference engine against dense matrices."""

import functools

import numpy as np
import pytest
from scipy.linalg import expm

from hpc_qlstm.circuits import ENCODINGS, Circuit, Constant, Feature, Gate, Weight, ansatz
from hpc_qlstm.circuits.circuit import TRANSFORMS
from hpc_qlstm.engines import Engine, create_engine
from hpc_qlstm.engines.reference import ReferenceEngine
from hpc_qlstm.errors import InputError, UnsupportedError

RING = {
    1: [],
    2: [(0, 1), (1, 0)],
    3: [(0, 1), (1, 2), (2, 0), (0, 2), (1, 0), (2, 1)],
    4: [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2), (1, 3), (2, 0), (3, 1)],
}
BRICKS = {
    1: [],
    2: [(0, 1)],
    3: [(0, 1), (1, 2)],
    4: [(0, 1), (2, 3), (1, 2)],
    5: [(0, 1), (2, 3), (1, 2), (3, 4)],
}


def cnots(pairs):
    return [Gate("cnot", pair) for pair in pairs]


@pytest.mark.parametrize("q", RING)
def test_rot_ring_gate_by_gate(q):
    circuit = ansatz("rot_ring", qubits=q, features=max(1, q - 1), outputs=1, depth=2)
    expected = [Gate("h", (i,)) for i in range(q)]
    for i in range(max(1, q - 1)):
        expected += [Gate("ry", (i,), Feature(i, "arctan"))]
        expected += [Gate("rz", (i,), Feature(i, "arctan_square"))]
    numbers = iter(np.arange(2 * q * 3).tolist())
    for _ in range(2):
        expected += cnots(RING[q])
        for i in range(q):
            expected += [Gate(name, (i,), Weight(next(numbers))) for name in ("rz", "ry", "rz")]
    assert list(circuit.gates) == expected
    assert circuit.weight_shape == (2, q, 3)


@pytest.mark.parametrize("q", BRICKS)
def test_ry_brickwork_gate_by_gate(q):
    circuit = ansatz("ry_brickwork", qubits=q, features=q, outputs=q, depth=2)
    expected = [Gate("h", (i,)) for i in range(q)]
    expected += [Gate("ry", (i,), Feature(i)) for i in range(q)]
    for layer in range(2):
        expected += cnots(BRICKS[q])
        expected += [Gate("ry", (i,), Weight(layer * q + i)) for i in range(q)]
    assert list(circuit.gates) == expected
    assert circuit.weight_shape == (2, q)


@pytest.mark.parametrize("name", ["rot_ring", "ry_brickwork"])
def test_reuploading_repeats_the_encoding_before_every_layer(name):
    sizes = {"qubits": 3, "features": 2, "outputs": 1, "depth": 3}
    once, often = ansatz(name, **sizes), ansatz(name, **sizes, reupload=True)
    encoding = [g for g in once.gates if isinstance(g.angle, Feature)]
    layer = (len(once.gates) - 3 - len(encoding)) // 3
    body = list(once.gates[3 + len(encoding) :])
    expected = [Gate("h", (i,)) for i in range(3)]
    for k in range(3):
        expected += encoding + body[k * layer : (k + 1) * layer]
    assert list(often.gates) == expected


@pytest.mark.parametrize(
    ("encoding", "gates"),
    [
        ("arctan_ry_rz", [("ry", "arctan"), ("rz", "arctan_square")]),
        ("arctan_ry", [("ry", "arctan")]),
        ("ry", [("ry", "identity")]),
        ("rx", [("rx", "identity")]),
        ("rz", [("rz", "identity")]),
    ],
)
def test_encodings(encoding, gates):
    for name in ("rot_ring", "ry_brickwork"):
        c = ansatz(name, qubits=2, features=2, outputs=1, depth=1, encoding=encoding)
        found = [g for g in c.gates if isinstance(g.angle, Feature)]
        assert found == [Gate(n, (i,), Feature(i, t)) for i in range(2) for n, t in gates]
    assert encoding in ENCODINGS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "ring"}, "'ring' is not known, allowed: rot_ring, ry_brickwork"),
        ({"encoding": "angle"}, "'angle' is not known, allowed: arctan_ry_rz"),
        ({"depth": 0}, "depth is 0, allowed: an integer of 1 or more"),
        ({"features": 4}, "3 qubits are too few for 4 features and 2 outputs, allowed: 4 or more"),
        ({"outputs": 5}, "allowed: 5 or more"),
        ({"outputs": 0}, "outputs is 0, allowed: 1 to 3"),
    ],
)
def test_ansatz_refuses(change, message):
    sizes = {"name": "rot_ring", "qubits": 3, "features": 3, "outputs": 2, "depth": 1}
    with pytest.raises(InputError, match=message):
        ansatz(**{**sizes, **change})


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        (Gate("swap", (0, 1)), r"gate 1 \(swap on \(0, 1\)\): unknown gate, allowed: h, x, rx"),
        (Gate("cnot", (0,)), "needs 2 different qubits"),
        (Gate("cz", (1, 1)), "needs 2 different qubits"),
        (Gate("h", (2,)), "qubits must be 0 to 1"),
        (Gate("x", (-1,)), "qubits must be 0 to 1"),
        (Gate("rx", (0,)), "rotations need an angle"),
        (Gate("h", (0,), Constant(1.0)), "other gates have none"),
        (Gate("rx", (0,), Constant(np.inf)), "angle inf is not finite"),
        (Gate("rx", (0,), Weight(3)), "weight 3, allowed: 0 to 2"),
        (Gate("rx", (0,), Weight(-1)), "weight -1"),
        (Gate("rx", (0,), Weight(0, np.inf)), "scale inf is not finite"),
        (Gate("rx", (0,), Feature(2)), "feature 2, allowed: 0 to 1"),
        (Gate("rx", (0,), Feature(0, "sin")), "transform 'sin', allowed: identity, arctan"),
        (Gate("rx", (0,), Feature(0, "arctan", np.nan)), "scale nan is not finite"),
    ],
)
def test_circuit_refuses_a_gate(gate, message):
    with pytest.raises(InputError, match=message):
        Circuit(2, (Gate("h", (0,)), gate), 2, 1, (3,))


@pytest.mark.parametrize("sizes", [(0, 1, 1), (2, 1, 0), (2, 1, 3), (2, -1, 1)])
def test_circuit_refuses_sizes(sizes):
    qubits, features, outputs = sizes
    with pytest.raises(InputError, match="allowed"):
        Circuit(qubits, (), features, outputs)


def every_gate(qubits, rng):
    """A circuit of every gate and every kind of angle; weights and features are used twice."""
    gates = [Gate("h", (i,)) for i in range(qubits)]
    for k in range(2):
        for i, transform in enumerate(TRANSFORMS):
            name = ("rx", "ry", "rz")[(i + k) % 3]
            gates.append(Gate(name, (i % qubits,), Feature(i % 2, transform, (1.0, -0.7)[k])))
        for j in range(4):
            gates.append(Gate(("rx", "ry", "rz")[j % 3], ((j + k) % qubits,), Weight(j)))
        gates.append(Gate("x", (k % qubits,)))
        gates.append(Gate("rx", (0,), Constant(float(rng.normal()))))
        for a in range(qubits):
            b = (a + 1 + k) % qubits
            if a != b:
                gates += [Gate("cnot", (a, b)), Gate("ry", (b,), Constant(0.4)), Gate("cz", (b, a))]
    return Circuit(qubits, tuple(gates), 2, qubits, (2, 2))


PAULI = {
    "x": np.array([[0, 1], [1, 0]], dtype=complex),
    "y": np.array([[0, -1j], [1j, 0]]),
    "z": np.array([[1, 0], [0, -1]], dtype=complex),
}


def on(qubits, **factors):
    """The Kronecker product with `factors` q0, q1, ...; qubit 0 is the last factor."""
    parts = [factors.get(f"q{k}", np.eye(2)) for k in reversed(range(qubits))]
    return functools.reduce(np.kron, parts)


def dense(circuit, x, w):
    """<Z_k> of one sample by full matrices; shares nothing with the package but the description."""
    transforms = {"identity": x, "arctan": np.arctan(x), "arctan_square": np.arctan(x**2)}
    state = np.zeros(2**circuit.qubits, dtype=complex)
    state[0] = 1
    for gate in circuit.gates:
        target, angle = f"q{gate.qubits[-1]}", gate.angle
        if isinstance(angle, Feature):
            angle = angle.scale * transforms[angle.transform][angle.index]
        elif isinstance(angle, Weight):
            angle = w.ravel()[angle.index]
        elif angle is not None:
            angle = angle.value
        if angle is not None:
            matrix = on(circuit.qubits, **{target: expm(-0.5j * angle * PAULI[gate.name[1]])})
        elif gate.name == "h":
            matrix = on(circuit.qubits, **{target: (PAULI["x"] + PAULI["z"]) / np.sqrt(2)})
        elif gate.name == "x":
            matrix = on(circuit.qubits, **{target: PAULI["x"]})
        else:
            control, flip = f"q{gate.qubits[0]}", PAULI["x" if gate.name == "cnot" else "z"]
            off, one = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
            matrix = on(circuit.qubits, **{control: off})
            matrix = matrix + on(circuit.qubits, **{control: one, target: flip})
        state = matrix @ state
    observables = [on(circuit.qubits, **{f"q{k}": PAULI["z"]}) for k in range(circuit.outputs)]
    return np.array([(state.conj() @ z @ state).real for z in observables])


@pytest.mark.parametrize("qubits", [1, 2, 3, 4])
def test_reference_engine_against_dense_matrices(qubits):
    rng = np.random.default_rng(qubits)
    circuit, engine = every_gate(qubits, rng), ReferenceEngine()
    x, w, dy = rng.normal(size=(3, 2)), rng.normal(size=(2, 2)), rng.normal(size=(3, qubits))
    expected = np.array([dense(circuit, row, w) for row in x])
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(engine.expectations(circuit, x, w), expected, atol=1e-13)

    y, to_w, to_x = engine.vjp(circuit, x, w, dy)
    np.testing.assert_allclose(y, expected, atol=1e-13)
    step = 1e-5

    def change(dx, dw):
        ends = [[dense(circuit, row, w + s * dw) for row in x + s * dx] for s in (step, -step)]
        return (dy * (np.array(ends[0]) - np.array(ends[1]))).sum(axis=1) / (2 * step)

    for j in range(2):
        np.testing.assert_allclose(to_x[:, j], change(np.eye(2)[j], 0.0 * w), atol=1e-8)
    for j in range(4):
        dw = np.eye(4)[j].reshape(2, 2)
        np.testing.assert_allclose(to_w.ravel()[j], change(0.0 * x, dw).sum(), atol=1e-8)


def test_qubit_0_is_the_first_output_and_a_cnot_names_its_control_first():
    gates = (Gate("x", (0,)), Gate("cnot", (0, 2)))
    y = ReferenceEngine().expectations(Circuit(3, gates, 0, 3), np.empty((1, 0)), np.empty(0))
    np.testing.assert_allclose(y, [[-1, 1, -1]], atol=1e-15)


def test_parameter_shift_agrees_with_adjoint_for_a_group_of_weights():
    rng = np.random.default_rng(5)
    circuit, engine = every_gate(3, rng), ReferenceEngine()
    x, w = rng.normal(size=(2, 2)), rng.normal(size=(4, 2, 2))
    dy = rng.normal(size=(4, 2, 3))
    adjoint = engine.vjp_group(circuit, x, w, dy)
    shifted = Engine.vjp_group(engine, circuit, x, w, dy)
    for a, b, shape in zip(adjoint, shifted, [(4, 2, 3), (4, 2, 4), (4, 2, 2)], strict=True):
        assert a.shape == shape
        np.testing.assert_allclose(a, b, atol=1e-13)


def test_angles_pull_back_and_angle_form():
    rng = np.random.default_rng(6)
    circuit = every_gate(2, rng)
    x, w = rng.normal(size=(3, 2)), rng.normal(size=(2, 2))
    angles, cotangent = circuit.angles(x, w), rng.normal(size=(3, circuit.angle_count))
    first = circuit.gates[circuit.variable_gates[1]].angle
    assert first == Feature(1, "arctan", 1.0)
    np.testing.assert_array_equal(angles[:, 1], np.arctan(x[:, 1]))
    to_w, to_x = circuit.pull_back(x, cotangent)
    for j in range(2):
        d = 1e-6 * np.eye(2)[j]
        slope = (circuit.angles(x + d, w) - circuit.angles(x - d, w)) / 2e-6
        np.testing.assert_allclose(to_x[:, j], (slope * cotangent).sum(axis=1), atol=1e-8)
    for j in range(4):
        d = 1e-6 * np.eye(4)[j].reshape(2, 2)
        slope = (circuit.angles(x, w + d) - circuit.angles(x, w - d)) / 2e-6
        np.testing.assert_allclose(to_w[:, j], (slope * cotangent).sum(axis=1), atol=1e-8)

    form, engine = circuit.angle_form, ReferenceEngine()
    assert (form.features, form.weight_count) == (circuit.angle_count, 0)
    np.testing.assert_array_equal(form.angles(angles, np.empty(0)), angles)
    np.testing.assert_array_equal(
        engine.expectations(form, angles, np.empty(0)), engine.expectations(circuit, x, w)
    )


def test_engine_refuses_wrong_shapes():
    circuit, engine = every_gate(2, np.random.default_rng(0)), ReferenceEngine()
    x, w = np.zeros((3, 2)), np.zeros((2, 2))
    with pytest.raises(InputError, match=r"features have shape \(3, 1\), allowed: \(samples, 2\)"):
        engine.expectations(circuit, x[:, :1], w)
    with pytest.raises(InputError, match=r"features have shape \(2,\)"):
        engine.expectations(circuit, x[0], w)
    with pytest.raises(InputError, match=r"weights have shape \(4,\), allowed: \(2, 2\)"):
        engine.vjp(circuit, x, w.ravel(), np.zeros((3, 2)))
    with pytest.raises(InputError, match=r"cotangent has shape \(3, 1\), allowed: \(3, 2\)"):
        engine.vjp(circuit, x, w, np.zeros((3, 1)))
    with pytest.raises(UnsupportedError, match="reference: a circuit of 21 qubits is too large"):
        engine.expectations(Circuit(21, (), 0, 1), np.empty((1, 0)), np.empty(0))


def test_create_engine_refuses():
    assert isinstance(create_engine("reference"), ReferenceEngine)
    with pytest.raises(InputError, match="'numpy' is not known, allowed: reference, native, aer"):
        create_engine("numpy")
    with pytest.raises(InputError, match="reference: option 'threads' is not known, allowed: none"):
        create_engine("reference", threads=2)
