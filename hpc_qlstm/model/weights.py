"""All trainable weights in one flat vector, and their names.

The vector holds, for each partition m in order, a row for each of its four gates and of its extra
VQCs, then what belongs to no partition: the matrices that mix gate outputs, and the readout's
weight and bias. A row is the circuit's weights and, with affine maps, the scales and shifts of its
expectation values. Optimizers and messages use the vector; users see the dictionary "forget.0",
..., "output.1", "hidden.0", "prediction.0" and so on, with affine maps "forget.0.scale",
"forget.0.shift", with mixing "forget.mix", at last "readout.weight", "readout.bias" of views into
it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Literal

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float, float_array
from hpc_qlstm.circuits.linear import LinearMap
from hpc_qlstm.errors import InputError
from hpc_qlstm.model.cell import EXTRAS, LSTM_GATES

_STREAMS = {name: k for k, name in enumerate((*LSTM_GATES, "readout", *EXTRAS))}
"""Second words of the keys of initial weights."""

Group = Literal["gates", "hidden", "prediction"]
"""VQCs that are evaluated together: the four gates, or one of the extra ones."""


@dataclass(frozen=True)
class WeightLayout:
    """Offsets of every weight in the flat vector, for the circuits of M partitions.

    affine: every expectation value has a trainable scale and shift. extra: for each partition the
    circuit of its two extra VQCs, or none. mix: a matrix for each gate mixes its outputs.
    """

    circuits: tuple[Circuit, ...]
    hidden_size: int
    output_size: int
    affine: bool = False
    extra: tuple[Circuit, ...] = ()
    mix: bool = False

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Begin of each partition's section, then begin of the shared weights, then the end."""
        sizes = [len(LSTM_GATES) * self._row(circuit) for circuit in self.circuits]
        if self.extra:
            more = [len(EXTRAS) * self._row(circuit) for circuit in self.extra]
            sizes = [a + b for a, b in zip(sizes, more, strict=True)]
        shared = self._mixing + self.output_size * (self.hidden_size + 1)
        return tuple(int(n) for n in np.cumsum([0, *sizes, shared]))

    @property
    def size(self) -> int:
        """Length of the flat vector: the number of trainable weights."""
        return self.offsets[-1]

    @property
    def groups(self) -> dict[Group, tuple[str, ...]]:
        """The names of the VQCs that are evaluated together."""
        gates: dict[Group, tuple[str, ...]] = {"gates": LSTM_GATES}
        return gates | {"hidden": EXTRAS[:1], "prediction": EXTRAS[1:]} if self.extra else gates

    def section(self, partitions: range) -> slice:
        """The part of the vector that consecutive partitions own."""
        return slice(self.offsets[partitions.start], self.offsets[partitions.stop])

    @cached_property
    def shared(self) -> slice:
        """The part of the vector that no partition owns: mixing and readout."""
        return slice(self.offsets[-2], self.offsets[-1])

    @cached_property
    def readout(self) -> slice:
        """The part of the vector that the readout owns."""
        return slice(self.shared.start + self._mixing, self.shared.stop)

    @property
    def _mixing(self) -> int:
        return len(LSTM_GATES) * self.hidden_size**2 if self.mix else 0

    def _row(self, circuit: Circuit) -> int:
        return circuit.weight_count + (2 * circuit.outputs if self.affine else 0)

    def circuit(self, m: int, group: Group = "gates") -> Circuit:
        """The circuit that the VQCs of a group have in partition m."""
        return self.circuits[m] if group == "gates" else self.extra[m]

    def stacked(self, flat: Float, m: int, group: Group = "gates") -> Float:
        """View (4, *weight_shape) of the weights of partition m's gates; (1, ..) of an extra."""
        circuit, rows = self.circuit(m, group), self.rows(flat, m, group)
        return rows[:, : circuit.weight_count].reshape(rows.shape[0], *circuit.weight_shape)

    def affine_maps(self, flat: Float, m: int, group: Group = "gates") -> Float:
        """View (4 or 1, 2, n_out) of the scales and shifts of partition m; only with `affine`."""
        circuit, rows = self.circuit(m, group), self.rows(flat, m, group)
        return rows[:, circuit.weight_count :].reshape(rows.shape[0], 2, circuit.outputs)

    def rows(self, flat: Float, m: int, group: Group) -> Float:
        """View (4 or 1, n) of all weights of a group in partition m, affine maps included."""
        return flat[self.row_range(m, group)].reshape(
            len(LSTM_GATES) if group == "gates" else 1, -1
        )

    def row_range(self, m: int, group: Group) -> slice:
        """Where `rows` are in the flat vector."""
        begin = self.offsets[m]
        end = begin + len(LSTM_GATES) * self._row(self.circuits[m])
        if group != "gates":
            row = self._row(self.extra[m])
            begin, end = (end + row * k for k in (EXTRAS.index(group), EXTRAS.index(group) + 1))
        return slice(begin, end)

    def mixing(self, flat: Float) -> Float | None:
        """View (4, d_h, d_h) of the matrices that mix each gate's outputs; None without them."""
        if not self.mix:
            return None
        return flat[self.shared][: self._mixing].reshape(len(LSTM_GATES), *[self.hidden_size] * 2)

    def readout_views(self, flat: Float) -> tuple[Float, Float]:
        """Views of the readout's weight (d_y, d_h) and bias (d_y,)."""
        section = flat[self.readout]
        split = self.output_size * self.hidden_size
        return section[:split].reshape(self.output_size, self.hidden_size), section[split:]

    def views(self, flat: Float) -> dict[str, Float]:
        """The named weights as views into the flat vector."""
        count = range(len(self.circuits))
        named = {
            f"{name}.{m}": self.stacked(flat, m, group)[k]
            for group, names in self.groups.items()
            for k, name in enumerate(names)
            for m in count
        }
        if self.affine:
            for group, names in self.groups.items():
                for k, name in enumerate(names):
                    for m in count:
                        maps = self.affine_maps(flat, m, group)[k]
                        named[f"{name}.{m}.scale"], named[f"{name}.{m}.shift"] = maps
        mixing = self.mixing(flat)
        if mixing is not None:
            named |= {f"{gate}.mix": mixing[g] for g, gate in enumerate(LSTM_GATES)}
        named["readout.weight"], named["readout.bias"] = self.readout_views(flat)
        return named

    def flatten(self, named: Mapping[str, Float]) -> Float:
        """A new flat vector from named weights; InputError names the first that does not fit."""
        flat = np.empty(self.size)
        views = self.views(flat)
        if not isinstance(named, Mapping):
            raise InputError(f"weights: {type(named).__name__} given, allowed: arrays by name")
        unknown = [name for name in named if name not in views]
        if unknown:
            raise InputError(f"weights: {unknown[0]!r} is not one of this model's")
        for name, view in views.items():
            if name not in named:
                raise InputError(f"weights: {name!r} is missing")
            given = float_array(f"weights: {name!r}", named[name])
            if given.shape != view.shape:
                raise InputError(
                    f"weights: {name!r} has shape {given.shape}, allowed: {view.shape}"
                )
            view[...] = given
        return flat

    def initial(self, seed: int, scale: float = 0.01) -> Float:
        """Initial weights: circuits normal(0, scale), affine gates and the readout as torch's; the
        maps of expectation values and the mixing begin as identities.

        Random streams are keyed by (seed, gate, partition), so that they depend neither on the
        number of ranks nor on the other partitions.
        """
        if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
            raise InputError(f"seed is {seed!r}, allowed: an integer of 0 or more")
        flat = np.empty(self.size)
        bound = 1.0 / math.sqrt(self.hidden_size)
        for m in range(len(self.circuits)):
            for group, names in self.groups.items():
                for k, name in enumerate(names):
                    rng = np.random.default_rng([seed, _STREAMS[name], m])
                    view = self.stacked(flat, m, group)[k]
                    if isinstance(self.circuits[m], LinearMap):
                        view[...] = rng.uniform(-bound, bound, view.shape)
                    else:
                        view[...] = rng.normal(0.0, scale, view.shape)
                if self.affine:
                    self.affine_maps(flat, m, group)[...] = np.array([[1.0], [0.0]])
        mixing = self.mixing(flat)
        if mixing is not None:
            mixing[...] = np.eye(self.hidden_size)
        rng = np.random.default_rng([seed, _STREAMS["readout"]])
        for view in self.readout_views(flat):
            view[...] = rng.uniform(-bound, bound, view.shape)
        return flat
