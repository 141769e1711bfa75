"""Evaluation of a finished run, and predictions for new data."""

import csv
import shutil

import numpy as np
import pytest
from builders import tiny_config

import hpc_qlstm
from hpc_qlstm.analysis.evaluation import evaluate, predict
from hpc_qlstm.build.setup import build_model
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import SerialCommunicator

COMM = SerialCommunicator()


def train(run_dir, **sections):
    return hpc_qlstm.train(tiny_config(run_dir, **sections), quiet=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The directory and the result of a finished run. Tests leave it as it is."""
    run_dir = tmp_path_factory.mktemp("finished") / "run"
    return run_dir, train(run_dir)


def test_evaluate(finished):
    run_dir, result = finished
    evaluation = evaluate(run_dir, COMM)
    last = result.history[-1]
    assert evaluation.epoch == 2
    assert evaluation.scores["test"]["mse"] == last["test_loss"]
    assert evaluation.scores["test"]["r2"] == last["test_r2"]
    assert evaluation.scores["train"]["windows"] == 14
    assert evaluation.scores["test"]["windows"] == 8
    data = evaluation.data
    model = build_model(result.config, 1, 1)
    for x, found in (
        (data.train_x, evaluation.train_prediction),
        (data.test_x, evaluation.test_prediction),
    ):
        scaled = model.predict(result.weights, x)
        offset, factor = data.target_scaler.offset, data.target_scaler.factor
        np.testing.assert_allclose(found, scaled / factor + offset, rtol=1e-12)
    with pytest.raises(InputError, match="is not a folder"):
        evaluate(run_dir / "none", COMM)


def write_csv(path, columns):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def read_csv(path):
    with path.open(newline="") as file:
        head, *rows = csv.reader(file)
    return head, np.array(rows, dtype=float)


def test_predict_new_data(finished, tmp_path):
    run_dir, _ = finished
    evaluation = evaluate(run_dir, COMM)
    known = np.concatenate([evaluation.train_prediction, evaluation.test_prediction])
    signal = np.sin(np.linspace(0, 20, 24))
    file = write_csv(tmp_path / "new.csv", {"other": signal * 2, "sine": signal})
    count = predict(run_dir, file, tmp_path / "out.csv", COMM)
    head, rows = read_csv(tmp_path / "out.csv")
    assert head == ["time", "sine"]
    assert count == len(rows) == 23
    np.testing.assert_array_equal(rows[:, 0], np.arange(2, 25))
    np.testing.assert_allclose(rows[:-1, 1], known[:, 0], rtol=1e-9)
    assert np.isfinite(rows[-1, 1])

    least = write_csv(tmp_path / "two.csv", {"sine": signal[:2]})
    assert predict(run_dir, least, tmp_path / "one.csv", COMM) == 1
    np.testing.assert_allclose(read_csv(tmp_path / "one.csv")[1][0, 1], known[0, 0], rtol=1e-9)


def test_predict_refuses(finished, tmp_path):
    run_dir, _ = finished
    short = write_csv(tmp_path / "short.csv", {"sine": [0.5]})
    with pytest.raises(InputError, match="1 rows are too few to predict: a window takes 2 rows"):
        predict(run_dir, short, tmp_path / "out.csv", COMM)
    other = write_csv(tmp_path / "other.csv", {"cosine": [0.5, 0.6, 0.7]})
    with pytest.raises(InputError, match="no column 'sine'; there are: 'cosine'"):
        predict(run_dir, other, tmp_path / "out.csv", COMM)
    fine = write_csv(tmp_path / "fine.csv", {"sine": [0.5, 0.6, 0.7]})
    with pytest.raises(InputError, match=r"out\.csv: cannot be written"):
        predict(run_dir, fine, tmp_path / "nowhere" / "out.csv", COMM)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("sequence", [False, True])
def test_a_run_on_a_users_file_with_targets_of_its_own(tmp_path, sequence):
    t = np.linspace(0, 6, 30)
    columns = {"t": t, "a": np.sin(t), "b": np.cos(t), "power": 50 + 9 * np.sin(t + 0.3)}
    file = write_csv(tmp_path / "user.csv", columns)
    data = {"file": str(file), "features": ["a", "b"], "targets": ["power"], "time": "t"}
    run_dir, values = tmp_path / "run", tiny_config(tmp_path / "run", model={"sequence": sequence})
    values["data"] = {**data, "window": 3, "horizon": 2}
    hpc_qlstm.train(values, quiet=True)
    evaluation = evaluate(run_dir, COMM)
    assert evaluation.test_prediction.shape == ((9, 3, 1) if sequence else (9, 1))
    del columns["power"]
    new = write_csv(tmp_path / "new.csv", columns)
    assert predict(run_dir, new, tmp_path / "out.csv", COMM) == 28
    head, rows = read_csv(tmp_path / "out.csv")
    assert head == ["time", "power"]
    np.testing.assert_allclose(rows[:, 0], t[1] * np.arange(4, 32), rtol=1e-12)
    last = evaluation.test_prediction[:, -1] if sequence else evaluation.test_prediction
    np.testing.assert_allclose(rows[-11:-2, 1], last[:, 0], rtol=1e-9)
    assert rows[:, 1].mean() > 30


def test_another_models_checkpoint_is_refused(finished, tmp_path):
    run_dir, _ = finished
    train(tmp_path / "wide", model={"hidden_size": 3}, training={"epochs": 1})
    shutil.copytree(run_dir, tmp_path / "mixed")
    shutil.rmtree(tmp_path / "mixed" / "checkpoints")
    shutil.copytree(tmp_path / "wide" / "checkpoints", tmp_path / "mixed" / "checkpoints")
    message = r"'forget\.0' is float64 \(1, 4, 3\), the model needs float64 \(1, 3, 3\)"
    with pytest.raises(InputError, match=message):
        hpc_qlstm.resume(tmp_path / "mixed", quiet=True)
    with pytest.raises(InputError, match=message):
        evaluate(tmp_path / "mixed", COMM)
    shutil.rmtree(tmp_path / "mixed" / "checkpoints")
    with pytest.raises(InputError, match="has no checkpoint that can be read"):
        evaluate(tmp_path / "mixed", COMM)
