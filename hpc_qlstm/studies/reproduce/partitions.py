"""The partition study: strategy x M x hidden size x task, and what repairs a partition that fails.

What reachability (`hpc_qlstm.partition`) says before training is compared with what training gives.
A row fails where its mean test error is more than FAILS times that of predicting the last value
again: it has learned little beyond its newest input. The models are those of Table I: the paper's
cell, without trainable scales or re-uploading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpc_qlstm.analysis.baselines import baselines
from hpc_qlstm.analysis.partition_table import partition_table
from hpc_qlstm.partition import NEVER
from hpc_qlstm.studies.reproduce.paper import BASE
from hpc_qlstm.studies.reproduce.report import Summary
from hpc_qlstm.studies.reproduce.rows import Row, Settings, configured, dataset, shipped

FAILS = 0.25

_SHIPPED = shipped("partitions")
STUDIED: dict[str, Settings] = _SHIPPED["tasks"]
TEXT: dict[str, str] = _SHIPPED["text"]
HIDDEN, COUNTS, STRATEGIES = (_SHIPPED[key] for key in ("hidden", "counts", "strategies"))
CENTRIC, MIXED = "centric", "contiguous, mixed"
"""The paper's partition with `model.mix`: the repair that keeps the blocks."""


@dataclass(frozen=True)
class Case:
    """A row of the study with what is known of it before training.

    reached: hidden units that see the input within the window; warned: whether training warns that
    the model is cut off; qubits: in total; last_value: the test error of predicting the last value
    again.
    """

    name: str
    task: str
    hidden: int
    count: int
    strategy: str
    reached: int
    warned: bool
    qubits: int
    last_value: float

    def fails(self, summary: Summary) -> bool:
        """Whether what was trained fails, see FAILS."""
        return summary.mean() > FAILS * self.last_value


def partition_rows(overrides: Sequence[str]) -> list[Row]:
    """The rows of all cases, task by task, the centric models first. Raises InputError."""
    kinds = [(hidden, 1, CENTRIC) for hidden in HIDDEN]
    kinds += [
        (hidden, count, strategy)
        for hidden in HIDDEN
        for count in COUNTS
        if count <= hidden
        for strategy in (*STRATEGIES, MIXED)
    ]
    return [_row(task, *kind, overrides) for task in STUDIED for kind in kinds]


def _row(task: str, hidden: int, count: int, strategy: str, overrides: Sequence[str]) -> Row:
    used = strategy if strategy in STRATEGIES else "contiguous"
    split: Settings = {
        "model": {"hidden_size": hidden, "mix": strategy == MIXED},
        "partition": {"strategy": used, "count": count},
    }
    config = configured(overrides, BASE, STUDIED[task], split)
    return Row(f"{task}, hidden {hidden}, M = {count}, {strategy}", config)


def case_of(row: Row) -> Case:
    """What is known of a row before training, from its own settings."""
    config, data = row.config, dataset(row.config)
    task, _, _, strategy = row.name.split(", ", 3)
    table = partition_table(config, data)
    reached = table.steps.min(axis=1)
    return Case(
        row.name,
        task,
        config.model.hidden_size,
        len(table.partitions),
        strategy,
        int(np.count_nonzero((reached != NEVER) & (reached <= config.data.window))),
        any("cut off" in warning for warning in table.warnings),
        sum(part.qubits for part in table.partitions),
        baselines(data)["last_value"]["mse"],
    )
