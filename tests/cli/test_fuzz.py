"""Configurations, data files and checkpoints from anywhere are taken or refused, nothing else.

Found by chance and kept by hypothesis; the examples are the same in every run.
"""

from __future__ import annotations

import functools
import hashlib
import io
import tomllib

import h5py
import numpy as np
import pytest
import tomli_w
from checkpoints import make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hpc_qlstm
from hpc_qlstm import load_config
from hpc_qlstm.config import Config
from hpc_qlstm.config_io import config_text
from hpc_qlstm.data.files import load
from hpc_qlstm.errors import HpcQlstmError, InputError
from hpc_qlstm.runs.checkpoint import load_checkpoint
from hpc_qlstm.runs.checkpoint_encoder import CheckpointEncoder
from hpc_qlstm.runs.checkpoint_format import user_block

quick = settings(
    max_examples=300, deadline=None, derandomize=True, database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


def attempt(call, *arguments):
    """The result and nothing, or nothing and the message."""
    try:
        return call(*arguments), ""
    except HpcQlstmError as error:
        return None, str(error)


SECTIONS = {name: type(getattr(Config(), name)).model_fields for name in Config.model_fields}
SCALARS = st.one_of(
    st.booleans(),
    st.integers(-3, 12),
    st.sampled_from([2**31, 2**63, -(2**64), 10**30]),
    st.floats(-2, 2),
    st.sampled_from([float("nan"), float("inf"), 1e308, 5e-324]),
    st.sampled_from(["", "aer", "overlap", "sine", "x" * 200, "../../etc/passwd", "é\u202e"]),
    st.text(max_size=5),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)


def section(name):
    keys = st.sampled_from([*SECTIONS[name], "unknown"])
    return st.one_of(st.dictionaries(keys, VALUES, max_size=4), VALUES)


CONFIGURATIONS = st.fixed_dictionaries({}, optional={name: section(name) for name in SECTIONS})


@quick
@given(CONFIGURATIONS)
def test_any_values_for_any_keys(values):
    config, message = attempt(load_config, values)
    if config is None:
        assert 0 < len(message) < 4000
        assert message.isprintable()
        return
    text = config_text(config)
    assert load_config(tomllib.loads(text)) == config or "nan" in text


EXAMPLE = tomli_w.dumps({"model": {"hidden_size": 4, "depth": 1}, "data": {"task": "sine"}})
EDITS = st.lists(
    st.tuples(st.integers(0, len(EXAMPLE)), st.sampled_from('[]{}"=.,#\n\t 0e-é\0"""')),
    min_size=1, max_size=6,
)  # fmt: skip


@quick
@given(EDITS)
def test_a_file_with_slips(tmp_path, edits):
    text = EXAMPLE
    for where, what in edits:
        text = text[:where] + what + text[where + 1 :]
    path = tmp_path / "config.toml"
    path.write_text(text)
    config, message = attempt(load_config, path)
    assert config or message.startswith(f"{path}: ")


SMALL_RUNS = st.fixed_dictionaries(
    {
        "model": st.fixed_dictionaries(
            {"hidden_size": st.integers(1, 4), "depth": st.integers(1, 2)},
            optional={
                "ansatz": st.sampled_from(["rot_ring", "ry_brickwork"]),
                "order": st.sampled_from(["hx", "xh"]),
                "encoding": st.sampled_from(["arctan_ry_rz", "arctan_ry", "ry", "rx", "rz"]),
                "reupload": st.booleans(),
                "sequence": st.booleans(),
                "init_scale": st.floats(0, 10),
            },
        ),
        "partition": st.fixed_dictionaries(
            {
                "strategy": st.sampled_from(
                    ["contiguous", "strided", "broadcast_input", "overlap", "random"]
                ),
                "count": st.integers(1, 5),
            },
            optional={
                "shared": st.integers(0, 5),
                "qubits": st.one_of(st.integers(1, 7), st.lists(st.integers(1, 7), max_size=4)),
            },
        ),
        "data": st.fixed_dictionaries(
            {
                "task": st.sampled_from(["sine", "damped_pendulum", "narma", "bessel_j2"]),
                "options": st.fixed_dictionaries({"points": st.integers(8, 40)}),
                "window": st.integers(1, 30),
                "horizon": st.integers(1, 9),
            },
            optional={
                "train_fraction": st.floats(0.01, 0.99),
                "scaler": st.sampled_from(["minmax", "standard", "none"]),
                "fit_scaler_on": st.sampled_from(["train", "all"]),
            },
        ),
        "training": st.fixed_dictionaries(
            {"epochs": st.just(1), "batch_size": st.integers(1, 50)},
            optional={
                "optimizer": st.sampled_from(["adam", "rmsprop", "sgd"]),
                "learning_rate": st.floats(1e-6, 1000),
                "momentum": st.floats(0, 0.99),
                "shuffle": st.booleans(),
                "clip_norm": st.floats(0, 10),
            },
        ),
        "engine": st.fixed_dictionaries(
            {"threads": st.just(1), "name": st.sampled_from(["native", "reference"])},
            optional={"gradient": st.sampled_from(["adjoint", "parameter_shift", "spsa"])},
        ),
    }
)


@settings(quick, max_examples=80)
@given(SMALL_RUNS)
def test_any_small_run_trains_or_says_why_not(tmp_path_factory, values):
    run_dir = tmp_path_factory.mktemp("fuzz") / "run"
    output = {"run_dir": str(run_dir), "figures": False}
    train = functools.partial(hpc_qlstm.train, quiet=True)
    result, message = attempt(train, {**values, "output": output})
    if result is None:
        assert message.isprintable()
        return
    assert np.isfinite(result.history[0]["train_loss"])
    assert load_checkpoint(run_dir / "checkpoints" / "epoch-00000001.h5").epoch == 1


@quick
@given(
    st.lists(
        st.lists(
            st.one_of(
                st.floats(allow_nan=True).map(str), st.integers().map(str),
                st.text(alphabet='0123456789.eE+-_nainf"\' \t\0é;', max_size=6),
            ),
            max_size=4,
        ),
        max_size=8,
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["a,b\n", "a\n", "", '"a","b"\n', "a,a,b\n"]),
)  # fmt: skip
def test_tables_of_anything(tmp_path, rows, separator, header):
    path = tmp_path / "table.csv"
    path.write_text(header + "\n".join(separator.join(row) for row in rows), encoding="utf-8")
    series, message = attempt(load, path, ["a"], ["b"])
    if series is None:
        assert len(message) < 1000
        return
    assert np.isfinite(series.features).all()
    assert np.isfinite(series.targets).all()


DAMAGE = st.lists(
    st.one_of(
        st.tuples(st.just("byte"), st.floats(0, 1), st.integers(0, 255)),
        st.tuples(st.just("zeros"), st.floats(0, 1), st.sampled_from([1, 8, 64, 512])),
        st.tuples(st.just("copy"), st.floats(0, 1), st.floats(0, 1)),
        st.tuples(st.just("cut"), st.floats(0, 1), st.just(0)),
    ),
    min_size=1, max_size=8,
)  # fmt: skip


def damaged(content, damage):
    broken = bytearray(content)
    for kind, where, what in damage:
        begin = int(where * (len(broken) - 1)) if broken else 0
        if not broken:
            break
        if kind == "byte":
            broken[begin] = what
        elif kind == "zeros":
            broken[begin : begin + what] = bytes(len(broken[begin : begin + what]))
        elif kind == "copy":
            source = int(what * (len(broken) - 1))
            part = broken[source : source + 8]
            broken[begin : begin + len(part)] = part
        else:
            del broken[begin:]
    return bytes(broken)


def archive():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, t=np.sin(np.arange(40.0)), u=np.ones((40, 2)).cumsum(axis=0))
    return buffer.getvalue()


def hierarchy():
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["t"] = np.sin(np.arange(40.0))
        file.create_dataset("u", data=np.ones((40, 2)).cumsum(axis=0), compression="gzip")
    return buffer.getvalue()


@pytest.mark.parametrize(("suffix", "content"), [(".npz", archive()), (".h5", hierarchy())])
def test_damaged_data_files(tmp_path, suffix, content):
    path = tmp_path / f"data{suffix}"

    @quick
    @given(DAMAGE)
    def check(damage):
        path.write_bytes(damaged(content, damage))
        series, message = attempt(load, path, ["t", "u:1"], ["t"])
        assert str(path) in message or np.isfinite(series.features).all()

    check()


@quick
@given(DAMAGE)
def test_checkpoints_that_are_altered_and_sealed_again(tmp_path, damage):
    """The digest reveals damage, not malice: what is read after it must withstand both."""
    broken = damaged(CheckpointEncoder().encode(make())[512:], damage)
    path = tmp_path / "epoch-00000003.h5"
    path.write_bytes(user_block(hashlib.sha256(broken).hexdigest()) + broken)
    stored, message = attempt(load_checkpoint, path)
    if stored is None:
        assert message.startswith(f"{path}: ")
        return
    for group in (stored.weights, stored.best, stored.optimizer, stored.data, stored.progress):
        assert sum(array.nbytes for array in group.values()) <= 64 * path.stat().st_size


@pytest.mark.parametrize("claimed", [2**33, 2**40, 2**62])
def test_a_dataset_that_claims_more_than_there_is(tmp_path, claimed):
    """Sparse or compressed: a small file must not fill the memory."""
    content = CheckpointEncoder().encode(make())
    path = tmp_path / "epoch-00000003.h5"
    path.write_bytes(content)
    with h5py.File(path, "r+") as file:
        del file["optimizer/first"]
        file["optimizer"].create_dataset("first", (claimed // 8,), "f8", chunks=(2**20,))
    broken = path.read_bytes()[512:]
    path.write_bytes(user_block(hashlib.sha256(broken).hexdigest()) + broken)
    with pytest.raises(InputError, match=r"'optimizer/first' is of a kind or size"):
        load_checkpoint(path)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.create_dataset("t", (claimed // 8,), "f8", chunks=(2**20,))
    with pytest.raises(InputError, match=r"data\.h5: 't' claims \d+ bytes"):
        load(tmp_path / "data.h5", ["t"], ["t"])


@pytest.mark.parametrize("kind", ["link", "group", "storage", "virtual"])
def test_nothing_is_read_from_another_file(tmp_path, kind):
    """An HDF5 file can name any other file that its reader may read."""
    secret = tmp_path / "secret"
    with h5py.File(secret, "w") as file:
        file["s"] = np.sin(np.arange(40.0))
    name = "g/s" if kind == "group" else "t"
    with h5py.File(tmp_path / "data.h5", "w") as file:
        if kind == "link":
            file["t"] = h5py.ExternalLink(str(secret), "/s")
        elif kind == "group":
            file["g"] = h5py.ExternalLink(str(secret), "/")
        elif kind == "storage":
            storage = [(str(secret), 0, 320)]
            file.create_dataset("t", (40,), "f8", external=storage)
        else:
            layout = h5py.VirtualLayout((40,), "f8")
            layout[:] = h5py.VirtualSource(str(secret), "s", shape=(40,))
            file.create_virtual_dataset("t", layout)
    with pytest.raises(InputError, match=r"data\.h5: '.*' lies in another file"):
        load(tmp_path / "data.h5", [name], [name])
    if kind in ("storage", "virtual"):
        path = tmp_path / "epoch-00000003.h5"
        path.write_bytes(CheckpointEncoder().encode(make()))
        with h5py.File(path, "r+") as file, h5py.File(tmp_path / "data.h5") as source:
            source.copy("t", file["optimizer"], "other")
        broken = path.read_bytes()[512:]
        path.write_bytes(user_block(hashlib.sha256(broken).hexdigest()) + broken)
        with pytest.raises(InputError, match="'optimizer/other' is of a kind or size"):
            load_checkpoint(path)
