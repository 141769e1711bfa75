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

Index = NDArray[np.int64] | slice
"""Entries of v_t: an index array, or a slice where they are consecutive, which is faster."""


@dataclass
class Trace:
    """What the reverse sweep needs of a forward sweep: h_t (T, B, d_h) and the cell's values."""

    hidden: Float
    cell: Cell


def forward(
    x: Float, hidden_size: int, hidden_slice: slice, gates: LocalGates, exchange: Exchange
) -> Trace:
    """Run T steps over x (B, T, d_x); collective on the row.

    hidden_slice: where h_{t-1} stands in v_t. h_0 = c_0 = 0.
    """
    batch, steps, input_size = x.shape
    v = np.zeros((batch, input_size + hidden_size))
    input_slice = slice(hidden_size, None) if hidden_slice.start == 0 else slice(input_size)
    cell = Cell(steps if exchange.updates_cell else 0, batch, hidden_size)
    hidden = np.empty((steps, batch, hidden_size))
    for t in range(steps):
        v[:, input_slice] = x[:, t]
        z = exchange.gather_outputs(gates.forward(v))
        if z is not None:
            cell.forward(t, z, hidden[t])
        exchange.share_hidden(hidden[t])
        v[:, hidden_slice] = hidden[t]
    return Trace(hidden, cell)


def reverse(
    trace: Trace,
    to_hidden: Float,
    inputs: Sequence[Index],
    hidden_slice: slice,
    input_size: int,
    gates: LocalGates,
    exchange: Exchange,
) -> tuple[list[Float], Float]:
    """Back-propagate through the steps of `trace`; collective on the row.

    to_hidden (T, B, d_h): the loss's direct derivatives by every h_t (zero where there is none);
    inputs: the entries of v_t that each of all partitions reads. Returns, for each local partition,
    one row of weight gradients per sample (4, B, weight_count), summed over time, and the gradient
    of x (T, B, d_x), which is meaningful on ranks that update the cell.
    """
    steps, batch, hidden_size = trace.hidden.shape
    size = input_size + hidden_size
    input_slice = slice(hidden_size, None) if hidden_slice.start == 0 else slice(input_size)
    to_x = np.zeros((steps, batch, input_size))
    to_previous: Float = np.zeros((batch, hidden_size))
    to_v: Float = np.empty((batch, size))
    cotangents = np.empty((4, batch, hidden_size))
    totals: list[Float] = []
    # One partition that reads v_t as it stands: its gradient is that of v_t.
    only = inputs[0]
    reads_all = len(inputs) == 1 and isinstance(only, slice) and only == slice(0, size)
    gates.begin_reverse()
    for t in reversed(range(steps)):
        if exchange.updates_cell:
            trace.cell.reverse(t, to_hidden[t] + to_previous, cotangents)
        exchange.share_cotangents(cotangents)
        rows, local = gates.reverse(t, cotangents)
        if totals:
            for total, row in zip(totals, rows, strict=True):
                total += row
        else:
            totals = rows
        gradients = exchange.gather_input_gradients(local)
        if gradients is not None:
            if reads_all:
                to_v = gradients[0]
            else:
                to_v.fill(0.0)
                for index, gradient in zip(inputs, gradients, strict=True):
                    to_v[:, index] += gradient
            to_x[t] = to_v[:, input_slice]
            to_previous = to_v[:, hidden_slice]
    return totals, to_x
