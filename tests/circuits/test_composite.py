"""Composite gates against Qiskit's own, in every engine, with their gradients."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import Pauli, Statevector

import hpc_qlstm
from hpc_qlstm import create_engine, load_config
from hpc_qlstm.analysis.resources import resources
from hpc_qlstm.circuits import COMPOSITES, Circuit, Constant, Feature, Gate, Weight, composite
from hpc_qlstm.circuits.circuit import TRANSFORMS
from hpc_qlstm.circuits.composite import TEMPLATES
from hpc_qlstm.circuits.gates import PRIMITIVES
from hpc_qlstm.circuits.qiskit_conversion import from_qiskit, named_qiskit
from hpc_qlstm.engines import Engine
from hpc_qlstm.engines.reference import ReferenceEngine
from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.compatibility import circuits_fingerprint

SIZES = {
    name: (
        1 + max(k for gate in gates for k in gate.qubits),
        1 + max((g.angle.index for g in gates if isinstance(g.angle, Weight)), default=-1),
    )
    for name, gates in TEMPLATES.items()
}
ENGINES = {
    "batch": {"name": "native", "mode": "batch"},
    "state": {"name": "native", "mode": "state"},
    "single batch": {"name": "native", "precision": "single", "mode": "batch"},
    "single state": {"name": "native", "precision": "single", "mode": "state"},
    "aer": {"name": "aer"},
    "primitive": {"name": "primitive"},
}


@pytest.fixture(scope="module")
def engines():
    return {name: create_engine(**options) for name, options in ENGINES.items()}


def tolerance(name):
    return 2e-5 if name.startswith("single") else 1e-12


def turned(qc, rng):
    """Any rotation of every qubit, so that all parts of a state show in <Z>."""
    for k in range(qc.num_qubits):
        for rotation in (qc.rx, qc.ry, qc.rz):
            rotation(float(rng.normal()), k)


def around(name, rng, angles):
    """Qiskit's own gate on qubits 2 and 0 of three, in reversed order, between rotations."""
    qc = QuantumCircuit(3)
    turned(qc, rng)
    qc.cx(0, 1)
    # By the class, as u1, u2 and u3 have no methods any more.
    from qiskit.circuit.library import get_standard_gate_name_mapping

    kind = type(get_standard_gate_name_mapping()[name])
    qc.append(kind(*angles), [2, 0][: SIZES[name][0]])
    qc.cz(1, 2)
    turned(qc, rng)
    return qc


def z_values(qc):
    state = Statevector(qc)
    return [state.expectation_value(Pauli("Z"), [k]).real for k in range(qc.num_qubits)]


def test_no_composite_gate_has_a_primitive_ones_name():
    assert not set(COMPOSITES) & {*PRIMITIVES, *(kind.qiskit for kind in PRIMITIVES.values())}


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_gate_is_qiskits_in_every_engine(name, engines):
    rng = np.random.default_rng(len(name))
    angles = rng.normal(size=SIZES[name][1]).tolist()
    qc = around(name, rng, angles)
    circuit = from_qiskit(qc, [], [], 3)
    expected = z_values(qc)
    assert np.abs(expected).max() > 0.1
    none = np.empty((1, 0)), np.empty(0)
    found = ReferenceEngine().expectations(circuit, *none)[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    for label, engine in engines.items():
        found = engine.expectations(circuit, *none)[0]
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance(label), err_msg=label)


@pytest.mark.parametrize("name", [n for n in TEMPLATES if SIZES[n][1]])
def test_gradients_by_weights_and_features(name, engines):
    """Angles are weights and, under every transform, features; against finite differences."""
    rng = np.random.default_rng(1)
    width, count = SIZES[name]
    on = [2, 0][:width]
    gates = [Gate("ry", (k,), Constant(0.4 + k)) for k in range(3)]
    gates += composite(name, on, *(Weight(k, -1.3) for k in range(count)))
    gates += [Gate("rx", (k,), Weight(0)) for k in range(3)]  # a weight of several gates
    for transform in TRANSFORMS:
        gates += composite(name, on, *(Feature(k, transform, 0.7) for k in range(count)))
    gates += [Gate("ry", (k,), Constant(1.1)) for k in range(3)]
    circuit = Circuit(3, tuple(gates), count, 3, (count,))
    x, w, dy = rng.normal(size=(2, count)), rng.normal(size=count), rng.normal(size=(2, 3))
    reference = ReferenceEngine()
    y, to_w, to_x = reference.vjp(circuit, x, w, dy)

    def change(dx, dw):
        values = [reference.expectations(circuit, x + s * dx, w + s * dw) for s in (1e-5, -1e-5)]
        return (dy * (values[0] - values[1])).sum(axis=1) / 2e-5

    for k in range(count):
        step = np.eye(count)[k]
        np.testing.assert_allclose(to_w[k], change(0.0, step).sum(), atol=1e-8)
        np.testing.assert_allclose(to_x[:, k], change(step, 0.0), atol=1e-8)
    for label, engine in engines.items():
        for got, want in zip(engine.vjp(circuit, x, w, dy), (y, to_w, to_x), strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=tolerance(label), err_msg=label)


@st.composite
def circuits(draw):
    qubits = draw(st.integers(1, 4))
    names = [name for name in TEMPLATES if SIZES[name][0] <= qubits]
    scale = st.sampled_from([1.0, 0.5, -2.0])
    weights, features = (
        st.builds(Weight, st.integers(0, 2), scale),
        st.builds(Feature, st.integers(0, 1), st.sampled_from(TRANSFORMS), scale),
    )
    constants = st.builds(Constant, st.floats(-4.0, 4.0))
    gates = []
    for name in draw(st.lists(st.sampled_from(names), min_size=1, max_size=12)):
        width, count = SIZES[name]
        on = draw(st.permutations(range(qubits)))[:width]
        angles = [draw(st.one_of(weights, features, constants)) for _ in range(count)]
        gates += composite(name, on, *angles)
    return Circuit(qubits, tuple(gates), 2, draw(st.integers(1, qubits)), (3,))


@settings(max_examples=40, deadline=None)
@given(circuits(), st.integers(0, 2**32 - 1))
def test_random_circuits_of_all_gates_in_every_engine(engines, circuit, seed):
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=(3, 2)), rng.normal(size=(2, 3))
    dy = rng.normal(size=(2, 3, circuit.outputs))
    expected = ReferenceEngine().vjp_group(circuit, x, w, dy)
    for label, engine in engines.items():
        for got, want in zip(engine.vjp_group(circuit, x, w, dy), expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=10 * tolerance(label), err_msg=label)


def test_a_controlled_rotation_takes_four_shifted_circuits():
    before = [Gate("h", (0,)), Gate("ry", (1,), Constant(0.7))]
    gates = [*before, *composite("crx", (0, 1), Weight(0)), Gate("ry", (0,), Weight(1))]
    circuit = Circuit(2, tuple(gates), 0, 2, (2,))
    assert circuit.angle_count == 3
    engine = ReferenceEngine()
    x, w, dy = np.empty((5, 0)), np.array([[0.3, 0.9]]), np.ones((1, 5, 2))
    shifted = Engine.vjp_group(engine, circuit, x, w, dy)
    assert engine.executions == 5 * (1 + 4 + 2)
    for got, want in zip(shifted, engine.vjp_group(circuit, x, w, dy), strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-13)
    # Two shifts of pi/2 alone are not the derivative: the halves have other frequencies.
    ends = [engine.expectations(circuit, x, w[0] + [s * np.pi / 2, 0.0]) for s in (1, -1)]
    naive = 0.5 * (ends[0] - ends[1]).sum()
    assert abs(naive - shifted[1][0, :, 0].sum()) > 0.01


def own_circuit():
    """A user's circuit with composite gates and factors of weights."""
    x, w = ParameterVector("x", 2), [Parameter(f"w{k}") for k in range(6)]
    qc = QuantumCircuit(2)
    qc.ry(x[0], 0)
    qc.rzz(x[1], 0, 1)
    qc.sx(1)
    qc.crx(w[0], 0, 1)
    qc.u(w[1], w[2], -w[3] / 2, 0)
    qc.cp(2 * w[4], 1, 0)
    qc.swap(0, 1)
    qc.t(0)
    qc.rxx(w[5], 0, 1)
    return qc, x, w


@pytest.fixture
def configured(tmp_path, write_config):
    def config(**engine):
        with (tmp_path / "own.qpy").open("wb") as file:
            qpy.dump([own_circuit()[0]], file)
        return load_config(
            write_config(
                model={"hidden_size": 2, "ansatz_file": str(tmp_path / "own.qpy")},
                partition={"strategy": "broadcast_input", "count": 2},
                data={"options": {"points": 19}, "window": 2},
                training={"epochs": 2, "batch_size": 5, "learning_rate": 0.1},
                engine=engine,
            )
        )

    return config


@pytest.mark.parametrize("engine", ["native", "aer"])
def test_predicted_circuits_are_those_that_run(configured, engine):
    config = configured(name=engine, gradient="parameter_shift", threads=1)
    predicted = resources(config)
    # crx, u, cp and rxx: 2 + 3 + 3 + 1 rotations of weights; ry and rzz of features.
    assert predicted.partitions[0].angles == 11
    history = hpc_qlstm.train(config, quiet=True).history
    for epoch in history:
        assert epoch["circuits"]["training"] == predicted.training
        assert epoch["circuits"]["evaluation"] == predicted.evaluation
    assert history[1]["train_loss"] < history[0]["train_loss"]


def test_a_model_trains_alike_in_native_and_reference(configured):
    weights = [
        hpc_qlstm.train(configured(name=name), quiet=True).weights["forget.0"]
        for name in ("native", "reference")
    ]
    np.testing.assert_allclose(*weights, rtol=0, atol=1e-10)


def test_an_exported_circuit_has_the_factors_and_comes_back():
    qc, x, w = own_circuit()
    circuit = from_qiskit(qc, x, w, 2)
    out = named_qiskit(circuit)
    names = {parameter.name: parameter for parameter in out.parameters}
    again = from_qiskit(out, [names["x0"], names["x1"]], [names[f"w{k}"] for k in range(6)], 2)
    assert again == circuit
    values = np.arange(6) / 7
    bound = named_qiskit(circuit, values).assign_parameters({"x0": 0.3, "x1": -0.8})
    y = ReferenceEngine().expectations(circuit, np.array([[0.3, -0.8]]), values)[0]
    np.testing.assert_allclose(z_values(bound), y, rtol=0, atol=1e-12)


def test_text_and_fingerprint_of_weights_without_a_factor_are_as_ever():
    assert repr(Weight(3)) == "Weight(index=3)"
    assert Weight(3) == Weight(3, 1.0)
    assert repr(Weight(3, 0.5)) == "Weight(index=3, scale=0.5)"
    circuit = Circuit(1, (Gate("rx", (0,), Weight(0)),), 0, 1, (1,))
    # As checkpoints have held it since before weights had factors.
    assert bytes(circuits_fingerprint([circuit]).astype(np.uint8)).hex()[:16] == "a2ee2befd4a094e9"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (("iswap", (0, 1)), "'iswap' is not known, allowed: y, z, s"),
        (("cnot", (0, 1)), "'cnot' is not known"),
        (("crx", (0,), Weight(0)), "crx on 1 qubits with 1 angles, allowed: 2 and 1"),
        (("crx", (0, 1)), "crx on 2 qubits with 0 angles, allowed: 2 and 1"),
        (("u", (0,), Weight(0)), "u on 1 qubits with 1 angles, allowed: 1 and 3"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        composite(*call)


def test_equal_qubits_are_refused_by_the_circuit():
    with pytest.raises(InputError, match="needs 2 different qubits"):
        Circuit(2, tuple(composite("swap", (1, 1))), 0, 1)
