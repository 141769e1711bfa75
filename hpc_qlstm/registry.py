"""Parts that a configuration chooses by name: engines, ansaetze, losses, optimizers.

Each kind has one registry. Built-in parts are listed as "module:attribute" and imported when they
are first asked for. Your own are added with `register`, before the configuration is read:

    @registry.losses.register("huber")
    class Huber(Loss): ...

An installed package may offer parts too, as entry points of the group "hpc_qlstm.engines",
"hpc_qlstm.losses" and so on; they are then there for the command line as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from hpc_qlstm.errors import HpcQlstmError, InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """Parts of one kind by name.

    kind: the word for one of them in messages; built_in: "module:attribute" by name; plural: the
    word for the group of entry points, by default `kind` with an s.
    """

    def __init__(self, kind: str, built_in: Mapping[str, str], plural: str = "") -> None:
        self.built_in = tuple(built_in)
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
            try:
                part = EntryPoint(name, part, self._group).load()
            except HpcQlstmError:
                raise
            except Exception as error:  # another package's module may raise anything
                raise InputError(
                    f"{self._kind}: {name!r} cannot be loaded from {part} "
                    f"({type(error).__name__}: {error})"
                ) from error
            self._parts[name] = part
        found: T = part
        return found

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
ansaetze: Registry[Any] = Registry(
    "ansatz",
    {
        "rot_ring": "hpc_qlstm.circuits.ansatz:ROT_RING",
        "ry_brickwork": "hpc_qlstm.circuits.ansatz:RY_BRICKWORK",
    },
    "ansaetze",
)
"""Objects of `hpc_qlstm.circuits.Ansatz`."""
losses: Registry[Any] = Registry("loss", {"mse": "hpc_qlstm.model.losses:SquaredError"}, "losses")
"""Classes of `hpc_qlstm.model.losses.Loss`."""
optimizers: Registry[Any] = Registry(
    "optimizer",
    {
        "adam": "hpc_qlstm.training.optimizers:Adam",
        "rmsprop": "hpc_qlstm.training.optimizers:RMSProp",
        "sgd": "hpc_qlstm.training.optimizers:SGD",
    },
)
"""Classes of `hpc_qlstm.training.optimizers.Optimizer`."""
