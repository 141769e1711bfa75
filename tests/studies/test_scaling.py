"""`hpc-qlstm scaling` plans and reports: what is measured, in which order, and the table."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from builders import small_config

from hpc_qlstm import load_config
from hpc_qlstm.build.sources import build_dataset
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.studies.runner import Job
from hpc_qlstm.studies.scaling.costs import Costs, stored_machine
from hpc_qlstm.studies.scaling.machine import load_machine
from hpc_qlstm.studies.scaling.measure import full_batches, measure
from hpc_qlstm.studies.scaling.model import predict_step
from hpc_qlstm.studies.scaling.plan import (
    Point,
    StepTrial,
    default_ranks,
    plan_points,
    plan_trials,
    variants,
)
from hpc_qlstm.studies.scaling.report import csv_text, markdown_text, write
from hpc_qlstm.studies.scaling.table import difference_text, make_rows

TINY = {
    "partition": {"count": 2},
    "data": {"options": {"points": 24}, "window": 2},
    "training": {"batch_size": 6},
}


RESULTS = Path(__file__).parents[2] / "docs" / "results" / "scaling"


def points_of(kind, ranks, *vary, asked=True, **sections):
    config = load_config(small_config(**{**TINY, **sections}))
    return plan_points(kind, config, ranks, vary, 1, asked=asked)


@pytest.mark.parametrize(
    ("size", "expected"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_ranks_by_default(size, expected):
    assert default_ranks(size) == expected


def test_variants_are_all_combinations():
    assert list(variants([])) == [[]]
    assert list(variants(["parallel.cell_update=root,replicated", "model.depth=1, 2"])) == [
        ["parallel.cell_update=root", "model.depth=1"],
        ["parallel.cell_update=root", "model.depth=2"],
        ["parallel.cell_update=replicated", "model.depth=1"],
        ["parallel.cell_update=replicated", "model.depth=2"],
    ]


@pytest.mark.parametrize(
    "vary",
    [["depth=1,2"], ["model.depth"], ["model.depth=1,,2"], ["model.depth=1,1"],
     ["model.depth=1", "model.depth=2"]],
)  # fmt: skip
def test_invalid_variations_are_refused(vary):
    with pytest.raises(InputError, match="--vary"):
        list(variants(vary))


def test_strong_is_one_model():
    points, notes = points_of("strong", [1, 2, 4], "parallel.cell_update=root,replicated")
    assert [(p.ranks, p.variant) for p in points] == [
        (p, f"cell_update={name}") for name in ("root", "replicated") for p in (1, 2, 4)
    ]
    assert notes == []
    assert len({StepTrial(point, 0, 2, 3).model for point in points}) == 1
    assert len({StepTrial(point, 0, 2, 3).name for point in points}) == 6
    assert points[0].config.engine.threads == 1


def test_weak_partitions_keeps_the_units_of_a_rank():
    points, _ = points_of("weak-partitions", [1, 3, 8])
    sizes = [(p.config.partition.count, p.config.model.hidden_size) for p in points]
    assert sizes == [(1, 2), (3, 6), (8, 16)]


def test_weak_samples_keeps_the_samples_of_a_replica():
    points, notes = points_of("weak-samples", [1, 2, 3, 8])
    assert [(p.ranks, p.config.training.batch_size) for p in points] == [(2, 6), (8, 24)]
    assert [note.split(" is")[0] for note in notes] == ["P = 1", "P = 3"]


@pytest.mark.parametrize(
    ("kind", "ranks", "sections", "words"),
    [
        ("strong", [3], {}, "--ranks 3: MPI: 3 ranks do not fit 2 partitions"),
        ("weak-samples", [1, 3], {}, "multiples of 2"),
        ("weak-partitions", [2], {"model": {"hidden_size": 5}}, r"model\.hidden_size is 5"),
        ("weak-partitions", [2], {"partition": {"qubits": [4, 4], "count": 2}}, "qubits: lists"),
        ("weak-partitions", [2], {"partition": {"strategy": "explicit", "count": 2,
                                                "inputs": [[0, 1, 2], [3, 4]]}}, "inputs: lists"),
    ],
)  # fmt: skip
def test_what_cannot_grow_is_refused(kind, ranks, sections, words):
    with pytest.raises(InputError, match=words):
        points_of(kind, ranks, **sections)


def test_default_ranks_that_do_not_fit_are_left_out():
    points, notes = points_of("strong", [1, 2, 3], asked=False)
    assert [point.ranks for point in points] == [1, 2]
    assert notes == [
        "P = 3 is left out: MPI: 3 ranks do not fit 2 partitions, allowed: 1 to 2, or a multiple "
        "of 2 (4, 6, 8, ...); or these, with parallel.replicas 3"
    ]


def test_repeats_take_turns_and_growing_models_are_compared_with_one_rank():
    points, _ = points_of("weak-partitions", [1, 2, 4])
    cells = plan_trials(points, 2, 3, 5)
    assert [(c.point.ranks, c.repeat, c.timed) for c in cells] == [
        (1, 0, True), (2, 0, True), (4, 0, True), (1, 1, True), (2, 1, True), (4, 1, True),
        (1, 0, False), (1, 0, False),
    ]  # fmt: skip
    assert [c.epochs for c in cells] == [3] * 6 + [1, 1]
    assert {c.model for c in cells[6:]} == {cells[1].model, cells[2].model}
    points, _ = points_of("strong", [1, 2, 4])
    assert all(cell.timed for cell in plan_trials(points, 2, 3, 5))


def test_what_is_compared_with_replicas_runs_on_one_rank():
    points, _ = points_of("strong", [2], parallel={"replicas": 2})
    (_, alone) = plan_trials(points, 1, 2, 3)
    assert (alone.point.ranks, alone.timed) == (1, False)
    losses = [
        measure(StepTrial(point, 0, 1, 3, timed=False), SerialCommunicator())["losses"]
        for point in (alone.point, points_of("strong", [1])[0][0])
    ]
    assert losses[0] == losses[1]


def test_costs_are_those_of_the_same_circuits_and_ranks(tmp_path):
    like = load_config(small_config(**TINY))
    other = load_config(small_config(**TINY, model={"depth": 2}))
    folders = {
        Costs.of(tmp_path, [Point(config, count) for config in configs for count in ranks]).folder
        for configs, ranks in (
            ([like], [1]),
            ([like], [1, 2]),
            ([other], [1]),
            ([like, other], [1]),
        )
    }
    assert len(folders) == 4
    assert Costs.of(tmp_path, [Point(other, 1), Point(like, 1)]).folder in folders
    (tmp_path / "machine-0-after.json").write_text("{")
    machine, notes = stored_machine(tmp_path)
    assert machine is None
    assert "machine-0-after.json: is not JSON" in notes[0]


def test_batches_are_full():
    data = build_dataset(load_config(small_config(**TINY)))
    assert data.train_x.shape[0] == 14
    full = full_batches(data, 20, 2)
    assert full.train_x.shape == (40, 2, 1)
    assert np.array_equal(full.train_x[14:28], data.train_x)
    assert np.array_equal(full.train_y[36:], data.train_y[8:12])
    assert full.train_time.shape == (40,)
    assert full.test_x.shape == data.test_x.shape
    assert full_batches(data, 3, 2).test_y.shape[0] == full_batches(data, 3, 2).test_x.shape[0] == 3


def result_of(cell, milliseconds, losses=("0x1.8p-3", "0x1.4p-3")):
    replicas = max(1, cell.point.ranks // 2)
    return {
        "grid": [replicas, cell.point.ranks // replicas],
        "partitions": 2,
        "qubits": [3, 4],
        "step_seconds": {"median": milliseconds / 1e3},
        "slowest": {"compute": 3.0, "communication": 1.0, "waiting": 0.0, "rest": 1.0},
        "losses": {
            "batches": list(losses) * 2 if cell.timed else list(losses),
            "train": list(losses) if cell.timed else [],
            "test": list(losses) if cell.timed else [],
        },
    }


def measured_as(kind, times, **given):
    """Points of a study and three repeats of each: so many milliseconds, a tenth less and more."""
    points, _ = points_of(kind, sorted(times), **given)
    cells = plan_trials(points, 3, 2, 5)
    found = [
        (cell, result_of(cell, times.get(cell.point.ranks, 1.0) * (1.0, 0.9, 1.1)[cell.repeat]))
        for cell in cells
    ]
    return points, found


def test_the_table_of_strong_scaling():
    points, found = measured_as("strong", {1: 8.0, 2: 5.0, 4: 4.0})
    rows = make_rows("strong", points, found, lambda config, ranks: 8e-3 / ranks)
    assert [row.speed_up for row in rows] == pytest.approx([1.0, 1.6, 2.0])
    assert [row.efficiency for row in rows] == pytest.approx([1.0, 0.8, 0.5])
    assert list(rows[2].step_seconds.values()) == pytest.approx([4e-3, 3.6e-3, 4.4e-3])
    assert rows[2].shares == {"compute": 0.6, "communication": 0.2, "waiting": 0.0, "rest": 0.2}
    assert all(row.identical for row in rows)
    (_, *table) = csv.reader(csv_text(rows).splitlines())
    assert table[2] == [
        "4", "2 x 2", "2", "3..4", "6", "2", "1", "", "4", "3.6", "4.4", "2.00", "0.50",
        "60.0", "20.0", "0.0", "20.0", "2", "-50.0", "identical",
    ]  # fmt: skip
    # Without a model its columns are empty, and left out of the page.
    rows = make_rows("strong", points, found)
    assert rows[0].cells()["predicted ms"] == ""
    assert "predicted" not in markdown_text(rows)
    assert "variant" not in markdown_text(rows)


def test_the_table_of_weak_scaling():
    points, found = measured_as("weak-samples", {2: 4.0, 4: 5.0, 8: 8.0})
    rows = make_rows("weak-samples", points, found)
    assert [row.efficiency for row in rows] == pytest.approx([1.0, 0.8, 0.5])
    assert [row.speed_up for row in rows] == pytest.approx([2.0, 3.2, 4.0])


def test_one_bit_is_found_and_named():
    points, found = measured_as("strong", {1: 8.0, 2: 5.0})
    _, result = found[3]
    result["losses"]["test"][1] = "0x1.4000000000001p-3"
    assert difference_text(found) == [
        "P = 2, repeat 1: the test loss of epoch 2 (0x1.4000000000001p-3) is not that of "
        "P = 1, repeat 0"
    ]
    assert [row.identical for row in make_rows("strong", points, found)] == [True, False]
    # A model that grows is compared with itself on one rank, as far as that was run.
    points, found = measured_as("weak-partitions", {1: 8.0, 2: 5.0})
    assert difference_text(found) == []
    reference = found[-1][1]
    reference["losses"]["batches"][1] = "0x1.9p-3"
    texts = difference_text(found)
    assert len(texts) == 3
    assert texts[0] == (
        "P = 2, repeat 0: the loss of batch 2 (0x1.4p-3) is not that of "
        "P = 1, to compare with P = 2, repeat 0"
    )
    assert [row.identical for row in make_rows("weak-partitions", points, found)] == [True, False]


@pytest.mark.parametrize(
    "path", sorted(RESULTS.glob("*/scaling-*.json")), ids=lambda p: p.parent.name
)
def test_stored_trials_make_the_stored_files(path, tmp_path):
    """Every trial in docs/results is found by its digest; the files come out byte for byte."""
    stored, machine = json.loads(path.read_text()), load_machine(path.parent / "machine.json")
    _, _, kind, config, *words = shlex.split(stored["command"].partition(" -n 2 ")[2])
    options: dict[str, list[str]] = {}
    for name, value in zip(words[::2], words[1::2], strict=True):
        options.setdefault(name.removeprefix("--"), []).append(value)
    given = load_config(RESULTS.parents[2] / config, options.get("set", ()))
    points, notes = plan_points(kind, given, [1, 2], options.get("vary", ()), 1, asked=True)
    counts = (int(options[name][0]) for name in ("repeats", "epochs", "steps"))
    measured = list(zip(plan_trials(points, *counts), stored["cells"], strict=True))
    assert all(trial.accepts(result) for trial, result in measured)

    in_order = iter(stored["rows"])

    def predict(config, ranks):
        seconds = next(in_order)["predicted_seconds"]
        assert predict_step(config, ranks, machine).total == pytest.approx(seconds, rel=1e-12)
        return seconds

    rows = make_rows(kind, points, measured, predict)
    job = Job(tmp_path, SerialCommunicator(), command=stored["command"])
    outcome = write(kind, rows, measured, notes, job)
    assert outcome.differing == []
    for written in outcome.files[:3]:
        assert written.read_bytes() == (path.parent / written.name).read_bytes()
