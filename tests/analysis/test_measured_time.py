"""`hpc-qlstm resources --measure`: the time of an epoch from the costs of a few batches."""

from __future__ import annotations

import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm import load_config
from hpc_qlstm.analysis import measured_time
from hpc_qlstm.analysis.measured_time import measure_time
from hpc_qlstm.build.sources import build_dataset
from hpc_qlstm.errors import InputError


def test_an_epoch_takes_about_as_long(write_config):
    config = load_config(
        write_config(
            model={"hidden_size": 12, "depth": 2},
            partition={"strategy": "broadcast_input", "count": 2},
            data={"options": {"points": 200}},
            training={"epochs": 6},
            engine={"threads": 1},
        )
    )
    ratios: list[float] = []
    # Coarse, and more than once, because other work may slow down the one or the other.
    while not ratios or (len(ratios) < 5 and not 0.25 < ratios[-1] < 4):
        found = measure_time(config, build_dataset(config))
        history = hpc_qlstm.train(config, quiet=True).history
        seconds = np.median([record["seconds"]["total"] for record in history])
        ratios.append(found.epoch / seconds)
    assert 0.25 < ratios[-1] < 4, ratios
    assert min(found.step) > 0


def test_ranks_share_the_circuits_alone(write_config, monkeypatch):
    monkeypatch.setattr(measured_time, "_SECONDS", 0.0)
    config = load_config(write_config(partition={"strategy": "broadcast_input", "count": 2}))
    data = build_dataset(config)
    found = measure_time(config, data, ranks=4)
    batches = data.train_x.shape[0] / config.training.batch_size
    circuits = batches * found.step[0] + found.evaluation[0]
    rest = batches * found.step[1] + found.evaluation[1]
    assert found.epoch == pytest.approx(circuits / 4 + rest)
    with pytest.raises(InputError, match="3 ranks do not fit"):
        measure_time(config, data, ranks=3)


def test_the_command(hpc_qlstm_run, write_config):
    done = hpc_qlstm_run("resources", write_config(), "--measure", "--ranks", "2", ranks=2)
    assert done.returncode == 0, done.stderr
    words = "epoch on 2 ranks, predicted without messages"
    (line,) = [line for line in done.stdout.splitlines() if words in line]
    assert float(line.removeprefix(words)) > 0
