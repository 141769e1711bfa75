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
from hpc_qlstm.studies.reproduce.cells import dataset
from hpc_qlstm.studies.reproduce.paper import BASE
from hpc_qlstm.studies.reproduce.study import Row, Settings, Summary, configured

FAILS = 0.25

STUDIED: dict[str, Settings] = {
    "damped pendulum": {"data": {"task": "damped_pendulum", "window": 4}},
    "Bessel J2": {"data": {"task": "bessel_j2", "window": 4}},
}
HIDDEN = (3, 5, 7)
COUNTS = (2, 3, 4)
STRATEGIES = ("contiguous", "strided", "broadcast_input", "overlap", "random")
CENTRIC, MIXED = "centric", "contiguous, mixed"
"""The paper's partition with `model.mix`: the repair that keeps the blocks."""


@dataclass(frozen=True)
class Case:
    """A row of the study with what is known of it before training.

    reached: hidden units that see the input within the window; warned: whether training warns that
    the model is cut off; qubits: in total.
    """

    task: str
    hidden: int
    count: int
    strategy: str
    reached: int
    warned: bool
    qubits: int
    row: Row


def partition_rows(overrides: Sequence[str]) -> list[Row]:
    """The rows of all cases, task by task, the centric models first. Raises InputError."""
    rows = []
    for task in STUDIED:
        rows += [_row(task, hidden, 1, CENTRIC, overrides) for hidden in HIDDEN]
        for hidden in HIDDEN:
            for count in (count for count in COUNTS if count <= hidden):
                for strategy in (*STRATEGIES, MIXED):
                    rows.append(_row(task, hidden, count, strategy, overrides))
    return rows


def _row(task: str, hidden: int, count: int, strategy: str, overrides: Sequence[str]) -> Row:
    split: Settings = {
        "model": {"hidden_size": hidden, "mix": strategy == MIXED},
        "partition": {
            "strategy": strategy if strategy in STRATEGIES else "contiguous",
            "count": count,
        },
    }
    config = configured(overrides, BASE, STUDIED[task], split)
    return Row(f"{task}, hidden {hidden}, M = {count}, {strategy}", config)


def case_of(row: Row) -> Case:
    """What is known of a row before training, from its own settings."""
    config = row.config
    task, _, _, strategy = row.name.split(", ", 3)
    table = partition_table(config, dataset(config))
    reached = table.steps.min(axis=1)
    within = int(np.count_nonzero((reached != NEVER) & (reached <= config.data.window)))
    return Case(
        task,
        config.model.hidden_size,
        len(table.partitions),
        strategy,
        within,
        any("cut off" in warning for warning in table.warnings),
        sum(part.qubits for part in table.partitions),
        row,
    )


def failing(cases: Sequence[Case], found: Sequence[Summary]) -> list[bool]:
    """Whether each case fails, see FAILS."""
    return [
        summary.mean("test_mse") > FAILS * last_value_error(case)
        for case, summary in zip(cases, found, strict=True)
    ]


def last_value_error(case: Case) -> float:
    """The test error of predicting the last value again."""
    return baselines(dataset(case.row.config))["last_value"]["mse"]
