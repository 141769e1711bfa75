"""Concentration and gradient norms in metrics.jsonl: their values, and the same bits everywhere."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm import load_config
from hpc_qlstm.build.setup import build_plan
from hpc_qlstm.build.sources import build_dataset
from hpc_qlstm.model.cell import LSTM_GATES
from hpc_qlstm.model.tape import SampleKey
from hpc_qlstm.runs.checkpoint import find_checkpoints, position


def diagnostics(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line)["diagnostics"] for line in lines]


def test_values_at_the_first_batch(write_config, tmp_path):
    config = load_config(
        write_config(
            model={"extra_vqcs": 2, "affine": True, "init_scale": 0.6},
            partition={"strategy": "overlap", "count": 2},
            training={"epochs": 1, "batch_size": 6, "seed": 3},
        )
    )
    hpc_qlstm.train(config, quiet=True)
    (found,) = diagnostics(tmp_path / "run")
    data = build_dataset(config)
    x, y = data.train_x[:6], data.train_y[:6]
    model = build_plan(config, 1, 1)
    weights = model.init(3, 0.6)
    _, gradient = model.loss_and_gradient(weights, x, y)
    for name in (*LSTM_GATES, "hidden", "prediction"):
        for m in (0, 1):
            parts = [gradient[f"{name}.{m}{end}"] for end in ("", ".scale", ".shift")]
            norm = np.sqrt(sum(float((part**2).sum()) for part in parts))
            assert found["gradient_norm"][name][m] == pytest.approx(norm, rel=1e-5)
    local = model.local_cell(range(2))
    rng = np.random.default_rng(0)
    v = rng.normal(size=(6, 5))  # the hidden units, then the input
    sweep = local.gates.begin(
        model.layout.flatten(weights), v[:, None, 4:].copy(), SampleKey(), np.empty((4, 6, 4))
    )
    sweep.forward(0, v[:, :4].copy())
    for m, values in enumerate(sweep.expectations):
        for g in range(4):
            circuit_weights = weights[f"{LSTM_GATES[g]}.{m}"]
            expected = model.engines[m].expectations(
                model.circuits[m], v[:, list(model.partition.inputs[m])], circuit_weights
            )
            np.testing.assert_allclose(values[g], expected, rtol=0, atol=1e-12)
    assert set(found["variance"]) == set(LSTM_GATES)
    assert all(0 < value < 1 for row in found["variance"].values() for value in row)


@pytest.mark.parametrize(("batch_size", "ranks"), [(7, 2), (2, 6)])
def test_the_same_on_every_number_of_ranks(
    hpc_qlstm_run, write_config, tmp_path, batch_size, ranks
):
    """Also where a batch is too small for all replicas."""
    config = write_config(
        model={"hidden_size": 5},
        partition={"strategy": "contiguous", "count": 2},
        training={"batch_size": batch_size, "shuffle": True, "clip_norm": 0.1},
    )
    results = []
    for on in (None, ranks):
        folder = tmp_path / f"ranks-{on}"
        done = hpc_qlstm_run("train", config, "--set", f"output.run_dir={folder}", ranks=on)
        assert done.returncode == 0, done.stderr
        results.append(diagnostics(folder))
    assert results[0] == results[1]
    assert len(results[0]) == 3
    assert results[0][0] != results[0][2]


def test_a_run_resumed_inside_an_epoch_has_them(write_config, tmp_path):
    """The first batch of an epoch was before the stop."""
    config = tomllib.loads(write_config(training={"epochs": 2}).read_text())
    config["checkpoint"] = {"interval": 0, "delay": 0, "keep": 0}  # after every batch
    hpc_qlstm.train(config, quiet=True)
    run = tmp_path / "run"
    whole = diagnostics(run)
    stored = find_checkpoints(run / "checkpoints")
    (last,) = [path for path in stored if position(path) == (1, 2)]
    for path in stored:
        if position(path) > (1, 2):
            path.unlink()
    assert last.exists()
    hpc_qlstm.resume(run, quiet=True)
    assert diagnostics(run) == whole
