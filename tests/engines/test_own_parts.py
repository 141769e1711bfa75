"""Parts from outside the package are found by name, trained with, and refused as built-in ones."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import own_parts
import pytest

import hpc_qlstm
from hpc_qlstm import load_config, registry
from hpc_qlstm.analysis.resources import resources
from hpc_qlstm.build.engines import build_engines
from hpc_qlstm.engines import create_engine
from hpc_qlstm.errors import InputError

ENTRY_POINTS = """
[hpc_qlstm.engines]
damped = own_parts:DampedEngine
broken = own_parts:Nothing
[hpc_qlstm.ansaetze]
cz_chain = own_parts:CZ_CHAIN
[hpc_qlstm.losses]
log_cosh = own_parts:LogCosh
[hpc_qlstm.optimizers]
signs = own_parts:Signs
"""


@pytest.fixture
def own():
    with own_parts.registered():
        yield


def test_training_and_resuming_with_own_parts(own, write_config, tmp_path, losses, final_weights):
    epochs = {**own_parts.SETTINGS["training"], "epochs": 4}
    data = {"task": "sine", "options": {"points": 14}, "window": 2}
    sections = {**own_parts.SETTINGS, "data": data}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    output = {"run_dir": str(whole), "figures": False}
    path = write_config(**{**sections, "training": epochs, "output": output})
    hpc_qlstm.train(path, quiet=True)
    stop = {**epochs, "epochs": 2}
    path = write_config(**{**sections, "training": stop, "output": {"run_dir": str(parts)}})
    hpc_qlstm.train(path, quiet=True)
    hpc_qlstm.resume(parts, overrides=["training.epochs=4"], quiet=True)
    assert losses(parts) == losses(whole)
    ends = [final_weights(folder) for folder in (whole, parts)]
    for name, array in ends[0].items():
        np.testing.assert_array_equal(ends[1][name], array)
    assert ends[0]["forget.0"].shape == (1, 2, 2)
    assert len({losses(whole)[k][1] for k in range(4)}) == 4


def test_options_reach_the_engine(own):
    config = load_config({"engine": {"name": "damped", "options": {"damping": 0.25}}})
    assert build_engines(config, 2, 1).factor == 0.75
    assert create_engine("damped", damping=0.5).factor == 0.5
    config = load_config({"engine": {"name": "damped", "options": {"dampling": 0.25}}})
    with pytest.raises(InputError, match="'dampling' is not known, allowed: damping"):
        build_engines(config, 2, 1)


def test_processors_have_a_table_each(own):
    config = load_config(own_parts.PROCESSORS)
    engines = build_engines(config, 4, 1)
    assert [engine.factor for engine in engines] == [1.0, 0.9, 0.8, 1.0 - 0.1 * 3]
    with pytest.raises(InputError, match="4 entries, allowed: 1 or one for each of 3 part"):
        build_engines(config, 3, 1)


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        ({"name": "damped", "shots": 3}, "shots is for engines 'aer' and 'primitive', not for 'd"),
        ({"name": "damped", "precision": "single"}, "precision is for engines 'native' and 'aer'"),
        ({"name": "damped", "backends": [{}]}, "'primitive' and 'damped_processor', not for 'dam"),
        ({"options": {"a": 1}}, "and 'damped' and 'damped_processor', not for 'native'"),
        ({"name": "dumped"}, "'damped', 'damped_processor'"),
    ],
)
def test_keys_of_other_engines_are_refused(own, engine, message):
    with pytest.raises(InputError, match=message):
        load_config({"engine": engine})


def test_the_gradient_is_counted_by_what_the_engine_says(own):
    config = load_config(own_parts.SETTINGS)
    assert resources(config).configured == "parameter_shift"
    adjoint = load_config(config, ["engine.gradient=adjoint"])
    with pytest.raises(InputError, match="'adjoint', which damped has not"):
        resources(adjoint)


def test_a_registered_name_is_taken_again_only_while_it_is_there():
    with own_parts.registered():
        assert "damped" in registry.engines
        text = load_config(own_parts.SETTINGS)
    with pytest.raises(InputError, match=r"engine\.name: 'damped' given, allowed: 'reference'"):
        load_config(text)


@pytest.fixture
def installed(tmp_path, hpc_qlstm_run):
    """The parts as an installed package offers them to the command line."""
    folder = tmp_path / "site"
    info = folder / "own_parts-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-parts\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    paths = [str(folder), str(Path(own_parts.__file__).parent)]
    hpc_qlstm_run.environment["PYTHONPATH"] = os.pathsep.join(paths)
    return hpc_qlstm_run


def test_the_command_line_finds_what_a_package_offers(installed, write_config, tmp_path, losses):
    data = {"task": "sine", "options": {"points": 14}, "window": 2}
    found = []
    for ranks in (None, 2):
        output = {"run_dir": str(tmp_path / f"run-{ranks}"), "figures": False}
        path = write_config(**{**own_parts.SETTINGS, "data": data, "output": output})
        done = installed("train", path, ranks=ranks)
        assert done.returncode == 0, done.stderr
        found.append(losses(tmp_path / f"run-{ranks}"))
    assert found[0] == found[1]


def test_a_part_that_cannot_be_imported_is_one_message(installed, write_config):
    done = installed("train", write_config(engine={"name": "broken", "shots": 3}))
    assert done.returncode == 2
    assert "'broken' cannot be loaded from own_parts:Nothing (AttributeError" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_examples_of_the_documentation_train(monkeypatch, write_config, tmp_path, losses):
    page = Path(__file__).parents[2] / "docs" / "guide" / "parts.md"
    kinds = (registry.engines, registry.ansaetze, registry.losses, registry.optimizers)
    for kind in kinds:
        monkeypatch.setattr(kind, "_own", dict(kind._own))
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(blocks) == len(kinds)
    for block in blocks:
        exec(block, {})
    data = {"task": "sine", "options": {"points": 14}, "window": 2}
    hpc_qlstm.train(write_config(**{**own_parts.SETTINGS, "data": data}), quiet=True)
    ends = losses(tmp_path / "run")
    assert ends[-1][1] < ends[0][1]
