from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import hpc_qlstm.engines.aer.engine as aer_module
from hpc_qlstm.circuits import ANSAETZE, Circuit, Constant, Gate, ansatz
from hpc_qlstm.engines import create_engine
from hpc_qlstm.engines.aer import AerEngine, expectations_of_z
from hpc_qlstm.engines.reference import ReferenceEngine
from hpc_qlstm.errors import EngineError, HpcQlstmError, InputError, UnsupportedError

GROUPS, BATCH = 2, 3


@pytest.fixture(scope="module")
def engine():
    return AerEngine(threads=1)


def problem(name="rot_ring", qubits=3, *, reupload=False, scale=1.0, features=None, outputs=None):
    circuit = ansatz(
        name,
        qubits=qubits,
        features=features or qubits,
        outputs=outputs or max(1, qubits - 1),
        depth=2,
        reupload=reupload,
    )
    rng = np.random.default_rng(qubits)
    x = scale * rng.normal(size=(BATCH, circuit.features))
    w = scale * rng.normal(size=(GROUPS, *circuit.weight_shape))
    return circuit, x, w, rng.normal(size=(GROUPS, BATCH, circuit.outputs))


def count_runs(engine, monkeypatch):
    runs = []
    run = engine._simulator.run

    def counted(*args, **kwargs):
        runs.append(kwargs)
        return run(*args, **kwargs)

    monkeypatch.setattr(engine._simulator, "run", counted)
    return runs


@pytest.mark.parametrize("name", ANSAETZE)
@pytest.mark.parametrize("qubits", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("reupload", [False, True])
def test_outputs_and_gradients_agree_with_the_reference(engine, name, qubits, reupload):
    circuit, x, w, dy = problem(name, qubits, reupload=reupload)
    reference = ReferenceEngine()
    y, to_weights, to_features = engine.vjp_group(circuit, x, w, dy)
    expected = reference.vjp_group(circuit, x, w, dy)
    np.testing.assert_allclose(y, expected[0], rtol=0, atol=1e-12)
    np.testing.assert_allclose(to_weights, expected[1], rtol=0, atol=1e-10)
    np.testing.assert_allclose(to_features, expected[2], rtol=0, atol=1e-10)
    np.testing.assert_allclose(
        engine.expectations_group(circuit, x, w), expected[0], rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("scale", [1e-6, 1e-4])
def test_small_probabilities_are_not_cut_off(engine, scale):
    # RY(x) on |0> alone: all but one probability are tiny.
    circuit = Circuit(
        2, ansatz("ry_brickwork", qubits=2, features=2, outputs=2, depth=1).gates[2:4], 2, 2
    )
    x = scale * np.array([[1.0, -2.0]])
    y = engine.expectations(circuit, x, np.empty(0))
    np.testing.assert_allclose(y, np.cos(x), rtol=0, atol=1e-14)


def test_angle_form_agrees_with_the_reference(engine):
    circuit, *_ = problem()
    angles = np.random.default_rng(5).normal(size=(4, circuit.angle_count))
    form = circuit.angle_form
    expected = ReferenceEngine().expectations(form, angles, np.empty(0))
    np.testing.assert_allclose(engine.expectations(form, angles, np.empty(0)), expected, atol=1e-12)


def test_a_call_is_one_run(engine, monkeypatch):
    circuit, x, w, dy = problem()
    runs = count_runs(engine, monkeypatch)
    engine.expectations_group(circuit, x, w)
    assert len(runs) == 1
    assert {len(v) for v in runs[0]["parameter_binds"][0].values()} == {GROUPS * BATCH}
    engine.vjp_group(circuit, x, w, dy)
    assert len(runs) == 2
    evaluations = GROUPS * BATCH * (1 + 2 * circuit.angle_count)
    assert {len(v) for v in runs[1]["parameter_binds"][0].values()} == {evaluations}


def test_a_call_beyond_the_memory_limit_is_cut(engine, monkeypatch):
    circuit, x, w, _ = problem()
    whole = engine.expectations_group(circuit, x, w)
    monkeypatch.setattr(engine, "_call_bytes", 4 * 10_100)
    runs = count_runs(engine, monkeypatch)
    np.testing.assert_array_equal(engine.expectations_group(circuit, x, w), whole)
    assert len(runs) == 2


def test_a_sample_has_the_same_bits_in_every_batch(engine):
    circuit, x, w, _ = problem(qubits=5)
    whole = engine.expectations_group(circuit, x, w)
    for n in range(BATCH):
        np.testing.assert_array_equal(
            engine.expectations_group(circuit, x[n : n + 1], w)[:, 0], whole[:, n]
        )


def test_no_samples_and_no_variable_angles(engine, monkeypatch):
    circuit, x, w, dy = problem()
    runs = count_runs(engine, monkeypatch)
    assert engine.expectations_group(circuit, x[:0], w).shape == (GROUPS, 0, circuit.outputs)
    assert engine.vjp_group(circuit, x[:0], w, dy[:, :0])[2].shape == (GROUPS, 0, circuit.features)
    assert not runs
    fixed = Circuit(2, (Gate("ry", (0,), Constant(0.7)), Gate("cnot", (0, 1))), 1, 2)
    y = engine.expectations(fixed, np.ones((3, 1)), np.empty(0))
    np.testing.assert_allclose(y, np.full((3, 2), np.cos(0.7)), atol=1e-14)


def test_idle_qubits_keep_their_places(engine):
    circuit = Circuit(4, (Gate("x", (2,)), Gate("ry", (3,), Constant(0.2))), 0, 4)
    y = engine.expectations(circuit, np.empty((1, 0)), np.empty(0))
    np.testing.assert_allclose(y, [[1, 1, -1, np.cos(0.2)]], atol=1e-14)


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """An engine that reads exact values as on a GPU, on the CPU."""
    engine = AerEngine(threads=1, mitigation={"readout": True})
    monkeypatch.setattr(engine, "_reads_z", True)
    return engine


@pytest.mark.parametrize(("qubits", "outputs"), [(1, 1), (4, 4), (5, 2), (9, 3)])
def test_the_way_of_reading_on_a_gpu(as_on_a_gpu, monkeypatch, qubits, outputs):
    circuit, x, w, dy = problem(qubits=qubits, outputs=outputs)
    monkeypatch.setattr(aer_module, "_GPU_ROWS", 5)
    runs = count_runs(as_on_a_gpu, monkeypatch)
    y = as_on_a_gpu.expectations_group(circuit, x, w)
    expected = ReferenceEngine().expectations_group(circuit, x, w)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)
    # Two calibration circuits, and six rows of which one run takes five.
    assert len(runs) == 4
    np.testing.assert_array_equal(as_on_a_gpu.expectations_group(circuit, x[:1], w), y[:, :1])
    if qubits < 9:
        found = as_on_a_gpu.vjp_group(circuit, x, w, dy)
        expected = ReferenceEngine().vjp_group(circuit, x, w, dy)
        for got, want in zip(found, expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=0, atol=1e-10)


def test_the_same_circuit_in_all_rows_as_on_a_gpu(as_on_a_gpu):
    fixed = Circuit(2, (Gate("ry", (0,), Constant(0.7)), Gate("cnot", (0, 1))), 1, 2)
    y = as_on_a_gpu.expectations(fixed, np.ones((3, 1)), np.empty(0))
    np.testing.assert_allclose(y, np.full((3, 2), np.cos(0.7)), atol=1e-14)


@pytest.mark.parametrize("fault", ["a row less", "a row without data"])
@pytest.mark.parametrize("reads_z", [False, True])
def test_rows_without_a_result_are_an_error(monkeypatch, reads_z, fault):
    """As Aer leaves them when a GPU's memory is short, with the status 'completed'."""
    circuit, x, w, _ = problem()
    engine = AerEngine(threads=1)
    monkeypatch.setattr(engine, "_reads_z", reads_z)
    run = aer_module.run

    def damaged(*arguments, **options):
        result = run(*arguments, **options)
        last = result.results.pop()
        if fault == "a row without data":
            last.data = type(last.data)()
            result.results.append(last)
        return result

    monkeypatch.setattr(aer_module, "run", damaged)
    with pytest.raises(EngineError, match="left rows without a result"):
        engine.expectations_group(circuit, x, w)


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_within_a_state(threads):
    # 11 qubits are beyond the threshold at which Aer splits a state over these threads.
    circuit, x, w, _ = problem("ry_brickwork", 11, features=2, outputs=2)
    y = AerEngine(threads=threads).expectations_group(circuit, x, w)
    expected = ReferenceEngine().expectations_group(circuit, x, w)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-12)


def test_single_precision(monkeypatch):
    circuit, x, w, _ = problem(qubits=4)
    expected = ReferenceEngine().expectations_group(circuit, x, w)
    single = AerEngine(precision="single")
    assert "single" in single.capabilities.precision
    y = single.expectations_group(circuit, x, w)
    assert y.dtype == np.float64
    assert 1e-12 < np.abs(y - expected).max() < 1e-5


def test_options_reach_aer():
    given = {
        "fusion_enable": True,
        "cuStateVec_enable": True,
        "batched_shots_gpu": True,
        "batched_shots_gpu_max_qubits": 20,
        "max_memory_mb": 512,
    }
    options = AerEngine("cpu", threads=2, options=given)._simulator.options
    assert {key: getattr(options, key) for key in given} == given
    assert options.max_parallel_threads == 2
    assert options.device == "CPU"


@pytest.mark.parametrize("device", ["GPU", "gpu", "TPU"])
def test_a_device_that_is_not_there_is_refused(device):
    from qiskit_aer import AerSimulator

    if device.upper() in AerSimulator().available_devices():
        pytest.skip("this Aer has a GPU build")
    with pytest.raises(UnsupportedError, match="this Aer offers: CPU"):
        AerEngine(device)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precision": "half"}, "allowed: double, single"),
        ({"threads": 0}, "threads is 0"),
        ({"gpu": 0}, "with device GPU alone"),
        ({"options": {"nonsense": 1}}, "nonsense"),
        ({"options": {"shots": 10}}, "options.shots"),
        ({"options": {"noise_model": None}}, "engine's noise"),
        ({"call_memory_mb": 0}, "call_memory_mb is 0"),
        ({"shot": 3}, "'shot' is not known, allowed: device, precision, .*optimization_level$"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        create_engine("aer", **arguments)


def test_a_gpu_run_names_its_gpu(monkeypatch):
    """Without a GPU only the option can be checked: Aer is given the CPU instead."""
    make = aer_module.create_simulator
    monkeypatch.setattr(aer_module, "check_settings", lambda device, options: None)
    monkeypatch.setattr(
        aer_module, "create_simulator", lambda device, *rest, **more: make("CPU", *rest, **more)
    )
    engine = AerEngine("gpu", gpu=3)
    assert engine._reads_z
    assert not AerEngine("gpu", shots=5)._reads_z
    assert not AerEngine("gpu", noise={"readout": 0.1})._reads_z
    monkeypatch.setattr(engine._simulator, "run", lambda *_, **kwargs: pytest.fail(str(kwargs)))
    circuit, x, w, _ = problem()
    with pytest.raises(pytest.fail.Exception, match=r"'target_gpus': \[3\]"):
        engine.expectations_group(circuit, x, w)


def test_a_failed_simulation_gives_aers_message():
    circuit, x, w, _ = problem()
    engine = AerEngine(options={"max_memory_mb": 1})
    assert engine.expectations_group(circuit, x, w).shape == (GROUPS, BATCH, circuit.outputs)
    circuit, x, w, _ = problem(qubits=18)
    with pytest.raises(HpcQlstmError, match=r"engine aer: the simulation failed: .*memory"):
        engine.expectations_group(circuit, x, w)


def test_too_many_qubits_are_refused(engine):
    circuit = Circuit(60, (), 0, 1)
    with pytest.raises(UnsupportedError, match="60 qubits is too large"):
        engine.expectations(circuit, np.empty((1, 0)), np.empty(0))


def test_expectations_of_z_in_qubit_order():
    probabilities = np.array([[0.1, 0.2, 0.3, 0.4]])
    np.testing.assert_allclose(expectations_of_z(probabilities, 2), [[-0.2, -0.4]], atol=1e-15)
    np.testing.assert_allclose(expectations_of_z(probabilities, 1), [[-0.2]], atol=1e-15)


def test_aer_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "qiskit_aer", None)
    with pytest.raises(UnsupportedError, match="install qiskit-aer"):
        AerEngine()


def test_import_does_not_load_qiskit():
    code = (
        "import sys, hpc_qlstm.engines.aer; assert not {'qiskit', 'qiskit_aer'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
