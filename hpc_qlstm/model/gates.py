"""The VQCs of the partitions that one process owns, a group of them at a time: the four gates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.engines.base import Engine, Gradient
from hpc_qlstm.engines.native import NativeEngine
from hpc_qlstm.engines.native_sweep import NativeSweeps, SweepMember
from hpc_qlstm.errors import EngineError
from hpc_qlstm.model.engine_sweep import EngineSweep
from hpc_qlstm.model.sweep import GateSweep, GradientMethod, GroupMember, Place
from hpc_qlstm.model.weights import Group, WeightLayout


class LocalGates:
    """Makes sweeps of a group of VQCs of consecutive partitions.

    engines: one for each of `partitions`; layout: of all weights; group: which VQCs of a partition;
    picks: for each partition and feature its column of the state, or -1 - k for column k of x_t;
    stream: words that tell its random numbers from those of other groups.

    With `parameter_shift` and `spsa` all time steps go to an engine in one call at the begin of the
    reverse sweep; with `adjoint` each step of it makes its own call. The native engine with its
    adjoint method and no affine maps takes one call a step for all partitions.
    `seconds` counts the time spent in sweeps that are over since `reset_seconds`.

    An engine that fails does not leave other ranks waiting: from then on all values here are NaN,
    which every rank sees in the loss or the gradient, and `take_failure` tells why.
    """

    def __init__(
        self,
        engines: Sequence[Engine],
        gradient: GradientMethod,
        layout: WeightLayout,
        partitions: range,
        group: Group,
        picks: Sequence[Sequence[int]],
        outputs: Sequence[slice],
        stream: tuple[int, ...] = (),
    ) -> None:
        self.engines = engines
        self.engine_seconds = 0.0
        self.failure: EngineError | None = None
        self.newest: list[GateSweep] = []
        """The sweeps of the newest batch, one for each part of it."""
        self.method = gradient
        self.first = partitions.start
        self.stream = stream
        begin = layout.offsets[partitions.start]
        self.members = [
            GroupMember(
                layout.circuit(m, group),
                columns,
                layout.row_range(m, group),
                layout.row_range(m, group).start - begin,
                output,
            )
            for m, columns, output in zip(partitions, picks, outputs, strict=True)
        ]
        self.sets = len(layout.groups[group])
        self.affine = layout.affine
        self.native = self._native_sweeps()
        """Sweeps of all partitions in one call a step, where the native engine can."""

    @property
    def seconds(self) -> float:
        """Time spent in circuits."""
        return self.engine_seconds + (self.native.seconds if self.native else 0.0)

    def reset_seconds(self) -> None:
        """Count `seconds` from here."""
        self.engine_seconds = 0.0
        if self.native is not None:
            self.native.seconds = 0.0

    @property
    def gradient(self) -> Gradient:
        """The name of the gradient method."""
        return self.method.name

    @property
    def circuits(self) -> list[Circuit]:
        """The circuit of each local partition."""
        return [member.circuit for member in self.members]

    @property
    def expectations(self) -> list[Float]:
        """Expectation values (n, B, d_h^(m)) of each partition at the newest batch's last step."""
        parts = [sweep.expectations for sweep in self.newest]
        return [np.concatenate(values, axis=1) for values in zip(*parts, strict=True)]

    def begin(
        self, flat: Float, x: Float, place: Place, outputs: Float, *, back: bool = True
    ) -> GateSweep:
        """Start a sweep over x (B, T, d_x) with the flat weights.

        outputs (n, B, width): where each step's outputs go. back: whether the way back follows;
        without it, memory does not grow with T.
        """
        if self.native is not None:
            return self.native.begin(flat, x, outputs, back=back)
        return EngineSweep(self, flat, x, place, outputs, back=back)

    def take_failure(self) -> EngineError | None:
        """The EngineError of the first engine that failed, if any; it is forgotten here."""
        failure, self.failure = self.failure, None
        return failure

    def _native_sweeps(self) -> NativeSweeps | None:
        engine = self.engines[0] if self.engines else None
        same = all(each is engine for each in self.engines)
        if not isinstance(engine, NativeEngine) or not same or self.affine:
            return None
        if self.method.name != "adjoint":
            return None
        members = [
            SweepMember(
                each.circuit, each.picks, each.weights.start, each.rows_begin, each.outputs.start
            )
            for each in self.members
        ]
        return NativeSweeps(engine, members, self.sets)
