"""What an engine may offer beside single circuits: all partitions of a process in one call a step.

An engine whose `fuse` gives a FusedGroup evaluates a group of VQCs of all local partitions in one
call a time step, and can update the LSTM cell in the same call. The model asks once, when its
partitions are placed, and goes step by step with `Engine.expectations_group` where there is none.
Both ways give the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hpc_qlstm.circuits.circuit import Circuit, Float


@dataclass(frozen=True)
class GroupMember:
    """A partition's VQCs of a group: they share circuit and features.

    picks: for each feature its column of the state, or -1 - k for column k of x_t; weights: where
    its rows, affine maps included, lie in the flat vector; rows_begin: where their gradients begin
    in the section of the local partitions; outputs: its part of the hidden vector.
    """

    circuit: Circuit
    picks: Sequence[int]
    weights: slice
    rows_begin: int
    outputs: slice


@dataclass(slots=True)
class ForwardArrays:
    """What the fused cell reads and fills on its way forward; B samples, T steps.

    gathered (P, 4, B, width): the outputs of all processes, counts: how many each has. hidden
    (B, d_h): h_t, for step t + 1. outputs: h_t of every step (T, B, d_h) with `sequence`, else of
    the last (1, B, d_h). updates: whether this process updates the cell. h0, c0 (B, d_h): the
    initial state, zeros where it is None.
    """

    gathered: Float
    counts: Sequence[int]
    hidden: Float
    outputs: Float
    sequence: bool
    updates: bool
    h0: Float | None = None
    c0: Float | None = None


@dataclass(slots=True)
class ReverseArrays:
    """What the fused cell reads and fills on its way back.

    grad_outputs: the cotangent of `ForwardArrays.outputs`. rows (B, R): gradients of the local
    weights are added. grad_inputs (B, width): of what the circuits read, gathered as (P, B, width),
    of which `columns` says where in v_t they go; h_{t-1} begins there at `hidden_begin`.
    cotangents (4, B, d_h): of the gates' outputs. grad_x (B, T, d_x): filled where it is given.
    grad_h, grad_c (B, d_h): cotangents of h_T and c_T, zeros where they are None.
    """

    grad_outputs: Float
    rows: Float
    grad_inputs: Float
    gathered: Float
    columns: Any
    hidden_begin: int
    cotangents: Float
    grad_x: Float | None = None
    grad_h: Float | None = None
    grad_c: Float | None = None


class VqcTape(Protocol):
    """A group of VQCs on one part of a batch: `forward` for t = 0 .. T-1, then back. Local."""

    def forward(self, t: int, state: Float) -> None:
        """Step t from the state (B, d_h): fills the first columns of `outputs`."""

    def begin_reverse(self) -> None:
        """Start the way back over the steps seen."""

    def reverse(self, t: int, cotangents: Float, rows: Float, grad_inputs: Float) -> None:
        """Step t back, from the cotangents (n, B, d_h) of all partitions' outputs.

        Adds to rows (B, R), the gradients of the weights of all local partitions as in their
        section of the flat vector; fills the first columns of grad_inputs (B, width).
        """

    @property
    def expectations(self) -> list[Float]:
        """Expectation values (n, B, d_h^(m)) of each partition at the newest step."""

    def release(self) -> None:
        """The tape is over, and its memory may serve another one."""


class FusedCell(Protocol):
    """Gates and LSTM cell of one process, tied to the arrays that collectives send and fill.

    Where the cell's values are broadcast: `evaluate`, `update` forward, `cell_backward`, `reverse`,
    `scatter_input_gradients` back. Where nobody waits for them: `forward_step` and `backward_step`.
    """

    def evaluate(self, t: int) -> None:
        """The gates' outputs at step t, from h_{t-1} and x_t."""

    def update(self, t: int) -> None:
        """h_t and c_t, from the gathered outputs."""

    def forward_step(self, t: int) -> None:
        """`update` of step t - 1, then `evaluate` of step t."""

    def state(self, c: Float) -> None:
        """Copy c_T (B, d_h), after the last update."""

    def cell_backward(self, t: int) -> None:
        """Cotangents of the gates' outputs at step t."""

    def reverse(self, t: int) -> None:
        """Gradients of the weights and of what the circuits read at step t."""

    def scatter_input_gradients(self, t: int) -> None:
        """Gradients of v_t, from the gathered ones: h_{t-1}'s for `cell_backward`, x_t's out."""

    def grad_state(self, grad_h: Float, grad_c: Float) -> None:
        """Copy the cotangents of h_0 and c_0 (B, d_h), after the gradients of step 0's v_t."""

    def backward_step(self, t: int) -> None:
        """`scatter_input_gradients` of step t + 1, then `cell_backward` and `reverse` of step t."""


class FusedTape(VqcTape, Protocol):
    """A `VqcTape` of an engine that updates the LSTM cell too."""

    def with_cell(self, arrays: ForwardArrays) -> FusedCell:
        """The gates and the cell in common calls, instead of `forward` and `reverse`."""

    def start_back(self, arrays: ReverseArrays) -> None:
        """Begin the FusedCell's way back, with these arrays."""

    def count(self, steps: int) -> None:
        """This many steps, forward or back, were taken by calls of a FusedCell."""


class FusedGroup(Protocol):
    """A group of VQCs that an engine evaluates in one call a step. Local."""

    seconds: float
    """Time spent in tapes that are over."""

    def begin(self, flat: Float, x: Float, outputs: Float, *, back: bool = True) -> FusedTape:
        """A tape over x (B, T, d_x), C-contiguous, with the flat weights.

        outputs (sets, B, width): where each step's outputs go. back: whether the way back follows;
        without it, memory does not grow with T.
        """
