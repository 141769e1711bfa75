"""Trainable scales and shifts of expectation values."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm import QLSTM, Partition, load_config
from hpc_qlstm.analysis.resources import equation_rows, resources
from hpc_qlstm.model.cell import LSTM_GATES


@pytest.fixture
def batch():
    rng = np.random.default_rng(5)
    return rng.normal(size=(5, 3, 2)), rng.normal(size=(5, 1))


def build(engine="native", gradient=None, partition=None):
    return QLSTM(
        2, 3, 1, depth=1, partition=partition, engine=engine, gradient=gradient, affine=True
    )


def moved(weights, seed=1):
    rng = np.random.default_rng(seed)
    return {name: array + 0.3 * rng.normal(size=array.shape) for name, array in weights.items()}


def test_names_shapes_and_identity(batch):
    model = build(partition=Partition.strided(5, 3, 2))
    weights = model.init(seed=2)
    assert weights["forget.0.scale"].tolist() == [1.0, 1.0]
    assert weights["output.1.shift"].tolist() == [0.0]
    assert sum(array.size for array in weights.values()) == model.layout.size
    plain = QLSTM(2, 3, 1, depth=1, partition=model.partition)
    bare = plain.init(seed=2)
    assert all(np.array_equal(weights[name], array) for name, array in bare.items())
    assert np.array_equal(model.predict(weights, batch[0]), plain.predict(bare, batch[0]))
    flat = model.layout.flatten(moved(weights))
    again = model.layout.views(flat)
    assert all(np.array_equal(again[name], array) for name, array in moved(weights).items())


@pytest.mark.parametrize(
    ("engine", "gradient"), [("native", "adjoint"), ("native", "parameter_shift"), ("aer", None)]
)
@pytest.mark.parametrize("count", [1, 3])
def test_gradients_by_differences(batch, engine, gradient, count):
    model = build(engine, gradient, Partition.strided(5, 3, count))
    weights = moved(model.init(seed=2))
    _, gradient = model.loss_and_gradient(weights, *batch)
    step = 1e-6
    for name, array in weights.items():
        for index in list(np.ndindex(array.shape))[::2]:
            losses = []
            for sign in (1, -1):
                changed = {key: value.copy() for key, value in weights.items()}
                changed[name][index] += sign * step
                prediction = model.predict(changed, batch[0])
                losses.append(np.mean((prediction - batch[1]) ** 2))
            slope = (losses[0] - losses[1]) / (2 * step)
            assert gradient[name][index] == pytest.approx(slope, abs=2e-9), name
    # A scale and a shift are what they are called: a scale of nothing leaves the shift alone.
    for gate in LSTM_GATES:
        for m in range(count):
            weights[f"{gate}.{m}.scale"][:] = 0.0
            weights[f"{gate}.{m}.shift"][:] = 40.0
    loud = model.predict(weights, batch[0])
    h = np.tanh(3.0)  # all gates are open: c_3 = 3
    expected = weights["readout.weight"].sum() * h + weights["readout.bias"]
    np.testing.assert_allclose(loud[:, 0], expected[0], rtol=0, atol=1e-12)


def settings(write_config, **model):
    return write_config(
        model={"hidden_size": 3, "depth": 1, "affine": True, **model},
        partition={"strategy": "contiguous", "count": 2},
        training={"epochs": 4},
    )


def test_runs_on_any_ranks_resume_and_export(hpc_qlstm_run, write_config, tmp_path, final_weights):
    config = settings(write_config)
    assert hpc_qlstm_run("train", config, "--set", "training.epochs=2", ranks=2).returncode == 0
    done = hpc_qlstm_run("resume", tmp_path / "run", "--set", "training.epochs=4", ranks=4)
    assert done.returncode == 0, done.stderr
    alone = hpc_qlstm.train(load_config(config, [f"output.run_dir={tmp_path}/alone"]), quiet=True)
    resumed = final_weights(tmp_path / "run")
    assert resumed.keys() == alone.weights.keys()
    for name, array in alone.weights.items():
        assert np.array_equal(resumed[name], array)
    assert not np.array_equal(alone.weights["forget.0.scale"], np.ones(2))
    assert hpc_qlstm_run("export", tmp_path / "run").returncode == 0
    manifest = json.loads((tmp_path / "run" / "export" / "manifest.json").read_text())
    text = json.dumps(manifest)
    assert json.dumps(alone.weights["forget.0.scale"].tolist()) in text
    refused = hpc_qlstm_run("resume", tmp_path / "run", "--set", "model.affine=false")
    assert refused.returncode == 2
    assert "'candidate.0.scale' is not in the model" in refused.stderr


def test_weights_are_counted(write_config):
    config = load_config(settings(write_config))
    rows = dict(equation_rows(resources(config)))
    total = hpc_qlstm.train(config, quiet=True)
    count = sum(array.size for array in total.weights.values())
    assert rows["P_total (eq. 12, N_extra = 0)"].endswith(
        f"with affine maps and the linear readout {count}"
    )
