"""`hpc-qlstm scaling` measures: what is stored, on ranks, and when it is stopped or bits differ."""

from __future__ import annotations

import csv
import json
import shlex
import signal
import time

import launch
import numpy as np
import pytest
from builders import small_config

from hpc_qlstm import load_config
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.studies.runner import Job
from hpc_qlstm.studies.scaling.measure import measure
from hpc_qlstm.studies.scaling.plan import plan_points, plan_trials
from hpc_qlstm.studies.scaling.study import Wanted, scaling

TINY = {
    "partition": {"count": 2},
    "data": {"options": {"points": 24}, "window": 2},
    "training": {"batch_size": 6},
}


SHORT = ("--repeats", "2", "--epochs", "2", "--steps", "3", "--no-model")


def test_what_is_stored_is_not_measured_again(tmp_path):
    config, lines = load_config(small_config(**TINY)), []

    def run(share=(0, 1), steps=2):
        wanted = Wanted("strong", repeats=3, epochs=2, steps=steps, model=False)
        job = Job(tmp_path, SerialCommunicator(), share, "the command", lines.append)
        return scaling(wanted, config, job)

    assert run((1, 2)).files == []
    assert lines[0].endswith("1 to measure")
    assert lines[-1] == "other parts are not done yet"
    outcome = run((0, 2))
    names = [f"scaling-strong.{ending}" for ending in ("csv", "json", "md", "png")]
    assert [path.name for path in outcome.files] == names
    assert outcome.differing == []
    cells = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
    assert len(cells) == 3
    next(iter(cells)).write_text("{")
    run()
    changed = [path for path, when in cells.items() if path.stat().st_mtime_ns != when]
    assert changed == [next(iter(cells))]
    for damage in ({"slowest": None}, {"step_seconds": {"median": 0.0}}, {"losses": {}}):
        damaged = next(iter(cells))
        damaged.write_text(json.dumps(json.loads(damaged.read_text()) | damage))
        run()
        assert lines[-1].startswith("1/1: ")
    run(steps=3)
    assert len(list((tmp_path / "cells").iterdir())) == 6
    assert "the command" in (tmp_path / "scaling-strong.md").read_text()
    content = json.loads((tmp_path / "scaling-strong.json").read_text())
    assert [cell["repeat"] for cell in content["cells"]] == [0, 1, 2]
    assert content["cells"][0]["step_seconds"]["count"] == 3
    assert len(content["cells"][0]["losses"]["batches"]) == 2  # the last one ends the epoch
    assert content["machines"][0]["mpi"] == "none"
    assert (tmp_path / "scaling-strong.png").read_bytes().startswith(b"\x89PNG")


def test_on_ranks_and_a_bit_that_is_wrong(hpc_qlstm_run, write_config, tmp_path):
    config = write_config(**TINY)
    words = ("scaling", "strong", config, "--output", tmp_path / "out", *SHORT,
             "--cell-update", "root,replicated")  # fmt: skip
    done = hpc_qlstm_run(*words, ranks=2)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "out" / "scaling-strong.json").read_text())
    assert shlex.split(content["command"]) == [
        "mpirun", "-n", "2", "hpc-qlstm", "scaling", "strong", str(config),
        "--output", str(tmp_path / "out"), *SHORT, "--vary", "parallel.cell_update=root,replicated",
    ]  # fmt: skip
    assert [(row["ranks"], row["grid"]) for row in content["rows"]] == 2 * [
        (1, [1, 1]),
        (2, [1, 2]),
    ]
    assert "bits identical" in content["bits"]
    assert len(content["cells"]) == 8
    one, two = (row["shares"] for row in content["rows"][:2])
    assert one["communication"] == one["waiting"] == 0
    assert two["communication"] > 0

    cell = next((tmp_path / "out" / "cells").glob("P2-repeat1-*.json"))
    stored = json.loads(cell.read_text())
    wrong = float.fromhex(stored["losses"]["train"][1])
    stored["losses"]["train"][1] = np.nextafter(wrong, 1.0).item().hex()
    cell.write_text(json.dumps(stored))
    done = hpc_qlstm_run(*words, ranks=2)
    assert done.returncode == 1, done.stdout
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert f"{stored['title']}: the training loss of epoch 2" in error
    assert "DIFFER" in (tmp_path / "out" / "scaling-strong.md").read_text()


def test_a_growing_model_is_compared_with_a_few_batches_on_one_rank():
    config = load_config(small_config(**TINY))
    points, _ = plan_points("weak-partitions", config, [4], (), 1, asked=True)
    cells = plan_trials(points, 1, 2, 6)
    full, reference = (measure(cell, SerialCommunicator()) for cell in cells)
    losses = reference["losses"]
    assert losses["batches"] == full["losses"]["batches"][:3]
    assert len(set(losses["batches"])) == 3
    assert (losses["train"], reference["step_seconds"], reference["slowest"]) == ([], {}, {})
    assert full["step_seconds"]["count"] == 6
    assert full["partitions"] == 4


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_growing_model_by_the_command(hpc_qlstm_run, write_config, tmp_path, ranks):
    config = write_config(**TINY)
    done = hpc_qlstm_run(
        "scaling", "weak-partitions", config, "--output", "out", *SHORT, ranks=ranks
    )
    assert done.returncode == 0, done.stderr
    found = list(csv.DictReader((tmp_path / "out" / "scaling-weak-partitions.csv").open()))
    assert [(row["P"], row["M"], row["q"]) for row in found] == [
        ("1", "1", "3"), ("2", "2", "3")
    ][:ranks or 1]  # fmt: skip
    assert {row["bits"] for row in found} == {"identical"}
    assert ("P = 1, to compare with P = 2" in done.stdout) == (ranks == 2)


def test_trouble_on_the_measured_ranks_reaches_those_that_sleep(
    hpc_qlstm_run, write_config, tmp_path
):
    wild = {"optimizer": "sgd", "learning_rate": 1000.0, "clip_norm": 0.0}
    config = write_config(**{**TINY, "training": {"batch_size": 6, **wild}})
    done = hpc_qlstm_run(
        "scaling", "strong", config, "--output", "out", "--ranks", "1", "--no-model", ranks=2
    )
    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert error.startswith("error: P = 1, repeat 0: epoch ")


def test_a_signal_stops_it_and_the_same_command_goes_on(write_config, tmp_path):
    config = write_config(**TINY)
    words = ("scaling", "strong", config, "--output", "out", "--repeats", 2, "--epochs", 2,
             "--steps", 4000, "--no-model")  # fmt: skip
    cells = tmp_path / "out" / "cells"
    with launch.start(*launch.HPC_QLSTM, *words, ranks=2, cwd=tmp_path) as process:
        deadline = time.monotonic() + 60
        while not (cells.is_dir() and list(cells.glob("*.json"))):
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGUSR1)
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    assert "Traceback" not in errors
    assert "stopped by a signal; the same command goes on" in out
    assert 0 < len(list(cells.glob("*.json"))) < 4
