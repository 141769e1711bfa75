"""A checkpoint is used only with the model, the training and the data that it comes from."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import small_config
from checkpoints import RefusingWriter

import hpc_qlstm as hq
from hpc_qlstm.analysis.evaluation import evaluate
from hpc_qlstm.errors import HpcQlstmError, InputError
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.runs import saver
from hpc_qlstm.runs.checkpoint import find_checkpoints, load_checkpoint

ROWS = [(0.1 * k, np.sin(0.4 * k)) for k in range(30)]


def write_rows(path: Path, rows) -> None:
    path.write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in rows))


def settings(run_dir: Path, **sections):
    file = str(run_dir.parent / "rows.csv")
    config = small_config(
        model={"hidden_size": 3},
        partition=None,
        engine={"name": "native", "threads": 1},
        data={"file": file, "features": ["a", "b"], "targets": ["b"], "window": 3},
        training={"epochs": 2, "learning_rate": 0.02},
        checkpoint=None,
        output={"run_dir": str(run_dir)},
    )
    return config | sections


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    write_rows(folder / "rows.csv", ROWS)
    hq.train(settings(folder / "run"), quiet=True)
    return folder / "run"


@pytest.fixture
def run_dir(trained, tmp_path):
    """A copy of the trained run; its data file stays where it is."""
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("model.order=xh", "model.order"),
        ("model.reupload=true", "model.reupload"),
        ("model.encoding=ry", "model.encoding"),
        ("data.horizon=2", "data.horizon"),
        ("data.scaler=standard", "data.scaler"),
        ("training.optimizer=sgd", "training.optimizer"),
        ("training.seed=9", "training.seed"),
        ("training.batch_size=4", "training.batch_size"),
        ("training.epochs=1", "training.epochs"),
    ],
)
def test_resume_refuses_what_would_change_the_run(run_dir, override, key):
    before = (run_dir / "config.toml").read_text()
    with pytest.raises(InputError, match=f"{key} is "):
        hq.resume(run_dir, overrides=[override], quiet=True)
    assert (run_dir / "config.toml").read_text() == before


def test_resume_allows_what_does_not_change_the_run(run_dir):
    overrides = ["training.epochs=3", "training.learning_rate=0.01", "engine.name=reference"]
    assert len(hq.resume(run_dir, overrides=overrides, quiet=True).history) == 3


def test_an_edited_configuration_is_noticed_by_evaluate(run_dir):
    text = (run_dir / "config.toml").read_text()
    (run_dir / "config.toml").write_text(text.replace('order = "hx"', 'order = "xh"'))
    with pytest.raises(InputError, match=r"model\.order is 'xh', .* made with 'hx'"):
        evaluate(run_dir, SerialCommunicator())


def test_changed_data_is_refused_and_moved_data_is_not(run_dir, tmp_path):
    moved = tmp_path / "moved.csv"
    write_rows(moved, ROWS)
    more = ["training.epochs=3", f"data.file={moved}"]
    assert len(hq.resume(run_dir, overrides=more, quiet=True).history) == 3
    write_rows(moved, [*ROWS[:12], (ROWS[12][0], 0.0), *ROWS[13:]])
    with pytest.raises(InputError, match=r"moved\.csv: has changed since the run was trained"):
        hq.resume(run_dir, overrides=["training.epochs=4"], quiet=True)
    with pytest.raises(InputError, match=r"moved\.csv: has changed since the run was trained"):
        evaluate(run_dir, SerialCommunicator())


def test_a_relative_data_file_is_found_from_anywhere(tmp_path, monkeypatch):
    write_rows(tmp_path / "rows.csv", ROWS)
    monkeypatch.chdir(tmp_path)
    values = settings(tmp_path / "run")
    values["data"]["file"] = "rows.csv"
    hq.train(values, quiet=True)
    monkeypatch.chdir("/")
    assert evaluate(tmp_path / "run", SerialCommunicator()).epoch == 2


def test_the_interval_decides_without_every(tmp_path):
    write_rows(tmp_path / "rows.csv", ROWS)
    for interval, epochs in ((0.0, [4, 3, 2, 1]), (1000.0, [4])):
        values = settings(
            tmp_path / f"run{interval}",
            training={"epochs": 4},
            checkpoint={"interval": interval, "keep": 0},
        )
        hq.train(values, quiet=True)
        found = find_checkpoints(tmp_path / f"run{interval}" / "checkpoints")
        ends = [stored for path in found if not (stored := load_checkpoint(path)).batch]
        assert [stored.epoch for stored in ends] == epochs


def test_a_full_disk_is_one_message_and_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    write_rows(tmp_path / "rows.csv", ROWS)
    full = RefusingWriter(range(2, 9), errno.ENOSPC)
    monkeypatch.setattr(saver, "create_file_writer", lambda: full)
    values = settings(tmp_path / "run", checkpoint={"every": 1})
    with pytest.raises(HpcQlstmError, match=r"epoch-00000002\.h5: .*No space left on device"):
        hq.train(values, quiet=True)
    found = find_checkpoints(tmp_path / "run" / "checkpoints")
    assert [load_checkpoint(path).epoch for path in found] == [1]


def test_figures_that_cannot_be_written_do_not_lose_the_run(tmp_path, monkeypatch, capsys):
    write_rows(tmp_path / "rows.csv", ROWS)
    from hpc_qlstm.analysis import figures

    def refuse(*_):
        raise OSError(30, "Read-only file system", "losses.png")

    monkeypatch.setattr(figures, "draw_figures", refuse)
    values = settings(tmp_path / "run", output={"run_dir": str(tmp_path / "run")})
    assert len(hq.train(values).history) == 2
    assert "warning: no figures: losses.png: cannot be written" in capsys.readouterr().err
