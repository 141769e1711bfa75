"""What is measured of training: the quality of predictions, and the lines of metrics.jsonl."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpc_qlstm.circuits.circuit import Float

Record = dict[str, Any]
"""One epoch: epoch, train_loss, test_loss, test_r2, learning_rate, circuits, diagnostics, messages,
seconds, ranks."""


def mean_squared_error(prediction: Float, target: Float) -> float:
    """Mean of the squared differences over all values."""
    difference = prediction - target
    return float(np.mean(difference * difference))


def r_squared(prediction: Float, target: Float) -> float:
    """R2 = 1 - residual / total sum of squares; 0 for a constant target, which has no variance."""
    residual = float(np.sum((target - prediction) ** 2))
    total = float(np.sum((target - target.mean(axis=0)) ** 2))
    rounding = 1e-24 * float(np.sum(target**2))
    return 1.0 - residual / total if total > rounding else 0.0


def append_record(path: Path, record: Mapping[str, Any]) -> bool:
    """Add one line to a metrics.jsonl or jobs.jsonl; whether it is the first one there."""
    with path.open("a", encoding="utf-8") as file:
        first = file.tell() == 0
        file.write(json.dumps(record) + "\n")
    return first
