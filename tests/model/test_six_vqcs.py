"""The six-VQC cell and mixed gate outputs: their definition, their gradients, what they need."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm import QLSTM, Partition, load_config
from hpc_qlstm.analysis.resources import equation_rows, resources
from hpc_qlstm.engines import create_engine
from hpc_qlstm.errors import InputError
from hpc_qlstm.model.cell import LSTM_GATES
from hpc_qlstm.model.tape import SampleKey
from hpc_qlstm.partition import NEVER, Reach, steps_to_input, warnings_for

VARIANTS = [
    {"mix": True},
    {"extra_vqcs": 2},
    {"extra_vqcs": 2, "mix": True, "affine": True},
    {"extra_vqcs": 2, "mix": True, "affine": True, "sequence": True},
]


def model_and_data(steps=3, samples=4, order="hx", **options):
    partition = Partition.overlap(5, 4, 2, 1)
    model = QLSTM(1, 4, 1, "ry_brickwork", 2, order, partition, **options)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(samples, steps, 1))
    y = rng.normal(size=model.prediction_shape(x))
    flat = rng.normal(0.0, 0.7, model.layout.size)
    return model, model.layout.views(flat), x, y


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


@pytest.mark.parametrize("order", ["hx", "xh"])
@pytest.mark.parametrize("options", VARIANTS)
def test_the_equations_written_out(options, order):
    """One sample after the other with the reference engine, step by step as the papers write it."""
    model, weights, x, _ = model_and_data(order=order, **options)
    engine, parts = create_engine("reference"), model.partition

    def vqcs(name, v, lists, circuits):
        outputs = []
        for m, inputs in enumerate(lists):
            z = engine.expectations(circuits[m], v[None, list(inputs)], weights[f"{name}.{m}"])[0]
            if options.get("affine"):
                z = weights[f"{name}.{m}.scale"] * z + weights[f"{name}.{m}.shift"]
            outputs.append(z)
        return np.concatenate(outputs)

    for sample, expected in zip(x, model.predict(weights, x), strict=True):
        h, c, read = np.zeros(4), np.zeros(4), []
        for x_t in sample:
            v = np.concatenate([h, x_t] if order == "hx" else [x_t, h])
            z = {name: vqcs(name, v, parts.inputs, model.circuits) for name in LSTM_GATES}
            if options.get("mix"):
                z = {name: weights[f"{name}.mix"] @ values for name, values in z.items()}
            c = sigmoid(z["forget"]) * c + sigmoid(z["input"]) * np.tanh(z["candidate"])
            h = state = sigmoid(z["output"]) * np.tanh(c)
            y = h
            if options.get("extra_vqcs"):
                h, y = (
                    vqcs(name, state, model.state_inputs, model.extra_circuits)
                    for name in ("hidden", "prediction")
                )
            read.append(weights["readout.weight"] @ y + weights["readout.bias"])
        wanted = np.array(read) if options.get("sequence") else read[-1]
        np.testing.assert_allclose(expected, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("options", VARIANTS)
def test_gradients_by_finite_differences(options, steps):
    model, weights, x, y = model_and_data(steps, **options)
    _, gradient = model.loss_and_gradient(weights, x, y)
    assert gradient.keys() == weights.keys()
    for name, array in weights.items():
        for index in np.ndindex(array.shape):
            value, losses = array[index], []
            for step in (1e-5, -1e-5):
                array[index] = value + step
                losses.append(model.loss_and_gradient(weights, x, y)[0])
            array[index] = value
            slope = (losses[0] - losses[1]) / 2e-5
            assert gradient[name][index] == pytest.approx(slope, rel=1e-6, abs=1e-9), name


def test_gradients_by_the_inputs():
    model, weights, x, y = model_and_data(extra_vqcs=2, mix=True)
    gradient = model.input_gradient(weights, x, y)
    for index in [(0, 0, 0), (2, 1, 0), (3, 2, 0)]:
        value, losses = x[index], []
        for step in (1e-5, -1e-5):
            x[index] = value + step
            losses.append(model.loss_and_gradient(weights, x, y)[0])
        x[index] = value
        assert gradient[index] == pytest.approx((losses[0] - losses[1]) / 2e-5, abs=1e-10)


@pytest.mark.parametrize("options", VARIANTS)
def test_parameter_shift_equals_adjoint(options):
    model, weights, x, y = model_and_data(**options)
    shifted, *_ = model_and_data(gradient="parameter_shift", **options)
    _, expected = model.loss_and_gradient(weights, x, y)
    _, gradient = shifted.loss_and_gradient(weights, x, y)
    for name, array in expected.items():
        np.testing.assert_allclose(gradient[name], array, rtol=0, atol=1e-12)


def test_mixing_begins_as_the_cell_without_it():
    plain, *_ = model_and_data()
    mixed, _, x, _ = model_and_data(mix=True)
    begin = plain.init(5)
    mixed_begin = mixed.init(5)
    assert {name for name in mixed_begin if name not in begin} == {f"{g}.mix" for g in LSTM_GATES}
    np.testing.assert_array_equal(mixed.predict(mixed_begin, x), plain.predict(begin, x))


def test_sampled_vqcs_draw_apart():
    """Hidden and prediction VQCs with equal weights and inputs see other random numbers."""
    engine = create_engine("aer", shots=64, seed=1)
    model, weights, x, _ = model_and_data(1, engine=engine, extra_vqcs=2, sequence=True)
    local = model.local_cell(range(2))
    for m in range(2):
        weights[f"prediction.{m}"][...] = weights[f"hidden.{m}"]
    flat = model.layout.flatten(weights)
    state = np.repeat(x[:, 0], 4, axis=1)
    outputs = []
    for group in (local.hidden, local.prediction):
        outputs.append(np.empty((1, *state.shape)))
        group.begin(flat, x, SampleKey(), outputs[-1]).forward(0, state)
    assert not np.array_equal(*outputs)


def test_extra_vqcs_read_the_hidden_units_among_the_inputs():
    assert Partition.contiguous(5, 4, 2).state_inputs(4, "hx") == ((0, 1, 2), (3,))
    assert Partition.contiguous(5, 4, 2).state_inputs(4, "xh") == ((0, 1), (2, 3))
    alone = Partition([[0, 1], [2]], [1, 1])
    assert alone.state_inputs(2, "hx") == ((0, 1), (1,))  # nothing hidden: its own unit


def test_mixing_lets_the_input_through():
    cut_off = Partition.contiguous(4, 3, 2)
    assert steps_to_input(cut_off, 1, 3, "hx").tolist() == [[NEVER], [NEVER], [1]]
    mixed = Reach(mix=True)
    assert (steps_to_input(cut_off, 1, 3, "hx", mixed) == 1).all()
    assert warnings_for(cut_off, 1, 3, "hx", 4)
    assert not warnings_for(cut_off, 1, 3, "hx", 4, mixed)


@pytest.mark.parametrize("order", ["hx", "xh"])
@pytest.mark.parametrize("strategy", ["contiguous", "strided", "overlap", "random"])
@pytest.mark.parametrize(
    ("depth", "options"),
    [(1, {}), (1, {"mix": True}), (2, {}), (2, {"mix": True}), (2, {"extra_vqcs": 2})],
)
def test_reachability_is_what_the_model_does(strategy, order, options, depth):
    """The last h_j changes with the x of t - 1 steps before exactly if a path of t or fewer steps
    leads there (fewer: the cell remembers). Not at h = 0, where products with it vanish."""
    hidden, steps = 4, 3
    partition = getattr(Partition, strategy)(hidden + 1, hidden, 3)
    model = QLSTM(1, hidden, hidden, "rot_ring", depth, order, partition, **options)
    seen = Reach(model.circuits, model.extra_circuits, model.layout.mix)
    reach = steps_to_input(partition, 1, hidden, order, seen)
    flat = np.random.default_rng(0).normal(0.0, 0.8, model.layout.size)
    weights = model.layout.views(flat)
    weights["readout.weight"][...] = np.eye(hidden)
    x = np.random.default_rng(1).normal(size=(1, 6, 1))
    for t in range(1, steps + 1):
        moved = x.copy()
        moved[:, -t] += 0.5
        changed = np.abs(model.predict(weights, moved) - model.predict(weights, x))[0] > 1e-13
        np.testing.assert_array_equal(changed, reach[:, 0] <= t)


@pytest.mark.parametrize("gradient", ["adjoint", "parameter_shift", "spsa"])
@pytest.mark.parametrize("sequence", [False, True])
def test_resources_are_those_of_a_run(write_config, tmp_path, gradient, sequence):
    config = load_config(
        write_config(
            model={"extra_vqcs": 2, "mix": True, "affine": True, "sequence": sequence},
            partition={"strategy": "contiguous", "count": 2},
            engine={"gradient": gradient},
            data={"options": {"points": 30}, "window": 2},
            training={"epochs": 1, "batch_size": 7},
        )
    )
    found = resources(config)
    result = hpc_qlstm.train(config, quiet=True)
    assert found.total == sum(array.size for array in result.weights.values())
    record = json.loads((tmp_path / "run" / "metrics.jsonl").read_text())
    assert record["circuits"]["training"] == found.training
    assert record["circuits"]["evaluation"] == found.evaluation
    rows = dict(equation_rows(found))
    assert rows["P_total (eq. 12, N_extra = 2)"].endswith(
        f"with affine maps, mixing and the linear readout {found.total}"
    )


def test_own_circuits_have_no_extra_vqcs():
    model, *_ = model_and_data()
    with pytest.raises(InputError, match="extra_vqcs is 2 with circuits of your own"):
        QLSTM(1, 4, 1, partition=model.partition, circuits=model.circuits, extra_vqcs=2)
    with pytest.raises(InputError, match="extra_vqcs is 1, allowed: 0, or 2"):
        QLSTM(1, 4, 1, extra_vqcs=1)
