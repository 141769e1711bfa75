"""The classical LSTM: torch's formulas, exact gradients, trained by the same machinery."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm import QLSTM, load_config
from hpc_qlstm.analysis.baselines import baselines
from hpc_qlstm.analysis.resources import resources
from hpc_qlstm.data import generate, make_dataset
from hpc_qlstm.engines.linear import LinearEngine
from hpc_qlstm.errors import UnsupportedError
from hpc_qlstm.model.classical import classical_lstm, matched_hidden_size
from hpc_qlstm.partition import Partition


def sigmoid(z):
    return 1.0 / (1.0 + np.exp(-z))


@pytest.fixture
def batch():
    rng = np.random.default_rng(3)
    return rng.normal(size=(7, 5, 2)), rng.normal(size=(7, 1))


def plain_prediction(weights, x, hidden_size):
    """Equations 1a to 1f, written down sample by sample."""
    results = []
    for sample in x:
        h = c = np.zeros(hidden_size)
        for step in sample:
            v = np.concatenate([h, step, [1.0]])
            f, i, g, o = (
                weights[f"{gate}.0"] @ v for gate in ("forget", "input", "candidate", "output")
            )
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        results.append(weights["readout.weight"] @ h + weights["readout.bias"])
    return np.array(results)


def test_the_formulas(batch):
    model = classical_lstm(2, 3, 1)
    weights = model.init(seed=4)
    assert weights["forget.0"].shape == (3, 6)
    assert np.abs(weights["forget.0"]).max() <= 1 / np.sqrt(3)
    expected = plain_prediction(weights, batch[0], 3)
    np.testing.assert_allclose(model.predict(weights, batch[0]), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("partition", [None, Partition.broadcast_input(5, 3, 3)])
@pytest.mark.parametrize("order", ["hx", "xh"])
def test_gradients_by_differences(batch, partition, order):
    if partition is not None and order == "xh":
        partition = Partition.strided(5, 3, 2)
    model = classical_lstm(2, 3, 1, order, partition)
    weights = model.init(seed=4)
    _, gradient = model.loss_and_gradient(weights, *batch)
    step = 1e-6
    for name, array in weights.items():
        for index in list(np.ndindex(array.shape))[::3]:
            losses = []
            for sign in (1, -1):
                moved = {key: value.copy() for key, value in weights.items()}
                moved[name][index] += sign * step
                losses.append(model.loss_and_gradient(moved, *batch)[0])
            assert gradient[name][index] == pytest.approx(
                (losses[0] - losses[1]) / (2 * step), abs=1e-9
            )


def test_values_do_not_depend_on_the_batch(batch):
    model = classical_lstm(2, 3, 1)
    weights = model.init()
    whole = model.predict(weights, batch[0])
    for k in range(7):
        assert np.array_equal(model.predict(weights, batch[0][k : k + 1])[0], whole[k])


@pytest.mark.parametrize("weights", [1, 50, 91, 500, 5000])
def test_matched_size(weights):
    def size(hidden):
        return classical_lstm(2, hidden, 1).layout.size

    found = matched_hidden_size(weights, 2, 1)
    distances = {hidden: abs(size(hidden) - weights) for hidden in range(1, 60)}
    assert distances[found] == min(distances.values())


def test_circuits_and_maps_are_not_mixed_up():
    with pytest.raises(UnsupportedError, match="affine maps are for engine 'linear'"):
        QLSTM(1, 2, 1, engine=LinearEngine())
    maps = classical_lstm(1, 2, 1).circuits
    for engine in ("native", "reference", "aer"):
        with pytest.raises(UnsupportedError, match=f"engine {engine}: affine maps are for"):
            QLSTM(1, 2, 1, engine=engine, circuits=maps)


def settings(write_config, **sections):
    return write_config(
        model={"gates": "linear", "hidden_size": 5},
        partition={"strategy": "contiguous", "count": 1},
        training={"epochs": 30},
        **sections,
    )


def test_a_run_learns_and_goes_on(hpc_qlstm_run, write_config, tmp_path):
    config = settings(write_config)
    assert hpc_qlstm_run("train", config, ranks=2).returncode == 0
    done = hpc_qlstm_run("resume", tmp_path / "run", "--set", "training.epochs=40")
    assert done.returncode == 0, done.stderr
    assert "classical LSTM" in done.stdout
    straight = hpc_qlstm.train(
        load_config(config, ["training.epochs=40", f"output.run_dir={tmp_path}/other"]), quiet=True
    )
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["test_loss"] for line in lines] == [
        record["test_loss"] for record in straight.history
    ]
    assert straight.history[-1]["test_r2"] > 0.5
    assert straight.history[-1]["circuits"] == {"training": 0, "evaluation": 0, "calibration": 0}
    done = hpc_qlstm_run("evaluate", tmp_path / "run")
    scores = json.loads(done.stdout)
    assert scores["baselines"].keys() == {"constant", "last_value", "linear"}
    assert scores["test"]["mse"] < scores["baselines"]["constant"]["mse"]
    for command in (["export", tmp_path / "run"], ["verify", config], ["noise", config]):
        refused = hpc_qlstm_run(*command)
        assert refused.returncode == 2
        assert "no circuits" in refused.stderr


def test_no_circuits_are_predicted(write_config):
    found = resources(load_config(settings(write_config)))
    assert (found.training, found.evaluation, found.calibration) == (0, 0, 0)


@pytest.mark.parametrize("sequence", [False, True])
def test_trivial_predictors(sequence):
    series = generate("sine", points=60)
    data = make_dataset(series, window=4, horizon=2, sequence=sequence)
    scores = baselines(data)
    shift = series.targets[:, 0]
    rows = slice(len(data.train_x) + 3, len(data.train_x) + 3 + len(data.test_x))
    if not sequence:
        truth, last = shift[rows.start + 2 : rows.stop + 2], shift[rows]
        factor = data.target_scaler.transform(np.array([[1.0], [0.0]]))
        scale = float((factor[0] - factor[1])[0])
        assert scores["last_value"]["mse"] == pytest.approx(np.mean((scale * (truth - last)) ** 2))
    assert scores["constant"]["r2"] < 0.05
    assert scores["last_value"]["r2"] > scores["constant"]["r2"]


@pytest.mark.parametrize("sequence", [False, True])
def test_the_linear_predictor_sees_no_target(sequence):
    """A sine follows from two of its values: from the first step alone it does not."""
    data = make_dataset(generate("sine", points=60), window=4, horizon=1, sequence=sequence)
    if not sequence:
        assert baselines(data)["linear"]["mse"] < 1e-20
        return
    first = dataclasses.replace(
        data, train_y=data.train_y[:, :1], test_y=data.test_y[:, :1],
        train_x=data.train_x[:, :1], test_x=data.test_x[:, :1],
    )  # fmt: skip
    alone, whole = (baselines(each)["linear"]["mse"] for each in (first, data))
    assert alone > 1e-4
    assert whole == pytest.approx(alone / 4, rel=1e-6)
