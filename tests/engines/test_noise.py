"""Noise and shots of the engine aer: known channels, devices, files, and repeatable samples."""

import json

import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm.analysis.sampled import z_scores
from hpc_qlstm.circuits.circuit import Circuit, Constant, Gate
from hpc_qlstm.engines import RandomStream, create_engine
from hpc_qlstm.engines.aer.engine import marginals, misread
from hpc_qlstm.errors import EngineError, InputError, UnsupportedError

NOTHING = np.empty((1, 0)), np.empty(0)


@pytest.fixture
def problem():
    circuit = hpc_qlstm.ansatz("rot_ring", qubits=3, features=3, outputs=2, depth=1)
    rng = np.random.default_rng(3)
    return circuit, rng.normal(size=(4, 3)), rng.normal(size=(2, *circuit.weight_shape))


def chain(gates):
    """X on qubit 0 an odd number of times, then CZ as often on 0 and 1."""
    steps = [Gate("x", (0,))] * gates + [Gate("cz", (0, 1))] * gates
    return Circuit(2, tuple(steps), 0, 2)


def test_depolarizing_shrinks_by_the_rate_of_every_gate():
    engine = create_engine("aer", noise={"depolarizing": 0.03, "depolarizing_2q": 0.1})
    y = engine.expectations(chain(3), *NOTHING)
    np.testing.assert_allclose(y, [[-(0.97**3) * 0.9**3, 0.9**3]], atol=1e-14)
    # Without a rate of their own, two-qubit gates have that of the others.
    engine = create_engine("aer", noise={"depolarizing": 0.03})
    y = engine.expectations(chain(1), *NOTHING)
    np.testing.assert_allclose(y, [[-(0.97**2), 0.97]], atol=1e-14)


def test_readout_errors_shrink_what_is_read():
    engine = create_engine("aer", noise={"readout": 0.1})
    np.testing.assert_allclose(engine.expectations(chain(1), *NOTHING), [[-0.8, 0.8]], atol=1e-14)


def test_reading_errors_of_each_qubit():
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(8), size=5)
    errors = np.array([[[1 - a, a], [b, 1 - b]] for a, b in ((0.1, 0.2), (0.0, 0.3), (0.05, 0))])
    full = np.kron(np.kron(errors[2], errors[1]), errors[0])
    np.testing.assert_allclose(misread(p, errors), p @ full, atol=1e-15)
    np.testing.assert_allclose(marginals(p, 1)[:, 1], p[:, 1::2].sum(axis=1), atol=1e-15)


@pytest.mark.parametrize("noise", [{}, {"depolarizing": 0.02, "readout": 0.05}])
@pytest.mark.parametrize("shots", [4, 1000])
def test_samples_agree_with_exact_values(problem, noise, shots):
    """4 shots are fewer than states: Aer follows every shot then, instead of a density matrix."""
    circuit, x, w = problem
    exact = create_engine("aer", noise=noise, threads=1)
    sampled = create_engine("aer", noise=noise, threads=1, shots=shots, seed=1)
    z, slope_z, bound = z_scores(sampled, exact, circuit, x, w, shots)
    assert 1 < z < bound
    assert 1 < slope_z < bound


def test_the_z_scores_find_a_wrong_noise(problem):
    circuit, x, w = problem
    exact = create_engine("aer", noise={"readout": 0.02}, threads=1)
    sampled = create_engine("aer", noise={"readout": 0.05}, threads=1, shots=10_000)
    z, slope_z, bound = z_scores(sampled, exact, circuit, x, w, 10_000)
    assert z > bound or slope_z > bound


@pytest.mark.parametrize("shots", [5, 500])
def test_samples_repeat_and_do_not_depend_on_the_batch(problem, shots):
    circuit, x, w = problem
    options = {"shots": shots, "seed": 5, "noise": {"depolarizing": 0.02}, "threads": 1}
    whole = create_engine("aer", **options).expectations_group(
        circuit, x, w, RandomStream.of_samples((0, 1), 4)
    )
    parts = [
        create_engine("aer", **options).expectations_group(
            circuit, x[k : k + 2], w, RandomStream.of_samples((0, 1), 2, k)
        )
        for k in (0, 2)
    ]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    other = create_engine("aer", **{**options, "seed": 6})
    assert not np.array_equal(
        other.expectations_group(circuit, x, w, RandomStream.of_samples((0, 1), 4)), whole
    )


def test_calls_without_a_key_draw_anew(problem):
    circuit, x, w = problem
    engine = create_engine("aer", shots=100)
    first, second = (engine.expectations_group(circuit, x, w) for _ in range(2))
    assert not np.array_equal(first, second)
    again = create_engine("aer", shots=100)
    np.testing.assert_array_equal(again.expectations_group(circuit, x, w), first)


def test_a_circuit_without_angles_is_sampled_for_every_row():
    circuit = Circuit(1, (Gate("h", (0,)),), 1, 1)
    y = create_engine("aer", shots=100).expectations(circuit, np.ones((20, 1)), np.empty(0))
    assert len(np.unique(y)) > 3
    fixed = Circuit(1, (Gate("ry", (0,), Constant(0.4)),), 1, 1)
    y = create_engine("aer", shots=1, noise={"depolarizing": 0.1}).expectations(
        fixed, np.ones((4, 1)), np.empty(0)
    )
    assert set(np.unique(y)) <= {-1.0, 1.0}


@pytest.mark.parametrize("name", ["fake_manila", "generic:4", "fake_sherbrooke"])
def test_a_devices_noise(problem, name):
    """Its gates, its couplings and its qubits: values are a little below the exact ones."""
    if name.startswith("fake"):
        pytest.importorskip("qiskit_ibm_runtime")
    circuit, x, w = problem
    engine = create_engine("aer", noise={"backend": name}, threads=1)
    noisy = engine.expectations(circuit, x, w[0])
    exact = create_engine("native").expectations(circuit, x, w[0])
    assert 1e-3 < np.abs(noisy - exact).max() < 0.3


def as_json(model):
    """The file that a user would save."""

    def plain(value):
        if isinstance(value, complex):
            return [value.real, value.imag]
        return value.tolist()

    return json.dumps(model.to_dict(serializable=True), default=plain)


def test_noise_from_a_file(problem, tmp_path):
    from qiskit_aer.noise import NoiseModel, ReadoutError, amplitude_damping_error

    model = NoiseModel()
    model.add_quantum_error(amplitude_damping_error(0.2), "x", [0])
    model.add_readout_error(ReadoutError([[0.9, 0.1], [0.3, 0.7]]), [1])
    path = tmp_path / "noise.json"
    path.write_text(as_json(model))
    y = create_engine("aer", noise={"file": str(path)}).expectations(
        Circuit(2, (Gate("x", (0,)), Gate("x", (1,))), 0, 2), *NOTHING
    )
    np.testing.assert_allclose(y, [[-0.6, -0.4]], atol=1e-14)


def test_a_devices_noise_from_a_file_rewrites_circuits_in_its_gates(problem, tmp_path):
    from qiskit.providers.fake_provider import GenericBackendV2
    from qiskit_aer.noise import NoiseModel

    path = tmp_path / "noise.json"
    path.write_text(as_json(NoiseModel.from_backend(GenericBackendV2(3, seed=0))))
    circuit, x, w = problem
    noisy = create_engine("aer", noise={"file": str(path)}).expectations(circuit, x, w[0])
    exact = create_engine("native").expectations(circuit, x, w[0])
    assert 1e-3 < np.abs(noisy - exact).max() < 0.3


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        ({"depolarizing": 2}, "noise: depolarizing: 2 given"),
        ({"readout": 0.5}, "readout: 0.5 given"),
        ({"rate": 0.1}, "rate: unknown key, allowed: depolarizing"),
        ({"readout": 0.1, "backend": "generic:3"}, "given together"),
        ({"backend": "manila"}, "'manila' is not known, allowed: generic:QUBITS"),
        ({"backend": "generic:none"}, "with 2 to 64 qubits"),
        ({"file": "absent.json"}, "absent.json cannot be read"),
    ],
)
def test_invalid_noise_is_refused(noise, message):
    with pytest.raises(InputError, match=message):
        create_engine("aer", noise=noise)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"errors": [{"type": "qerror"}]}', "\x00"])
def test_files_without_a_noise_model_are_refused(tmp_path, content):
    path = tmp_path / "noise.json"
    path.write_text(content)
    with pytest.raises(InputError, match="is no noise model"):
        create_engine("aer", noise={"file": str(path)})


def test_sizes_that_noise_allows():
    exact, noisy = (create_engine("aer", noise=n).capabilities for n in ({}, {"readout": 0.1}))
    assert noisy.max_qubits == exact.max_qubits // 2
    engine = create_engine("aer", noise={"backend": "generic:3"}, shots=10)
    with pytest.raises(UnsupportedError, match="4 qubits is too large, allowed: at most 3"):
        engine.expectations(Circuit(4, (Gate("h", (3,)),), 0, 1), *NOTHING)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shots": -1}, "shots is -1"),
        ({"shots": True}, "shots is True"),
        ({"seed": -1}, "seed is -1"),
        ({"call_memory_mb": 0}, "call_memory_mb is 0"),
        ({"mitigation": {"zne": "cubic"}}, "mitigation: zne: 'cubic' given"),
        ({"options": {"seed_simulator": 3}}, "engine's seed"),
    ],
)
def test_other_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        create_engine("aer", **arguments)


def test_readout_correction_where_the_circuit_is_followed_by_shot_but_not_its_calibration():
    """Fewer shots than states of all qubits, but not than those of the outputs."""
    pytest.importorskip("mitiq")
    circuit = hpc_qlstm.ansatz("rot_ring", qubits=5, features=5, outputs=2, depth=1)
    engine = create_engine(
        "aer", shots=10, noise={"depolarizing": 0.01, "readout": 0.05},
        mitigation={"readout": True}, threads=1,
    )  # fmt: skip
    y = engine.expectations(circuit, np.ones((3, 5)), np.zeros(circuit.weight_shape))
    assert np.isfinite(y).all()


def test_noise_files_with_other_errors(tmp_path):
    from qiskit.circuit.library import RXGate
    from qiskit_aer.noise import NoiseModel, QuantumError, coherent_unitary_error, pauli_error

    def values(model, circuit):
        path = tmp_path / "noise.json"
        path.write_text(as_json(model))
        return create_engine("aer", noise={"file": str(path)}).expectations(circuit, *NOTHING)

    turned = NoiseModel()
    turned.add_quantum_error(QuantumError([(RXGate(0.3), 1)]), "x", [100_000_000])
    turned.add_all_qubit_quantum_error(QuantumError([(RXGate(0.3), 1)]), "x")
    flip = Circuit(1, (Gate("x", (0,)),), 0, 1)
    np.testing.assert_allclose(values(turned, flip), [[-np.cos(0.3)]], atol=1e-14)

    unitary = NoiseModel()
    unitary.add_all_qubit_quantum_error(coherent_unitary_error(RXGate(0.3).to_matrix()), "x")
    np.testing.assert_allclose(values(unitary, flip), [[-np.cos(0.3)]], atol=1e-14)

    idle = NoiseModel()
    idle.add_all_qubit_quantum_error(pauli_error([("X", 0.2), ("I", 0.8)]), ["id"])
    np.testing.assert_allclose(values(idle, flip), [[-1]], atol=1e-14)

    # With errors on u1 no z rotation is without: the model decides, not a gate of our own.
    turns = NoiseModel()
    turns.add_all_qubit_quantum_error(pauli_error([("X", 0.2), ("I", 0.8)]), ["u1", "u2", "u3"])
    z = Circuit(1, (Gate("rz", (0,), Constant(0.3)),), 0, 1)
    np.testing.assert_allclose(values(turns, z), [[0.6]], atol=1e-14)
    pair = Circuit(2, (Gate("x", (0,)), Gate("cnot", (0, 1))), 0, 2)
    np.testing.assert_allclose(values(turns, pair), [[-0.6, -0.6]], atol=1e-14)

    measured = NoiseModel()
    measured.add_all_qubit_quantum_error(pauli_error([("X", 0.2), ("I", 0.8)]), "measure")
    with pytest.raises(InputError, match="error on 'measure', allowed there: a readout error"):
        values(measured, flip)


def test_a_device_too_small_is_refused_at_once():
    engine = create_engine("aer", noise={"backend": "generic:2"}, shots=9)
    assert engine.capabilities.max_qubits == 2


def test_aers_failures_are_engine_errors(problem, monkeypatch):
    circuit, x, w = problem
    engine = create_engine("aer", threads=1)
    monkeypatch.setattr(engine._simulator, "run", lambda *_, **__: 1 / 0)
    with pytest.raises(EngineError, match="the simulation failed: division by zero"):
        engine.expectations_group(circuit, x, w)
    monkeypatch.setattr(type(engine), "_evaluate", lambda *_: np.full((8, 2), np.nan))
    with pytest.raises(EngineError, match="16 of 16 expectation values are not finite"):
        engine.expectations_group(circuit, x, w)
