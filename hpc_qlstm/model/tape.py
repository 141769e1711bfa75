"""What a way through the time steps is given, and what all kinds of tapes have in common.

A tape goes forward step by step, remembers what the way back needs, and goes back. A `VqcTape` is
that of one group of VQCs, a `CellTape` that of the whole cell: lstm gates, state, extra VQCs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.engines.base import Gradient
from hpc_qlstm.engines.fused import VqcTape

State = tuple[Float, Float]
"""(h, c) of an LSTM cell, each (B, d_h)."""


@dataclass(frozen=True)
class Wiring:
    """Sizes, and where h_{t-1} stands in v_t."""

    hidden: slice
    input_size: int
    hidden_size: int

    @property
    def x(self) -> slice:
        """Where x_t stands in v_t."""
        return slice(self.hidden_size, None) if self.hidden.start == 0 else slice(self.input_size)


@dataclass(frozen=True)
class GradientMethod:
    """How a circuit's gradient is taken; step (radians) and average are those of spsa."""

    name: Gradient
    step: float = 0.2
    average: int = 1


@dataclass(frozen=True)
class SampleKey:
    """Where samples stand in a run, for the random numbers of engines that sample.

    key: the way through the steps, for example (phase, epoch, batch); first: the number of the
    first sample here in the whole batch.
    """

    key: tuple[int, ...] = ()
    first: int = 0

    def after(self, samples: int) -> SampleKey:
        """The key of the samples that follow this many of these."""
        return SampleKey(self.key, self.first + samples)


NO_KEY = SampleKey()


@dataclass(frozen=True)
class Microbatch:
    """Number `number` of `count` parts of a batch that take turns: while the messages of one
    travel, the circuits of the next are computed."""

    number: int = 0
    count: int = 1


@dataclass(slots=True)
class Sequences:
    """What a tape goes through.

    flat: all weights; x (B, T, d_x), C-contiguous; state: (h_0, c_0), zeros where it is None.
    sequence: outputs are wanted of every step, else of the last alone; final_state: h_T and c_T are
    wanted; back: the way back follows, without it memory does not grow with T.
    """

    flat: Float
    x: Float
    state: State | None = None
    sample_key: SampleKey = NO_KEY
    sequence: bool = False
    final_state: bool = False
    back: bool = True


@dataclass(slots=True)
class Cotangents:
    """Where the way back begins, on ranks that update the cell: the derivatives of what follows.

    outputs: shaped as `CellTape.outputs`; state: of (h_T, c_T), zeros where it is None.
    """

    outputs: Float
    state: State | None = None


class CellTape(Protocol):
    """Cell and lstm gates on one part of a batch, on the way through the time steps, and back.

    Forward: `begin`, `finish` for each t; then `start_back`, and `begin_back`, `finish_back` for
    each t. All collective on the group of ranks. Arrays are filled on ranks that update the cell.
    """

    outputs: Float
    """(T, B, d_h) with `sequence`, else (1, B, d_h): what the readout sees."""
    grad_x: Float | None
    """(B, T, d_x): gradients of the inputs, where they were asked for."""
    mixing_rows: Float | None
    """(B, 4 * d_h * d_h): gradients of the matrices that mix the gates' outputs, if any."""

    @property
    def gates(self) -> VqcTape:
        """The lstm gates' own tape."""

    def begin(self, t: int) -> None:
        """Evaluate the lstm gates of step t; their outputs begin to travel."""

    def finish(self, t: int) -> None:
        """Update the cell of step t, and give everybody what step t + 1 reads.

        What nobody else waits for may be left to `begin` of the next step.
        """

    def state(self) -> State:
        """(h_T, c_T), where they were asked for."""

    def start_back(self, cotangents: Cotangents, rows: Float, *, with_inputs: bool) -> None:
        """Begin the way back.

        rows (B, R): zeros that the gradients of the local weights are added to; with_inputs: fill
        `grad_x`.
        """

    def begin_back(self, t: int) -> None:
        """Step t back through cell and lstm gates; gradients of v_t begin to travel."""

    def finish_back(self, t: int) -> None:
        """Collect the gradients of v_t."""

    def grad_state(self) -> State:
        """The cotangents of (h_0, c_0), after the way back with `with_inputs`."""

    def release(self) -> None:
        """Over: memory may serve the next batch."""
