"""Rows of a study, the models that it compares, and the settings that they are made of. Local."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Any

from hpc_qlstm.build.setup import build_plan
from hpc_qlstm.build.sources import build_dataset
from hpc_qlstm.config import Config
from hpc_qlstm.config_io import load_config
from hpc_qlstm.data import Dataset
from hpc_qlstm.errors import InputError

Settings = Mapping[str, Mapping[str, Any]]
"""Keys of a configuration by section."""


@dataclass(frozen=True)
class Row:
    """A model of a study. published: numbers of the literature to stand beside it, by name."""

    name: str
    config: Config
    published: Mapping[str, float] = field(default_factory=dict)


def shipped(study: str) -> dict[str, Any]:
    """What `settings/STUDY.toml` in this package says."""
    path = files(__package__).joinpath("settings", f"{study}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def merged(*settings: Settings) -> dict[str, dict[str, Any]]:
    """Settings put together, later ones over earlier ones."""
    result: dict[str, dict[str, Any]] = {}
    for each in settings:
        for section, keys in each.items():
            result.setdefault(section, {}).update(keys)
    return result


def configured(overrides: Sequence[str], *settings: Settings) -> Config:
    """A configuration of settings put together; one thread, so that trials share processors.

    Raises InputError for overrides that are none.
    """
    return load_config(merged({"engine": {"threads": 1}}, *settings), overrides)


def dataset(config: Config) -> Dataset:
    """The windows of a configuration, made once for all its seeds. Raises InputError."""
    return _dataset(config.data.model_dump_json(exclude_none=True), config.model.sequence)


@lru_cache(maxsize=64)
def _dataset(data: str, sequence: bool) -> Dataset:
    given = {"data": json.loads(data), "model": {"sequence": sequence}}
    return build_dataset(load_config(given))


def check(row: Row) -> None:
    """Raise InputError, with the row's name, where it cannot be trained."""
    try:
        data = dataset(row.config)
        build_plan(row.config, data.train_x.shape[2], data.train_y.shape[-1])
    except InputError as error:
        raise InputError(f"{row.name}: {error}") from None
