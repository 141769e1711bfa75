"""What sweeps over time steps have in common: the gradient method, places, members of a group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpc_qlstm.circuits.circuit import Circuit
from hpc_qlstm.engines.base import Gradient


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
