"""Small configurations for tests: runs that train in about a second."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import tomli_w

SMALL: dict[str, dict[str, Any]] = {
    "model": {"hidden_size": 4, "depth": 1},
    "partition": {"strategy": "broadcast_input", "count": 4},
    "data": {"task": "sine", "options": {"points": 40}},
    "training": {"epochs": 3, "learning_rate": 0.05},
    "checkpoint": {"every": 1},
    "output": {"figures": False},
}


def merged(config: dict[str, Any], **sections: dict[str, Any] | None) -> dict[str, Any]:
    """A copy of a configuration with keys of some sections replaced.

    A section given as None is left out. A `file` under `data` takes the place of the task.
    """
    config = copy.deepcopy(config)
    for name, keys in sections.items():
        if keys is None:
            config.pop(name, None)
            continue
        if "file" in keys:
            config[name] = {}
        config.setdefault(name, {}).update(keys)
    return config


def small_config(**sections: dict[str, Any] | None) -> dict[str, Any]:
    """`SMALL` with keys of some sections replaced; see `merged`."""
    return merged(SMALL, **sections)


def tiny_config(run_dir: Path, figures: bool = False, **sections: Any) -> dict[str, Any]:
    """A run that ends at once: two epochs of two batches, 14 training and 8 test windows."""
    config = small_config(
        model={"hidden_size": 2},
        partition=None,
        engine={"name": "reference"},
        data={"options": {"points": 24}, "window": 2},
        training={"epochs": 2, "learning_rate": 0.02},
        output={"run_dir": str(run_dir), "figures": figures},
    )
    return merged(config, **sections)


def write_toml(path: Path, config: dict[str, Any]) -> Path:
    """Write a configuration as a TOML file, and return the file's path."""
    path.write_text(tomli_w.dumps(config), encoding="utf-8")
    return path
