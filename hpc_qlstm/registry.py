"""Parts that a configuration chooses by name: engines, ansaetze, losses, optimizers.

Each kind has one registry. Built-in parts are listed as "module:attribute" and imported when they
are first asked for. Your own are added with `register`, before the configuration is read:

    @registry.losses.register("huber")
    class Huber(Loss): ...

An installed package may offer parts too, as entry points of the group "hpc_qlstm.engines",
"hpc_qlstm.losses" and so on; they are then there for the command line as well.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from hpc_qlstm.errors import InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """Parts of one kind by name.

    kind: the word for one of them in messages, its plural with an s in entry points; built_in:
    "module:attribute" by name.
    """

    def __init__(self, kind: str, built_in: Mapping[str, str], plural: str = "") -> None:
        self._kind = kind
        self._group = f"hpc_qlstm.{plural or kind + 's'}"
        self._parts: dict[str, Any] = dict(built_in)

    def register(self, name: str) -> Callable[[T], T]:
        """A decorator that adds a part, or takes the place of one, under this name."""

        def add(part: T) -> T:
            self._parts[name] = part
            return part

        return add

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the built-in ones first."""
        offered = (entry.name for entry in importlib.metadata.entry_points(group=self._group))
        return tuple(dict.fromkeys((*self._parts, *offered)))

    def __getitem__(self, name: str) -> T:
        """The part of this name; InputError, with the names that are allowed, for any other."""
        if name not in self._parts:
            for entry in importlib.metadata.entry_points(group=self._group, name=name):
                self._parts[name] = entry.load()
        part = self._parts.get(name)
        if part is None:
            raise InputError(
                f"{self._kind}: {name!r} is not known, allowed: {', '.join(self.names)}"
            )
        if isinstance(part, str):
            module, _, attribute = part.partition(":")
            part = self._parts[name] = getattr(importlib.import_module(module), attribute)
        found: T = part
        return found


_ENGINES = "hpc_qlstm.engines"

engines: Registry[Any] = Registry(
    "engine",
    {
        "reference": f"{_ENGINES}.reference:ReferenceEngine",
        "native": f"{_ENGINES}.native:NativeEngine",
        "aer": f"{_ENGINES}.aer:AerEngine",
        "primitive": f"{_ENGINES}.primitive:PrimitiveEngine",
    },
)
"""Classes of `hpc_qlstm.engines.Engine`."""
losses: Registry[Any] = Registry("loss", {"mse": "hpc_qlstm.model.losses:SquaredError"}, "losses")
"""Classes of `hpc_qlstm.model.losses.Loss`."""
