"""`hpc-qlstm resources` predicts exactly the circuits that metrics.jsonl counts."""

from __future__ import annotations

import json

import pytest

import hpc_qlstm
from hpc_qlstm import load_config
from hpc_qlstm.analysis.resources import resources

ENGINES = {
    "native": {"name": "native"},
    "reference": {"name": "reference"},
    "aer": {"name": "aer"},
    "aer-noise": {"name": "aer", "shots": 20, "noise": {"depolarizing": 0.01, "readout": 0.02}},
    "statevector": {"name": "primitive"},
    "mixed": {
        "name": "aer",
        "shots": 10,
        "backends": [
            {"mitigation": {"zne": "linear", "scales": [1, 3, 5]}, "noise": {"depolarizing": 0.01}},
            {"mitigation": {"readout": True}, "noise": {"readout": 0.1}},
        ],
    },
}
CASES = [
    (name, gradient)
    for name in ENGINES
    for gradient in ("adjoint", "parameter_shift", "spsa")
    if gradient != "adjoint" or name in ("native", "reference")
]


@pytest.fixture
def build(write_config):
    def config(name, gradient, **sections):
        engine = {**ENGINES[name], "gradient": gradient, "spsa_average": 3, "threads": 1}
        return load_config(
            write_config(
                model={"hidden_size": 3, "depth": 1},
                partition={"strategy": "contiguous", "count": 2},
                data={"options": {"points": 19}, "window": 2},
                training={"epochs": 2, "batch_size": 5},
                engine=engine,
                **sections,
            )
        )

    return config


@pytest.mark.parametrize(("name", "gradient"), CASES)
def test_counts_are_as_predicted(build, name, gradient):
    if name == "mixed":
        pytest.importorskip("mitiq")
    config = build(name, gradient)
    predicted = resources(config)
    assert predicted.configured == gradient
    first, second = (r["circuits"] for r in hpc_qlstm.train(config, quiet=True).history)
    assert first["training"] == second["training"] == predicted.training
    assert first["evaluation"] == second["evaluation"] == predicted.evaluation
    assert first["calibration"] == predicted.calibration == (2 if name == "mixed" else 0)
    assert second["calibration"] == 0


@pytest.mark.parametrize("ranks", [2, 4])
def test_counts_do_not_depend_on_ranks(build, hpc_qlstm_run, write_config, tmp_path, ranks):
    predicted = resources(build("native", "spsa"))
    done = hpc_qlstm_run("train", tmp_path / "config.toml", ranks=ranks)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    for line in lines:
        counted = json.loads(line)["circuits"]
        assert counted["training"] == predicted.training
        assert counted["evaluation"] == predicted.evaluation


def test_by_hand(build):
    """12 training and 5 test windows of 2 steps; partitions of 2 qubits: 4 + 6 angles each."""
    found = resources(build("native", "auto"))
    assert [p.angles for p in found.partitions] == [10, 10]
    assert [p.qubits for p in found.partitions] == [2, 2]
    assert [p.weights for p in found.partitions] == [24, 24]
    circuits = 2 * 4 * 2  # steps, gates, partitions
    by_method = {d.gradient: d for d in found.demands}
    windows = found.evaluation // circuits
    training = by_method["adjoint"].training // circuits // 2
    assert training + windows == 17
    assert by_method["adjoint"].step == 5 * circuits * 2
    assert by_method["parameter_shift"].step == 5 * circuits * (1 + 2 * 10)
    assert by_method["spsa"].step == 5 * circuits * (1 + 2 * 3)
    assert by_method["parameter_shift"].training == training * circuits * 21


@pytest.mark.parametrize("ranks", [None, 2])
def test_command(build, hpc_qlstm_run, tmp_path, ranks):
    build("native", "auto")
    done = hpc_qlstm_run("resources", tmp_path / "config.toml", ranks=ranks)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["partition", "qubits", "features"]
    assert any(line.startswith("adjoint") and line.endswith("configured") for line in lines)
    refused = hpc_qlstm_run("resources", tmp_path / "config.toml", "--set", "model.depth=0")
    assert refused.returncode == 2


def test_it_refuses_what_train_refuses(build, hpc_qlstm_run, tmp_path):
    from hpc_qlstm.errors import InputError

    with pytest.raises(InputError, match="'adjoint', which aer has not"):
        resources(build("aer", "adjoint"))
    done = hpc_qlstm_run(
        "resources", tmp_path / "config.toml", "--set", "engine.gradient=auto",
        "--set", "engine.backends=[{shots=1},{shots=2},{shots=3}]",
    )  # fmt: skip
    assert done.returncode == 2
    assert "engine.backends has 3 entries" in done.stderr
