"""Files of machines and of interconnects: read, written and refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from machines import config, invented

from hpc_qlstm.errors import InputError
from hpc_qlstm.studies.scaling.interconnect import (
    Interconnect,
    known_interconnects,
    load_interconnect,
)
from hpc_qlstm.studies.scaling.machine import (
    REST,
    Curve,
    LoadCosts,
    Machine,
    load_machine,
    machine_text,
    median_of,
)


def test_interconnects():
    slow = Interconnect(name="a", source="b", latency=1.0, bandwidth=10.0, ranks_per_node=4)
    assert slow.allgather(4, 100) == slow.bcast(4, 100) == 0  # one node
    assert slow.allgather(8, 100) == 1 + 400 / 10
    assert slow.allgather(64, 0) == 4
    assert slow.bcast(64, 10) == 4 * (1 + 1)
    assert slow.bcast(64, 1e6) == (4 + 15) + 2 * 15 / 16 * 1e5
    for name in known_interconnects():
        given = load_interconnect(name)
        assert 1e-7 < given.latency < 1e-4
        assert 1e8 < given.bandwidth < 1e12
        assert given.source
    assert {"ethernet-tcp", "infiniband-100", "shared-memory"} <= set(known_interconnects())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latency = 1e-6\n", r"bandwidth: .*"),
        ('name="a"\nsource="b"\nlatency=0.0\nbandwidth=1.0\n', "latency: 0.0 given, allowed"),
        ('name="a"\nsource="b"\nlatency=1.0\nbandwidth=1.0\nlanes=2\n', "lanes: unknown key"),
        ("=", "is not valid TOML"),
    ],
)
def test_invalid_interconnect_files_are_refused(tmp_path, text, message):
    path = tmp_path / "net.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"net.toml: .*{message}"):
        load_interconnect(str(path))
    with pytest.raises(InputError, match=r"interconnect 'token-ring': allowed: .*infiniband-100"):
        load_interconnect("token-ring")


def test_medians_are_taken_number_by_number():
    def costs(call, forward):
        curves = {"forward": Curve((1.0, 2.0), forward), "reverse": Curve((1.0,), (call,))}
        return LoadCosts(1, call, {"a circuit": curves}, rest=dict.fromkeys(REST, call))

    middle = median_of([costs(3.0, (1.0, 9.0)), costs(1.0, (2.0, 8.0)), costs(8.0, (9.0, 1.0))])
    assert middle == costs(3.0, (2.0, 8.0))
    machine = Machine("a processor", 64, "an MPI library", (middle,), threads=3)
    other = replace(machine, cores=2, busy=(costs(5.0, (4.0, 6.0)),))
    assert median_of([machine, other]) == replace(machine, busy=(costs(4.0, (3.0, 7.0)),))


def test_machines_are_written_and_read(tmp_path):
    machine = invented(config())
    path = tmp_path / "machine.json"
    path.write_text(machine_text(machine))
    assert load_machine(path) == machine


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("cores"), "is no machine as scaling writes it"),
        (lambda m: m.update(format=0), "is no machine as this version's scaling writes it"),
        (lambda m: m.update(busy=[]), r"is no machine .*no measurement in it"),
        (lambda m: m.update(cores=0), r"is no machine .*cores: .*greater than or equal to 1"),
        (lambda m: m.update(cores=-2), "is no machine"),
        (lambda m: m.update(cores=float("inf")), "is no machine"),
        (lambda m: m["busy"][0].update(ranks=10**400), "is no machine"),
        (lambda m: m["busy"][0]["rest"].update(cell=-1.0), "is no machine"),
        (lambda m: m["busy"][0].update(call=float("nan")), "is no machine"),
        (lambda m: m["busy"][0].update(bcast=m["busy"][1]["bcast"]), r"is no machine .*messages"),
        (lambda m: m["busy"][1].update(allgather=None), r"is no machine .*messages"),
        (lambda m: m["busy"].reverse(), r"is no machine .*do not ascend"),
        (lambda m: m["busy"][1]["bcast"].update(sizes=[1, 1]), r"is no machine .*do not ascend"),
        (lambda m: m["busy"][0]["rest"].pop("cell"), "is no machine"),
        (lambda m: m["busy"][1]["allgather"]["sizes"].pop(), "is no machine"),
        (lambda m: m.update(busy=3), "is no machine"),
    ],
)
def test_invalid_machine_files_are_refused(tmp_path, change, message):
    content = json.loads(machine_text(invented(config())))
    change(content)
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"machine.json: {message}"):
        load_machine(path)
    path.write_text("[" * 100_000)
    with pytest.raises(InputError, match="is not JSON"):
        load_machine(path)
    path.write_text("{")
    with pytest.raises(InputError, match="is not JSON"):
        load_machine(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_machine(tmp_path / "missing.json")
