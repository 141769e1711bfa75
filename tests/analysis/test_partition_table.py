"""`hpc-qlstm partition`: what partitions read, make and cost, and when the input reaches whom."""

from __future__ import annotations

import numpy as np
import pytest

from hpc_qlstm import load_config
from hpc_qlstm.analysis.partition_table import partition_table, reach_rows
from hpc_qlstm.partition import NEVER

TWO_COLUMNS = "a,b\n" + "".join(f"{np.sin(0.3 * k)},{np.cos(0.2 * k)}\n" for k in range(30))


def table_of(write_config, strategy, count, hidden_size=4, **sections):
    return partition_table(
        load_config(
            write_config(
                model={"hidden_size": hidden_size, "depth": 2, **sections.pop("model", {})},
                partition={"strategy": strategy, "count": count},
                **sections,
            )
        )
    )


def test_the_contiguous_partition_of_the_paper(write_config):
    """v = [h0 h1 h2 h3 x0] in two blocks: the first sees h0 to h2 alone, and makes h0 and h1."""
    table = table_of(write_config, "contiguous", 2)
    first, second = table.partitions
    assert first.cells()[:5] == ("0", "h0-h2", "h0-h1", "3", "72")
    assert second.cells()[:5] == ("1", "h3, x0", "h2-h3", "2", "48")
    # h2 and h3 see x at once; h0 and h1 read h2, but h1 is outside its light cone at q = 3.
    assert table.steps.tolist() == [[2], [NEVER], [1], [1]]
    assert reach_rows(table) == [("h0", "2"), ("h1", "never"), ("h2-h3", "1")]
    assert "hidden units [1] can never see the input" in table.warnings[0]
    assert sum(row.cost for row in table.partitions) == pytest.approx(1.0)
    assert first.cost > second.cost


def test_units_that_never_see_the_input(write_config):
    table = table_of(write_config, "contiguous", 2, hidden_size=5)
    assert [row.cells()[1:3] for row in table.partitions] == [
        ("h0-h2", "h0-h2"),
        ("h3-h4, x0", "h3-h4"),
    ]
    # The second circuit of rot_ring has three qubits, and its second output sees h4 alone.
    assert table.steps[:, 0].tolist() == [NEVER, NEVER, NEVER, 1, NEVER]
    assert reach_rows(table) == [("h0-h2, h4", "never"), ("h3", "1")]
    assert "hidden units [0, 1, 2, 4] can never see the input" in table.warnings[0]
    brickwork = table_of(
        write_config, "contiguous", 2, hidden_size=5, model={"ansatz": "ry_brickwork"}
    )
    assert reach_rows(brickwork) == [("h0-h2", "never"), ("h3-h4", "1")]


def test_order_and_several_inputs(write_config, tmp_path):
    (tmp_path / "rows.csv").write_text(TWO_COLUMNS)
    data = {"file": str(tmp_path / "rows.csv"), "features": ["a", "b"]}
    table = table_of(write_config, "contiguous", 2, model={"order": "xh"}, data=data)
    assert [row.cells()[1] for row in table.partitions] == ["h0, x0-x1", "h1-h3"]
    assert table.steps.shape == (4, 2)
    table = table_of(write_config, "strided", 3, data=data)
    assert [row.cells()[1] for row in table.partitions] == ["h0, h3", "h1, x0", "h2, x1"]


@pytest.mark.parametrize("ranks", [None, 2])
def test_the_command(hpc_qlstm_run, write_config, tmp_path, ranks):
    config = write_config(
        model={"hidden_size": 5, "depth": 1}, partition={"strategy": "contiguous", "count": 2}
    )
    done = hpc_qlstm_run("partition", config, "--figure", "reach.png", ranks=ranks)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["partition", "reads", "makes", "qubits", "weights", "cost"]
    assert "h0-h2, h4     never" in lines
    assert (
        sum("warning: partition: hidden units [0, 1, 2, 4] can never" in line for line in lines)
        == 1
    )
    assert (tmp_path / "reach.png").stat().st_size > 5000
    for name in ("none/reach.png", "reach.txt"):
        refused = hpc_qlstm_run("partition", config, "--figure", name)
        assert refused.returncode == 2
        assert refused.stderr.count("\n") == 1
        assert name in refused.stderr
