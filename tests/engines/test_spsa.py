"""SPSA: an estimate of the gradient with the right mean, from two circuits a direction."""

import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm.circuits.circuit import Circuit, Gate
from hpc_qlstm.engines import RandomStream, create_engine, spsa
from hpc_qlstm.engines.parameter_shift import jacobian
from hpc_qlstm.model.tape import GradientMethod


@pytest.fixture
def problem():
    circuit = hpc_qlstm.ansatz("rot_ring", qubits=2, features=2, outputs=2, depth=1)
    rng = np.random.default_rng(0)
    return circuit, rng.normal(size=(3, 2)), rng.normal(size=(4, *circuit.weight_shape))


def test_the_mean_is_the_jacobian(problem):
    circuit, x, w = problem
    engine = create_engine("native", threads=1)
    exact = jacobian(engine, circuit, x, w)[1]
    average, step = 4000, 0.01
    draw = RandomStream.of_samples((0,), 3)
    found = spsa.jacobian(engine, circuit, x, w, draw, step, average)
    assert found.shape == exact.shape
    # Every entry has the other entries of its row as noise.
    spread = np.sqrt((exact**2).sum(axis=2, keepdims=True) / average)
    assert np.abs((found - exact) / spread).max() < 5
    assert engine.executions == 3 * 4 * (1 + 2 * circuit.angle_count + 2 * average)


def test_one_direction_is_the_difference_along_it(problem):
    circuit, x, w = problem
    engine = create_engine("native", threads=1)
    exact = jacobian(engine, circuit, x, w)[1]
    found = spsa.jacobian(engine, circuit, x, w, RandomStream.of_samples((1,), 3), 1e-5, 1)
    # For one direction s the estimate is (s . J) s: its entries differ by their sign only.
    size = np.abs(found)
    np.testing.assert_allclose(size, np.broadcast_to(size[:, :, :1], size.shape), rtol=1e-9)
    signs = np.sign(found[..., :1] * found[:, :, :1, :1])
    along = np.abs((signs * exact).sum(axis=2))
    np.testing.assert_allclose(size[:, :, 0], along, rtol=1e-3, atol=1e-4)


def test_a_model_follows_its_gradient():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(6, 3, 1)), rng.normal(size=(6, 1))
    exact = hpc_qlstm.QLSTM(1, 2, 1, depth=1)
    weights = exact.init(0, 0.5)
    model = hpc_qlstm.QLSTM(1, 2, 1, depth=1, gradient=GradientMethod("spsa", 0.05, 500))
    assert model.gradient == "spsa"
    loss, gradient = exact.loss_and_gradient(weights, x, y)
    found_loss, found = model.loss_and_gradient(weights, x, y)
    assert found_loss == loss
    flat, other = (np.concatenate([g[k].ravel() for k in weights]) for g in (gradient, found))
    cosine = flat @ other / np.linalg.norm(flat) / np.linalg.norm(other)
    assert cosine > 0.95
    np.testing.assert_array_equal(found["readout.weight"], gradient["readout.weight"])


def test_gradient_methods_an_engine_lacks():
    with pytest.raises(hpc_qlstm.UnsupportedError, match="'parameter_shift' or 'spsa'"):
        hpc_qlstm.QLSTM(1, 2, 1, engine=create_engine("aer"), gradient="adjoint")


def test_circuits_without_angles_train_too():
    circuit = Circuit(2, (Gate("h", (0,)), Gate("cnot", (0, 1))), 2, 1)
    x, y = np.ones((3, 2, 1)), np.ones((3, 1))
    for engine, gradient in (("native", "spsa"), ("native", "parameter_shift"), ("aer", None)):
        model = hpc_qlstm.QLSTM(
            1, 1, 1, engine=create_engine(engine), gradient=gradient, circuits=[circuit]
        )
        loss, _ = model.loss_and_gradient(model.init(), x, y)
        assert np.isfinite(loss)
