"""The layer without its readout: `QLSTM.forward` and `QLSTM.vjp`, with states and cotangents."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpc_qlstm import QLSTM, InputError, Partition, create_engine
from hpc_qlstm.model.classical import classical_lstm

STORED = np.load(Path(__file__).parents[1] / "stored" / "vjp.npz")
OVERLAP = Partition([[0, 1, 4], [2, 3, 4, 1]], [2, 2], [3, 5])
MODELS = {
    "native": {},
    "reference": {"engine": "reference"},
    "parameter shift": {"gradient": "parameter_shift"},
    "affine": {"affine": True},
    "xh": {"order": "xh"},
    "six VQCs": {"extra_vqcs": 2},
    "mixed": {"mix": True, "sequence": True},
    "six VQCs, mixed, affine": {"extra_vqcs": 2, "mix": True, "affine": True},
}


def stored_case(name):
    return {k.split("/")[1]: STORED[k] for k in STORED.files if k.startswith(f"{name}/")}


@pytest.mark.parametrize("engine", ["native", "reference", "aer"])
@pytest.mark.parametrize(
    ("name", "order", "inputs", "outputs", "qubits"),
    [
        ("centric", "hx", [[0, 1, 2, 3, 4, 5]], [4], [6]),
        ("partitions", "hx", [[0, 1, 4, 5], [2, 3, 4, 5]], [2, 2], [4, 4]),
        ("unequal", "xh", [[2, 0, 5], [1, 3, 4, 2]], [1, 3], [3, 5]),
    ],
)
def test_agrees_with_pytorch(name, order, inputs, outputs, qubits, engine):
    """Autograd of a dense implementation of its own; see tests/stored/make_vjp.py."""
    stored = stored_case(name)
    partition = Partition(inputs, outputs, qubits)
    model = QLSTM(2, 4, 1, depth=2, order=order, partition=partition, engine=engine)
    weights = model.init() | {
        key.removeprefix("weight."): array
        for key, array in stored.items()
        if key.startswith("weight.")
    }
    back = model.vjp(
        weights,
        stored["x"],
        stored["to_outputs"],
        (stored["h"], stored["c"]),
        (stored["to_h"], stored["to_c"]),
    )
    found = {
        "outputs": back.outputs, "h_last": back.state[0], "c_last": back.state[1],
        "grad.x": back.grad_x, "grad.h": back.grad_state[0], "grad.c": back.grad_state[1],
    } | {f"grad.{key}": array for key, array in back.gradient.items()}  # fmt: skip
    assert set(found) == {key for key in stored if key.startswith("grad.")} | {
        "outputs", "h_last", "c_last"
    }  # fmt: skip
    for key, array in found.items():
        np.testing.assert_allclose(array, stored[key], rtol=0, atol=1e-12, err_msg=key)


def problem(**options):
    model = QLSTM(1, 4, 2, depth=1, partition=OVERLAP, **options)
    rng = np.random.default_rng(1)
    weights = model.init(2, 0.7)
    arrays = [
        rng.uniform(-1, 1, (2, 3, 1)), rng.normal(size=(2, 3, 4)),
        rng.uniform(-1, 1, (2, 4)), rng.uniform(-1, 1, (2, 4)),
        rng.normal(size=(2, 4)), rng.normal(size=(2, 4)),
    ]  # fmt: skip
    return model, weights, arrays


@pytest.mark.parametrize("name", MODELS)
def test_agrees_with_finite_differences(name):
    model, weights, (x, to_outputs, h, c, to_h, to_c) = problem(**MODELS[name])
    back = model.vjp(weights, x, to_outputs, (h, c), (to_h, to_c))
    outputs, state = model.forward(weights, x, (h, c))
    np.testing.assert_array_equal(back.outputs, outputs)
    for k in (0, 1):
        np.testing.assert_array_equal(back.state[k], state[k])
    assert list(back.gradient) == [n for n in weights if not n.startswith("readout.")]

    def total(changed, dx=0.0, dh=0.0, dc=0.0):
        moved = {n: a + changed.get(n, 0.0) for n, a in weights.items()}
        outputs, (h_last, c_last) = model.forward(moved, x + dx, (h + dh, c + dc))
        return np.sum(to_outputs * outputs) + np.sum(to_h * h_last) + np.sum(to_c * c_last)

    rng, step = np.random.default_rng(3), 1e-5
    for n, array in back.gradient.items():
        d = rng.normal(size=array.shape)
        slope = (total({n: step * d}) - total({n: -step * d})) / (2 * step)
        assert np.vdot(array, d) == pytest.approx(slope, abs=1e-8), n
    for k, array in enumerate((back.grad_x, *back.grad_state)):
        d = rng.normal(size=array.shape)
        moves = [0.0, 0.0, 0.0]
        slopes = []
        for sign in (1, -1):
            moves[k] = sign * step * d
            slopes.append(total({}, *moves))
        slope = (slopes[0] - slopes[1]) / (2 * step)
        assert np.vdot(array, d) == pytest.approx(slope, abs=1e-8), k


@pytest.mark.parametrize("options", [{}, {"extra_vqcs": 2}, {"mix": True}])
def test_pieces_make_the_whole(options):
    """The state carries over: T steps at once are T steps in two calls, and so are gradients."""
    model, weights, (x, to_outputs, h, c, to_h, to_c) = problem(**options)
    whole = model.vjp(weights, x, to_outputs, (h, c), (to_h, to_c))
    _, middle = model.forward(weights, x[:, :1], (h, c))
    second = model.vjp(weights, x[:, 1:], to_outputs[:, 1:], middle, (to_h, to_c))
    first = model.vjp(weights, x[:, :1], to_outputs[:, :1], (h, c), second.grad_state)
    outputs = np.concatenate([first.outputs, second.outputs], axis=1)
    np.testing.assert_array_equal(whole.outputs, outputs)
    np.testing.assert_array_equal(whole.state[1], second.state[1])
    np.testing.assert_array_equal(
        whole.grad_x, np.concatenate([first.grad_x, second.grad_x], axis=1)
    )
    for k in (0, 1):
        np.testing.assert_array_equal(whole.grad_state[k], first.grad_state[k])
    for n, array in whole.gradient.items():
        np.testing.assert_allclose(
            array, first.gradient[n] + second.gradient[n], rtol=0, atol=1e-14
        )


def test_the_same_bits_step_by_step():
    """An engine of its own for each partition has no fused sweep."""
    arguments = []
    for engine in ("native", [create_engine("native"), create_engine("native")]):
        model, weights, (x, to_outputs, h, c, to_h, to_c) = problem(engine=engine)
        back = model.vjp(weights, x, to_outputs, (h, c), (to_h, to_c))
        arguments.append(
            [back.outputs, *back.state, back.grad_x, *back.grad_state, *back.gradient.values()]
        )
    assert model.local_cell(range(2)).fused is None
    for one, other in zip(*arguments, strict=True):
        np.testing.assert_array_equal(one, other)


def test_without_states_it_begins_with_zeros():
    model, weights, (x, to_outputs, *_) = problem()
    zeros = np.zeros((2, 4))
    given = model.vjp(weights, x, to_outputs, (zeros, zeros), (zeros, zeros))
    plain = model.vjp(weights, x, to_outputs)
    for one, other in zip(plain.gradient.values(), given.gradient.values(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(plain.grad_x, given.grad_x)


def test_the_loss_is_readout_and_layer():
    """`loss_and_gradient` is the vjp with the squared error's cotangent at the last step."""
    model, weights, (x, *_) = problem()
    y = np.random.default_rng(4).normal(size=(2, 2))
    outputs, _ = model.forward(weights, x)
    weight, bias = weights["readout.weight"], weights["readout.bias"]
    error = outputs[:, -1] @ weight.T + bias - y
    cotangent = np.zeros(outputs.shape)
    cotangent[:, -1] = 2 * error @ weight / y.size
    _, gradient = model.loss_and_gradient(weights, x, y)
    for n, array in model.vjp(weights, x, cotangent).gradient.items():
        np.testing.assert_allclose(array, gradient[n], rtol=0, atol=1e-15)


def test_classical_lstm():
    model = classical_lstm(1, 3, 1)
    weights = model.init(0)
    rng = np.random.default_rng(0)
    x, to_outputs = rng.normal(size=(2, 3, 1)), rng.normal(size=(2, 3, 3))
    state = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    back, step = model.vjp(weights, x, to_outputs, state), 1e-6
    d = rng.normal(size=(2, 3))
    values = [
        np.sum(to_outputs * model.forward(weights, x, (state[0], state[1] + sign * step * d))[0])
        for sign in (1, -1)
    ]
    slope = (values[0] - values[1]) / (2 * step)
    assert np.vdot(back.grad_state[1], d) == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": np.zeros((2, 3, 2))}, r"X has shape \(2, 3, 2\)"),
        ({"cotangent": np.zeros((2, 4))}, r"cotangent has shape \(2, 4\), allowed: \(2, 3, 4\)"),
        ({"state": (np.zeros((2, 4)),)}, "state is tuple, allowed: a pair of arrays"),
        ({"state": np.zeros((2, 2, 4))}, "state is ndarray, allowed: a pair"),
        ({"state": (np.zeros((2, 4)), np.zeros((2, 3)))}, r"state\[1\] has shape \(2, 3\)"),
        ({"cotangent_state": (np.zeros((3, 4)), np.zeros((2, 4)))}, r"cotangent_state\[0\] has"),
    ],
)
def test_wrong_arrays_are_refused(change, message):
    model, weights, (x, to_outputs, *_) = problem()
    given = {"x": x, "cotangent": to_outputs, **change}
    with pytest.raises(InputError, match=message):
        model.vjp(weights, **given)
