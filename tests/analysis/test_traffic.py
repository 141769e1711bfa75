"""`hpc-qlstm resources` predicts exactly the messages that metrics.jsonl counts."""

from __future__ import annotations

import json

import pytest

from hpc_qlstm import load_config
from hpc_qlstm.analysis.resources import equation_rows, resources
from hpc_qlstm.analysis.traffic import run_traffic
from hpc_qlstm.build.sources import build_dataset
from hpc_qlstm.errors import InputError


@pytest.mark.parametrize("cell_update", ["root", "replicated"])
@pytest.mark.parametrize(
    ("count", "ranks", "sequence", "extra", "parallel"),
    [
        (1, 1, False, 0, {}),
        (3, 2, False, 0, {"overlap": "on"}),
        (2, 4, True, 0, {}),
        (1, 3, False, 0, {"overlap": "on"}),
        (3, 4, False, 0, {"replicas": 2, "collectives": "persistent"}),
        (3, 2, True, 2, {}),
    ],
)
def test_messages_are_as_predicted(
    hpc_qlstm_run, write_config, tmp_path, count, ranks, sequence, extra, parallel, cell_update
):
    path = write_config(
        model={
            "hidden_size": 4,
            "depth": 1,
            "sequence": sequence,
            "extra_vqcs": extra,
            "mix": bool(extra),
        },
        partition={"strategy": "contiguous", "count": count},
        data={"options": {"points": 33}, "window": 3},
        training={"epochs": 2, "batch_size": 7},
        parallel={"cell_update": cell_update, **parallel},
    )
    done = hpc_qlstm_run("train", path, ranks=ranks)
    assert done.returncode == 0, done.stderr
    config = load_config(path)
    predicted = run_traffic(config, build_dataset(config), ranks).epoch
    for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines():
        assert json.loads(line)["messages"] == {
            "collectives": predicted.collectives, "bytes": predicted.bytes,
        }  # fmt: skip
    assert (predicted.bytes > 0) == (ranks > 1)


def test_the_command(hpc_qlstm_run, write_config):
    path = write_config(partition={"strategy": "broadcast_input", "count": 2})
    done = hpc_qlstm_run("resources", path, "--ranks", "2")
    assert done.returncode == 0, done.stderr
    words = [line.split() for line in done.stdout.splitlines()]
    assert ["messages", "on", "2", "rank(s)", "collectives", "bytes"] in words
    refused = hpc_qlstm_run("resources", path, "--ranks", "3")
    assert refused.returncode == 2
    assert "3 ranks do not fit 2 partitions" in refused.stderr


def test_the_papers_equations(write_config):
    config = load_config(write_config(partition={"strategy": "broadcast_input", "count": 2}))
    rows = dict(equation_rows(resources(config)))
    sizes = rows.pop("D = d_h + d_x (eq. 9)")
    assert sizes == "4 + 1 = 5 in M = 2 parts of 3 each (their sum is 6: parts overlap)"
    assert rows == {
        "P_VQC (eq. 10)": "9 each",
        "P_gates = 4 sum P_VQC (eq. 11)": "72",
        "P_total (eq. 12, N_extra = 0)": "72, with the linear readout 77",
        "qubits": "6 in total, at most 3 on one of 2 processors",
        "memory of the largest state": "128 bytes",
    }
    with pytest.raises(InputError, match="3 ranks"):
        run_traffic(config, build_dataset(config), 3)
