"""Series from CSV, NPZ and HDF5 files: what is read, and how everything else is refused."""

from __future__ import annotations

import contextlib
import pickle

import h5py
import numpy as np
import pytest

from hpc_qlstm.data import load
from hpc_qlstm.errors import InputError

T = np.linspace(0.0, 1.0, 6)
SPEED = np.sin(T)
LOAD = np.array([3, 1, 4, 1, 5, 9])


def write_csv(path, columns):
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(repr(float(v)) for v in row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def write_npz(path, columns):
    np.savez(path, **columns)


def write_hdf5(path, columns):
    with h5py.File(path, "w") as file:
        for name, column in columns.items():
            file[name] = column


WRITERS = {".csv": write_csv, ".npz": write_npz, ".h5": write_hdf5, ".hdf5": write_hdf5}


@pytest.fixture(params=WRITERS)
def data_file(request, tmp_path):
    path = tmp_path / f"data{request.param}"
    WRITERS[request.param](path, {"t": T, "speed": SPEED, "load": LOAD})
    return path


def test_every_format_gives_the_same_series(data_file):
    series = load(data_file, ["speed", "load"], ["speed"], time="t")
    np.testing.assert_array_equal(series.features, np.column_stack([SPEED, LOAD]))
    np.testing.assert_array_equal(series.targets, SPEED[:, None])
    np.testing.assert_array_equal(series.time, T)
    assert series.features.dtype == np.float64
    assert series.feature_names == ("speed", "load")
    assert series.target_names == ("speed",)


def test_without_time_rows_are_counted(data_file):
    np.testing.assert_array_equal(load(str(data_file), ["load"], ["speed"]).time, np.arange(6))


def test_missing_column_lists_what_is_there(data_file):
    with pytest.raises(InputError, match=r"no column 'torque'.*'speed'") as caught:
        load(data_file, ["torque"], ["speed"])
    assert str(data_file) in str(caught.value)


def test_upper_case_suffix(tmp_path):
    path = tmp_path / "DATA.CSV"
    write_csv(path, {"a": T})
    assert len(load(path, ["a"], ["a"])) == 6


# What the arguments may be


@pytest.mark.parametrize(
    ("features", "targets", "message"),
    [
        ("speed", ["speed"], "a list of column names"),
        ([1], ["speed"], "a list of column names"),
        ([], ["speed"], "features: at least one"),
        (["speed"], [], "targets: at least one"),
        (["speed", "speed"], ["load"], "'speed' is named more than once"),
    ],
)
def test_bad_column_lists_are_refused(tmp_path, features, targets, message):
    path = tmp_path / "data.csv"
    write_csv(path, {"speed": SPEED, "load": LOAD})
    with pytest.raises(InputError, match=message):
        load(path, features, targets)


def test_prediction_takes_no_targets_a_constant_and_one_row(tmp_path):
    path = tmp_path / "data.csv"
    write_csv(path, {"a": [2.0], "b": [1.0]})
    series = load(path, ["a", "b"], [], for_training=False)
    assert series.targets.shape == (1, 0)
    with pytest.raises(InputError, match="1 rows of data; at least 2"):
        load(path, ["a"], ["b"])


# What the values may be, in every format


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".h5"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("column", "kind"), [("x", "feature"), ("y", "target"), ("t", "time")])
def test_values_that_are_not_finite_are_refused_with_row_and_column(
    tmp_path, suffix, bad, column, kind
):
    columns = {"x": SPEED.copy(), "y": SPEED.copy(), "t": T.copy()}
    columns[column][3] = bad
    path = tmp_path / f"data{suffix}"
    WRITERS[suffix](path, columns)
    name = "time" if kind == "time" else column
    with pytest.raises(InputError, match=rf"{kind} column '{name}' is {bad} in data row 4 "):
        load(path, ["x"], ["y"], time="t")


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".h5"])
def test_constant_columns_and_backward_time_are_refused(tmp_path, suffix):
    path = tmp_path / f"data{suffix}"
    WRITERS[suffix](path, {"x": SPEED, "flat": np.full(6, 2.5), "t": T[::-1]})
    with pytest.raises(InputError, match=r"feature column 'flat' is constant \(always 2.5\)"):
        load(path, ["x", "flat"], ["x"])
    with pytest.raises(InputError, match="target column 'flat' is constant"):
        load(path, ["x"], ["flat"])
    with pytest.raises(InputError, match="time runs backwards from 1 in data row 1"):
        load(path, ["x"], ["x"], time="t")


# CSV


def test_csv_of_a_spreadsheet(tmp_path):
    """Byte order mark, CRLF, quotes, spaces, blank lines at the end."""
    path = tmp_path / "data.csv"
    path.write_bytes(b'\xef\xbb\xbf"a", b \r\n"1", 2e0\r\n3,-4\r\n\r\n\r\n')
    series = load(path, ["a"], ["b"])
    np.testing.assert_array_equal(series.features[:, 0], [1, 3])
    np.testing.assert_array_equal(series.targets[:, 0], [2, -4])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n3,x\n", r"line 3, column 'b': 'x' is not a number"),
        ("a,b\n1,2\n,4\n", r"line 3, column 'a': an empty cell"),
        ("a,b\n1_0,2\n3,4\n", r"line 2, column 'a': '1_0' is not a number"),
        ("a,b\n1e999,2\n3,4\n", r"line 2, column 'a': '1e999' is not a number"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cells, the header has 2"),
        ("a,b\n1,2,3\n3,4\n", "line 2 has 3 cells, the header has 2"),
        ("a,b\n1,2\n\n3,4\n", "line 3 is blank, with more rows after it"),
        ("a,a,b\n1,2,3\n", "'a' occurs more than once"),
        ("a;b\n1;2\n", r"no column 'a'; there are: 'a;b'"),
        ("a,b\n", "0 rows of data"),
        ("\n\n", "line 1 is blank"),
        ("", "is empty"),
        ("1,2\n3,4\n", r"no column 'a'; there are: '1', '2'"),
        ("x" * 200_000, "is not a CSV file"),
        (",".join(map(str, range(500))), r"'19' and 480 more"),
    ],
)
def test_malformed_csv_is_refused_with_the_place(tmp_path, text, message):
    path = tmp_path / "data.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        load(path, ["a"], ["b"])
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < 1000


# Arrays


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_columns_of_2d_arrays(tmp_path, suffix):
    path = tmp_path / f"data{suffix}"
    WRITERS[suffix](path, {"table": np.column_stack([T, SPEED, LOAD]), "a:b": T})
    series = load(path, ["table:1", "table:2"], ["a:b"])
    np.testing.assert_array_equal(series.features, np.column_stack([SPEED, LOAD]))
    np.testing.assert_array_equal(series.targets[:, 0], T)
    for name, message in {
        "table": r"shape \(6, 3\); it must be 1-D.*'table:k'|1-D",
        "table:3": "the array has the columns 0 to 2",
        "table:x": "no column 'table:x'",
        "table:-1": "no column 'table:-1'",
        "a:b:0": "must be 2-D",
    }.items():
        with pytest.raises(InputError, match=message):
            load(path, [name], ["a:b"])


def test_hdf5_groups_and_links(tmp_path):
    path = tmp_path / "data.h5"
    write_hdf5(path, {"run/speed": SPEED, "run/table": np.column_stack([T, LOAD])})
    with h5py.File(path, "a") as file:
        file["alias"] = h5py.SoftLink("/run/speed")
        file["broken"] = h5py.SoftLink("/nowhere")
        file["void"] = h5py.Empty("f8")
    series = load(path, ["run/speed", "/run/table:1"], ["alias"])
    np.testing.assert_array_equal(series.targets[:, 0], SPEED)
    np.testing.assert_array_equal(series.features[:, 1], LOAD)
    for name in ("run", "broken", "void"):
        with pytest.raises(InputError, match=f"'{name}'"):
            load(path, [name], ["alias"])


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("bad", [T + 1j, np.array([b"a"] * 6), np.float64(1.0), LOAD[:5]])
def test_arrays_that_are_not_columns_are_refused(tmp_path, suffix, bad):
    path = tmp_path / f"data{suffix}"
    WRITERS[suffix](path, {"x": SPEED, "bad": bad})
    with pytest.raises(InputError, match="'bad'") as caught:
        load(path, ["x", "bad"], ["x"])
    assert str(path) in str(caught.value)


def test_npz_is_never_unpickled(tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=SPEED, bad=np.array([{"a": 1}] * 6, dtype=object))
    with pytest.raises(InputError, match="allow_pickle=False"):
        load(path, ["bad"], ["x"])


@pytest.mark.parametrize("dtype", ["i1", "u8", "f2", "f4", ">f8", "?", "g"])
def test_real_types_become_float64(tmp_path, dtype):
    path = tmp_path / "data.npz"
    np.savez(path, x=np.array([0, 1, 1], dtype=dtype))
    np.testing.assert_array_equal(load(path, ["x"], ["x"]).features[:, 0], [0.0, 1.0, 1.0])


# Files that are not what they seem


@pytest.mark.parametrize("suffix", ["", ".txt", ".parquet", ".npy", ".csv.gz"])
def test_unknown_suffix_is_refused_with_what_is_allowed(tmp_path, suffix):
    path = tmp_path / f"data{suffix}"
    path.write_text("a\n1\n2\n")
    with pytest.raises(InputError, match=r"allowed are \.csv, \.npz, \.h5, \.hdf5"):
        load(path, ["a"], ["a"])


@pytest.mark.parametrize("suffix", WRITERS)
def test_missing_directory_and_impossible_paths(tmp_path, suffix):
    (tmp_path / f"folder{suffix}").mkdir()
    (tmp_path / "plain").write_text("")
    for name, message in {
        f"missing{suffix}": "no such file",
        f"folder{suffix}": "is a directory",
        f"nul\0{suffix}": "no such file|cannot be opened",
        f"plain/below{suffix}": "no such file|cannot be opened",
        "x" * 5000 + suffix: "no such file|cannot be opened",
    }.items():
        with pytest.raises(InputError, match=message):
            load(tmp_path / name, ["a"], ["a"])


GARBAGE = {
    "empty": b"",
    "random": np.random.default_rng(0).bytes(4096),
    "zeros": bytes(4096),
    "text": b"hello, world\n" * 50,
    "zip magic": b"PK\x03\x04" + bytes(100),
    "hdf5 magic": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "pickle": pickle.dumps({"a": [1.0, 2.0]}),
    "utf-16": "a,b\n1,2\n".encode("utf-16"),
}


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("content", GARBAGE)
def test_garbage_under_every_suffix_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"data{suffix}"
    path.write_bytes(GARBAGE[content])
    with pytest.raises(InputError) as caught:
        load(path, ["a"], ["a"])
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_damaged_archives_raise_nothing_but_input_error(tmp_path, suffix):
    """Cut short at every 64th byte, and with bytes flipped: refused, or (rarely) still readable."""
    path = tmp_path / f"data{suffix}"
    WRITERS[suffix](path, {"x": np.sin(np.arange(200.0)), "y": np.cos(np.arange(200.0))})
    whole = path.read_bytes()
    for size in range(1, len(whole), 64):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError):
            load(path, ["x"], ["y"])
    rng = np.random.default_rng(1)
    for _ in range(200):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 5):
            damaged[place] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(InputError):
            load(path, ["x"], ["y"])


def test_compressed_npz_with_a_flipped_bit_is_refused(tmp_path):
    path = tmp_path / "data.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=1000))
    data = bytearray(path.read_bytes())
    data[2000] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"cannot be read as \.npz"):
        load(path, ["x"], ["x"])
