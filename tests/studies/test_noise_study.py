"""`hpc-qlstm noise`: R2 against depolarizing rate and shots, with and without mitigation."""

from __future__ import annotations

import json
import signal
import time

import launch
import numpy as np
import pytest

from hpc_qlstm import load_config
from hpc_qlstm.errors import HpcQlstmError
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.studies.noise.report import study_table
from hpc_qlstm.studies.noise.study import Plan, noise_study
from hpc_qlstm.studies.runner import Job

pytest.importorskip("mitiq")


@pytest.fixture
def config_file(write_config):
    return write_config(
        model={"hidden_size": 2, "depth": 1},
        partition={"strategy": "broadcast_input", "count": 2},
        data={"options": {"points": 40}, "window": 2},
        training={"epochs": 12, "learning_rate": 0.1},
        engine={"threads": 1},
    )


def test_noise_costs_and_mitigation_wins_back(config_file, tmp_path):
    plan = Plan(rates=[0.02, 0], shots=[32, 0], seeds=2, readout=0.02)
    study = noise_study(load_config(config_file), plan, Job(tmp_path, SerialCommunicator()))
    assert len(study.results) == 2 * 2 * 2 * 2
    assert study.rates == [0, 0.02]
    assert study.shots == [32, 0]
    clean = study.r2(0, 0, True).mean()
    noisy, mitigated = (study.r2(0.02, 0, m).mean() for m in (False, True))
    assert noisy < mitigated < clean + 0.01
    assert clean - mitigated < 0.3 * (clean - noisy)
    assert not np.array_equal(study.r2(0, 32, False), study.r2(0, 0, False))
    table = study_table(study).splitlines()
    assert table[0] == "| rate | mitigation | 32 shots | exact |"
    assert len(table) == 2 + 4


def test_training_under_noise(config_file, tmp_path):
    config = load_config(config_file, ["engine.gradient=spsa", "training.epochs=2"])
    plan = Plan(rates=[0.01], shots=[32], seeds=1, training="noisy")
    study = noise_study(config, plan, Job(tmp_path, SerialCommunicator()))
    assert np.isfinite([result["r2"] for result in study.results]).all()


def test_command_on_one_and_two_ranks(config_file, hpc_qlstm_run, tmp_path):
    cells = []
    for ranks in (None, 2):
        folder = tmp_path / f"study-{ranks}"
        done = hpc_qlstm_run(
            "noise", config_file, "--output", folder, "--rates", "0,0.01", "--shots", "16,0",
            "--seeds", 2, "--zne", "linear", "--set", "training.epochs=2", ranks=ranks,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "| rate | mitigation | 16 shots | exact |" in done.stdout
        content = json.loads((folder / "noise.json").read_text())
        assert content["mitigation"]["zne"] == "linear"
        cells.append(content["cells"])
        assert (folder / "noise.png").stat().st_size > 10_000
        assert (folder / "noise.md").read_text() in done.stdout
    assert cells[0] == cells[1]


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--rates", "0,two"], "--rates '0,two': allowed: numbers from 0 to 1"),
        (["--rates", "2"], "--rates '2'"),
        (["--shots", "1.5"], "--shots '1.5'"),
        (["--seeds", "0"], "seeds"),
    ],
)
def test_invalid_options_are_refused(config_file, hpc_qlstm_run, option, message):
    done = hpc_qlstm_run("noise", config_file, *option)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failing_trial_ends_all_ranks(config_file, hpc_qlstm_run):
    """Ranks work by themselves in a study: one that fails must not leave the others waiting."""
    done = hpc_qlstm_run(
        "noise", config_file, "--rates", "0", "--shots", "0", "--seeds", 4, "--zne", "none",
        "--set", "training.optimizer=sgd", "--set", "training.learning_rate=1000",
        "--set", "training.epochs=30", ranks=2, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("error: ") == 1
    assert "rate 0, exact, without mitigation, seed" in done.stderr
    assert "learning_rate" in done.stderr


def test_a_folder_that_cannot_be_written_is_refused_first(config_file, hpc_qlstm_run):
    done = hpc_qlstm_run("noise", config_file, "--output", "/proc/study", timeout=30)
    assert done.returncode == 2
    assert "/proc/study" in done.stderr


def test_shares_and_a_stop_lose_nothing(config_file, tmp_path, monkeypatch):
    """What is stored is neither trained nor evaluated again, whoever computed it."""
    config = load_config(config_file, ["training.epochs=2"])
    plan = Plan(rates=[0, 0.01], shots=[16, 0], seeds=2)
    comm = SerialCommunicator()
    whole = noise_study(config, plan, Job(tmp_path / "whole", comm))
    folder = tmp_path / "shared"
    assert noise_study(config, plan, Job(folder, comm, (1, 3))) is None
    assert noise_study(config, plan, Job(folder, comm, (0, 3))) is None
    done = {path: path.stat().st_mtime_ns for path in (folder / "cells").iterdir()}
    assert len(done) == 11
    shared = noise_study(config, plan, Job(folder, comm, (2, 3)))
    assert shared.results == whole.results
    assert all(path.stat().st_mtime_ns == when for path, when in done.items())

    def no_training(*_):
        raise AssertionError

    monkeypatch.setattr("hpc_qlstm.studies.noise.study.trained_alone", no_training)
    lines = []
    again = noise_study(config, plan, Job(folder, comm, say=lines.append))
    assert again.results == whole.results
    assert lines == [f"16 cells, 16 of them stored in {folder / 'cells'}, 0 to compute"]
    other = Plan(rates=[0, 0.01], shots=[16, 0], seeds=2, readout=0.01)
    with pytest.raises(HpcQlstmError, match="AssertionError"):
        noise_study(config, other, Job(folder, comm))


def test_a_signal_stops_it_and_the_same_command_goes_on(config_file, tmp_path):
    words = (*launch.HPC_QLSTM, "noise", config_file, "--rates", "0,0.01,0.02,0.03", "--seeds", 9)
    cells = tmp_path / "noise" / "cells"
    with launch.start(*words, ranks=2, cwd=tmp_path) as process:
        deadline = time.monotonic() + 60
        while not (cells.is_dir() and len(list(cells.glob("*.json"))) >= 2):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGUSR1)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 75, out + errors
    assert "stopped by a signal; the same command goes on" in out
    done = len(list(cells.glob("*.json")))
    again = launch.mpirun(2, *words, "--part", "0/999", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"360 cells, {done} of them stored" in again.stdout
    assert "other parts are not done yet" in again.stdout
