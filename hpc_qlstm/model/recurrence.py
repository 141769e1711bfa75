"""The recurrence over time steps and its exact back-propagation (BPTT).

Written once for one process and for a row of ranks: values that other ranks hold come through an
Exchange. A rank that does not update the cell follows the same steps with received values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.model.cell import Cell
from hpc_qlstm.model.exchange import Exchange
from hpc_qlstm.model.gates import LocalGates
from hpc_qlstm.model.local_cell import LocalCell
from hpc_qlstm.model.mixing import mix, unmix
from hpc_qlstm.model.weights import Group

Index = NDArray[np.int64] | slice
"""Entries of v_t: an index array, or a slice where they are consecutive, which is faster."""


@dataclass(frozen=True)
class Wiring:
    """Who reads what: all partitions' entries of v_t, of o*tanh(c_t) where extra VQCs read it, and
    where h_{t-1} stands in v_t. sequence: the readout looks at every step, not at the last alone.
    """

    inputs: Sequence[Index]
    state_inputs: Sequence[Index]
    hidden: slice
    input_size: int
    hidden_size: int
    sequence: bool

    @property
    def x(self) -> slice:
        """Where x_t stands in v_t."""
        return slice(self.hidden_size, None) if self.hidden.start == 0 else slice(self.input_size)

    @property
    def reads_all(self) -> bool:
        """Whether there is one partition that reads v_t as it stands."""
        size, only = self.input_size + self.hidden_size, self.inputs[0]
        return len(self.inputs) == 1 and isinstance(only, slice) and only == slice(0, size)


@dataclass
class Trace:
    """What the reverse sweep needs of a forward sweep.

    state (T, B, d_h): o*tanh(c_t), which is h_t of a cell without extra VQCs; read (T, B, d_h):
    what the readout sees, the last step alone unless for sequences; outputs: of the gates before
    they are mixed, a step each.
    """

    state: Float
    read: Float
    cell: Cell
    outputs: list[Float]


@dataclass(frozen=True)
class SweepGradients:
    """Gradients of a reverse sweep, summed over time, with one row for each sample.

    groups: of each group of VQCs, a (4 or 1, B, n) for each local partition; a group that was never
    evaluated is absent. mixing (B, 4 d_h^2) or None, and to_x (T, B, d_x): on ranks that update
    the cell.
    """

    groups: dict[Group, list[Float]]
    mixing: Float | None
    to_x: Float


def forward(
    x: Float, wiring: Wiring, local: LocalCell, exchange: Exchange, mixing: Float | None = None
) -> Trace:
    """Run T steps over x (B, T, d_x); collective on the row. h_0 = c_0 = 0.

    mixing (4, d_h, d_h): matrices that mix the gates' outputs.
    """
    batch, steps, _ = x.shape
    v = np.zeros((batch, wiring.input_size + wiring.hidden_size))
    cell = Cell(steps if exchange.updates_cell else 0, batch, wiring.hidden_size)
    state = np.empty((steps, batch, wiring.hidden_size))
    read = state if local.prediction is None else np.empty_like(state)
    trace = Trace(state, read, cell, [])
    for t in range(steps):
        v[:, wiring.x] = x[:, t]
        z = exchange.gather_outputs(local.gates.forward(v))
        if z is not None:
            if mixing is not None:
                trace.outputs.append(z)
                z = mix(z, mixing)
            cell.forward(t, z, state[t])
        exchange.share_hidden(state[t])
        if local.hidden is None or local.prediction is None:
            v[:, wiring.hidden] = state[t]
            continue
        last = t == steps - 1
        if not last:  # nobody reads the last h_t
            v[:, wiring.hidden] = exchange.gather_everywhere(local.hidden.forward(state[t]))[0]
        if last or wiring.sequence:
            read[t] = exchange.gather_everywhere(local.prediction.forward(state[t]))[0]
    return trace


def reverse(
    trace: Trace,
    to_read: Float,
    wiring: Wiring,
    local: LocalCell,
    exchange: Exchange,
    mixing: Float | None = None,
) -> SweepGradients:
    """Back-propagate through the steps of `trace`; collective on the row.

    to_read (T, B, d_h): the loss's derivatives by what the readout saw, zero where it did not look.
    """
    steps, batch, hidden_size = trace.state.shape
    groups: dict[Group, list[Float]] = {}
    mixing_rows: list[Float] = []
    to_x = np.zeros((steps, batch, wiring.input_size))
    to_previous: Float = np.zeros((batch, hidden_size))
    to_v: Float = np.empty((batch, wiring.input_size + hidden_size))
    cotangents: Float = np.empty((4, batch, hidden_size))
    for _, group in local.groups:
        group.begin_reverse()
    for t in reversed(range(steps)):
        if local.prediction is None:
            to_state = to_read[t] + to_previous
        else:
            to_state = _reverse_extras(t, to_read, to_previous, wiring, local, exchange, groups)
        if exchange.updates_cell:
            trace.cell.reverse(t, to_state, cotangents)
            if mixing is not None:
                cotangents, by_matrix = unmix(cotangents, trace.outputs[t], mixing)
                _add(mixing_rows, [by_matrix])
        exchange.share_cotangents(cotangents)
        rows, own = local.gates.reverse(t, cotangents)
        _add(groups.setdefault("gates", []), rows)
        gradients = exchange.gather_input_gradients(own)
        if gradients is not None:
            if wiring.reads_all:  # its gradient is that of v_t
                to_v = gradients[0]
            else:
                to_v.fill(0.0)
                for index, gradient in zip(wiring.inputs, gradients, strict=True):
                    to_v[:, index] += gradient
            to_x[t] = to_v[:, wiring.x]
            to_previous = to_v[:, wiring.hidden]
    return SweepGradients(groups, mixing_rows[0] if mixing_rows else None, to_x)


def _reverse_extras(
    t: int,
    to_read: Float,
    to_hidden: Float,
    wiring: Wiring,
    local: LocalCell,
    exchange: Exchange,
    groups: dict[Group, list[Float]],
) -> Float:
    """Step t back through the extra VQCs: from the cotangents of their outputs to that of
    o*tanh(c_t), (B, d_h), on ranks that update the cell. Adds the weights' rows to `groups`."""
    steps, batch, hidden_size = to_read.shape
    to_state = np.zeros((batch, hidden_size))
    assert local.hidden is not None
    assert local.prediction is not None
    used: list[tuple[Group, LocalGates, int, Float]] = []
    if t == steps - 1 or wiring.sequence:
        calls = t if wiring.sequence else 0
        used.append(("prediction", local.prediction, calls, to_read[t]))
    if t < steps - 1:
        used.append(("hidden", local.hidden, t, to_hidden))
    for name, group, step, cotangent in used:
        cotangents = cotangent[None].copy()
        exchange.share_cotangents(cotangents)
        rows, own = group.reverse(step, cotangents)
        _add(groups.setdefault(name, []), rows)
        gradients = exchange.gather_input_gradients(own, of_state=True)
        if gradients is not None:
            for index, gradient in zip(wiring.state_inputs, gradients, strict=True):
                to_state[:, index] += gradient
    return to_state


def _add(totals: list[Float], rows: list[Float]) -> None:
    """Add the rows of a time step to the sums over time."""
    if totals:
        for total, row in zip(totals, rows, strict=True):
            total += row
    else:
        totals += rows
