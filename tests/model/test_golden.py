"""Numbers of an independent implementation, reproduced within the bounds stated with them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hpc_qlstm as hq
from hpc_qlstm.build.setup import set_up
from hpc_qlstm.data import Dataset, Scaler
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.studies.reproduce.literature import REFERENCE
from hpc_qlstm.training.trainer import Trainer

LSTM_GATES = ("forget", "input", "candidate", "output")


def reference_trainer(data, engine):
    n, same = int(data["n_train"]), Scaler("none", np.zeros(1), np.ones(1))
    x, y, time = data["x"], data["y"], np.arange(len(data["x"]), dtype=float)
    windows = Dataset(x[:n], y[:n], x[n:], y[n:], time[:n], time[n:], same, same, ("v",), ("v",))
    weights = {f"{gate}.0": data[gate] for gate in LSTM_GATES}
    weights |= {"readout.weight": data["W"], "readout.bias": data["b"]}
    config = hq.load_config({**REFERENCE, "engine": {"name": engine}})
    return Trainer(set_up(config, SerialCommunicator(), windows), weights)


def relative(given, expected):
    return np.max(np.abs(np.asarray(given) - expected) / np.abs(expected))


def test_native_reproduces_100_epochs(golden):
    data = golden("reference_damped_pendulum")
    trainer = reference_trainer(data, "native")
    history = [trainer.run_epoch() for _ in range(100)]
    for name in ("train", "test"):
        given = [record[f"{name}_loss"] for record in history]
        assert relative(given[:10], data[name][:10]) < 1e-11
        assert relative(given, data[name]) < 1e-9
    final = trainer.model.model.layout.views(trainer.state.weights)
    for gate in LSTM_GATES:
        assert np.abs(final[f"{gate}.0"] - data[f"final_{gate}"]).max() < 1e-9
    assert np.abs(final["readout.weight"] - data["final_W"]).max() < 1e-9
    assert np.abs(final["readout.bias"] - data["final_b"]).max() < 1e-9


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("engine", "epochs"), [("reference", 2), ("aer", 1)])
def test_other_engines_reproduce_the_first_epochs(golden, engine, epochs):
    data = golden("reference_damped_pendulum")
    trainer = reference_trainer(data, engine)
    history = [trainer.run_epoch() for _ in range(epochs)]
    for name in ("train", "test"):
        given = [record[f"{name}_loss"] for record in history]
        assert relative(given, data[name][:epochs]) < 1e-11


@pytest.mark.parametrize("engine", ["reference", "native", "aer"])
def test_gradient_of_two_partitions(golden, engine):
    data = golden("gradient_two_partitions")
    about = json.loads(str(data["meta"]))
    model = hq.QLSTM(
        input_size=about["input_size"],
        hidden_size=about["hidden_size"],
        output_size=about["output_size"],
        ansatz="rot_ring",
        depth=about["depth"],
        order=about["order"],
        partition=hq.Partition(about["parts"], about["outs"], about["qubits"]),
        engine=engine,
    )
    stored = {f"{gate}.{m}": f"{gate}_{m}" for gate in LSTM_GATES for m in (0, 1)}
    stored |= {"readout.weight": "W", "readout.bias": "b"}
    weights = {name: data[key] for name, key in stored.items()}
    loss, gradient = model.loss_and_gradient(weights, data["X"], data["y"])
    assert abs(loss - data["loss"]) < 1e-12
    assert np.abs(model.predict(weights, data["X"]) - data["prediction"]).max() < 1e-12
    assert gradient.keys() == weights.keys()
    for name, key in stored.items():
        assert np.abs(gradient[name] - data[f"grad_{key}"]).max() < 1e-12, name
    to_x = model.input_gradient(weights, data["X"], data["y"])
    assert np.abs(to_x - data["grad_X"]).max() < 1e-12
