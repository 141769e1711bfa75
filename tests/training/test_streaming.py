"""Training on streamed windows: the same bits as on the same windows in memory."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from streams import changed, config, table, write_rows

from hpc_qlstm.analysis.baselines import baselines
from hpc_qlstm.analysis.evaluation import evaluate
from hpc_qlstm.analysis.resources import resources
from hpc_qlstm.build.setup import set_up
from hpc_qlstm.distributed.batches import Samples, batches, epoch_order
from hpc_qlstm.distributed.scores import Scores, mean_squared_error, r_squared
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.run import resume, train, write_analysis
from hpc_qlstm.training.stopping import StopRequested
from hpc_qlstm.training.trainer import Trainer


@pytest.fixture
def file(tmp_path):
    return write_rows(tmp_path / "rows.h5")


def trained(settings):
    trainer = Trainer(set_up(settings, SerialCommunicator()))
    for _ in range(settings.training.epochs):
        trainer.run_epoch()
    history = [(r["train_loss"], r["test_loss"], r["test_r2"]) for r in trainer.state.history]
    return history, trainer.state.weights


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drawn", [{}, {"epoch_windows": 60, "test_windows": 11}], ids=str)
def test_training_streamed_and_in_memory_gives_the_same_bits(file, shuffle, drawn):
    results = [
        trained(config(file, data={"stream": stream, **drawn}, training={"shuffle": shuffle}))
        for stream in (False, True)
    ]
    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_the_command_on_ranks_gives_the_same_bits(
    file, hpc_qlstm_run, losses, final_weights, tmp_path
):
    import tomli_w

    found = []
    for name, ranks, stream in (("memory", None, False), ("alone", None, True), ("two", 2, True)):
        settings = config(file, name, data={"stream": stream, "epoch_windows": 80})
        (tmp_path / f"{name}.toml").write_text(tomli_w.dumps(settings.to_dict()))
        done = hpc_qlstm_run("train", f"{name}.toml", ranks=ranks)
        assert done.returncode == 0, done.stderr
        found.append((losses(tmp_path / name), final_weights(tmp_path / name)))
    assert "80 of" in done.stderr + done.stdout
    for history, weights in found[1:]:
        assert history == found[0][0]
        for name, array in weights.items():
            np.testing.assert_array_equal(array, found[0][1][name])


def test_resuming_inside_an_epoch(file):
    settings = config(
        file, data={"stream": True, "epoch_windows": 60}, training={"shuffle": True, "epochs": 3}
    )
    undisturbed = trained(settings)
    trainer = Trainer(set_up(settings, SerialCommunicator()))
    trainer.run_epoch()
    trainer.wants_to_stop = lambda: int(trainer.state.batch == 3)
    with pytest.raises(StopRequested):
        trainer.run_epoch()
    again = Trainer(set_up(settings, SerialCommunicator()))
    again.restore(trainer.snapshot().make())
    assert (again.state.epoch, again.state.batch) == (1, 4)
    again.run_epoch()
    again.run_epoch()
    assert [r["test_loss"] for r in again.state.history] == [h[1] for h in undisturbed[0]]
    np.testing.assert_array_equal(again.state.weights, undisturbed[1])


def test_a_replica_reads_its_own_samples_alone(file):
    """Two replicas' parts together are the batch, and they do not overlap."""
    from hpc_qlstm.parallel import process_grid

    settings = config(file, data={"stream": True, "epoch_windows": 45})
    data = set_up(settings, SerialCommunicator()).data
    whole = list(batches(settings, data, process_grid(2, 0, [1.0, 1.0]), 0, 2))
    parts = [list(batches(settings, data, process_grid(4, r, [1.0, 1.0]), 0, 2)) for r in (0, 2)]
    assert [len(each) for each in (whole, *parts)] == [5, 5, 5]
    for k, (x, y) in enumerate(whole):
        halves = [part[k] for part in parts]
        assert all(isinstance(h[0], Samples) and h[0].shape == x.shape for h in halves)
        assert all(h[1].size == y.size and len(h[0].part) < len(x.part) for h in halves)
        for number, values in enumerate((x, y)):
            together = np.concatenate([half[number].part for half in halves])
            np.testing.assert_array_equal(together, values.part)


def test_windows_are_drawn_by_seed_and_epoch(file):
    def drawn(epoch, **training):
        settings = config(file, data={"epoch_windows": 60}, training=training)
        return epoch_order(settings, set_up(settings, SerialCommunicator()).data, epoch)

    first = drawn(0)
    assert len(set(first)) == 60
    assert (np.diff(first) > 0).all()
    assert first.max() < 265
    np.testing.assert_array_equal(first, drawn(0))
    np.testing.assert_array_equal(first, drawn(0, batch_size=3))
    for other in (drawn(1), drawn(0, seed=1)):
        assert len(set(first) & set(other)) < 40
    shuffled = drawn(0, shuffle=True)
    assert (np.diff(shuffled) < 0).any()
    np.testing.assert_array_equal(np.sort(shuffled), first)


def test_evaluation_and_report_of_a_streamed_run(file, tmp_path, monkeypatch):
    results = {}
    for stream in (False, True):
        settings = config(file, tmp_path / str(stream), data={"stream": stream, "time": "clock"})
        train(settings, quiet=True)
        results[stream] = evaluate(tmp_path / str(stream), SerialCommunicator())
    assert results[True].scores == results[False].scores
    assert baselines(results[True].data) == baselines(results[False].data)
    for part in ("train_prediction", "test_prediction"):
        ours, theirs = (getattr(results[stream], part) for stream in (True, False))
        np.testing.assert_array_equal(ours, theirs)
    monkeypatch.setattr("hpc_qlstm.analysis.evaluation.SHOWN", 50)
    some = evaluate(tmp_path / "True", SerialCommunicator())
    assert some.scores == results[True].scores
    assert len(some.train_prediction) == len(some.data.train_x) == 50
    every = results[True].data
    for ours, theirs in zip(some.data.train_time, some.train_prediction, strict=True):
        at = int(np.flatnonzero(every.train_time == ours)[0])
        np.testing.assert_array_equal(theirs, results[True].train_prediction[at])
    write_analysis(tmp_path / "True", SerialCommunicator())
    assert (tmp_path / "True" / "report.html").is_file()


def test_resources_count_the_windows_of_an_epoch(file):
    every, drawn = (
        resources(config(file, data={"stream": True, **more}))
        for more in ({}, {"epoch_windows": 53, "test_windows": 10})
    )
    assert every.training == 5 * drawn.training  # 265 windows
    assert drawn.evaluation < every.evaluation


def test_scores_in_chunks_are_those_of_all_at_once():
    rng = np.random.default_rng(0)
    target = 1e3 + rng.normal(size=(1000, 4, 2))
    prediction = target + 0.3 * rng.normal(size=target.shape)
    scores = Scores()
    for begin, end in pairwise([0, 1, 400, 1000]):
        scores.add(prediction[begin:end], target[begin:end])
    assert scores.mse == pytest.approx(mean_squared_error(prediction, target), rel=1e-12)
    assert scores.r2 == pytest.approx(r_squared(prediction, target), rel=1e-12)


def test_a_file_that_changed_after_training(file, tmp_path):
    settings = config(file, tmp_path / "run", data={"stream": True}, training={"epochs": 1})
    train(settings, quiet=True)
    changed(file, "a", 123, 1.0 + float(table()[123, 0]))
    with pytest.raises(InputError, match="has changed since the run was trained"):
        evaluate(tmp_path / "run", SerialCommunicator())
    with pytest.raises(InputError, match="has changed since the run was trained"):
        resume(tmp_path / "run", overrides=["training.epochs=2"], quiet=True)
