"""The native engine over the partitions of one process and the time steps of a batch.

One call of the extension a time step picks the features of all partitions, evaluates their circuits
and packs the outputs, where a call of `NativeEngine` for each partition costs microseconds of
Python and copies. The arithmetic is the engine's own, bit for bit
(`kernels/lstm/partition_sweep.hpp`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.engines.native import NativeEngine
from hpc_qlstm.native import extension
from hpc_qlstm.native.kernels import find_kernel


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
            extension.Member(
                plan=plan,
                picks=member.picks,
                weights_begin=member.weights_begin,
                rows_begin=member.rows_begin,
                output_begin=member.output_begin,
            )
            for plan, member in zip(self._plans, members, strict=True)
        ]
        self._cell_kernel = find_kernel()
        self._free: list[tuple[extension.PartitionSweep, extension.CellSweep]] = []

    def begin(self, flat: Float, x: Float, outputs: Float, *, back: bool = True) -> NativeSweep:
        """A sweep over x (B, T, d_x), C-contiguous, with these flat weights.

        outputs (sets, B, width): where each step's outputs go. back: whether `reverse` follows;
        without it, memory does not grow with T.
        """
        if self._free:
            sweep, cell = self._free.pop()
        else:
            sweep = extension.PartitionSweep(self._engine.kernel, self._members, self._sets)
            cell = extension.CellSweep(sweep, self._cell_kernel)
        sweep.begin(x.shape[1], x.shape[0], back)
        # Executions that a time step counts for: forward, or one adjoint product for each.
        counted = len(self._members) * self._sets * x.shape[0]
        return NativeSweep(self, sweep, cell, flat, x, outputs, counted)

    def end(self, sweep: extension.PartitionSweep, cell: extension.CellSweep, calls: int) -> None:
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
        sweep: extension.PartitionSweep,
        cell: extension.CellSweep,
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
    ) -> extension.CellSweep:
        """The four gates and the LSTM cell in common calls, instead of `forward` and `reverse`.

        gathered (P, 4, B, width): the outputs of all processes, counts: how many each has; state
        (B, d_h): h_t; read (T, B, d_h) with `sequence`, else (1, B, d_h): filled for the readout.
        updates: whether this process updates the cell. See `kernels/lstm/cell_sweep.hpp`.
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
