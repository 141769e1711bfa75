"""The engine primitive: estimators and backends, each agreeing with exact values."""

import sys

import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm.circuits import qiskit_transpile
from hpc_qlstm.circuits.circuit import Circuit, Gate
from hpc_qlstm.engines import RandomStream, create_engine
from hpc_qlstm.errors import EngineError, InputError, UnsupportedError

SHOTS = 2000


@pytest.fixture
def problem():
    circuit = hpc_qlstm.ansatz("rot_ring", qubits=2, features=2, outputs=2, depth=1)
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(3, 2)), rng.normal(size=(2, *circuit.weight_shape))
    dy = rng.normal(size=(2, 3, 2))
    native = create_engine("native", threads=1)
    return circuit, x, w, dy, native.vjp_group(circuit, x, w, dy)


@pytest.mark.parametrize(
    "backend", ["statevector", "aer", "qiskit.primitives:StatevectorEstimator"]
)
def test_exact_estimators_give_exact_values_and_gradients(problem, backend):
    circuit, x, w, dy, expected = problem
    engine = create_engine("primitive", backend=backend)
    assert engine.capabilities.exact
    for found, wanted in zip(engine.vjp_group(circuit, x, w, dy), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)
    # All evaluations of the call were one job.
    (job,) = engine.take_jobs()
    assert job.circuits == engine.executions == 2 * 3 * (1 + 2 * circuit.angle_count)
    assert job.job_id
    assert engine.take_jobs() == []


@pytest.mark.parametrize("backend", ["statevector", "aer", "generic:3", "fake_manila"])
def test_sampled_values_are_near_and_repeat(problem, backend):
    if backend.startswith("fake"):
        pytest.importorskip("qiskit_ibm_runtime")
    circuit, x, w, _, expected = problem
    options = {"backend": backend, "shots": SHOTS, "seed": 4}
    first, second = (create_engine("primitive", **options) for _ in range(2))
    assert not first.capabilities.exact
    assert first.capabilities.gaussian == (backend in ("statevector", "aer"))
    y = first.expectations_group(circuit, x, w)
    assert 1e-4 < np.abs(y - expected[0]).max() < 0.2
    np.testing.assert_array_equal(second.expectations_group(circuit, x, w), y)
    assert not np.array_equal(first.expectations_group(circuit, x, w), y)


def test_a_part_of_a_batch_samples_as_the_whole(problem):
    circuit, x, w, _, _ = problem
    engine = create_engine("primitive", backend="generic:3", shots=200)
    whole = engine.expectations_group(circuit, x, w, RandomStream.of_samples((0, 5), 3))
    part = engine.expectations_group(circuit, x[2:], w, RandomStream.of_samples((0, 5), 1, 2))
    np.testing.assert_array_equal(part[:, 0], whole[:, 2])


def test_objects_of_the_callers_own(problem):
    from qiskit.primitives import StatevectorEstimator
    from qiskit.providers.fake_provider import GenericBackendV2

    circuit, x, w, _, expected = problem
    y = create_engine("primitive", backend=StatevectorEstimator()).expectations_group(circuit, x, w)
    np.testing.assert_allclose(y, expected[0], atol=1e-12)
    engine = create_engine("primitive", backend=GenericBackendV2(2, seed=1), shots=SHOTS)
    assert np.abs(engine.expectations_group(circuit, x, w) - expected[0]).max() < 0.2
    with pytest.raises(InputError, match="int given, allowed: an EstimatorV2 or a BackendV2"):
        create_engine("primitive", backend=3)


def test_circuits_are_transpiled_once_for_the_backends_gates_and_couplings(monkeypatch):
    circuit = hpc_qlstm.ansatz("rot_ring", qubits=4, features=4, outputs=4, depth=1)
    x, w = np.ones((1, 4)), np.ones((1, *circuit.weight_shape))
    original, calls = qiskit_transpile._transpiled, []
    monkeypatch.setattr(
        qiskit_transpile, "_transpiled", lambda *a, **k: calls.append(a) or original(*a, **k)
    )
    engine = create_engine("primitive", backend="generic:6", shots=10)
    engine.expectations_group(circuit, x, w)
    engine.vjp_group(circuit, x, w, np.ones((1, 1, 4)))
    assert len(calls) == 1
    (prepared,) = engine._prepared_circuits.values()
    target = engine._source.backend.target
    for instruction in prepared.form.circuit.data:
        qubits = tuple(prepared.form.circuit.find_bit(q).index for q in instruction.qubits)
        assert target.instruction_supported(instruction.operation.name, qubits)


def test_mitigation_on_a_backend(problem):
    pytest.importorskip("mitiq")
    circuit, x, w, _, expected = problem
    mitigation = {"readout": True, "zne": "linear", "scales": [1, 3], "calibration_shots": 100_000}
    engine = create_engine("primitive", backend="generic:3", shots=20_000, mitigation=mitigation)
    y = engine.expectations_group(circuit, x, w)
    assert np.abs(y - expected[0]).max() < 0.1
    assert (engine.executions, engine.calibrations) == (2 * 3 * 2, 2)


def test_a_circuit_without_angles():
    circuit = Circuit(2, (Gate("x", (1,)),), 1, 2)
    y = create_engine("primitive").expectations(circuit, np.ones((3, 1)), np.empty(0))
    np.testing.assert_allclose(y, [[1, -1]] * 3, atol=1e-14)
    half = Circuit(1, (Gate("h", (0,)),), 1, 1)
    for backend in ("statevector", "aer", "generic:2"):
        engine = create_engine("primitive", backend=backend, shots=100)
        assert len(np.unique(engine.expectations(half, np.ones((6, 1)), np.empty(0)))) > 2


@pytest.mark.parametrize("mode", ["job", "session", "batch"])
def test_ibms_client_in_its_local_mode(problem, mode):
    pytest.importorskip("qiskit_ibm_runtime")
    circuit, x, w, _, expected = problem
    options = {"backend": "ibm:fake_manila", "mode": mode, "shots": 500, "seed": 2}
    engine = create_engine("primitive", **options)
    y = engine.expectations_group(circuit, x[:1], w[:1])
    assert np.abs(y - expected[0][:1, :1]).max() < 0.2
    np.testing.assert_array_equal(
        create_engine("primitive", **options).expectations_group(circuit, x[:1], w[:1]), y
    )
    engine.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backend": "magic"}, "'magic' is not known, allowed: .*statevector, or aer"),
        ({"backend": "fake_nothing"}, "'fake_nothing' is not known, allowed: fake_"),
        ({"backend": "generic:1"}, "with 2 to 64 qubits"),
        ({"backend": "math:pi"}, "float given"),
        ({"backend": "math:nothing"}, "cannot be found"),
        ({"backend": "no.such.module:x"}, "cannot be found"),
        ({"backend": "json:loads"}, "cannot be made"),
        ({"mode": "turbo"}, "mode is 'turbo', allowed: job, session, batch"),
        ({"mode": "session", "backend": "generic:3", "shots": 1}, "is for ibm:NAME"),
        ({"backend": "generic:3"}, "gives no exact values, allowed: shots"),
        ({"options": {"resilience_level": 1}}, "resilience_level given"),
        ({"backend": "aer", "options": {"foo": 1}}, r"engine.options: refused \(AerError.*foo"),
        (
            {"backend": "ibm:fake_manila", "shots": 1, "options": {"foo": 1}},
            r"engine.options: refused .*foo",
        ),
    ],
)
def test_invalid_values_are_refused(options, message):
    if "fake" in str(options):
        pytest.importorskip("qiskit_ibm_runtime")
    with pytest.raises(InputError, match=message):
        create_engine("primitive", **options)


@pytest.mark.parametrize("text", ["raise RuntimeError('no')", "def broken(:", "x = (1"])
def test_a_module_that_cannot_be_imported(tmp_path, monkeypatch, text):
    (tmp_path / "broken_module.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match="'broken_module:x' cannot be found"):
        create_engine("primitive", backend="broken_module:x")


def test_no_account(monkeypatch, tmp_path):
    pytest.importorskip("qiskit_ibm_runtime")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(
        "qiskit_ibm_runtime.QiskitRuntimeService",
        lambda: (_ for _ in ()).throw(RuntimeError("Unable to find account")),
    )
    with pytest.raises(InputError, match="'ibm:ibm_x' cannot be opened: Unable to find account"):
        create_engine("primitive", backend="ibm:ibm_x", shots=1)


def test_the_client_may_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "qiskit_ibm_runtime", None)
    with pytest.raises(UnsupportedError, match="qiskit-ibm-runtime; pip install"):
        create_engine("primitive", backend="ibm:ibm_x", shots=1)


def test_a_circuit_beyond_the_backend():
    engine = create_engine("primitive", backend="generic:3", shots=1)
    with pytest.raises(UnsupportedError, match="4 qubits is too large, allowed: at most 3"):
        engine.expectations(Circuit(4, (), 0, 1), np.empty((1, 0)), np.empty(0))


def test_results_of_another_shape_are_refused(problem):
    from qiskit.primitives import StatevectorEstimator

    class Short(StatevectorEstimator):
        def run(self, pubs, *, precision=None):
            return super().run([(c, o[:1], v) for c, o, v in pubs], precision=precision)

    circuit, x, w, _, _ = problem
    engine = create_engine("primitive", backend=Short(), retries=0)
    with pytest.raises(EngineError, match=r"one try: .*shape"):
        engine.expectations_group(circuit, x, w)
