"""The VQCs of the partitions that one process owns, a group of them at a time: the lstm gates."""

from __future__ import annotations

from collections.abc import Sequence

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.engines.base import Engine, Gradient
from hpc_qlstm.engines.fused import FusedGroup, GroupMember, VqcTape
from hpc_qlstm.errors import EngineError
from hpc_qlstm.model.engine_tape import EngineTape, GroupLog, GroupSpec
from hpc_qlstm.model.tape import SampleKey
from hpc_qlstm.model.weights import Group, WeightLayout


class VqcGroup:
    """Makes tapes of a group of VQCs of consecutive partitions.

    With `parameter_shift` and `spsa` all time steps go to an engine in one call at the begin of the
    way back; with `adjoint` each step of it makes its own call. An engine that offers a fused group
    takes one call a step for all partitions.
    `seconds` counts the time spent in tapes that are over since `reset_seconds`.

    An engine that fails does not leave other ranks waiting: from then on all values here are NaN,
    which every rank sees in the loss or the gradient, and `take_failure` tells why.
    """

    def __init__(self, spec: GroupSpec) -> None:
        self._spec = spec
        self._log = GroupLog()
        self._fused_before = 0.0
        self.fused = _fused(spec)
        """All partitions in one call a step, where the engine offers it."""

    @property
    def engines(self) -> Sequence[Engine]:
        """The engine of each local partition."""
        return self._spec.engines

    @property
    def gradient(self) -> Gradient:
        """The name of the gradient method."""
        return self._spec.method.name

    @property
    def circuits(self) -> list[Circuit]:
        """The circuit of each local partition."""
        return [member.circuit for member in self._spec.members]

    @property
    def seconds(self) -> float:
        """Time spent in circuits since `reset_seconds`."""
        fused = self.fused.seconds - self._fused_before if self.fused else 0.0
        return self._log.seconds + fused

    def reset_seconds(self) -> None:
        """Count `seconds` from here."""
        self._log.seconds = 0.0
        if self.fused:
            self._fused_before = self.fused.seconds

    def begin(
        self, flat: Float, x: Float, sample_key: SampleKey, outputs: Float, *, back: bool = True
    ) -> VqcTape:
        """Start a tape over x (B, T, d_x) with the flat weights.

        outputs (n, B, width): where each step's outputs go. back: whether the way back follows;
        without it, memory does not grow with T.
        """
        if self.fused is not None:
            return self.fused.begin(flat, x, outputs, back=back)
        return EngineTape(self._spec, self._log, flat, x, sample_key, outputs, back=back)

    def take_failure(self) -> EngineError | None:
        """The EngineError of the first engine that failed, if any; it is forgotten here."""
        failure, self._log.failure = self._log.failure, None
        return failure


def group_of(
    layout: WeightLayout,
    partitions: range,
    group: Group,
    picks: Sequence[Sequence[int]],
    outputs: Sequence[slice],
) -> list[GroupMember]:
    """The members of a group in consecutive partitions.

    picks: for each partition and feature its column of the state, or -1 - k for column k of x_t;
    outputs: each partition's part of the hidden vector.
    """
    begin = layout.offsets[partitions.start]
    members = []
    for m, columns, output in zip(partitions, picks, outputs, strict=True):
        rows = layout.row_range(m, group)
        circuit = layout.circuit(m, group)
        members.append(GroupMember(circuit, columns, rows, rows.start - begin, output))
    return members


def _fused(spec: GroupSpec) -> FusedGroup | None:
    """The fused group of one engine that serves all partitions with its own adjoint method."""
    engine = spec.engines[0] if spec.engines else None
    if engine is None or spec.affine or spec.method.name != "adjoint":
        return None
    if any(each is not engine for each in spec.engines):
        return None
    return engine.fuse(spec.members, spec.sets)
