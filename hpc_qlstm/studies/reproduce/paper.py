"""The paper's two tables: centric models of 3 to 6 qubits and the distributed one, with seeds.

Chen, Chen, Liu and Leung, arXiv 2503.14088, Tables I and II. The paper leaves out the hidden size,
the depth, the optimizer's settings, the split and what it calls convergence; `choices` in
settings/paper.toml says what is taken here and why. Settings were chosen on a validation tail of
the training part.
"""

from __future__ import annotations

from collections.abc import Sequence

from hpc_qlstm.build.setup import build_plan
from hpc_qlstm.config import Config
from hpc_qlstm.model.classical import matched_hidden_size
from hpc_qlstm.studies.reproduce.rows import Row, Settings, configured, merged, shipped
from hpc_qlstm.studies.runner import changed

PAPER = shipped("paper")
BASE: Settings = PAPER["base"]
TABLES = ("table1", "table2")


def table_rows(table: str, overrides: Sequence[str]) -> list[Row]:
    """The rows of one of TABLES. Raises InputError for overrides that are none."""
    own = PAPER[table]

    def row(name: str, published: str, settings: Settings) -> Row:
        config = configured(overrides, BASE, own["settings"], settings)
        r2, epoch = own["published"][published]
        return Row(name, config, {"r2": r2, "converged": epoch})

    rows = [
        row(f"Centric QLSTM ({q} qubits)", str(q), {"model": {"hidden_size": q - 1}})
        for q in (3, 4, 5, 6)
    ]
    for strategy in ("contiguous", "broadcast_input"):
        name = f"Distributed QLSTM (M = 2, {strategy.replace('_', ' ')})"
        split = {"strategy": strategy, "count": 2}
        rows.append(row(name, "distributed", {"model": {"hidden_size": 6}, "partition": split}))
    training = merged(BASE, own["settings"], own["classical"])["training"]
    return [*rows, classical_row(rows[-1].config, overrides, training)]


def classical_row(
    like: Config, overrides: Sequence[str], training: Settings, name: str = "Classical LSTM"
) -> Row:
    """The classical LSTM with about as many weights, on the data of `like`; one input and output.

    training: its section, chosen for it as that of the others was for them.
    """
    hidden = matched_hidden_size(build_plan(like, 1, 1).layout.size, 1, 1)
    own = {"training": training, "model": {"gates": "linear"}, "data": like.to_dict()["data"]}
    config = configured(overrides, own)
    return Row(name, changed(config, "model", hidden_size=hidden))
