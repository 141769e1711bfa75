"""The lines of metrics.jsonl and jobs.jsonl."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Record = dict[str, Any]
"""One epoch: epoch, train_loss, test_loss, test_r2, learning_rate, circuits, diagnostics, messages,
seconds, ranks."""


def append_record(path: Path, record: Mapping[str, Any]) -> bool:
    """Add one line to a metrics.jsonl or jobs.jsonl; whether it is the first one there."""
    with path.open("a", encoding="utf-8") as file:
        first = file.tell() == 0
        file.write(json.dumps(record) + "\n")
    return first
