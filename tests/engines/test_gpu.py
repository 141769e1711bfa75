"""Aer on an NVIDIA GPU against the native engine; skipped where this Aer has no GPU."""

from __future__ import annotations

import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm.engines import create_engine
from hpc_qlstm.engines.aer import available_devices
from hpc_qlstm.errors import HpcQlstmError

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def gpu():
    if "GPU" not in available_devices():
        pytest.skip(f"this Aer offers {', '.join(available_devices())}, no GPU")
    circuit = hpc_qlstm.ansatz("rot_ring", qubits=2, features=2, outputs=2, depth=1)
    try:
        create_engine("aer", device="GPU").expectations(
            circuit, np.zeros((1, 2)), np.zeros(circuit.weight_shape)
        )
    except HpcQlstmError as error:
        pytest.skip(f"Aer's GPU build finds no device: {error}")


def problem(qubits, samples=3):
    circuit = hpc_qlstm.ansatz("rot_ring", qubits=qubits, features=qubits, outputs=qubits, depth=2)
    rng = np.random.default_rng(qubits)
    x, w = rng.normal(size=(samples, qubits)), rng.normal(size=(4, *circuit.weight_shape))
    return circuit, x, w, rng.normal(size=(4, samples, qubits))


@pytest.mark.parametrize("qubits", [1, 2, 4, 8, 12, 16, 18])
def test_values_agree_with_native(qubits):
    circuit, x, w, _ = problem(qubits)
    found = create_engine("aer", device="GPU").expectations_group(circuit, x, w)
    expected = create_engine("native").expectations_group(circuit, x, w)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_gradients_agree_with_native():
    arrays = problem(4)
    found = create_engine("aer", device="GPU").vjp_group(*arrays)
    expected = create_engine("native").vjp_group(*arrays)
    for got, want in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-11)


@pytest.mark.parametrize("options", [{}, {"batched_shots_gpu": True}, {"cuStateVec_enable": True}])
def test_options_of_the_gpu_change_no_value(options):
    circuit, x, w, _ = problem(6, samples=64)
    try:
        found = create_engine("aer", device="GPU", options=options).expectations_group(
            circuit, x, w
        )
    except HpcQlstmError as error:
        pytest.skip(f"this build refuses {options}: {error}")
    expected = create_engine("native").expectations_group(circuit, x, w)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_single_precision():
    circuit, x, w, _ = problem(6)
    found = create_engine("aer", device="GPU", precision="single").expectations_group(circuit, x, w)
    expected = create_engine("native").expectations_group(circuit, x, w)
    assert 1e-12 < np.abs(found - expected).max() < 1e-4


def test_noise_and_shots():
    circuit, x, w, _ = problem(3)
    noise = {"depolarizing": 0.02, "readout": 0.05}
    gpu, cpu = (create_engine("aer", device=device, noise=noise) for device in ("GPU", "CPU"))
    exact = cpu.expectations_group(circuit, x, w)
    np.testing.assert_allclose(gpu.expectations_group(circuit, x, w), exact, rtol=0, atol=1e-12)
    sampled = create_engine("aer", device="GPU", noise=noise, shots=10_000)
    assert np.abs(sampled.expectations_group(circuit, x, w) - exact).max() < 0.08
