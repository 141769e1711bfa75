"""Configurations: defaults, refusals that name the key, overrides, and the way to TOML and back."""

import tomllib

import pytest

from hpc_qlstm import registry
from hpc_qlstm.config import Config, EngineConfig, Section
from hpc_qlstm.config_io import config_text, load_config
from hpc_qlstm.errors import InputError

COMPLETE = """
[model]
hidden_size = 4
ansatz = "rot_ring"
depth = 2
[partition]
strategy = "broadcast_input"
count = 2
[engine]
name = "native"
[data]
task = "damped_pendulum"
window = 4
[training]
epochs = 100
batch_size = 10
optimizer = "adam"
learning_rate = 0.02
schedule = "cosine"
seed = 0
[output]
run_dir = "runs/damped_pendulum"
"""


def message_of(values, overrides=()):
    with pytest.raises(InputError) as caught:
        load_config(values, overrides)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_defaults_are_valid():
    config = load_config({})
    assert config == Config()
    assert config.model.order == "hx"
    assert config.data.source == "damped_pendulum"
    assert load_config(config) == config


def test_a_complete_file(tmp_path):
    path = tmp_path / "complete.toml"
    path.write_text(COMPLETE)
    config = load_config(path)
    assert config.partition.strategy == "broadcast_input"
    assert config.partition.count == 2
    assert config.training.schedule == "cosine"
    assert config.output.run_dir == "runs/damped_pendulum"
    assert config == load_config(str(path)) == load_config(tomllib.loads(COMPLETE))


@pytest.mark.parametrize("section", list(Config.model_fields))
def test_every_field_has_a_description(section):
    model = Config.model_fields[section].annotation
    assert issubclass(model, Section)
    assert model.__doc__
    for name, field in {**Config.model_fields, **model.model_fields}.items():
        assert field.description, f"{section}.{name}"


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"modle": {}}, ["modle: unknown key", "allowed: model, partition, engine"]),
        ({"model": {"hiden": 3}}, ["model.hiden: unknown key", "allowed: hidden_size, ansatz"]),
        ({"training": {"rate": 1}}, ["training.rate: unknown key", "learning_rate"]),
        ({"model": 3}, ["model: 3 given", "allowed:"]),
        ({"model": {"hidden_size": "4"}}, ["model.hidden_size: '4' given", "allowed: integer"]),
        ({"model": {"hidden_size": 4.0}}, ["model.hidden_size: 4.0 given", "integer"]),
        ({"model": {"hidden_size": True}}, ["model.hidden_size: True given", "integer"]),
        ({"model": {"hidden_size": 0}}, ["model.hidden_size: 0 given", "greater than or equal to"]),
        ({"model": {"reupload": 1}}, ["model.reupload: 1 given", "boolean"]),
        ({"model": {"ansatz": "ring"}}, ["model.ansatz: 'ring' given", "'rot_ring'", "'ry_brick"]),
        ({"model": {"init_scale": float("nan")}}, ["model.init_scale: nan given", "finite"]),
        ({"training": {"learning_rate": 0}}, ["training.learning_rate: 0 given", "than 0"]),
        ({"training": {"momentum": 1.0}}, ["training.momentum: 1.0 given", "less than 1"]),
        ({"training": {"seed": -1}}, ["training.seed: -1 given", "equal to 0"]),
        ({"training": {"seed": 2**32}}, ["training.seed: 4294967296 given", "4294967295"]),
        ({"data": {"train_fraction": float("nan")}}, ["data.train_fraction: nan given"]),
        ({"data": {"features": [1], "file": "a.csv"}}, ["data.features.0: 1 given", "string"]),
        ({"output": {"run_dir": ""}}, ["output.run_dir: '' given", "1 character"]),
        ({"partition": {"qubits": "x"}}, ["partition.qubits: 'x' given", "integer or list"]),
        ({"partition": {"inputs": [[0, -1]]}}, ["partition.inputs.0.1: -1 given", "equal to 0"]),
        ({"partition": {"strategy": "explicit"}}, ["partition: ", "needs partition.inputs"]),
        ({"partition": {"outputs": [1]}}, ["partition: ", "not for 'contiguous'"]),
        (
            {"partition": {"strategy": "explicit", "inputs": [[0], [1]], "count": 3}},
            ["partition: count is 3, but inputs has 2 lists"],
        ),
        ({"engine": {"name": "native", "device": "GPU"}}, ["engine: device is for engine 'aer'"]),
        ({"engine": {"name": "x"}}, ["engine.name: 'x' given, allowed: 'reference', 'native', "]),
        ({"engine": {"name": ["x"]}}, ["engine.name: ['x'] given, allowed: 'reference', 'native'"]),
        (
            {"engine": {"name": "primitive", "precision": "single"}},
            ["engine: precision is for engines 'native' and 'aer', not for 'primitive'"],
        ),
        (
            {"engine": {"name": "aer", "backends": [{}, {"backend": "aer"}]}},
            ["engine: backends.1.backend is for engine 'primitive', not for 'aer'"],
        ),
        (
            {"training": {"optimizer": "x"}},
            ["training.optimizer: 'x' given", "'adam', 'rmsprop', 'sgd'"],
        ),
        ({"training": {"loss": 2}}, ["training.loss: 2 given, allowed: 'mse'"]),
        ({"data": {"task": "sine", "file": "a.csv"}}, ["data: task and file are both given"]),
        ({"data": {"file": "a.csv"}}, ["data: features is empty"]),
        ({"data": {"features": ["a"]}}, ["data: features, targets and time belong to a file"]),
        (
            {"training": {"learning_rate": 0.1, "min_learning_rate": 0.2}},
            ["training: min_learning_rate is 0.2, allowed: at most learning_rate (0.1)"],
        ),
    ],
)
def test_refusals_name_the_key_what_was_given_and_what_is_allowed(values, parts):
    message = message_of(values)
    assert message.startswith("configuration: ")
    for part in parts:
        assert part in message


def test_all_errors_are_told_at_once():
    message = message_of({"model": {"depth": 0, "order": "yz"}, "extra": 1})
    for part in ("model.depth: 0 given", "model.order: 'yz' given", "extra: unknown key"):
        assert part in message
    assert message.count(";") == 2


def test_long_values_are_shortened():
    assert len(message_of({"model": {"ansatz": "a" * 500}})) < 250


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("training.epochs=3", "training", "epochs", 3),
        ("training.learning_rate = 1e-3", "training", "learning_rate", 1e-3),
        ("training.learning_rate=1", "training", "learning_rate", 1.0),
        ("training.shuffle=true", "training", "shuffle", True),
        ("model.ansatz=ry_brickwork", "model", "ansatz", "ry_brickwork"),
        ('model.ansatz="ry_brickwork"', "model", "ansatz", "ry_brickwork"),
        ("output.run_dir=runs/a=b c", "output", "run_dir", "runs/a=b c"),
        ("partition.qubits=[5, 6]", "partition", "qubits", [5, 6]),
        ("data.options.points=24", "data", "options", {"points": 24, "omega": 2.0}),
        ("data.options={points = 9}", "data", "options", {"points": 9}),
    ],
)
def test_overrides(override, section, key, value):
    values = {"data": {"task": "sine", "options": {"omega": 2.0}}}
    found = getattr(getattr(load_config(values, [override]), section), key)
    assert found == value
    assert type(found) is type(value)
    assert values == {"data": {"task": "sine", "options": {"omega": 2.0}}}


def test_later_overrides_win():
    assert load_config({}, ["model.depth=3", "model.depth=5"]).model.depth == 5


@pytest.mark.parametrize("bad", ["training.epochs", "epochs=3", "=3", ".a=3", "a..b=3", "", "a.=1"])
def test_override_syntax(bad):
    assert "allowed: section.key=value" in message_of({}, [bad])


def test_overrides_are_checked_like_the_file():
    assert "training.epochs: 'many' given" in message_of({}, ["training.epochs=many"])
    assert "training.epoch: unknown key" in message_of({}, ["training.epoch=3"])
    message = message_of({"model": {"depth": 2}}, ["model.depth.x=3"])
    assert "'depth' is a value, not a section" in message


@pytest.mark.parametrize(
    "values",
    [
        {},
        tomllib.loads(COMPLETE),
        {
            "partition": {"strategy": "explicit", "inputs": [[0, 1], [2, 3, 4]], "outputs": [2, 2]},
            "engine": {"name": "aer", "precision": "single", "options": {"fusion_enable": False}},
            "data": {"file": 'a "b"/ü.csv', "features": ["x"], "targets": ["y"], "time": "t"},
            "training": {"learning_rate": 1 / 3, "epsilon": 1e-300, "seed": 2**32 - 1},
            "model": {"sequence": True},
        },
        {"partition": {"qubits": [3, 4]}, "data": {"task": "sine", "options": {"points": 24}}},
    ],
)
def test_round_trip_through_toml(values, tmp_path):
    config = load_config(values)
    path = tmp_path / "config.toml"
    path.write_text(config_text(config), encoding="utf-8")
    assert load_config(path) == config
    assert config_text(load_config(path)) == config_text(config)
    assert set(tomllib.loads(config_text(config))) == set(Config.model_fields)


def test_files_that_cannot_be_read(tmp_path):
    assert "no.toml: cannot be read (No such file" in message_of(tmp_path / "no.toml")
    assert "cannot be read (Is a directory)" in message_of(tmp_path)
    bad = tmp_path / "bad.toml"
    for content in (b"[model\n", b"a = \n", b"[model]\ndepth = 1\ndepth = 2\n", b'a = "\xff"\n'):
        bad.write_bytes(content)
        assert "bad.toml: is not valid TOML" in message_of(bad)
    bad.write_text("[model]\ndepth = 0\n")
    assert message_of(bad).startswith(f"{bad}: model.depth: 0 given")


def test_the_default_loss_is_not_written():
    """Configurations are as before the key was there, and so are the names of stored results."""
    assert load_config({"training": {"loss": "mse"}}) == Config()
    assert "loss" not in Config().to_dict()["training"]


def test_every_key_belongs_to_an_engine():
    taken = {
        key
        for key in EngineConfig.model_fields
        for name in registry.engines.built_in
        if EngineConfig(name=name).takes(key)
    }
    assert taken == set(EngineConfig.model_fields)
