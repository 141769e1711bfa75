"""Mode "state" of the native engine: one large state at a time, in tiles."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from random_circuits import random_arrays, random_circuit

from hpc_qlstm.circuits import Circuit, Gate, ansatz
from hpc_qlstm.engines.reference import ReferenceEngine
from hpc_qlstm.errors import InputError, UnsupportedError

native = pytest.importorskip("hpc_qlstm.engines.native", reason="the extension is not built")

ISAS = native.available_isas()
TOLERANCE = 1e-12


def engine_of(tile_bits=0, **options):
    """tile_bits: log2 of the amplitudes in a tile; small ones cut small states into many tiles."""
    engine = native.NativeEngine(**{"mode": "state", **options})
    engine._tile_bits = tile_bits
    return engine


def assert_same(got, want):
    for a, b in zip(got, want, strict=True):
        assert a.tobytes() == b.tobytes()


def assert_close(got, want):
    for a, b in zip(got, want, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=TOLERANCE)


def random_case(rng, qubits, most_gates):
    circuit = random_circuit(
        rng,
        qubits,
        gates=int(rng.integers(0, most_gates)),
        features=int(rng.integers(0, 4)),
        weights=int(rng.integers(0, 6)),
    )
    return circuit, random_arrays(rng, circuit, 2, 2)


@pytest.mark.parametrize("qubits", range(1, 12))
def test_random_circuits_agree_with_the_reference(qubits):
    rng = np.random.default_rng(qubits)
    for _ in range(16 if qubits < 9 else 4):
        circuit, arrays = random_case(rng, qubits, 10 * qubits)
        want = ReferenceEngine().vjp_group(circuit, *arrays)
        for isa in ISAS:
            for tile_bits in (0, 7, 8, 9):
                if 0 < tile_bits >= qubits:
                    continue
                engine = engine_of(tile_bits, isa=isa)
                assert_close(engine.vjp_group(circuit, *arrays), want)
                outputs = engine.expectations_group(circuit, *arrays[:2])
                assert_close([outputs], want[:1])


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", ["rot_ring", "ry_brickwork"])
@pytest.mark.parametrize("reupload", [False, True])
def test_ansaetze_agree_with_the_reference(name, reupload, isa):
    rng = np.random.default_rng(7)
    for qubits, features, outputs, depth in [(1, 1, 1, 2), (6, 3, 6, 3), (10, 7, 9, 2)]:
        circuit = ansatz(
            name, qubits=qubits, features=features, outputs=outputs, depth=depth, reupload=reupload
        )
        arrays = random_arrays(rng, circuit, 2, 2)
        want = ReferenceEngine().vjp_group(circuit, *arrays)
        assert_close(engine_of(isa=isa).vjp_group(circuit, *arrays), want)
        assert_close(engine_of(7, isa=isa).vjp_group(circuit, *arrays), want)


@pytest.mark.parametrize("qubits", [13, 14, 15])
def test_true_sizes(qubits):
    """More than one tile of the default size; the reference takes most of the time here."""
    rng = np.random.default_rng(qubits)
    circuit = random_circuit(rng, qubits, gates=60, features=2, weights=4)
    circuit = Circuit(qubits, circuit.gates, 2, qubits, (4,))
    arrays = random_arrays(rng, circuit, 1, 1)
    want = ReferenceEngine().vjp_group(circuit, *arrays)
    for isa in ISAS:
        assert_close(native.NativeEngine(isa=isa).vjp_group(circuit, *arrays), want)


@pytest.mark.parametrize("isa", ISAS)
def test_same_bits_for_any_batch_and_threads(isa):
    """Threads share a state where rows are few or states large, else they take rows each."""
    rng = np.random.default_rng(11)
    for qubits, rows in ((10, 7), (14, 3), (17, 2)):
        circuit = ansatz("rot_ring", qubits=qubits, features=3, outputs=qubits - 1, depth=1)
        features, weights, cotangent = random_arrays(rng, circuit, rows, 2)
        tile_bits = 8 if qubits == 10 else 0
        whole = engine_of(tile_bits, threads=1, isa=isa).vjp_group(
            circuit, features, weights, cotangent
        )
        for threads in (2, 3, 5):
            engine = engine_of(tile_bits, threads=threads, isa=isa)
            assert_same(engine.vjp_group(circuit, features, weights, cotangent), whole)
            one = engine.vjp_group(circuit, features[1:2], weights[1:], cotangent[1:, 1:2].copy())
            assert_same([a[0, 0] for a in one], [a[1, 1] for a in whole])
        outputs = engine.expectations_group(circuit, features, weights)
        assert_close([outputs], whole[:1])


def test_modes_agree_and_large_circuits_take_mode_state():
    rng = np.random.default_rng(5)
    circuit = ansatz("rot_ring", qubits=13, features=13, outputs=13, depth=2)
    arrays = random_arrays(rng, circuit, 2, 1)
    state = engine_of().vjp_group(circuit, *arrays)
    assert_close(native.NativeEngine(mode="batch").vjp_group(circuit, *arrays), state)
    large = ansatz("rot_ring", qubits=17, features=2, outputs=17, depth=1)
    arrays = random_arrays(rng, large, 1, 1)
    state = engine_of().vjp_group(large, *arrays)
    assert_same(native.NativeEngine().vjp_group(large, *arrays), state)
    with pytest.raises(InputError, match="mode is 'fast', allowed: auto, batch, state"):
        native.NativeEngine(mode="fast")


def test_batch_mode_undoes_what_it_has_no_room_to_keep():
    """16 qubits: 1 MiB for a sample, up to 16 MiB for a vector of them, and 16 MiB for inputs."""
    rng = np.random.default_rng(6)
    circuit = ansatz("rot_ring", qubits=16, features=2, outputs=3, depth=5)
    arrays = random_arrays(rng, circuit, 2, 1)
    assert_close(
        native.NativeEngine(mode="batch").vjp_group(circuit, *arrays),
        engine_of().vjp_group(circuit, *arrays),
    )


def test_few_passes_over_memory():
    """24 flips in general position need at least 18 dimensions a layer, 7 a pass."""
    circuit = ansatz("rot_ring", qubits=24, features=24, outputs=24, depth=2)
    assert native.NativeEngine(mode="state").plan(circuit).passes <= 6
    assert native.NativeEngine(mode="batch").plan(circuit).passes == 24


def test_max_qubits_follows_from_the_memory(monkeypatch):
    for bits in (20, 25, 40):
        monkeypatch.setattr(native, "_available_bytes", lambda b=bits: 352 * 2**b // 10 + 1)
        assert native.NativeEngine().capabilities.max_qubits == min(bits, 28)
        monkeypatch.setattr(native, "_available_bytes", lambda b=bits: 352 * 2**b // 10 - 36)
        assert native.NativeEngine().capabilities.max_qubits == min(bits - 1, 28)
    monkeypatch.setattr(native, "_available_bytes", lambda: 2**30)
    engine = native.NativeEngine()
    circuit = Circuit(25, (Gate("h", (0,)),), 0, 1)
    with pytest.raises(UnsupportedError, match="25 qubits is too large, allowed: at most 24"):
        engine.expectations(circuit, np.empty((1, 0)), np.empty(0))


MEMORY = """
import resource, sys
import numpy as np
from hpc_qlstm.circuits import ansatz
from hpc_qlstm.engines.native import NativeEngine
def peak():
    with open("/proc/self/status") as lines:
        return next(int(l.split()[1]) * 1024 for l in lines if l.startswith("VmHWM:"))
def vjp(q):
    circuit = ansatz("rot_ring", qubits=q, features=q, outputs=q, depth=1)
    engine.vjp(circuit, np.ones((1, q)), np.ones(circuit.weight_shape), np.ones((1, q)))
engine = NativeEngine()
vjp(13)
before = peak()
vjp(21)
print((peak() - before) / (16 * 2**21))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no VmHWM here")
def test_a_gradient_holds_two_states():
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 2.2
