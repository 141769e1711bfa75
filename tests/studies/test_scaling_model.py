"""The model of a step: its arithmetic on a made-up machine, the grids, and the commands."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
from machines import TINY, config, invented

from hpc_qlstm.build.setup import build_plan
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.studies.scaling.calibrate import SETTINGS, measure_machine, rest_config
from hpc_qlstm.studies.scaling.costs import predictable
from hpc_qlstm.studies.scaling.extrapolate import extrapolate
from hpc_qlstm.studies.scaling.grids import ranked_grids, reason
from hpc_qlstm.studies.scaling.interconnect import Interconnect, load_interconnect
from hpc_qlstm.studies.scaling.limits import compare_limits, limit_sentences
from hpc_qlstm.studies.scaling.machine import REST, Curve, load_machine, median_of
from hpc_qlstm.studies.scaling.model import circuit_key, predict_step
from hpc_qlstm.studies.scaling.plan import partitions, powers_of_two

LINE = Curve((0.0, 1000.0), (0.0, 1000.0))


def test_curves_are_straight_between_and_beyond_their_points():
    curve = Curve((1.0, 3.0), (10.0, 30.0))
    assert [curve.at(size) for size in (0, 1, 2, 3, 5)] == [10, 10, 20, 30, 50]
    assert Curve((2.0,), (7.0,)).at(100) == 7
    assert Curve((1.0, 2.0), (5.0, 4.0)).at(9) == 4  # noise does not make larger ones cheaper


@pytest.mark.parametrize("cell_update", ["root", "replicated"])
@pytest.mark.parametrize(("ranks", "replicas"), [(1, None), (2, None), (4, None), (2, 2)])
def test_the_formula(ranks, replicas, cell_update):
    """Written out for two partitions of three qubits, T = 3, B = 8."""
    settings = {"cell_update": cell_update, **({"replicas": replicas} if replicas else {})}
    like = config(parallel=settings)
    rest = {"batch": 3.0, "step": 5.0, "cell": 7.0, "rows": 11.0, "weights": 13.0}
    step = predict_step(like, ranks, invented(like, rest=rest))
    copies = replicas or max(1, ranks // 2)
    row = ranks // copies
    own, samples = 2 // row, 8 // copies
    assert step.grid == (copies, row)
    assert step.compute == pytest.approx(3 * (2 * 0.5 + own * 30 * samples))
    section = 4 * 9  # four gates of one partition: depth 1, three qubits, three angles
    weights = 2 * section + 5
    assert step.rest == pytest.approx(
        3 + 5 * 3 + 7 * 3 * samples * 4 + 11 * samples * own * section + 13 * weights
    )
    messages = 0.0
    if row > 1:
        messages += 3 * 8 * samples * (4 * 2 + 3)
        if cell_update == "root":
            messages += 3 * 0.5 * 8 * samples * (4 + 4 * 4)
    if ranks > 1:
        rows = 1 if copies == 1 else 8 // copies
        gradients = 8 * rows * (4 + own * section + 5)
        # Of four ranks, with two measured: three parts come instead of one, in two rounds.
        messages += gradients * (ranks - 1) + 0.5 * 8 * weights * max(1, np.log2(ranks))
    assert step.communication == pytest.approx(messages)
    assert step.total == pytest.approx(step.compute + step.communication + step.rest)


def test_turns_on_too_few_cores():
    like = config()
    machine = replace(invented(like), cores=1)
    alone, two = (predict_step(like, ranks, machine) for ranks in (1, 2))
    assert two.compute == pytest.approx(alone.compute / 2, rel=0.01)  # measured while taking turns
    machine = replace(machine, busy=machine.busy[:1])
    assert predict_step(like, 2, machine).compute == pytest.approx(alone.compute, rel=0.01)


def test_ranks_that_took_turns_while_they_were_measured():
    """Between nodes there are cores for all: what was measured is divided by the turns."""
    like = config(partition={"count": 4}, model={"hidden_size": 8})
    network = Interconnect(name="a", source="b", latency=1e-9, bandwidth=1e15)
    machine = replace(invented(like, ranks=(1, 4)), cores=2)
    alone, four, sixteen = (predict_step(like, ranks, machine, network) for ranks in (1, 4, 16))
    calls = 3 * 2 * 0.5
    assert four.compute == pytest.approx(((alone.compute - calls) / 4 + calls) / 2)
    assert sixteen.compute < four.compute
    # Without it, four ranks on two cores take as long as was measured with four.
    assert predict_step(like, 4, machine).compute == pytest.approx(2 * four.compute)


def test_messages_where_none_were_measured():
    like = config()
    machine = invented(like, ranks=(1,))
    network = load_interconnect("infiniband-100")
    assert predict_step(like, 2, machine).communication > 0
    inside = predict_step(like, 2, machine, network).communication
    beyond = predict_step(like, 2, machine, network.model_copy(update={"ranks_per_node": 1}))
    assert 0 < inside < beyond.communication


def test_threads_that_are_left_open_are_those_that_were_measured():
    two = config(engine={"threads": 2})
    machine = replace(invented(two), threads=2)
    open_ = config(engine={"threads": 0})
    assert predict_step(open_, 2, machine) == predict_step(two, 2, machine)
    with pytest.raises(InputError, match="no times of the circuit"):
        predict_step(config(engine={"threads": 1}), 2, machine)


def test_another_circuit_is_not_predicted():
    machine = invented(config())
    with pytest.raises(InputError, match="no times of the circuit '4q"):
        predict_step(config(model={"hidden_size": 6}), 1, machine)
    with pytest.raises(InputError, match="cells of four VQCs without mixing alone"):
        predict_step(config(model={"extra_vqcs": 2}), 1, machine)
    with pytest.raises(InputError, match="without mixing"):
        predict_step(config(model={"mix": True}), 1, machine)
    assert not predictable(config(model={"mix": True}))
    for other in (
        {"model": {"affine": True}}, {"engine": {"name": "reference"}},
        {"engine": {"precision": "single"}}, {"engine": {"gradient": "parameter_shift"}},
        {"engine": {"threads": 2}},
    ):  # fmt: skip
        with pytest.raises(InputError, match="no times of the circuit"):
            predict_step(config(**other), 1, machine)


def test_the_best_grid_follows_what_costs():
    """Four partitions on four ranks: expensive messages of a step call for replicas, expensive
    gradients for one row, expensive Bcasts for replicated cells."""
    like = config(partition={"count": 4})
    by_latency = ranked_grids(like, 4, invented(like, latency=1e4, gather=0.0))
    assert by_latency[0].step.grid == (4, 1)
    assert [each.step.total for each in by_latency] == sorted(e.step.total for e in by_latency)
    text = reason(by_latency, 2)
    assert text.startswith(
        "best grid: 4 x 1 (replicas x ranks of a group), cell_update root, 2 thr"
    )
    assert "more for messages" in text
    by_weights = ranked_grids(like, 4, invented(like, rest={"rows": 100.0}, gather=1e-3))
    assert by_weights[0].step.grid == (1, 4)
    assert by_weights[0].cell_update == "replicated"
    assert by_weights[0].settings == "parallel.replicas=1 parallel.cell_update=replicated"
    only = ranked_grids(like, 3, invented(like))
    assert {each.step.grid for each in only} == {(1, 3), (3, 1)}
    assert "no other grid" in reason(ranked_grids(config(partition={"count": 1}), 3, invented(
        config(partition={"count": 1}))), 1)  # fmt: skip


def test_extrapolation():
    like = config()
    network = Interconnect(name="n", source="s", latency=0.9, bandwidth=1e9)
    found, notes = extrapolate(
        "strong", like, [1, 2, 3, 4], invented(like, circuit=0.01, gather=0.0), network
    )
    assert [each.ranks for each in found] == [1, 2, 3, 4]
    assert notes == []
    assert found[0].efficiency == 1
    assert found[1].efficiency == pytest.approx(
        found[0].best.step.total / found[1].best.step.total / 2
    )
    half = [each.ranks for each in found if each.communication_share > 0.5]
    assert f"half of the step at P = {half[0]}" in limit_sentences(found, "strong")[0]
    grown, _ = extrapolate("weak-partitions", like, [1, 8], invented(like), network)
    assert grown[1].best.step.grid[1] <= 8
    assert len(limit_sentences(grown, "weak-partitions")) == 1
    only, notes = extrapolate("weak-samples", like, [3, 4], invented(like), network)
    assert [each.ranks for each in only] == [4]
    assert notes == ["P = 3 is left out: a replica is a group of 2 ranks, allowed: multiples of 2"]
    assert powers_of_two(9) == [1, 2, 4, 8]


def test_where_ranks_are_worth_adding():
    """A network that costs nothing: all ranks are; one slower than any circuit: none."""
    like = config(partition={"count": 4})
    free = Interconnect(name="n", source="s", latency=1e-9, bandwidth=1e15)
    machine = invented(like, circuit=1.0, latency=0.0, gather=0.0, rest={"batch": 0.0})
    vary = ["training.batch_size=4,8", "data.window=2,3"]
    rows = compare_limits(like, vary, [1, 2, 4], machine, free)
    assert [(row["B"], row["T"]) for row in rows] == [
        ("4", "2"), ("4", "3"), ("8", "2"), ("8", "3")
    ]  # fmt: skip
    assert {row["worth adding up to P"] for row in rows} == {"4"}
    assert {row["fastest P"] for row in rows} == {"4"}
    assert {row["messages above half from P"] for row in rows} == {"never"}
    slow = free.model_copy(update={"latency": 1e4})
    (row,) = compare_limits(like, ["data.window=2"], [1, 2, 4], machine, slow)
    assert row["variant"] == "window=2"
    assert (row["worth adding up to P"], row["fastest P"]) == ("1", "1")
    assert row["messages above half from P"] == "2"
    with pytest.raises(InputError, match=r"no times of the circuit .* --vary"):
        compare_limits(like, ["model.depth=3"], [1], machine, free)


def test_a_machine_is_measured():
    """Coarse, on a shared machine: everything there, positive, and a step within a factor of 3."""
    like = config(model={"hidden_size": 8}, training={"batch_size": 32})
    machine = measure_machine(SerialCommunicator(), [like], [1], settings=SETTINGS[:3])
    (busy,) = machine.busy
    assert busy.allgather is None
    model = build_plan(like, 1, 1)
    curves = busy.circuits[circuit_key(model.circuits[0], like)]
    assert curves["forward"].sizes[-1] >= 32
    assert all(second > 0 for curve in curves.values() for second in curve.seconds)
    assert curves["reverse"].at(32) > curves["forward"].at(32)
    assert set(busy.rest) == set(REST)
    assert min(busy.rest.values()) >= 0
    again = median_of([machine, machine, machine])
    assert again == machine
    assert partitions(rest_config(SETTINGS[0], like, 2)) == SETTINGS[0][0]
    assert [partitions(rest_config(each, like, 67)) for each in SETTINGS] == [67] * len(SETTINGS)


def test_the_commands(hpc_qlstm_run, write_config, tmp_path):
    """Measured, predicted in the table, extrapolated, and a grid recommended."""
    path = write_config(**TINY)
    run = ("scaling", "strong", path, "--output", "out", "--repeats", "1", "--epochs", "2",
           "--steps", "3")  # fmt: skip
    done = hpc_qlstm_run(*run, ranks=2)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "out" / "scaling-strong.csv").open()))
    assert all(float(row["predicted ms"]) > 0 for row in rows)
    machine = tmp_path / "out" / "machine.json"
    assert [each.ranks for each in load_machine(machine).busy] == [1, 2]
    done = hpc_qlstm_run(
        "extrapolate", path, "--machine", machine, "--ranks", "1,2,4", "--output", "more"
    )
    assert done.returncode == 0, done.stderr
    assert "InfiniBand" in done.stdout
    assert "half of the step" in done.stdout
    text = (tmp_path / "more" / "extrapolated-strong.md").read_text()
    assert text.count("\n| ") == 4
    assert (tmp_path / "more" / "extrapolated-strong.png").read_bytes().startswith(b"\x89PNG")
    done = hpc_qlstm_run(
        "extrapolate", path, "--machine", machine, "--vary", "data.window=3,4", "--output", "more"
    )
    assert done.returncode == 0, done.stderr
    assert "worth adding up to P" in done.stdout
    assert (tmp_path / "more" / "worth-adding.md").read_text().count("\n| ") == 3
    done = hpc_qlstm_run("resources", path, "--ranks", "2", "--machine", machine)
    assert done.returncode == 0, done.stderr
    assert "best grid: " in done.stdout
    assert "to set: parallel.replicas=" in done.stdout
