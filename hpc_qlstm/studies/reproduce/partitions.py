"""The partition study: strategy x M x hidden size x task, and what repairs a partition that fails.

What reachability (`hpc_qlstm.partition`) says before training is compared with what training gives.
A row fails where its mean test error is more than FAILS times that of predicting the last value
again: it has learned little beyond its newest input. The models are those of Table I: the paper's
cell, without trainable scales or re-uploading.
"""

from __future__ import annotations

from collections.abc import Sequence

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


class Case:
    """A row of the study with what is known of it before training, from its own settings.

    reached: hidden units that see the input within the window; warned: whether training warns that
    the model is cut off; qubits: in total; last_value: the test error of predicting the last value
    again.
    """

    def __init__(self, row: Row) -> None:
        config, data = row.config, dataset(row.config)
        table = partition_table(config, data)
        steps = table.steps.min(axis=1)
        self.name = row.name
        self.task, _, _, self.strategy = row.name.split(", ", 3)
        self.hidden, self.count = config.model.hidden_size, len(table.partitions)
        self.reached = int(np.count_nonzero((steps != NEVER) & (steps <= config.data.window)))
        self.warned = any("cut off" in warning for warning in table.warnings)
        self.qubits = sum(part.qubits for part in table.partitions)
        self.last_value = baselines(data)["last_value"]["mse"]

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
