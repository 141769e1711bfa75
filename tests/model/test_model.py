"""The QLSTM: a recomputation of its own, gradients against finite differences, errors, parts."""

import numpy as np
import pytest
from scipy.special import expit

from hpc_qlstm.engines.reference import ReferenceEngine
from hpc_qlstm.errors import InputError, UnsupportedError
from hpc_qlstm.model import LSTM_GATES, QLSTM, LocalExchange
from hpc_qlstm.model.cell import Cell
from hpc_qlstm.partition import Partition

OVERLAP = Partition([[0, 1], [1, 2]], [1, 1])
# Sizes (d_x, d_h, d_y), then what differs from the default QLSTM.
MODELS = {
    "centric": ((1, 2, 1), {}),
    "hx": ((1, 2, 1), {"partition": Partition.contiguous(3, 2, 2)}),
    "xh": ((1, 2, 1), {"partition": Partition.contiguous(3, 2, 2), "order": "xh"}),
    "broadcast": ((2, 2, 1), {"partition": Partition.broadcast_input(4, 2, 2)}),
    "overlap": ((1, 2, 1), {"partition": OVERLAP}),
    "overlap_xh": ((1, 2, 2), {"partition": OVERLAP, "order": "xh"}),
    "sequence": ((1, 2, 1), {"partition": OVERLAP, "sequence": True}),
    "two_outputs": ((2, 2, 2), {"partition": Partition.strided(4, 2, 2)}),
    "brickwork": ((1, 2, 1), {"ansatz": "ry_brickwork", "depth": 2}),
    "brickwork_sequence": ((1, 2, 2), {"ansatz": "ry_brickwork", "sequence": True}),
    "more_qubits": ((1, 2, 1), {"partition": OVERLAP.with_qubits([3, 2])}),
    "reupload": ((1, 2, 1), {"partition": OVERLAP, "depth": 2, "reupload": True}),
    "rx": ((1, 1, 1), {"encoding": "rx"}),
}


def build(name, **changes):
    sizes, options = MODELS[name]
    return QLSTM(*sizes, **{"depth": 1, "engine": "reference", **options, **changes})


def problem(model, seed=0, batch=3, steps=3):
    """Weights that are not small, windows and targets."""
    rng = np.random.default_rng(seed)
    weights = {n: rng.normal(size=a.shape) for n, a in model.init(seed).items()}
    x = rng.normal(size=(batch, steps, model.input_size))
    return weights, x, rng.normal(size=model.prediction_shape(x))


def recomputed(model, weights, x):
    """Predictions by the cell's equations, one sample at a time."""
    engine, p, predictions = ReferenceEngine(), model.partition, []
    for sample in x:
        h = c = np.zeros(model.hidden_size)
        steps = []
        for x_t in sample:
            v = np.concatenate([h, x_t] if model.order == "hx" else [x_t, h])
            z = {}
            for gate in LSTM_GATES:
                parts = [
                    engine.expectations(
                        model.circuits[m], v[None, list(p.inputs[m])], weights[f"{gate}.{m}"]
                    )[0]
                    for m in range(p.count)
                ]
                z[gate] = np.concatenate(parts)
            c = expit(z["forget"]) * c + expit(z["input"]) * np.tanh(z["candidate"])
            h = expit(z["output"]) * np.tanh(c)
            steps.append(weights["readout.weight"] @ h + weights["readout.bias"])
        predictions.append(steps if model.sequence else steps[-1])
    return np.array(predictions)


@pytest.mark.parametrize("name", MODELS)
def test_prediction_loss_and_gradients(name):
    model = build(name)
    weights, x, y = problem(model)
    kept = {n: a.copy() for n, a in weights.items()}
    expected = recomputed(model, weights, x)
    np.testing.assert_allclose(model.predict(weights, x), expected, atol=1e-13)
    loss, gradient = model.loss_and_gradient(weights, x, y)
    assert loss == pytest.approx(np.mean((expected - y) ** 2), rel=1e-13)
    assert list(gradient) == list(weights)

    def loss_at(changes, dx=0.0):
        moved = {n: a + changes.get(n, 0.0) for n, a in weights.items()}
        return np.mean((model.predict(moved, x + dx) - y) ** 2)

    rng, step = np.random.default_rng(1), 1e-5
    for n, array in weights.items():
        d = rng.normal(size=array.shape)
        slope = (loss_at({n: step * d}) - loss_at({n: -step * d})) / (2 * step)
        assert np.vdot(gradient[n], d) == pytest.approx(slope, abs=2e-8), n
    to_x = model.input_gradient(weights, x, y)
    assert to_x.shape == x.shape
    for position in [(0, 0, 0), (1, 1, 0), (2, 2, model.input_size - 1)]:
        d = np.zeros_like(x)
        d[position] = step
        slope = (loss_at({}, d) - loss_at({}, -d)) / (2 * step)
        assert to_x[position] == pytest.approx(slope, abs=2e-8), position
    assert all((weights[n] == kept[n]).all() for n in weights)


@pytest.mark.parametrize("name", ["overlap_xh", "sequence", "more_qubits", "brickwork"])
def test_parameter_shift_equals_adjoint(name):
    adjoint, shift = build(name), build(name, gradient="parameter_shift")
    assert (adjoint.gradient, shift.gradient) == ("adjoint", "parameter_shift")
    weights, x, y = problem(adjoint)
    results = [model.loss_and_gradient(weights, x, y) for model in (adjoint, shift)]
    assert results[0][0] == results[1][0]
    for n in weights:
        np.testing.assert_allclose(results[0][1][n], results[1][1][n], atol=1e-14)
    np.testing.assert_allclose(
        *(model.input_gradient(weights, x, y) for model in (adjoint, shift)), atol=1e-14
    )


def test_results_of_a_sample_do_not_depend_on_the_batch_around_it():
    model = build("overlap")
    weights, x, y = problem(model, batch=5)
    whole = model.predict(weights, x)
    np.testing.assert_array_equal(model.predict(weights, x[1:3]), whole[1:3])
    loss, gradient = model.loss_and_gradient(weights, x, y)
    again = model.loss_and_gradient(weights, x, y)
    assert again[0] == loss
    assert all(gradient[n].tobytes() == again[1][n].tobytes() for n in gradient)


def test_cell_follows_its_equations_and_its_derivative():
    rng = np.random.default_rng(5)
    steps, shape = 3, (2, 3)
    z = rng.normal(size=(steps, 4, *shape))
    to_h = rng.normal(size=(steps, *shape))

    def run(z):
        """Hidden states by the class, and by the equations as they stand in the paper."""
        cell, hidden, plain = Cell(steps, *shape), np.empty((steps, *shape)), []
        c = np.zeros(shape)
        for t in range(steps):
            cell.forward(t, z[t], hidden[t])
            f, i, o = (1 / (1 + np.exp(-z[t, g])) for g in (0, 1, 3))
            c = f * c + i * np.tanh(z[t, 2])
            plain.append(o * np.tanh(c))
        np.testing.assert_allclose(hidden, plain, rtol=1e-14)
        return cell, np.sum(to_h * hidden)

    cell, _ = run(z)
    to_z = np.empty_like(z)
    for t in reversed(range(steps)):
        cell.reverse(t, to_h[t], to_z[t])
    slope = np.empty_like(z)
    for index in np.ndindex(*z.shape):
        d = np.zeros_like(z)
        d[index] = 1e-6
        slope[index] = (run(z + d)[1] - run(z - d)[1]) / 2e-6
    np.testing.assert_allclose(to_z, slope, atol=1e-8)


def test_local_exchange_passes_everything_on():
    exchange = LocalExchange(3, [[0, 1, 3], [2, 3]], [[0, 1], [2]])
    assert exchange.partitions == range(2)
    assert exchange.updates_cell
    outputs = exchange.outputs(0, 4, 5)
    outputs.send[...] = np.arange(60.0).reshape(4, 5, 3)
    outputs.start()
    assert outputs.finish() is outputs.send
    for of_state, expected in ((False, [0, 1, 3, 2 + 4]), (True, [0, 1, 2])):
        inputs = exchange.inputs(0, 2, of_state=of_state)
        inputs.send[...] = np.arange(inputs.send.shape[1])
        inputs.start()
        sums = np.zeros((2, len(expected)))
        inputs.finish(sums)
        assert sums.tolist() == [expected] * 2
    shared = exchange.shared(0, 1, 2)
    shared.buffer[...] = 7.0
    shared.share()
    assert (shared.buffer == 7.0).all()


@pytest.mark.parametrize(
    ("name", "shape"),
    [("hx", (3, 1)), ("two_outputs", (3, 2)), ("brickwork_sequence", (3, 3, 2))],
)
def test_shapes_of_predictions(name, shape):
    model = build(name)
    weights, x, _ = problem(model)
    assert model.prediction_shape(x) == shape
    assert model.predict(weights, x).shape == shape
    assert model.predict(model.init(), x).shape == shape
    assert model.predict(weights, x.astype(np.float32).tolist()).shape == shape


@pytest.mark.parametrize("shape", [(3, 3), (3, 3, 2), (3, 0, 1), (0, 3, 1), (3,), (1, 3, 3, 1)])
def test_wrong_x_is_refused(shape):
    model = build("hx")
    with pytest.raises(InputError, match=r"X has shape \(.*\), allowed: \(samples, steps, 1\)"):
        model.predict(model.init(), np.zeros(shape))


def test_wrong_y_and_weights_are_refused():
    model = build("hx")
    weights, x, y = problem(model)
    for bad in (y[:, 0], y[:2], np.zeros((3, 2)), np.zeros((3, 3, 1))):
        with pytest.raises(InputError, match=r"y has shape \(.*\), allowed: \(3, 1\)"):
            model.loss_and_gradient(weights, x, bad)
    with pytest.raises(InputError, match=r"'output\.1' is missing"):
        model.predict({n: a for n, a in weights.items() if n != "output.1"}, x)
    with pytest.raises(InputError, match=r"'output\.2' is not one of this model's"):
        model.predict({**weights, "output.2": y}, x)
    with pytest.raises(InputError, match=r"'forget\.0' has shape \(1, 2\), allowed"):
        model.loss_and_gradient({**weights, "forget.0": np.zeros((1, 2))}, x, y)


@pytest.mark.parametrize(
    ("sizes", "options", "message"),
    [
        ((0, 2, 1), {}, "input_size is 0, allowed: an integer of 1 or more"),
        ((1, 2.0, 1), {}, r"hidden_size is 2\.0"),
        ((1, 2, -1), {}, "output_size is -1"),
        ((1, 2, 1), {"order": "yx"}, "order is 'yx', allowed: 'hx' or 'xh'"),
        ((1, 2, 1), {"ansatz": "ring"}, "ansatz: 'ring' is not known"),
        ((1, 2, 1), {"encoding": "ring"}, "encoding: 'ring' is not known"),
        ((1, 2, 1), {"depth": 0}, "depth is 0"),
        ((1, 2, 1), {"gradient": "magic"}, "gradient is 'magic', allowed: adjoint, param"),
        ((1, 2, 1), {"engine": "none"}, "engine: 'none' is not known"),
        ((2, 2, 1), {"partition": OVERLAP}, "partition.inputs: index 3 is in no partition"),
        ((1, 20, 1), {}, "engine reference: a circuit of 21 qubits is too large"),
    ],
)
def test_invalid_models_are_refused(sizes, options, message):
    with pytest.raises(InputError, match=message):
        QLSTM(*sizes, **{"engine": "reference", **options})


def test_adjoint_is_refused_where_the_engine_has_none():
    class Sampled(ReferenceEngine):
        name = "sampled"
        capabilities = type(ReferenceEngine.capabilities)(False, "parameter_shift", ("double",), 9)

    assert build("hx", engine=Sampled()).gradient == "parameter_shift"
    with pytest.raises(UnsupportedError, match="engine sampled: gradient 'adjoint' is not avail"):
        build("hx", engine=Sampled(), gradient="adjoint")
