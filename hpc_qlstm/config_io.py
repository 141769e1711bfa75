"""Configurations from and to TOML, overrides, and error messages that name the key."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import tomli_w
from pydantic import ValidationError

from hpc_qlstm.config import Config, Section
from hpc_qlstm.errors import InputError

Source = str | os.PathLike[str] | Mapping[str, Any] | Config


def load_config(source: Source, overrides: Sequence[str] = ()) -> Config:
    """A validated configuration from a TOML file's path, a dictionary or a Config.

    overrides: strings "section.key=value", the value in TOML syntax (bare words are strings).
    Raises InputError that names the file or the key, what was given and what is allowed. Local.
    """
    if isinstance(source, Config):
        values, where = source.to_dict(), "configuration"
    elif isinstance(source, Mapping):
        values, where = _copy(source), "configuration"
    else:
        values, where = read_toml(Path(source)), str(source)
    for override in overrides:
        _override(values, override)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise InputError(f"{where}: " + "; ".join(_describe_all(error.errors()))) from None


SectionT = TypeVar("SectionT", bound=Section)


def section_from(kind: type[SectionT], value: Any, where: str) -> SectionT:
    """A section given as itself, as its keys, or as None for its defaults.

    Raises InputError that begins with `where`. Local.
    """
    if isinstance(value, kind):
        return value
    try:
        return kind.model_validate({} if value is None else _copy(value))
    except ValidationError as error:
        sentences = _describe_all(error.errors(), kind)
        raise InputError("; ".join(f"{where}: {text}" for text in sentences)) from None


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file as dictionaries. Raises InputError for a file that cannot be read or parsed."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: is not valid TOML ({error})") from None


def config_text(config: Config) -> str:
    """The resolved configuration as TOML."""
    return str(tomli_w.dumps(config.to_dict()))


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _copy(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_copy(item) for item in value]
    return value


def _override(values: dict[str, Any], override: str) -> None:
    """Set one "section.key=value" in place."""
    path, equals, text = override.partition("=")
    keys = [key.strip() for key in path.split(".")]
    if not equals or len(keys) < 2 or not all(keys):
        raise InputError(f"--set {override!r}: allowed: section.key=value")
    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except (ValueError, RecursionError):
        value = text.strip()
    table = values
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            raise InputError(f"--set {override!r}: {key!r} is a value, not a section")
    table[keys[-1]] = value


def _describe_all(details: Sequence[Any], root: type[Section] = Config) -> list[str]:
    """One sentence for each wrong key; alternatives that were all refused are joined by `or`."""
    sentences: list[str] = []
    for detail in details:
        sentence = _describe(detail, root)
        head, allowed, tail = sentence.rpartition(" given, allowed: ")
        if sentences and allowed and sentences[-1].startswith(head + allowed):
            sentences[-1] += f" or {tail}"
        else:
            sentences.append(sentence)
    return sentences


def _describe(detail: Any, root: type[Section]) -> str:
    """One sentence for one of pydantic's errors: path, what was given, what is allowed."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        path = ".".join(map(str, detail["loc"]))
        return f"{path}: unknown key, allowed: {_allowed_keys(detail['loc'], root)}"
    path = ".".join(_steps(detail["loc"])) or "configuration"
    given = repr(detail.get("input"))
    given = given if len(given) <= 80 else given[:77] + "..."
    if kind == "value_error":
        return f"{path}: {context['error']}"
    if kind == "model_type":
        return f"{path}: {given} given, allowed: a table of keys"
    message = str(detail["msg"]).removeprefix("Input should be ").removeprefix("a valid ")
    return f"{path}: {given} given, allowed: {message}"


def _steps(location: Sequence[Any]) -> list[str]:
    """The keys of a location, without pydantic's names for the members of a union."""
    steps = [str(step) for step in location if step not in ("int", "float", "str", "bool")]
    return [step for step in steps if not any(c in step for c in "[]()-")]


def _allowed_keys(location: Sequence[Any], root: type[Section]) -> str:
    model: Any = root
    for step in location[:-1]:
        if not isinstance(step, int):
            kind = model.model_fields[step].annotation  # a model, an optional one, or a list
            model = next((part for part in get_args(kind) if hasattr(part, "model_fields")), kind)
    return ", ".join(model.model_fields)
