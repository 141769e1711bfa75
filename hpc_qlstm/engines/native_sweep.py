"""The native engine over the partitions of one process and the time steps of a batch.

One call of the extension a time step picks the features of all partitions, evaluates their circuits
and packs the outputs, where a call of `NativeEngine` for each partition costs microseconds of
Python and copies. The arithmetic is the engine's own, bit for bit (`kernels/partition_sweep.hpp`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.engines.native import NativeEngine, cell_kernel

# isort: split
# After the engine, which says so when it is not installed.
from hpc_qlstm import _native

merge_columns = _native.merge_columns
"""merge_columns(parts (P, .., width), counts, merged (.., sum of counts)): the first columns of
every part side by side."""
add_columns = _native.add_columns
"""add_columns(parts (P, .., width), ColumnList, sums (rows, n)): columns added one by one."""
ColumnList = _native.ColumnList
"""A list of (part, column there, column of the sums)."""
block_sums = _native.block_sums
"""block_sums(rows (n, w), bounds (K + 1), sums (K, w)): sums over blocks of rows, in order. This
and the following are in `kernels/batch_sums.hpp`, which says more; all raise ValueError for arrays
of other sizes, and all are local."""
sum_blocks = _native.sum_blocks
"""sum_blocks(rows (n, w), bounds, sum (w,)): the sum of all blocks, in block order."""
add_blocks = _native.add_blocks
"""add_blocks(received (P, K, width), rows of each replica's ranks, offsets of the positions'
sections, first shared column, first column of sections, gradient (n,)): the sum of the losses, and
that of the gradient, which it fills."""
adam = _native.adam
"""adam(beta1, beta2, step_size, root, epsilon, gradient, first, second, weights), all (n,)."""
readout = _native.readout
"""readout(hidden (n, d_h), weight (d_y, d_h), bias (d_y,), out (n, d_y))."""
squared_errors = _native.squared_errors
"""squared_errors(hidden (B, T, d_h), weight, bias, target of B * T * d_y numbers, scale, loss (B,),
to_hidden (B, T, d_h), rows (B, d_y * (d_h + 1))): the last three are filled."""
pack_sums = _native.pack_sums
"""pack_sums(loss (B,), shared (B, s), partitions (B, w), bounds, head, sent): `sum_blocks` of all
three, into columns 0, head .. head + s, and those after it, of `sent`."""


def column_list(parts: Sequence[Sequence[int]], columns: Sequence[Sequence[int]]) -> ColumnList:
    """Where gathered gradients go. Local.

    parts: for each part of the message its partitions, whose columns lie one after the other;
    columns: for each partition the columns of the sums that its own are added to.
    """
    added = []
    for number, partitions in enumerate(parts):
        begin = 0
        for m in partitions:
            added += [(number, begin + k, column) for k, column in enumerate(columns[m])]
            begin += len(columns[m])
    return ColumnList(added)


@dataclass(frozen=True)
class SweepMember:
    """One partition's VQCs that share circuit and features.

    picks: for each feature its column of the state, or -1 - k for column k of x_t. Offsets: of its
    weight sets in the flat vector, of their gradients in a sample's row, of its outputs in the
    hidden vector.
    """

    circuit: Circuit
    picks: Sequence[int]
    weights_begin: int
    rows_begin: int
    output_begin: int


class NativeSweeps:
    """Makes sweeps over the same members: their plans are compiled once. Local.

    sets: weight sets of each member, the four gates or one extra VQC. `seconds` adds up the time
    of sweeps that are over. Raises UnsupportedError for a circuit beyond the engine.
    """

    def __init__(self, engine: NativeEngine, members: Sequence[SweepMember], sets: int) -> None:
        self._engine = engine
        self._sets = sets
        self.seconds = 0.0
        self.output_counts = [member.circuit.outputs for member in members]
        self._plans = [engine.plan(member.circuit) for member in members]
        self._members = [
            (
                plan,
                list(member.picks),
                member.weights_begin,
                member.rows_begin,
                member.output_begin,
            )
            for plan, member in zip(self._plans, members, strict=True)
        ]
        self._cell_kernel = cell_kernel()
        self._free: list[tuple[_native.PartitionSweep, _native.CellSweep]] = []

    def begin(self, flat: Float, x: Float, outputs: Float, *, back: bool = True) -> NativeSweep:
        """A sweep over x (B, T, d_x), C-contiguous, with these flat weights.

        outputs (sets, B, width): where each step's outputs go. back: whether `reverse` follows;
        without it, memory does not grow with T.
        """
        if self._free:
            sweep, cell = self._free.pop()
        else:
            sweep = _native.PartitionSweep(self._engine.kernel, self._members, self._sets)
            cell = _native.CellSweep(sweep, self._cell_kernel)
        sweep.begin(x.shape[1], x.shape[0], back)
        # Executions that a time step counts for: forward, or one adjoint product for each.
        counted = len(self._members) * self._sets * x.shape[0]
        return NativeSweep(self, sweep, cell, flat, x, outputs, counted)

    def end(self, sweep: _native.PartitionSweep, cell: _native.CellSweep, calls: int) -> None:
        """Take a sweep back: its memory serves the next one. calls: executions to count."""
        self.seconds += sweep.seconds
        sweep.seconds = 0.0
        self._engine.executions += calls
        self._free.append((sweep, cell))

    @property
    def threads(self) -> int:
        """Most threads of a call."""
        return self._engine.threads


class NativeSweep:
    """The members on one part of a batch: `forward` for t = 0 .. T-1, `reverse` back. Local."""

    def __init__(
        self,
        makers: NativeSweeps,
        sweep: _native.PartitionSweep,
        cell: _native.CellSweep,
        flat: Float,
        x: Float,
        outputs: Float,
        counted: int,
    ) -> None:
        self._makers, self._sweep, self._threads = makers, sweep, makers.threads
        self._flat, self._x, self._outputs = flat, x, outputs
        self._counted, self._calls = counted, 0
        self._cell = cell

    def with_cell(
        self,
        gathered: Float,
        counts: Sequence[int],
        state: Float,
        read: Float,
        *,
        sequence: bool,
        updates: bool,
    ) -> _native.CellSweep:
        """The four gates and the LSTM cell in common calls, instead of `forward` and `reverse`.

        gathered (P, 4, B, width): the outputs of all processes, counts: how many each has; state
        (B, d_h): h_t; read (T, B, d_h) with `sequence`, else (1, B, d_h): filled for the readout.
        updates: whether this process updates the cell. See `kernels/cell_sweep.hpp`.
        """
        self._cell.start(
            self._threads, self._x, self._flat, self._outputs, gathered, counts, state, read,
            sequence, updates,
        )  # fmt: skip
        return self._cell

    def count(self, steps: int) -> None:
        """So many steps, forward or back, were taken by `with_cell`'s calls."""
        self._calls += steps * self._counted

    def forward(self, t: int, state: Float) -> None:
        """Step t from the state (B, n): fills the first columns of the outputs."""
        self._calls += self._counted
        self._sweep.forward(t, self._threads, state, self._x, self._flat, self._outputs)

    def begin_reverse(self) -> None:
        """Nothing to do."""

    def reverse(self, t: int, cotangents: Float, rows: Float, to_inputs: Float) -> None:
        """Step t back: weight gradients added to rows (B, n); to_inputs (B, width) filled.

        cotangents (sets, B, d_h): of the outputs of all partitions.
        """
        self._calls += self._counted
        self._sweep.reverse(t, self._threads, self._flat, cotangents, rows, to_inputs)

    @property
    def expectations(self) -> list[Float]:
        """Expectation values (sets, B, n_out) of each member at the newest step."""
        ends = np.cumsum(self._makers.output_counts)
        return [
            self._outputs[:, :, end - count : end].copy()
            for end, count in zip(ends, self._makers.output_counts, strict=True)
        ]

    def release(self) -> None:
        """The sweep is over."""
        self._makers.end(self._sweep, self._cell, self._calls)
