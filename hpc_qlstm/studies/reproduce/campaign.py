"""Stored results for the scaling study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def stored(folder: Path, cell: Any) -> dict[str, Any] | None:
    """A cell's stored result; None where there is none of this configuration."""
    try:
        result = json.loads((folder / f"{cell.name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    right = isinstance(result, dict) and result.get("digest") == cell.digest
    return result if right else None
