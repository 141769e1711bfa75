"""The literature's five columns: test errors after 100 epochs beside the published ones.

Chen, arXiv 2508.14955 and 2505.09653: windows of 4, 67 % of them for training, scaling to [-1, 1]
fitted on the whole series. The same with scaling fitted on the training part stands beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hpc_qlstm.studies.reproduce.paper import classical_row
from hpc_qlstm.studies.reproduce.rows import Row, Settings, configured, merged, shipped

_SHIPPED = shipped("literature")
TASKS: Mapping[str, Mapping[str, Any]] = _SHIPPED["tasks"]
TEXT: Mapping[str, str] = _SHIPPED["text"]
"""What the report says; numbers are put in by name."""
BASE: Settings = _SHIPPED["base"]
REFERENCE: Settings = _SHIPPED["reference"]
"""The first author's public code of 2024: one partition of 6 qubits."""

DISTRIBUTED, CLASSICAL, REFERENCE_ROW = (
    "distributed QLSTM", "classical LSTM", "first author's QLSTM",
)  # fmt: skip
SCALINGS = {"whole series": "all", "training part": "train"}


def literature_rows(overrides: Sequence[str]) -> list[Row]:
    """The models of every column: with each scaling the distributed QLSTM and the classical LSTM;
    the first author's QLSTM with seeds of this package. Raises InputError."""
    rows = []
    for task, own in TASKS.items():
        series, chosen = own["series"], own.get("chosen", {})
        training = merged(BASE, chosen, own.get("classical", {}))["training"]
        for scaling, fitted in SCALINGS.items():
            data: Settings = {"data": {"fit_scaler_on": fitted}}
            config = configured(overrides, BASE, chosen, series, data)
            rows.append(Row(f"{task}: {DISTRIBUTED}, {scaling}", config))
            name = f"{task}: {CLASSICAL}, {scaling}"
            rows.append(classical_row(config, overrides, training, name))
        data = {"data": {"fit_scaler_on": "all"}}
        rows.append(Row(f"{task}: {REFERENCE_ROW}", configured(overrides, REFERENCE, series, data)))
    return rows
