"""Windows streamed from HDF5 files: those of the same file in memory, bit for bit, in less."""

from __future__ import annotations

import os
import sys
import tracemalloc
from itertools import pairwise

import h5py
import launch
import numpy as np
import pytest
from builders import merged, small_config

from hpc_qlstm import load_config
from hpc_qlstm.analysis.baselines import baselines
from hpc_qlstm.analysis.evaluation import evaluate
from hpc_qlstm.analysis.resources import resources
from hpc_qlstm.build.setup import set_up
from hpc_qlstm.data import StreamedData, hdf5_table, load, make_dataset, prepare_stream
from hpc_qlstm.distributed.batches import Samples, batches, epoch_order
from hpc_qlstm.distributed.scores import Scores, mean_squared_error, r_squared
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.run import resume, train, write_analysis
from hpc_qlstm.training.stopping import StopRequested
from hpc_qlstm.training.trainer import Trainer

ROWS = 400
LAYOUTS = {
    "contiguous": {},
    "chunked": {"chunks": (37,)},
    "gzip": {"chunks": (64,), "compression": "gzip", "shuffle": True},
    "float32": {"dtype": "f4"},
    "big-endian": {"dtype": ">f8"},
    "integers": {"dtype": "i2"},
    "booleans": {"dtype": "?"},
}


def table(rows: int = ROWS) -> np.ndarray:
    k = np.arange(rows)
    noise = np.random.default_rng(1).normal(size=(rows, 2))
    return np.stack([5 * np.sin(0.3 * k), 40 * np.cos(0.1 * k) + 3], axis=1) + 0.1 * noise


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of a few dozen rows, so that small files have many."""
    monkeypatch.setattr(hdf5_table, "_PIECE_BYTES", 2000)


@pytest.fixture
def file(tmp_path):
    """A file of 1-D columns a, b, a table t of both, and a time."""
    path = tmp_path / "rows.h5"
    values = table()
    with h5py.File(path, "w") as out:
        out["a"], out["b"], out["t"] = values[:, 0], values[:, 1], values
        out["clock"] = 0.5 * np.arange(ROWS)
    return path


def both(path, features, targets, time=None, **options):
    """The windows of a file, streamed and in memory."""
    stream = StreamedData(prepare_stream(path, features, targets, time, **options))
    return stream, make_dataset(load(path, features, targets, time), **options)


def same(stream, data):
    for name in ("train", "test"):
        count = getattr(data, f"{name}_count")
        assert getattr(stream, f"{name}_count") == count
        some = np.random.default_rng(2).permutation(count)[:50]
        for rows in (slice(None), slice(3, 11), some, some[:0]):
            for ours, theirs in zip(
                getattr(stream, name)(rows), getattr(data, name)(rows), strict=True
            ):
                np.testing.assert_array_equal(ours, theirs)
    whole = stream.sample(slice(None), slice(None))
    np.testing.assert_array_equal(whole.train_time, data.train_time)
    np.testing.assert_array_equal(whole.test_time, data.test_time)


# The same windows


@pytest.mark.parametrize("layout", LAYOUTS)
def test_windows_of_every_layout(tmp_path, small_pieces, layout):
    path = tmp_path / "rows.h5"
    with h5py.File(path, "w", userblock_size=512) as out:
        for k, name in enumerate("ab"):
            out.create_dataset(f"g/{name}", data=table()[:, k] > 0 if layout == "booleans"
                               else table()[:, k], **LAYOUTS[layout])  # fmt: skip
    stream, data = both(path, ["g/a", "g/b"], ["g/b"], window=5)
    plain = all(type(part).__name__ == "_Plain" for part in stream._table._stored)
    assert plain == (layout in ("contiguous", "float32", "big-endian", "integers"))
    same(stream, data)


@pytest.mark.parametrize("chunks", [None, (50, 2)])
@pytest.mark.parametrize(
    "options",
    [
        {"window": 4, "sequence": True, "horizon": 3},
        {"window": 1, "horizon": 90},
        {"window": 90, "test_windows": 7, "validation_fraction": 0.3},
        {"window": 6, "fit_scaler_on": "all", "train_fraction": 0.3},
        {"window": 6, "scaler": "none"},
    ],
    ids=str,
)
def test_windows_of_tables_by_column(tmp_path, small_pieces, options, chunks):
    path = tmp_path / "rows.h5"
    with h5py.File(path, "w") as out:
        out.create_dataset("t", data=table(), chunks=chunks)
        out["clock"] = np.arange(ROWS) ** 2
    same(*both(path, ["t:1"], ["t:0", "t:1"], "clock", **options))


def test_standard_scaling_differs_in_last_digits_at_most(file, small_pieces):
    stream, data = both(file, ["a", "b"], ["a"], window=4, scaler="standard")
    for part in ("offset", "factor"):
        ours, theirs = getattr(stream.feature_scaler, part), getattr(data.feature_scaler, part)
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


# Training


def config(file, run_dir="run", **keys):
    config = small_config(
        partition={"count": 2},
        data={"file": str(file), "features": ["a", "b"], "targets": ["b"]},
        training={"epochs": 2, "batch_size": 7},
        checkpoint=None,
        output={"run_dir": str(run_dir)},
    )
    return load_config(merged(config, **keys))


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
    """Two replicas' parts together are the batch, and neither has the other's."""
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


# Analysis


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


# Refusals


def changed(path, name, row, value):
    with h5py.File(path, "r+") as out:
        out[name][row] = value


@pytest.mark.parametrize(
    ("changes", "time"),
    [
        ([("b", 211, np.nan), ("b", 300, np.inf), ("a", 220, -np.inf)], None),
        ([("b", 211, np.nan)], None),
        ([("a", slice(None), 2.5)], None),
        ([("b", slice(None), 7.0), ("clock", 3, 99.0)], "clock"),
        ([("clock", 250, 3.0)], "clock"),
        ([("clock", 399, np.nan)], "clock"),
        ([("b", slice(0, 300), 7.0)], None),
    ],
    ids=str,
)
def test_rows_are_refused_with_the_same_words(file, small_pieces, changes, time):
    for change in changes:
        changed(file, *change)
    messages = []
    for make in (
        lambda: make_dataset(load(file, ["a"], ["b"], time), window=4),
        lambda: prepare_stream(file, ["a"], ["b"], time, window=4),
    ):
        with pytest.raises(InputError) as refused:
            make()
        messages.append(str(refused.value))
    assert messages[0] == messages[1]


def test_a_step_back_in_time_is_seen_at_every_row(file, small_pieces):
    """Also from the last row of a piece to the first of the next."""
    for row in range(100, 150):
        changed(file, "clock", row, -1.0)
        with pytest.raises(InputError, match=f"backwards from .* row {row} to -1 in .* {row + 1};"):
            prepare_stream(file, ["a"], ["b"], "clock", window=4)
        changed(file, "clock", row, 0.5 * row)


def write(path, **datasets):
    with h5py.File(path, "w") as out:
        for name, values in datasets.items():
            out[name] = values


def test_files_that_cannot_be_streamed(tmp_path, file):
    def refused(path, words, features=("x",), **options):
        with pytest.raises(InputError, match=words):
            prepare_stream(path, features, features, **{"window": 4, **options})

    bad = tmp_path / "bad.h5"
    refused(bad, "no such file")
    refused(file, "no column 'x'; there are: 'a', 'b', 'clock', 't'")
    refused(file, "'t' has shape", ["t"])
    refused(file, "columns 0 to 1", ["t:2"])
    refused(file, "named more than once", ["a", "a"])
    refused(file, "test_windows: 999 was given", ["a"], test_windows=999)
    refused(file, "400 rows are too few", ["a"], window=399)
    refused(file, "fit_scaler_on", ["a"], fit_scaler_on="some")
    bad.write_bytes(file.read_bytes()[:3000])
    refused(bad, r"cannot be read as \.h5", ["a"])
    write(bad, x=["text"] * 9)
    refused(bad, "real numbers")
    write(bad, x=np.arange(1.0))
    refused(bad, "1 rows of data; at least 2")
    write(bad, x=np.arange(9.0), y=np.arange(8.0))
    refused(bad, "'x' has 9, 'y' has 8", ["x", "y"])
    with h5py.File(bad, "w") as out:
        out["x"] = h5py.ExternalLink(str(file), "a")
    refused(bad, "no column|another file")
    with h5py.File(bad, "w") as out:
        layout = h5py.VirtualLayout(shape=(ROWS,), dtype="f8")
        layout[:] = h5py.VirtualSource(str(file), "a", shape=(ROWS,))
        out.create_virtual_dataset("x", layout)
    refused(bad, "another file")
    with h5py.File(bad, "w") as out:
        out.create_dataset("x", shape=(10**9,), dtype="f8", chunks=(10**6,), compression="gzip")
    refused(bad, "more than can be there")
    with h5py.File(bad, "w") as out:
        wide = np.random.default_rng(0).normal(size=5_000_000)
        out.create_dataset("x", data=wide, chunks=(5_000_000,))
        out["y"] = wide
    refused(bad, "chunks of 38.1 MiB.*at most 32.0 MiB", ["x", "y"])


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"file": None, "features": [], "targets": []}, "stream is for an HDF5 file.*not given"),
        ({"file": "rows.csv"}, r"HDF5 file \(.h5, .hdf5\), but file is 'rows.csv'"),
        ({"file": "rows.npz"}, "but file is 'rows.npz'"),
        ({"epoch_windows": -1}, "data.epoch_windows"),
        ({"epoch_windows": 266}, "266 was given, but there are 265.*at most 265, or 0"),
        ({"test_windows": 132}, "132 was given, but there are 131.*at most 131, or 0"),
    ],
    ids=str,
)  # fmt: skip
def test_configurations_that_are_refused(file, keys, words):
    settings = config(file).to_dict()
    settings["data"] |= {"stream": True, **keys}
    if settings["data"]["file"] is None:
        del settings["data"]["file"]
    with pytest.raises(InputError, match=words):
        set_up(load_config(settings), SerialCommunicator())


def test_another_file_than_rank_0_has_read(file):
    plan = prepare_stream(file, ["a"], ["b"], window=4)
    changed(file, "a", 0, 17.0)
    with pytest.raises(InputError, match="not the same file on all ranks"):
        StreamedData(plan)


def test_a_file_that_is_cut_while_it_is_used(file):
    stream = StreamedData(prepare_stream(file, ["a"], ["b"], window=4))
    os.truncate(file, 4000)
    with pytest.raises(InputError, match=r"rows\.h5: cannot be read.*ends too early"):
        stream.train(np.array([200]))


def test_a_file_that_changed_after_training(file, tmp_path):
    settings = config(file, tmp_path / "run", data={"stream": True}, training={"epochs": 1})
    train(settings, quiet=True)
    changed(file, "a", 123, 1.0 + float(table()[123, 0]))
    with pytest.raises(InputError, match="has changed since the run was trained"):
        evaluate(tmp_path / "run", SerialCommunicator())
    with pytest.raises(InputError, match="has changed since the run was trained"):
        resume(tmp_path / "run", overrides=["training.epochs=2"], quiet=True)


# Memory


def test_a_large_file_is_never_in_memory(tmp_path):
    """128 MB of rows, which take 500 MB in memory; a process without data takes 90 MB."""
    path = tmp_path / "large.h5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as out:
        rows = out.create_dataset("t", shape=(1_000_000, 16), dtype="f8")
        for begin in range(0, 1_000_000, 100_000):
            rows[begin : begin + 100_000] = rng.normal(size=(100_000, 16))
    settings = {
        "data": {"file": str(path), "features": [f"t:{k}" for k in range(16)], "stream": True,
                 "targets": ["t:0"], "epoch_windows": 1000, "test_windows": 100},
        "model": {"hidden_size": 4, "gates": "linear"},
        "training": {"epochs": 1, "batch_size": 100},
        "output": {"run_dir": str(tmp_path / "run"), "figures": False},
    }  # fmt: skip
    assert peak_kib(settings) < 160_000


def peak_kib(settings):
    """The largest resident memory of a process that trains."""
    script = (
        f"import hpc_qlstm; hpc_qlstm.train({settings!r}, quiet=True); "
        "print([line.split()[1] for line in open('/proc/self/status') if 'VmHWM' in line][0])"
    )
    done = launch.run(sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_predictions_keep_no_history(tmp_path):
    """4,096 windows of 200 steps, which would take 700 MB with what a way back needs."""
    settings = {
        "model": {"hidden_size": 16, "depth": 1},
        "partition": {"strategy": "broadcast_input", "count": 8},
        "data": {"task": "sine", "options": {"points": 14_000}, "window": 200,
                 "epoch_windows": 10},
        "training": {"epochs": 1, "batch_size": 10},
        "output": {"run_dir": str(tmp_path / "run"), "figures": False},
    }  # fmt: skip
    assert peak_kib(settings) < 200_000


def test_windows_in_memory_share_their_rows():
    """10,000 windows of 1,000 steps: 80 MB of copies."""
    from test_windows import counting

    series = counting(11_000)
    tracemalloc.start()
    try:
        data = make_dataset(series, window=1000, sequence=True)
        x, _ = data.train(slice(10))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert x.shape == (10, 1000, 1)
    assert peak < 5e6
