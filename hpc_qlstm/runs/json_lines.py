"""The lines of metrics.jsonl and jobs.jsonl."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

Record = dict[str, Any]
"""One epoch: epoch, train_loss, test_loss, test_r2, learning_rate, circuits, diagnostics, messages,
seconds, ranks."""


class JsonLines:
    """A file of JSON lines; a line that the file system refuses waits for the next call. Local."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.waiting: list[Record] = []
        self._torn_at: int | None = None

    def write(self) -> None:
        """Write the lines that wait, after taking a torn one back. Raises OSError."""
        if self._torn_at is not None:
            with contextlib.suppress(FileNotFoundError):
                os.truncate(self.path, self._torn_at)
            self._torn_at = None
        while self.waiting:
            end = self.path.stat().st_size if self.path.exists() else 0
            try:
                append_record(self.path, self.waiting[0])
            except OSError:
                self._torn_at = end if self.path.exists() else None
                raise
            del self.waiting[0]


def append_record(path: Path, record: Record) -> None:
    """Add one line to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
