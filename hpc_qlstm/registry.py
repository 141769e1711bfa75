"""Parts that a configuration chooses by name: engines, ansaetze, losses, optimizers.

Each kind has one registry. Built-in parts are found in a table of the module where they are at
home, or listed here as "module:attribute"; either way they are imported when they are first asked
for. Your own are added with `register`, before the configuration is read:

    @registry.losses.register("huber")
    class Huber(Loss): ...

An installed package may offer parts too, as entry points of the group "hpc_qlstm.engines",
"hpc_qlstm.losses" and so on; they are then there for the command line as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from hpc_qlstm.errors import HpcQlstmError, InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """Parts of one kind by name.

    kind: the word for one of them in messages; table: "module:attribute" of a dictionary of parts
    by name, or "module:attribute" of each part by name; plural: the word for the group of entry
    points, by default `kind` with an s.
    """

    def __init__(self, kind: str, table: str | Mapping[str, str], plural: str = "") -> None:
        self._table = table
        self._kind = kind
        self._group = f"hpc_qlstm.{plural or kind + 's'}"
        self._own: dict[str, Any] = {}

    @property
    def built_in(self) -> tuple[str, ...]:
        """The names of the built-in parts."""
        return tuple(self._built_in)

    @cached_property
    def _built_in(self) -> Mapping[str, Any]:
        if isinstance(self._table, str):
            found: Mapping[str, Any] = EntryPoint(self._kind, self._table, self._group).load()
            return found
        return self._table

    @property
    def _parts(self) -> dict[str, Any]:
        return {**self._built_in, **self._own}

    def register(self, name: str) -> Callable[[T], T]:
        """A decorator that adds a part, or takes the place of one, under this name."""

        def add(part: T) -> T:
            self._own[name] = part
            return part

        return add

    @property
    def names(self) -> tuple[str, ...]:
        """All names, the built-in ones first."""
        return tuple(dict.fromkeys((*self._parts, *self._offered())))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (name in self._parts or name in self._offered())

    def __getitem__(self, name: str) -> T:
        """The part of this name.

        Raises InputError for any other name, with those that are allowed, and for a part that
        cannot be imported.
        """
        if name not in self:
            raise InputError(
                f"{self._kind}: {name!r} is not known, allowed: {', '.join(self.names)}"
            )
        part = self._parts[name] if name in self._parts else self._offered()[name]
        if isinstance(part, str):
            part = self._own[name] = self._loaded(name, part)
        found: T = part
        return found

    def _loaded(self, name: str, place: str) -> Any:
        try:
            return EntryPoint(name, place, self._group).load()
        except HpcQlstmError:
            raise
        except Exception as error:  # another package's module may raise anything
            raise InputError(
                f"{self._kind}: {name!r} cannot be loaded from {place} "
                f"({type(error).__name__}: {error})"
            ) from error

    def _offered(self) -> dict[str, str]:
        """What installed packages offer, as "module:attribute" by name."""
        return {entry.name: entry.value for entry in entry_points(group=self._group)}


engines: Registry[Any] = Registry(
    "engine",
    {
        "reference": "hpc_qlstm.engines.reference:ReferenceEngine",
        "native": "hpc_qlstm.engines.native:NativeEngine",
        "aer": "hpc_qlstm.engines.aer:AerEngine",
        "primitive": "hpc_qlstm.engines.primitive:PrimitiveEngine",
    },
)
"""Classes of `hpc_qlstm.engines.Engine`."""
ansaetze: Registry[Any] = Registry("ansatz", "hpc_qlstm.circuits.ansatz:ANSAETZE", "ansaetze")
"""Objects of `hpc_qlstm.circuits.Ansatz`."""
losses: Registry[Any] = Registry("loss", "hpc_qlstm.model.losses:LOSSES", "losses")
"""Classes of `hpc_qlstm.model.losses.Loss`."""
optimizers: Registry[Any] = Registry("optimizer", "hpc_qlstm.training.optimizers:OPTIMIZERS")
"""Classes of `hpc_qlstm.training.optimizers.Optimizer`."""
