"""Checkpoints: complete or absent, verified when read, never another error than InputError."""

import hashlib
import os

import h5py
import numpy as np
import pytest
from checkpoints import make, same, save

from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.checkpoint import (
    checkpoint_path,
    compare_names,
    find_checkpoints,
    load_checkpoint,
    load_newest,
)


@pytest.fixture
def saved(tmp_path):
    path = checkpoint_path(tmp_path, 3)
    save(path, make())
    return path


def test_round_trip(saved):
    assert saved.name == "epoch-00000003.h5"
    assert os.listdir(saved.parent) == [saved.name]
    stored = load_checkpoint(saved)
    assert same(stored, make())
    assert not same(stored, make(4))
    assert np.signbit(stored.weights["readout.bias"][0])
    save(saved, make(best_loss=float("inf"), history=[]))
    assert load_checkpoint(saved).best_loss == np.inf
    assert load_checkpoint(saved).history == []


def test_versions_of_packages_are_stored(saved):
    save(saved, make(versions={}))
    assert {"python", "numpy", "h5py"} <= set(load_checkpoint(saved).versions)


def refused_or_identical(path):
    """True when refused; a file that reads must read as it was written."""
    stored, message = None, None
    try:
        stored = load_checkpoint(path)
    except InputError as error:
        message = str(error)
    assert message is not None or same(stored, make())
    assert message is None or str(path) in message
    return message is not None


def test_torn_at_any_length(saved):
    content = saved.read_bytes()
    lengths = [*range(0, 200, 13), *range(200, len(content), len(content) // 80)]
    for length in [*lengths, len(content) - 1]:
        saved.write_bytes(content[:length])
        assert refused_or_identical(saved), length


def test_flipped_bits(saved):
    content = saved.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        altered = bytearray(content)
        altered[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
        saved.write_bytes(altered)
        refused += refused_or_identical(saved)
    assert refused > 50
    # Every bit of an array counts.
    at = content.index(make().weights["forget.0"].tobytes())
    for offset in range(0, 48, 5):
        altered = bytearray(content)
        altered[at + offset] ^= 1
        saved.write_bytes(altered)
        assert refused_or_identical(saved)


@pytest.mark.parametrize("name", ["epoch", "seed", "best_loss", "optimizer_steps", "versions"])
def test_altered_attributes(saved, name):
    with h5py.File(saved, "r+") as file:
        file.attrs[name] = '{"python": "2"}' if name == "versions" else file.attrs[name] - 1
    with pytest.raises(InputError, match="the checksum does not match, the file is damaged"):
        load_checkpoint(saved)


def reseal(path):
    """Give an altered file the digest that belongs to it."""
    content = path.read_bytes()[512:]
    digest = hashlib.sha256(content).hexdigest()
    block = f"hpc_qlstm checkpoint\nversion 1\nsha256 {digest}\n".encode()
    path.write_bytes(block.ljust(512, b"\0") + content)


def test_added_renamed_and_retyped_arrays_are_noticed(saved):
    content = saved.read_bytes()
    for change in ("add", "rename", "retype", "delete"):
        saved.write_bytes(content)
        with h5py.File(saved, "r+") as file:
            group = file["weights"]
            if change == "add":
                group["x"] = np.zeros(1)
            elif change == "rename":
                group.move("readout.bias", "readout.bia")
            else:
                del group["readout.bias"]
                if change == "retype":
                    group["readout.bias"] = np.array([-0.0], dtype=np.float32)
        with pytest.raises(InputError, match="checksum does not match"):
            load_checkpoint(saved)


def test_other_formats_and_versions(saved, tmp_path):
    content = saved.read_bytes()
    saved.write_bytes(content.replace(b"version 1", b"version 2", 1))
    with pytest.raises(InputError, match=r"epoch-00000003\.h5: has format version '2', allowed: 1"):
        load_checkpoint(saved)
    saved.write_bytes(content.replace(b"hpc_qlstm checkpoint", b"another", 1))
    with pytest.raises(InputError, match="is not a checkpoint of hpc_qlstm"):
        load_checkpoint(saved)
    with h5py.File(saved, "w") as file:
        file["a"] = 1.0
    with pytest.raises(InputError, match="is not a checkpoint of hpc_qlstm"):
        load_checkpoint(saved)
    with pytest.raises(InputError, match=r"none\.h5: does not exist"):
        load_checkpoint(tmp_path / "none.h5")
    for text in ("", "epoch = 3\n"):
        saved.write_text(text)
        with pytest.raises(InputError, match="is not a checkpoint of hpc_qlstm"):
            load_checkpoint(saved)
    with pytest.raises(InputError, match="cannot be read as a checkpoint"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("kind", ["attribute", "group", "dataset", "string"])
def test_sealed_but_senseless_content(saved, kind):
    with h5py.File(saved, "r+") as file:
        if kind == "attribute":
            del file.attrs["epoch"]
        elif kind == "group":
            file["other/x"] = np.zeros(2)
        elif kind == "string":
            file["weights/s"] = "text"
        else:
            del file["history"]
            file["history"] = np.frombuffer(b"{no json", dtype=np.uint8)
    reseal(saved)
    with pytest.raises(InputError, match="epoch-00000003"):
        load_checkpoint(saved)


@pytest.mark.parametrize("kind", ["soft", "external", "dangling"])
def test_links_are_not_followed(saved, tmp_path, kind):
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["secret"] = np.ones(1)
    links = {
        "soft": h5py.SoftLink("/best/readout.bias"),
        "external": h5py.ExternalLink(str(other), "/secret"),
        "dangling": h5py.SoftLink("/nowhere"),
    }
    with h5py.File(saved, "r+") as file:
        del file["weights/readout.bias"]
        file["weights/readout.bias"] = links[kind]
    reseal(saved)
    stored = load_checkpoint(saved)
    assert list(stored.weights) == ["forget.0"]
    with pytest.raises(InputError, match=r"'readout\.bias' is missing"):
        compare_names(stored.weights, make().weights, "weights")


def test_load_newest_skips_what_is_torn(tmp_path):
    assert load_newest(tmp_path) == (None, [])
    for epoch in (2, 10, 9):
        save(checkpoint_path(tmp_path, epoch), make(epoch))
    (tmp_path / ".epoch-00000011.h5.1.tmp").write_bytes(b"left over")
    assert [int(path.stem[6:]) for path in find_checkpoints(tmp_path)] == [10, 9, 2]
    newest = checkpoint_path(tmp_path, 10)
    stored, warnings = load_newest(tmp_path)
    assert stored.epoch == 10
    assert warnings == []
    newest.write_bytes(newest.read_bytes()[:-100])
    stored, warnings = load_newest(tmp_path)
    assert stored.epoch == 9
    assert len(warnings) == 1
    assert warnings[0].startswith(f"skipped a checkpoint: {newest}: ")
    for path in find_checkpoints(tmp_path):
        path.write_bytes(b"")
    stored, warnings = load_newest(tmp_path)
    assert stored is None
    assert len(warnings) == 3


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"a": np.zeros(2)}, "w: 'b' is missing, this is another model's checkpoint"),
        ({"a": np.zeros(3), "b": np.zeros(1)}, r"w: 'a' is float64 \(3,\), the model needs float6"),
        ({"a": np.zeros(2, "f4"), "b": np.zeros(1)}, r"w: 'a' is float32 \(2,\), the model needs"),
        ({"a": np.zeros(2), "b": np.zeros(1), "c": 0}, "w: 'c' is not in the model"),
    ],
)
def test_compare_names(stored, message):
    expected = {"a": np.zeros(2), "b": np.zeros(1)}
    compare_names(dict(expected), expected, "w")
    with pytest.raises(InputError, match=message):
        compare_names(stored, expected, "w")
