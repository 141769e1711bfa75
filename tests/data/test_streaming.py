"""Windows streamed from HDF5 files: the same as in memory, bit for bit, and what is refused."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest
from streams import ROWS, changed, config, table, write_rows

from hpc_qlstm import load_config
from hpc_qlstm.build.setup import set_up
from hpc_qlstm.data import StreamedData, hdf5_table, load, make_dataset, prepare_stream
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import SerialCommunicator

LAYOUTS = {
    "contiguous": {},
    "chunked": {"chunks": (37,)},
    "gzip": {"chunks": (64,), "compression": "gzip", "shuffle": True},
    "float32": {"dtype": "f4"},
    "big-endian": {"dtype": ">f8"},
    "integers": {"dtype": "i2"},
    "booleans": {"dtype": "?"},
}


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of a few dozen rows, so that small files have many."""
    monkeypatch.setattr(hdf5_table, "_PIECE_BYTES", 2000)


@pytest.fixture
def file(tmp_path):
    return write_rows(tmp_path / "rows.h5")


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
