"""Sweeps over time steps: what parts of a batch go through, and what all kinds have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.engines.base import Gradient


@dataclass(frozen=True)
class Wiring:
    """Sizes, and where h_{t-1} stands in v_t. sequence: the readout looks at every step, not at the
    last alone."""

    hidden: slice
    input_size: int
    hidden_size: int
    sequence: bool

    @property
    def x(self) -> slice:
        """Where x_t stands in v_t."""
        return slice(self.hidden_size, None) if self.hidden.start == 0 else slice(self.input_size)


class GateSweep(Protocol):
    """A group of VQCs on one part of a batch: `forward` for t = 0 .. T-1, then back. Local."""

    def forward(self, t: int, state: Float) -> None:
        """Step t from the state (B, d_h): fills the first columns of `outputs`."""

    def begin_reverse(self) -> None:
        """Start the reverse sweep over the steps seen."""

    def reverse(self, t: int, cotangents: Float, rows: Float, to_inputs: Float) -> None:
        """Step t back, from the cotangents (n, B, d_h) of all partitions' outputs.

        Adds to rows (B, R), the gradients of the weights of all local partitions as in their
        section of the flat vector; fills the first columns of to_inputs (B, width).
        """

    @property
    def expectations(self) -> list[Float]:
        """Expectation values (n, B, d_h^(m)) of each partition at the newest step."""

    def release(self) -> None:
        """The sweep is over, and its memory may serve another one."""


class CellSweep(Protocol):
    """Cell and gates on one part of a batch, on its way through the time steps, and back.

    Forward: `begin`, `finish` for each t; then `start_back`, and `begin_back`, `finish_back` for
    each t. All collective on the row.
    """

    steps: int
    read: Float
    """(T, B, d_h), or (1, B, d_h) unless for sequences: what the readout sees. Filled on ranks that
    update the cell."""
    to_x: Float | None
    """(B, T, d_x): gradients of the inputs, where they were asked for."""
    mixing_rows: Float | None
    """(B, 4 * d_h * d_h): gradients of the matrices that mix the gates' outputs, if any."""

    @property
    def gates(self) -> GateSweep:
        """The circuits' own sweep."""

    def begin(self, t: int) -> None:
        """Evaluate the gates of step t; their outputs begin to travel."""

    def finish(self, t: int) -> None:
        """Update the cell of step t, and give everybody what step t + 1 reads.

        What nobody else waits for may be left to `begin` of the next step.
        """

    def start_back(self, to_read: Float, rows: Float, *, with_inputs: bool) -> None:
        """Begin the way back.

        to_read, shaped as `read`: the loss's derivatives by it; rows (B, R): zeros that the
        gradients of the local weights are added to; with_inputs: fill `to_x`.
        """

    def begin_back(self, t: int) -> None:
        """Step t back through the cell and the gates; gradients of v_t begin to travel."""

    def finish_back(self, t: int) -> None:
        """Collect the gradients of v_t."""

    def release(self) -> None:
        """Over: memory may serve the next batch."""


@dataclass(frozen=True)
class GradientMethod:
    """How a circuit's gradient is taken; step (radians) and average are those of spsa."""

    name: Gradient
    step: float = 0.2
    average: int = 1


@dataclass(frozen=True)
class Place:
    """Where a sweep stands in a run, for the random numbers of engines that sample.

    key: the sweep, for example (phase, epoch, batch); first: the number of the first sample here
    in the whole batch.
    """

    key: tuple[int, ...] = ()
    first: int = 0

    def after(self, samples: int) -> Place:
        """The place of the samples that follow so many of these."""
        return Place(self.key, self.first + samples)


@dataclass(frozen=True)
class GroupMember:
    """A partition's VQCs of a group.

    picks: for each feature its column of the state, or -1 - k for column k of x_t; weights: where
    its rows, affine maps included, lie in the flat vector; rows_begin: where their gradients begin
    in the section of the local partitions; outputs: its part of the hidden vector.
    """

    circuit: Circuit
    picks: Sequence[int]
    weights: slice
    rows_begin: int
    outputs: slice
