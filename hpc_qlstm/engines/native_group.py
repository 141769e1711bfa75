"""The native engine over the partitions of one process and the time steps of a batch.

One call of the extension a time step picks the features of all partitions, evaluates their circuits
and packs the outputs, where a call of `NativeEngine` for each partition costs microseconds of
Python and copies. The arithmetic is the engine's own, bit for bit
(`kernels/lstm/partition_sweep.hpp`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.engines.fused import ForwardArrays, GroupMember, ReverseArrays
from hpc_qlstm.native import extension
from hpc_qlstm.native.kernels import find_kernel


@dataclass(frozen=True)
class NativeKernels:
    """What a group needs of its engine: kernels and threads, and where executions are counted."""

    kernel: extension.Kernel
    threads: int
    count: Callable[[int], None]


class NativeGroup:
    """A `FusedGroup` of the native engine: plans are compiled once. Local.

    plans: of each member's circuit; sets: VQCs of each member, the four lstm gates or an extra one.
    """

    def __init__(
        self,
        kernels: NativeKernels,
        plans: Sequence[Any],
        members: Sequence[GroupMember],
        sets: int,
    ) -> None:
        self.kernels, self.sets = kernels, sets
        self.seconds = 0.0
        self.output_counts = [member.circuit.outputs for member in members]
        self.members = [
            extension.Member(
                plan=plan,
                picks=member.picks,
                weights_begin=member.weights.start,
                rows_begin=member.rows_begin,
                output_begin=member.outputs.start,
            )
            for plan, member in zip(plans, members, strict=True)
        ]
        self._cell_kernel = find_kernel()
        self._free: list[tuple[extension.PartitionSweep, extension.CellSweep]] = []

    def begin(self, flat: Float, x: Float, outputs: Float, *, back: bool = True) -> NativeTape:
        """See FusedGroup."""
        if self._free:
            sweep, cell = self._free.pop()
        else:
            sweep = extension.PartitionSweep(self.kernels.kernel, self.members, self.sets)
            cell = extension.CellSweep(sweep, self._cell_kernel)
        sweep.begin(x.shape[1], x.shape[0], back)
        return NativeTape(self, (sweep, cell), flat, x, outputs)

    def end(self, sweeps: tuple[extension.PartitionSweep, extension.CellSweep], calls: int) -> None:
        """Take a tape's memory back for the next one. calls: executions to count."""
        sweep = sweeps[0]
        self.seconds += sweep.seconds
        sweep.seconds = 0.0
        self.kernels.count(calls)
        self._free.append(sweeps)


class NativeTape:
    """A `FusedTape` of the native engine. Local."""

    def __init__(
        self,
        group: NativeGroup,
        sweeps: tuple[extension.PartitionSweep, extension.CellSweep],
        flat: Float,
        x: Float,
        outputs: Float,
    ) -> None:
        self._group, self._sweeps, self._threads = group, sweeps, group.kernels.threads
        self._sweep, self._cell = sweeps
        self._flat, self._x, self._outputs = flat, x, outputs
        # Executions that a time step counts for: forward, or one adjoint product for each.
        self._counted, self._calls = len(group.members) * group.sets * x.shape[0], 0

    def with_cell(self, arrays: ForwardArrays) -> extension.CellSweep:
        """See FusedTape."""
        cell = self._cell
        cell.start(
            self._threads, self._x, self._flat, self._outputs, arrays.gathered, arrays.counts,
            arrays.hidden, arrays.outputs, arrays.sequence, arrays.updates,
        )  # fmt: skip
        if arrays.h0 is not None and arrays.c0 is not None:
            cell.set_state(arrays.h0, arrays.c0)
        return cell

    def start_back(self, arrays: ReverseArrays) -> None:
        """See FusedTape."""
        self._cell.start_back(
            arrays.grad_outputs, arrays.rows, arrays.grad_inputs, arrays.gathered, arrays.columns,
            arrays.hidden_begin, arrays.cotangents, arrays.grad_x,
        )  # fmt: skip
        if arrays.grad_h is not None and arrays.grad_c is not None:
            self._cell.set_grad_state(arrays.grad_h, arrays.grad_c)

    def count(self, steps: int) -> None:
        """See FusedTape."""
        self._calls += steps * self._counted

    def forward(self, t: int, state: Float) -> None:
        """See FusedTape."""
        self._calls += self._counted
        self._sweep.forward(t, self._threads, state, self._x, self._flat, self._outputs)

    def begin_reverse(self) -> None:
        """Nothing to do."""

    def reverse(self, t: int, cotangents: Float, rows: Float, grad_inputs: Float) -> None:
        """See FusedTape."""
        self._calls += self._counted
        self._sweep.reverse(t, self._threads, self._flat, cotangents, rows, grad_inputs)

    @property
    def expectations(self) -> list[Float]:
        """See FusedTape."""
        ends = np.cumsum(self._group.output_counts)
        return [
            self._outputs[:, :, end - count : end].copy()
            for end, count in zip(ends, self._group.output_counts, strict=True)
        ]

    def release(self) -> None:
        """See FusedTape."""
        self._group.end(self._sweeps, self._calls)
