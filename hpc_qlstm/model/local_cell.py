"""All VQCs of a cell that one process owns: the lstm gates, and the two of the six-VQC cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.engines.base import Engine, Gradient
from hpc_qlstm.engines.fused import FusedGroup
from hpc_qlstm.model.cell import Cell
from hpc_qlstm.model.tape import Wiring
from hpc_qlstm.model.vqc_group import VqcGroup
from hpc_qlstm.model.weights import Group, WeightLayout

_MOST_KEPT = 8
"""Sizes of batches that memory is kept for; a run has two or three."""


@dataclass(frozen=True)
class LocalCell:
    """The groups of VQCs of consecutive partitions, which are on the same engines.

    hidden maps o*tanh(c_t) to h_t, prediction maps it to what the readout sees (Chen, Yoo and Fang
    2020; the paper's N_extra = 2, equation 12); both are None where the cell has four VQCs.
    """

    partitions: range
    layout: WeightLayout
    wiring: Wiring
    gates: VqcGroup
    hidden: VqcGroup | None = None
    prediction: VqcGroup | None = None
    _cells: dict[tuple[int, int, bool], list[Cell]] = field(default_factory=dict, repr=False)
    _arrays: dict[tuple[int, ...], Float] = field(default_factory=dict, repr=False)

    @property
    def fused(self) -> FusedGroup | None:
        """The lstm gates of an engine that updates the cell in the same call as the circuits.

        None where the engine offers none, or something comes between the gates and the cell, or
        after it: mixing, extra VQCs.
        """
        return None if self.layout.mix or self.hidden is not None else self.gates.fused

    @property
    def weights(self) -> int:
        """Weights in the section of the flat vector that the partitions own."""
        section = self.layout.section(self.partitions)
        return int(section.stop - section.start)

    def take_cell(self, steps: int, batch: int, *, back: bool) -> Cell:
        """A cell for a tape, which `give_cell` gives back: its memory costs more than its use."""
        free = self._cells.get((steps, batch, back))
        return free.pop() if free else Cell(steps, batch, self.wiring.hidden_size, back=back)

    def give_cell(self, cell: Cell, steps: int, batch: int, *, back: bool) -> None:
        """The tape is over."""
        key = (steps, batch, back)
        if key not in self._cells and len(self._cells) >= _MOST_KEPT:
            self._cells.clear()
        self._cells.setdefault(key, []).append(cell)

    def zeros(self, rows: int) -> Float:
        """Zeros (rows, weights) for the gradients of a batch; the same memory in every call."""
        shape = (rows, self.weights)
        if shape not in self._arrays:
            if len(self._arrays) >= _MOST_KEPT:
                self._arrays.clear()
            self._arrays[shape] = np.empty(shape)
        array = self._arrays[shape]
        array.fill(0.0)
        return array

    @property
    def groups(self) -> Iterator[tuple[Group, VqcGroup]]:
        """The groups that are there, by name, in the order of their weights."""
        yield "gates", self.gates
        if self.hidden is not None and self.prediction is not None:
            yield "hidden", self.hidden
            yield "prediction", self.prediction

    @property
    def engines(self) -> Sequence[Engine]:
        """The engine of each partition."""
        return self.gates.engines

    @property
    def gradient(self) -> Gradient:
        """The name of the gradient method."""
        return self.gates.gradient

    @property
    def seconds(self) -> float:
        """Time spent in circuits since `reset_seconds`."""
        return sum(group.seconds for _, group in self.groups)

    def reset_seconds(self) -> None:
        """Count `seconds` from here."""
        for _, group in self.groups:
            group.reset_seconds()

    def raise_failure(self) -> None:
        """Raise the EngineError of the first engine that failed, if any, and forget all."""
        failures = [group.take_failure() for _, group in self.groups]
        for failure in failures:
            if failure is not None:
                raise failure
