"""Whole runs in one process: the files they leave, resuming, shuffling, divergence."""

import base64
import json
import re
import shutil

import numpy as np
import pytest
from builders import tiny_config

import hpc_qlstm
from hpc_qlstm.analysis.evaluation import evaluate
from hpc_qlstm.config_io import load_config
from hpc_qlstm.distributed.model import DistributedModel
from hpc_qlstm.errors import TrainingError
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.runs.checkpoint import find_checkpoints, load_checkpoint
from hpc_qlstm.training.trainer import Trainer

COMM = SerialCommunicator()
FIELDS = {"epoch", "train_loss", "test_loss", "test_r2", "learning_rate", "circuits", "diagnostics"}
FIELDS |= {"messages", "seconds", "ranks"}
TIMES = ("seconds", "ranks")
PNG = b"\x89PNG\r\n\x1a\n"


def train(run_dir, **sections):
    return hpc_qlstm.train(tiny_config(run_dir, **sections), quiet=True)


def without_seconds(history):
    return [{k: v for k, v in record.items() if k not in TIMES} for record in history]


def records(run_dir):
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def same_weights(a, b):
    return set(a) == set(b) and all(a[n].tobytes() == b[n].tobytes() for n in a)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run with figures: its directory and result. Tests leave it as it is."""
    run_dir = tmp_path_factory.mktemp("finished") / "run"
    return run_dir, train(run_dir, figures=True)


def test_run_directory(finished):
    run_dir, result = finished
    assert result.run_dir == run_dir
    names = sorted(path.name for path in run_dir.iterdir())
    assert names == ["checkpoints", "config.toml", "figures", "metrics.jsonl", "report.html"]
    assert (
        load_config(run_dir / "config.toml")
        == result.config
        == load_config(tiny_config(run_dir, True))
    )

    history = records(run_dir)
    assert history == result.history
    assert [record["epoch"] for record in history] == [1, 2]
    for record in history:
        assert set(record) == FIELDS
        seconds = record["seconds"]
        assert set(seconds) == {"total", "compute", "communication", "waiting"}
        assert 0 < seconds["compute"] <= seconds["total"]
        assert seconds["communication"] == seconds["waiting"] == 0
        ranks = record["ranks"]
        assert set(ranks) == {"compute", "communication", "waiting", "rest"}
        assert ranks["compute"] == [pytest.approx(seconds["compute"], abs=1e-6)]
        assert sum(sum(part) for part in ranks.values()) == pytest.approx(
            seconds["total"], abs=4e-6
        )
    assert history[1]["train_loss"] < history[0]["train_loss"]

    stored = [load_checkpoint(path) for path in find_checkpoints(run_dir / "checkpoints")]
    assert [checkpoint.epoch for checkpoint in stored] == [2, 1]
    assert same_weights(stored[0].weights, result.weights)
    assert not same_weights(stored[1].weights, result.weights)
    assert stored[0].history == result.history


def test_figures_and_report(finished):
    run_dir, _ = finished
    images = sorted((run_dir / "figures").iterdir())
    names = ["diagnostics.png", "losses.png", "prediction.png", "time.png"]
    assert [image.name for image in images] == names
    page = (run_dir / "report.html").read_text(encoding="utf-8")
    embedded = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert sorted(map(base64.b64decode, embedded)) == sorted(i.read_bytes() for i in images)
    for image in images:
        assert image.read_bytes().startswith(PNG)
        assert image.stat().st_size > 5000
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert "After epoch 2 of 2" in page
    assert "hidden_size = 2" in page


def test_best_weights_are_those_of_the_smallest_test_loss(tmp_path):
    sections = {"training": {"epochs": 6, "learning_rate": 0.5}}
    result = train(tmp_path / "run", **sections)
    losses = [record["test_loss"] for record in result.history]
    best = int(np.argmin(losses)) + 1
    assert best < 6, "this run must overshoot"
    sections["training"]["epochs"] = best
    assert same_weights(train(tmp_path / "short", **sections).weights, result.best)
    evaluation = evaluate(tmp_path / "run", COMM, "best")
    assert evaluation.epoch == best
    assert evaluation.scores["test"]["mse"] == losses[best - 1]


OPTIMIZERS = {
    "adam": {},
    "sgd_momentum": {"optimizer": "sgd", "momentum": 0.9},
    "rmsprop_momentum": {"optimizer": "rmsprop", "momentum": 0.5, "schedule": "cosine"},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_interrupted_run_resumes_as_if_nothing_had_happened(tmp_path, monkeypatch, name):
    sections = {
        "training": {"epochs": 5, "shuffle": True, "seed": 3, **OPTIMIZERS[name]},
        "checkpoint": {"every": 2},
        "partition": {"strategy": "overlap", "count": 2},
    }
    straight = train(tmp_path / "straight", **sections)
    run_epoch, run_dir = Trainer.run_epoch, tmp_path / "cut"

    def interrupted(self):
        if self.state.epoch == 3:
            raise KeyboardInterrupt
        return run_epoch(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(run_dir, **sections)
    assert [record["epoch"] for record in records(run_dir)] == [1, 2, 3]
    assert [load_checkpoint(p).epoch for p in find_checkpoints(run_dir / "checkpoints")] == [2]

    resumed = hpc_qlstm.resume(run_dir, quiet=True)
    assert without_seconds(resumed.history) == without_seconds(straight.history)
    assert same_weights(resumed.weights, straight.weights)
    assert same_weights(resumed.best, straight.best)
    assert records(run_dir) == resumed.history
    ends = [
        load_checkpoint(find_checkpoints(p / "checkpoints")[0])
        for p in (run_dir, tmp_path / "straight")
    ]
    assert same_weights(ends[0].optimizer, ends[1].optimizer)
    assert ends[0].optimizer_steps == ends[1].optimizer_steps == 10


def test_resume_for_more_epochs_equals_a_longer_run(tmp_path):
    run_dir, fast = tmp_path / "run", {"learning_rate": 0.5}
    longer = train(tmp_path / "longer", training={"epochs": 6, **fast})
    train(run_dir, training={"epochs": 5, **fast})
    losses = [record["test_loss"] for record in longer.history]
    assert np.argmin(losses) < 5, "the best epoch must be one before the resume"
    resumed = hpc_qlstm.resume(run_dir, overrides=["training.epochs=6"], quiet=True)
    assert without_seconds(resumed.history) == without_seconds(longer.history)
    assert same_weights(resumed.weights, longer.weights)
    assert same_weights(resumed.best, longer.best)
    again = hpc_qlstm.resume(run_dir, quiet=True)
    assert again.history == resumed.history
    assert same_weights(again.weights, resumed.weights)


def test_overrides_of_resume_are_written_to_the_run_directory(tmp_path):
    train(tmp_path / "run")
    result = hpc_qlstm.resume(tmp_path / "run", overrides=["training.epochs=3"], quiet=True)
    assert load_config(tmp_path / "run" / "config.toml") == result.config


def test_shuffling_depends_on_the_seed(tmp_path):
    first, same, other, ordered = (
        train(tmp_path / name, training={"epochs": 1, "shuffle": shuffle, "seed": seed})
        for name, shuffle, seed in [("a", True, 1), ("b", True, 1), ("c", True, 2), ("d", False, 1)]
    )
    assert same_weights(first.weights, same.weights)
    assert not same_weights(first.weights, other.weights)
    assert not same_weights(first.weights, ordered.weights)


def test_every_epoch_is_shuffled_anew_and_sees_every_sample(tmp_path, monkeypatch):
    original, seen = DistributedModel.step, []

    def spy(self, flat, x, y, *rest, **options):
        seen.append(x[:, 0, 0].tolist())
        return original(self, flat, x, y, *rest, **options)

    monkeypatch.setattr(DistributedModel, "step", spy)
    train(tmp_path / "run", training={"shuffle": True})
    assert [len(batch) for batch in seen] == [10, 4, 10, 4]
    first, second = seen[0] + seen[1], seen[2] + seen[3]
    assert sorted(first) == sorted(second)
    assert len({tuple(first), tuple(second), tuple(sorted(first))}) == 3


def test_resume_skips_a_torn_checkpoint_and_starts_over_without_any(tmp_path, capsys):
    run_dir = tmp_path / "run"
    straight = train(run_dir, training={"epochs": 3})
    newest, *_ = find_checkpoints(run_dir / "checkpoints")
    newest.write_bytes(newest.read_bytes()[:1000])
    resumed = hpc_qlstm.resume(run_dir)
    said = capsys.readouterr().out
    assert f"skipped a checkpoint: {newest}" in said
    assert f"resuming {run_dir} after epoch 2" in said
    assert same_weights(resumed.weights, straight.weights)

    shutil.rmtree(run_dir / "checkpoints")
    resumed = hpc_qlstm.resume(run_dir)
    assert "has no checkpoint, starting from the beginning" in capsys.readouterr().out
    assert same_weights(resumed.weights, straight.weights)
    assert [record["epoch"] for record in records(run_dir)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("keep", "every", "epochs"), [(0, 1, [4, 3, 2, 1]), (2, 1, [4, 3]), (3, 3, [4, 3]), (1, 9, [4])]
)
def test_retention_of_checkpoints(tmp_path, keep, every, epochs):
    settings = {"keep": keep, "every": every, "keep_best": False}
    train(tmp_path / "r", training={"epochs": 4}, checkpoint=settings)
    found = find_checkpoints(tmp_path / "r" / "checkpoints")
    assert [load_checkpoint(path).epoch for path in found] == epochs


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_divergence_ends_training(tmp_path, monkeypatch, what):
    original, calls = DistributedModel.step, []

    def diverging(self, *arguments, **options):
        result = original(self, *arguments, **options)
        calls.append(result)
        if len(calls) == 4:
            result.loss = np.inf if what == "loss" else result.loss
            result.gradient_sum = np.nan if what == "gradient" else result.gradient_sum
        return result

    monkeypatch.setattr(DistributedModel, "step", diverging)
    diverged = pytest.raises(TrainingError, match=r"epoch 2, batch 2: .* learning_rate or clip_nor")
    with diverged as caught:
        train(tmp_path / "run", training={"epochs": 3})
    assert caught.value.shared
    assert TrainingError("").exit_code == 1
    stored = load_checkpoint(find_checkpoints(tmp_path / "run" / "checkpoints")[0])
    assert (stored.epoch, stored.batch) == (1, 1)
    assert all(np.isfinite(array).all() for array in stored.weights.values())
