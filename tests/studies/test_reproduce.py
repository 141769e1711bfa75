"""`hpc-qlstm reproduce`: trials computed once, by any of several jobs, and the files."""

from __future__ import annotations

import json
import os
import signal
import time

import launch
import numpy as np
import pytest

from hpc_qlstm.errors import InputError, TrainingError
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.studies.reproduce import concentration, literature, partitions, selection, targets
from hpc_qlstm.studies.reproduce.paper import table_rows
from hpc_qlstm.studies.reproduce.partitions import Case
from hpc_qlstm.studies.reproduce.reference_run import reference_error
from hpc_qlstm.studies.reproduce.report import summaries
from hpc_qlstm.studies.reproduce.rows import configured
from hpc_qlstm.studies.reproduce.trials import settling_epoch, trials_of
from hpc_qlstm.studies.runner import Job

SHORT = ["training.epochs=2", "model.depth=1"]


def make(target, folder, seeds=2, overrides=SHORT, **job):
    job = Job(folder, SerialCommunicator(), command="the command", **job)
    return targets.reproduce(target, job, seeds=seeds, overrides=overrides)


def modified(folder):
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cells" / "table1").iterdir()}


def test_a_table_its_figures_and_nothing_computed_twice(tmp_path):
    lines = []
    files = make("table1", tmp_path, say=lines.append)
    assert [path.name for path in files] == ["table1.json", "table1.md"]
    assert lines[0].startswith("14 cells, 0 of them stored")
    stored = modified(tmp_path)
    assert len(stored) == 14
    assert [path.name for path in make("fig3", tmp_path)] == ["fig3.png", "fig3.json"]
    assert [path.name for path in make("fig4", tmp_path)] == ["fig4.png", "fig4.json"]
    assert modified(tmp_path) == stored
    text = (tmp_path / "table1.md").read_text()
    for words in (
        "the command", "Centric QLSTM (6 qubits)", "| 4 + 3 |", "| 2 x 4 |", "0.9938",
        "last value", "linear autoregression", "Classical LSTM (",
    ):  # fmt: skip
        assert words in text
    table = json.loads((tmp_path / "table1.json").read_text())
    row = table["rows"][0]
    errors = [seed["test_mse"] for seed in row["seeds"]]
    assert row["statistics"]["test_mse"]["mean"] == pytest.approx(np.mean(errors))
    assert row["statistics"]["test_mse"]["std"] == pytest.approx(np.std(errors, ddof=1))
    assert row["published"] == {"r2": 0.9898, "converged": 81}
    losses = json.loads((tmp_path / "fig3.json").read_text())["rows"][0]["seeds"][1]["test_loss"]
    assert losses[-1] == pytest.approx(errors[1], rel=1e-4)


def test_other_settings_and_broken_files_are_computed_anew(tmp_path):
    make("table1", tmp_path)
    before = modified(tmp_path)
    broken = sorted((tmp_path / "cells" / "table1").iterdir())[3]
    broken.write_text("{")
    make("table1", tmp_path)
    changed = {name for name, when in modified(tmp_path).items() if when != before[name]}
    assert changed == {broken.name}
    lines = []
    make("table1", tmp_path, overrides=["training.epochs=1", "model.depth=1"], say=lines.append)
    assert lines[0].startswith("14 cells, 0 of them stored")
    assert len(modified(tmp_path)) == 28  # and the others are still there
    assert "settings changed by --set" in (tmp_path / "table1.md").read_text()


def test_a_trial_that_diverges_is_named(tmp_path):
    wild = ["training.optimizer=sgd", "training.learning_rate=1000", "training.epochs=3"]
    with pytest.raises(TrainingError, match=r"Centric QLSTM \(3 qubits\), seed 0: epoch"):
        make("table1", tmp_path, overrides=wild)


def test_shares_and_ranks_give_the_same_trials(tmp_path, hpc_qlstm_run):
    make("table2", tmp_path / "one")
    assert make("table2", tmp_path / "shares", share=(1, 3)) == []
    assert make("table2", tmp_path / "shares", share=(0, 3)) == []
    assert len(make("table2", tmp_path / "shares", share=(2, 3))) == 2
    settings = [word for each in SHORT for word in ("--set", each)]
    done = hpc_qlstm_run(
        "reproduce", "table2", "--seeds", "2", "--output", tmp_path / "ranks", *settings, ranks=3
    )
    assert done.returncode == 0, done.stderr
    assert f"wrote {tmp_path / 'ranks' / 'table2.md'}" in done.stdout

    def cells(name):
        found = {}
        for path in (tmp_path / name / "cells" / "table2").iterdir():
            found[path.name] = json.loads(path.read_text())
            del found[path.name]["seconds"]
        return found

    assert cells("one") == cells("shares") == cells("ranks")


def test_a_signal_stops_it_and_the_same_command_goes_on(tmp_path):
    words = ("reproduce", "table1", "--seeds", "3", "--set", "training.epochs=40")
    words = (*launch.HPC_QLSTM, *words)
    cells = tmp_path / "results" / "cells" / "table1"
    with launch.start(*words, ranks=2, cwd=tmp_path) as process:
        deadline = time.monotonic() + 60
        while not (cells.is_dir() and len(list(cells.glob("*.json"))) >= 2):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGUSR1)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 75, out
    assert "Traceback" not in errors
    assert "stopped by a signal; the same command goes on" in out
    done = len(list(cells.glob("*.json")))
    assert 2 <= done < 21
    again = launch.mpirun(2, *words, "--part", "0/21", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert f"21 cells, {done} of them stored" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["table1", "--part", "3/3"], "--part '3/3': allowed: K/N with K from 0 to N - 1"),
        (["table1", "--part", "x"], "--part 'x': allowed"),
        (["table1", "--set", "model.depht=1"], "model.depht"),
        (
            ["table1", "--set", "partition.count=5"],
            "QLSTM (3 qubits): partition.count is 5",
        ),
        (["table1", "--set", "data.window=1000"], "rows are too few"),
        (["table3"], "table3"),
    ],
)
def test_mistakes(hpc_qlstm_run, tmp_path, arguments, words):
    done = hpc_qlstm_run("reproduce", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        make("table1", tmp_path / "new")


def test_settling_epoch():
    assert settling_epoch([1.0, 0.5, 0.04, 0.2, 0.04, 0.0]) == 5
    assert settling_epoch([1.0, 0.0]) == 2
    assert settling_epoch([0.3, 0.3, 0.3]) == 1
    assert settling_epoch([0.1, 0.5, 1.0]) == 3  # it may rise as well


def test_the_first_authors_runs():
    """The published 6.01e-4 and 1.324e-3, to their last digit."""
    assert reference_error("damped pendulum") == pytest.approx(6.0126e-4, rel=1e-4)
    assert reference_error("Bessel J2") == pytest.approx(1.32405e-3, rel=1e-4)


def test_rows_of_the_tables():
    rows = table_rows("table1", ())
    assert [row.config.model.hidden_size for row in rows] == [2, 3, 4, 5, 6, 6, 5]
    assert {row.config.training.epochs for row in rows} == {100}
    assert rows[-1].config.model.gates == "linear"
    assert len({trial.name for trial in trials_of("t", rows, 10)}) == 70


def test_rows_of_the_selection_see_no_test_part():
    rows = selection.selection_rows(())
    assert all(row.config.data.validation_fraction == 0.2 for row in rows)
    assert len({trial.name for trial in trials_of("s", rows, 3)}) == 3 * len(rows)
    # What was chosen is among what was tried, for the classical LSTM too.
    for task in (*literature.TASKS, "table1", "table2"):
        table = task.startswith("table")
        mine = table_rows(task, ())[-1] if table else None
        if mine is None:
            (mine,) = [
                row
                for row in literature.literature_rows(())
                if row.name == f"{task}: classical LSTM, training part"
            ]
        name = "table1" if task == "damped pendulum" else task  # the same series
        tried = [r.config.training for r in rows if r.name.startswith(f"{name}|classical|")]
        assert mine.config.training in tried, task
    for task in literature.TASKS:
        own = literature.TASKS[task]
        chosen = configured((), literature.BASE, own.get("chosen", {}), own["series"])
        tried = [row.config for row in rows if row.name.startswith(f"{task}|")]
        assert any(
            (c.model, c.partition, c.training) == (chosen.model, chosen.partition, chosen.training)
            for c in tried
        ), task


@pytest.mark.parametrize("target", ["literature", "concentration", "partitions", "selection"])
def test_the_other_studies_in_short(tmp_path, monkeypatch, target):
    """All rows of a few kinds, one epoch: every file is written."""
    monkeypatch.setattr(concentration, "QUBITS", (2, 3))
    monkeypatch.setattr(concentration, "DEPTHS", (1, 2))
    monkeypatch.setattr(partitions, "HIDDEN", (3,))
    monkeypatch.setattr(partitions, "COUNTS", (2,))
    fewer = {name: tried[:2] for name, tried in selection.TRIED["tried"].items()}
    monkeypatch.setitem(selection.TRIED, "tried", fewer)
    short = ["training.epochs=1", "training.batch_size=500"]
    files = make(target, tmp_path, seeds=1, overrides=short)
    assert {path.suffix for path in files} >= {".json", ".md"}
    assert all(path.stat().st_size > 500 for path in files)
    text = (tmp_path / f"{target}.md").read_text()
    assert "the command" in text
    if target == "literature":
        assert "classical LSTM" in text
        assert "6.0126e-04" in text
        assert "1.3241e-03" in text


def test_what_fails_and_what_is_warned_of():
    rows = {row.name: row for row in partitions.partition_rows(())}
    assert len(rows) == 2 * (3 + (2 + 3 + 3) * 6)

    def case(name):
        return Case(rows[f"Bessel J2, {name}"])

    cut = case("hidden 5, M = 3, contiguous")
    assert (cut.task, cut.strategy, cut.hidden, cut.count) == ("Bessel J2", "contiguous", 5, 3)
    assert (cut.reached, cut.warned, cut.qubits) == (1, True, 6)
    mixed = case("hidden 5, M = 3, contiguous, mixed")
    assert (mixed.strategy, mixed.reached, mixed.warned) == ("contiguous, mixed", 5, False)
    # Every unit sees the input, and none another.
    alone = case("hidden 3, M = 3, broadcast_input")
    assert (alone.reached, alone.warned) == (3, True)
    assert not case("hidden 5, M = 1, centric").warned

    # A quarter of the 3.6e-3 of predicting the last value of Bessel J2 again.
    results = [{"test_mse": error} for error in (1e-4, 8.9e-4, 9.1e-4)]
    some = [cut, mixed, alone]
    found = summaries([rows[c.name] for c in some], results)
    assert [c.fails(found[c.name]) for c in some] == [False, False, True]
    assert found[cut.name].std("test_mse") == 0.0


def test_what_is_known_before_training_follows_the_overrides():
    rows = partitions.partition_rows(["model.mix=true"])
    (row,) = [r for r in rows if r.name == "damped pendulum, hidden 5, M = 3, contiguous"]
    assert (Case(row).reached, Case(row).warned) == (5, False)
