"""Run directories: moved aside, refused, and never written for bad input."""

import pytest
from builders import tiny_config

import hpc_qlstm
from hpc_qlstm.config_io import load_config
from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.checkpoint import find_checkpoints
from hpc_qlstm.runs.run_directory import replace_text


def train(run_dir, **sections):
    return hpc_qlstm.train(tiny_config(run_dir, **sections), quiet=True)


def test_an_existing_run_is_moved_aside_never_overwritten(tmp_path, capsys):
    run_dir = tmp_path / "run"
    for seed in (1, 2, 3):
        hpc_qlstm.train(tiny_config(run_dir, training={"epochs": 1, "seed": seed}))
    assert f"the run in {run_dir} was moved to {run_dir}~2" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "run~1", "run~2"]
    seeds = {p.name: load_config(p / "config.toml").training.seed for p in tmp_path.iterdir()}
    assert seeds == {"run~1": 1, "run~2": 2, "run": 3}
    assert len(find_checkpoints(tmp_path / "run~1" / "checkpoints")) == 1


def test_run_directories_that_cannot_be_used(tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"foreign holds other files, allowed: a new or empty"):
        train(foreign)
    assert [path.name for path in foreign.iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match=r"output\.run_dir: .*thesis\.tex cannot be used"):
        train(foreign / "thesis.tex")
    with pytest.raises(InputError, match=r"output\.run_dir: .* cannot be used"):
        train(foreign / "thesis.tex" / "run")
    (tmp_path / "empty").mkdir()
    train(tmp_path / "empty", training={"epochs": 1})
    with pytest.raises(InputError, match="is not a folder, allowed: a run directory"):
        hpc_qlstm.resume(tmp_path / "none")
    with pytest.raises(InputError, match=r"has no config\.toml"):
        hpc_qlstm.resume(foreign)


def test_nothing_is_written_for_bad_input(tmp_path):
    for sections in (
        {"partition": {"count": 3}},
        {"data": {"task": "cosine"}},
        {"data": {"window": 30}},
        {"training": {"epochs": 0}},
    ):
        with pytest.raises(InputError):
            train(tmp_path / "run", **sections)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_replaced_is_named(tmp_path):
    target = tmp_path / "table.md"
    target.mkdir()
    with pytest.raises(OSError, match=r"table\.md'$"):
        replace_text(target, "text")
    assert list(tmp_path.iterdir()) == [target]
