"""All trainable weights in one flat vector, and their names.

The vector holds, for each partition m in order, a row for each of its four gates, then the
readout's weight and bias. A row is the circuit's weights and, with affine maps, the scales and
shifts of its expectation values. Optimizers and messages use the vector; users see the dictionary
"forget.0", ..., "output.1", with affine maps "forget.0.scale", "forget.0.shift" and so on,
"readout.weight", "readout.bias" of views into it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float, float_array
from hpc_qlstm.circuits.linear import LinearMap
from hpc_qlstm.errors import InputError
from hpc_qlstm.model.cell import GATES


@dataclass(frozen=True)
class WeightLayout:
    """Offsets of every weight in the flat vector, for the circuits of M partitions.

    affine: every expectation value has a trainable scale and shift.
    """

    circuits: tuple[Circuit, ...]
    hidden_size: int
    output_size: int
    affine: bool = False

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Begin of each partition's section, then begin of the readout, then the end."""
        maps = 2 if self.affine else 0
        sizes = [len(GATES) * (c.weight_count + maps * c.outputs) for c in self.circuits]
        ends = np.cumsum([0, *sizes, self.output_size * (self.hidden_size + 1)])
        return tuple(int(n) for n in ends)

    @property
    def size(self) -> int:
        """Length of the flat vector: the number of trainable weights."""
        return self.offsets[-1]

    def section(self, partitions: range) -> slice:
        """The part of the vector that consecutive partitions own."""
        return slice(self.offsets[partitions.start], self.offsets[partitions.stop])

    @property
    def readout(self) -> slice:
        """The part of the vector that the readout owns."""
        return slice(self.offsets[-2], self.offsets[-1])

    def stacked(self, flat: Float, m: int) -> Float:
        """View (4, *weight_shape) of the weights of partition m's circuits."""
        circuit = self.circuits[m]
        rows = self._rows(flat, m)[:, : circuit.weight_count]
        return rows.reshape(len(GATES), *circuit.weight_shape)

    def affine_maps(self, flat: Float, m: int) -> Float:
        """View (4, 2, d_h^(m)) of the scales and shifts of partition m; only with `affine`."""
        circuit = self.circuits[m]
        rows = self._rows(flat, m)[:, circuit.weight_count :]
        return rows.reshape(len(GATES), 2, circuit.outputs)

    def _rows(self, flat: Float, m: int) -> Float:
        return flat[self.offsets[m] : self.offsets[m + 1]].reshape(len(GATES), -1)

    def readout_views(self, flat: Float) -> tuple[Float, Float]:
        """Views of the readout's weight (d_y, d_h) and bias (d_y,)."""
        section = flat[self.readout]
        split = self.output_size * self.hidden_size
        return section[:split].reshape(self.output_size, self.hidden_size), section[split:]

    def views(self, flat: Float) -> dict[str, Float]:
        """The named weights as views into the flat vector."""
        named = {
            f"{gate}.{m}": self.stacked(flat, m)[g]
            for g, gate in enumerate(GATES)
            for m in range(len(self.circuits))
        }
        if self.affine:
            for g, gate in enumerate(GATES):
                for m in range(len(self.circuits)):
                    maps = self.affine_maps(flat, m)[g]
                    named[f"{gate}.{m}.scale"], named[f"{gate}.{m}.shift"] = maps
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
        maps of expectation values begin as identities.

        Random streams are keyed by (seed, gate, partition), so that they depend neither on the
        number of ranks nor on the other partitions.
        """
        if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
            raise InputError(f"seed is {seed!r}, allowed: an integer of 0 or more")
        flat = np.empty(self.size)
        bound = 1.0 / math.sqrt(self.hidden_size)
        for m in range(len(self.circuits)):
            for g in range(len(GATES)):
                rng = np.random.default_rng([seed, g, m])
                view = self.stacked(flat, m)[g]
                if isinstance(self.circuits[m], LinearMap):
                    view[...] = rng.uniform(-bound, bound, view.shape)
                else:
                    view[...] = rng.normal(0.0, scale, view.shape)
            if self.affine:
                self.affine_maps(flat, m)[...] = np.array([[1.0], [0.0]])
        rng = np.random.default_rng([seed, len(GATES)])
        for view in self.readout_views(flat):
            view[...] = rng.uniform(-bound, bound, view.shape)
        return flat
