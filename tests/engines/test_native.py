"""The native engine against the reference, on every instruction set of this machine."""

import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from random_circuits import random_arrays, random_circuit

from hpc_qlstm.circuits import Circuit, Feature, Gate, Weight, ansatz
from hpc_qlstm.circuits.circuit import TRANSFORMS
from hpc_qlstm.engines.reference import ReferenceEngine
from hpc_qlstm.errors import InputError, UnsupportedError

native = pytest.importorskip("hpc_qlstm.engines.native", reason="the extension is not built")

ISAS = native.available_isas()
TOLERANCE = 1e-12


def assert_agrees(circuit, arrays, isa, **options):
    engine = native.NativeEngine(isa=isa, **options)
    expected = ReferenceEngine().vjp_group(circuit, *arrays)
    for got, want in zip(engine.vjp_group(circuit, *arrays), expected, strict=True):
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=0, atol=TOLERANCE)
    outputs = engine.expectations_group(circuit, *arrays[:2])
    np.testing.assert_allclose(outputs, expected[0], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("qubits", range(1, 9))
def test_random_circuits_agree_with_the_reference(qubits, isa):
    rng = np.random.default_rng(qubits)
    for trial in range(16):
        circuit = random_circuit(
            rng,
            qubits,
            gates=int(rng.integers(0, 8 * qubits)),
            features=int(rng.integers(0, 4)),
            weights=int(rng.integers(0, 6)),
        )
        assert_agrees(circuit, random_arrays(rng, circuit, 1 + trial % 11, 1 + trial % 3), isa)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", ["rot_ring", "ry_brickwork"])
@pytest.mark.parametrize("reupload", [False, True])
def test_ansaetze_agree_with_the_reference(name, reupload, isa):
    rng = np.random.default_rng(7)
    for qubits, features, outputs, depth in [
        (1, 1, 1, 2),
        (2, 1, 2, 1),
        (4, 3, 2, 2),
        (6, 6, 6, 3),
    ]:
        circuit = ansatz(
            name,
            qubits=qubits,
            features=features,
            outputs=outputs,
            depth=depth,
            reupload=reupload,
        )
        assert_agrees(circuit, random_arrays(rng, circuit, 10, 4), isa)


@pytest.mark.parametrize("isa", ISAS)
def test_more_qubits_than_one_block_of_the_index_maps(isa):
    """Blocks have 256 entries: 10 qubits and 10 outputs take the paths between blocks."""
    rng = np.random.default_rng(3)
    circuit = random_circuit(rng, 10, gates=80, features=3, weights=12)
    circuit = Circuit(10, circuit.gates, 3, 10, (12,))
    assert_agrees(circuit, random_arrays(rng, circuit, 3, 2), isa)
    circuit = ansatz("rot_ring", qubits=11, features=4, outputs=9, depth=1)
    assert_agrees(circuit, random_arrays(rng, circuit, 2, 1), isa)


@pytest.mark.parametrize("isa", ISAS)
def test_angle_form_agrees_with_the_circuit(isa):
    """The parameter-shift rule evaluates circuits whose angles are all features."""
    rng = np.random.default_rng(5)
    circuit = ansatz("rot_ring", qubits=4, features=4, outputs=4, depth=2)
    features, weights, _ = random_arrays(rng, circuit, 9, 1)
    engine = native.NativeEngine(isa=isa)
    angles = circuit.angles(features, weights[0])
    np.testing.assert_allclose(
        engine.expectations_group(circuit.angle_form, angles, np.empty((1, 0))),
        engine.expectations_group(circuit, features, weights),
        rtol=0,
        atol=TOLERANCE,
    )


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_extreme_features(transform):
    """The closed form of cos(arctan(x) / 2) neither overflows nor loses small angles."""
    x = np.array([0.0, 1e-300, -1e-9, 1e-9, 1.0, -30.0, 1e8, -1e80, 1e160, -1e300])[:, None]
    if transform == "identity":
        x = x[np.abs(x[:, 0]) < 1e9]
    gates = (Gate("ry", (0,), Feature(0, transform)), Gate("rx", (0,), Weight(0)))
    circuit = Circuit(1, gates, 1, 1, (1,))
    cotangent = np.ones((1, x.shape[0], 1))
    with np.errstate(over="ignore"):
        assert_agrees(circuit, (x, np.array([[0.3]]), cotangent), None)


@pytest.mark.parametrize("isa", ISAS)
def test_same_bits_for_any_batch_and_threads(isa):
    rng = np.random.default_rng(11)
    circuit = ansatz("rot_ring", qubits=5, features=5, outputs=3, depth=2, reupload=True)
    features, weights, cotangent = random_arrays(rng, circuit, 307, 4)  # enough for threads
    whole = native.NativeEngine(threads=1, isa=isa).vjp_group(circuit, features, weights, cotangent)
    for threads in (2, 3, 5):
        engine = native.NativeEngine(threads=threads, isa=isa)
        for got, want in zip(
            engine.vjp_group(circuit, features, weights, cotangent), whole, strict=True
        ):
            assert got.tobytes() == want.tobytes()
    engine = native.NativeEngine(isa=isa)
    for part in (slice(0, 1), slice(3, 4), slice(5, 22), slice(306, 307), slice(13, 307)):
        parts = engine.vjp_group(circuit, features[part], weights, cotangent[:, part].copy())
        for got, want in zip(parts, whole, strict=True):
            assert got.tobytes() == want[:, part].tobytes()
    for g in range(4):
        one = engine.vjp_group(circuit, features, weights[g : g + 1], cotangent[g : g + 1])
        for got, want in zip(one, whole, strict=True):
            assert got[0].tobytes() == want[g].tobytes()
    outputs = engine.expectations_group(circuit, features, weights)
    assert outputs.tobytes() == whole[0].tobytes()


def test_a_sample_that_is_not_finite_leaves_the_others_alone():
    circuit = ansatz("rot_ring", qubits=4, features=4, outputs=4, depth=1)
    rng = np.random.default_rng(2)
    features, weights, cotangent = random_arrays(rng, circuit, 8, 1)
    engine = native.NativeEngine()
    clean = engine.vjp_group(circuit, features, weights, cotangent)
    features[3, 1] = np.nan
    spoilt = engine.vjp_group(circuit, features, weights, cotangent)
    rest = [n for n in range(8) if n != 3]
    assert np.isnan(spoilt[0][0, 3]).any()
    for got, want in zip(spoilt, clean, strict=True):
        assert got[:, rest].tobytes() == want[:, rest].tobytes()


def _large_call(threads=3):
    circuit = ansatz("rot_ring", qubits=6, features=6, outputs=6, depth=2)
    arrays = random_arrays(np.random.default_rng(1), circuit, 200, 4)
    return b"".join(a.tobytes() for a in native.NativeEngine(threads).vjp_group(circuit, *arrays))


def test_concurrent_calls_from_python_threads():
    expected = _large_call(threads=1)
    with ThreadPoolExecutor(4) as pool:
        assert all(got == expected for got in pool.map(_large_call, [3, 2, 4, 3] * 6))


def _send_large_call(sender):
    sender.send(_large_call())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_starts_its_own_threads():
    expected = _large_call()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_send_large_call, args=(sender,))
    child.start()
    assert receiver.poll(60)
    assert receiver.recv() == expected
    child.join(60)
    assert child.exitcode == 0


def test_empty_batch_and_inputs_of_other_types():
    circuit = ansatz("ry_brickwork", qubits=3, features=2, outputs=2, depth=1)
    engine = native.NativeEngine()
    y, to_weights, to_features = engine.vjp_group(
        circuit, np.empty((0, 2)), np.ones((2, 1, 3)), np.empty((2, 0, 2))
    )
    assert (y.shape, to_weights.shape, to_features.shape) == ((2, 0, 2), (2, 0, 3), (2, 0, 2))
    rng = np.random.default_rng(4)
    features, weights, cotangent = random_arrays(rng, circuit, 5, 2)
    strided = engine.vjp_group(
        circuit,
        np.asfortranarray(features),
        weights[::-1],
        np.repeat(cotangent, 2, axis=2)[..., ::2],
    )
    plain = engine.vjp_group(circuit, features, weights[::-1].copy(), cotangent)
    for got, want in zip(strided, plain, strict=True):
        assert got.tobytes() == want.tobytes()


def test_the_last_rz_and_unread_qubits_cost_nothing():
    circuit = ansatz("rot_ring", qubits=4, features=4, outputs=2, depth=1)
    assert native.compile_program(circuit).steps == 2
    plus = Circuit(1, (Gate("h", (0,)), Gate("rz", (0,), Weight(0))), 0, 1, (1,))
    y, gradient, _ = native.NativeEngine().vjp(plus, np.empty((1, 0)), np.ones(1), np.ones((1, 1)))
    assert abs(y[0, 0]) < TOLERANCE
    assert gradient.tolist() == [0.0]


def test_wrong_shapes_are_refused_with_what_is_allowed():
    circuit = ansatz("rot_ring", qubits=3, features=2, outputs=2, depth=1)
    engine = native.NativeEngine()
    x, w = np.ones((5, 2)), np.ones((4, 1, 3, 3))
    with pytest.raises(InputError, match=r"features have shape \(5, 3\), allowed: \(samples, 2\)"):
        engine.expectations_group(circuit, np.ones((5, 3)), w)
    with pytest.raises(InputError, match=r"weights have shape .* with 9 weights in a set"):
        engine.expectations_group(circuit, x, np.ones((4, 8)))
    with pytest.raises(InputError, match=r"cotangent has shape .*allowed: \(4, 5, 2\)"):
        engine.vjp_group(circuit, x, w, np.ones((4, 5, 3)))
    with pytest.raises(InputError, match=r"float64\(2,\).*allowed"):
        engine.expectations_group(circuit, np.ones(2), w)


def test_options_are_checked(monkeypatch):
    with pytest.raises(InputError, match="threads is 0, allowed: 1 or more"):
        native.NativeEngine(threads=0)
    with pytest.raises(InputError, match="isa is 'mmx', allowed on this processor: plain"):
        native.NativeEngine(isa="mmx")
    monkeypatch.setenv("HPC_QLSTM_ISA", "sse9")
    with pytest.raises(InputError, match=r"HPC_QLSTM_ISA is 'sse9', allowed .*: plain"):
        native.NativeEngine()
    monkeypatch.setenv("HPC_QLSTM_ISA", "plain")
    assert native.NativeEngine().isa == native.isa() == "plain"
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert native.NativeEngine().threads == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert native.NativeEngine().threads == len(os.sched_getaffinity(0))


def test_a_circuit_beyond_the_memory_is_refused():
    engine = native.NativeEngine()
    most = engine.capabilities.max_qubits
    assert 1 <= most <= 28
    circuit = Circuit(most + 1, (Gate("h", (0,)),), 0, 1)
    with pytest.raises(UnsupportedError, match=f"{most + 1} qubits is too large.*{most}"):
        engine.expectations(circuit, np.empty((1, 0)), np.empty(0))


def test_a_missing_extension_says_how_to_install_it():
    code = (
        "import sys; sys.modules['hpc_qlstm._native'] = None\n"
        "from hpc_qlstm.errors import ExtensionMissingError\n"
        "try:\n    import hpc_qlstm.engines.native\n"
        "except ExtensionMissingError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("the compiled extension hpc_qlstm._native is not installed; run")


@pytest.mark.parametrize("isa", ISAS)
def test_large_angles(isa):
    """Beyond 2^20 radians the C library takes over from the kernels' own sine and cosine."""
    rng = np.random.default_rng(9)
    circuit = ansatz("ry_brickwork", qubits=3, features=3, outputs=3, depth=2)
    features, weights, cotangent = random_arrays(rng, circuit, 40, 2)
    features *= 10.0 ** rng.integers(0, 12, size=features.shape)
    weights *= 10.0 ** rng.integers(0, 12, size=weights.shape)
    assert_agrees(circuit, (features, weights, cotangent), isa)


@pytest.mark.parametrize("isa", ISAS)
def test_neighbouring_cz_share_a_pass(isa):
    gates = [Gate("ry", (k,), Weight(k)) for k in range(4)]
    gates += [Gate("cz", pair) for pair in ((0, 1), (1, 2), (2, 3), (3, 0), (0, 2))]
    gates += [Gate("rx", (k,), Weight(k)) for k in range(4)]
    circuit = Circuit(4, tuple(gates), 0, 4, (4,))
    assert native.NativeEngine(mode="batch").plan(circuit).passes == 3
    assert_agrees(circuit, random_arrays(np.random.default_rng(2), circuit, 3, 2), isa)


def test_what_the_extension_refuses():
    circuit = ansatz("rot_ring", qubits=4, features=4, outputs=4, depth=1)
    program = native.compile_program(circuit)
    arrays = random_arrays(np.random.default_rng(1), circuit, 3, 1)
    outputs = np.empty((1, 3, 4))
    kernels = {native.extension.kernel(isa, single) for isa in ISAS for single in (False, True)}
    plan = native.extension.StatePlan(program, native.extension.kernel("plain"))
    for kernel in kernels:
        if kernel.lanes != native.extension.kernel("plain").lanes:
            with pytest.raises(ValueError, match="other lanes"):
                native.extension.expectations(plan, kernel, 1, *arrays[:2], outputs)
    # No thread is none too few: the work is done by the caller.
    native.extension.expectations(
        native.extension.BatchPlan(program),
        native.extension.kernel("plain"),
        0,
        *arrays[:2],
        outputs,
    )
    expected = native.NativeEngine(isa="plain").expectations_group(circuit, *arrays[:2])
    assert outputs.tobytes() == expected.tobytes()
    with pytest.raises(InputError, match="threads is 5000, allowed: 1 or more, at most 4096"):
        native.NativeEngine(threads=5000)
