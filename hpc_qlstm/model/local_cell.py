"""All VQCs of a cell that one process owns: the four gates, and the two of the six-VQC cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hpc_qlstm.engines.base import Engine, Gradient
from hpc_qlstm.model.gates import LocalGates
from hpc_qlstm.model.weights import Group


@dataclass(frozen=True)
class LocalCell:
    """The groups of VQCs of consecutive partitions, which are on the same engines.

    hidden maps o*tanh(c_t) to h_t, prediction maps it to what the readout sees (Chen, Yoo and Fang
    2020; the paper's N_extra = 2, equation 12); both are None where the cell has four VQCs.
    weights: in the section of the flat vector that the partitions own.
    """

    partitions: range
    weights: int
    gates: LocalGates
    hidden: LocalGates | None = None
    prediction: LocalGates | None = None

    @property
    def groups(self) -> Iterator[tuple[Group, LocalGates]]:
        """The groups that are there, by name, in the order of their weights."""
        yield "gates", self.gates
        if self.hidden is not None and self.prediction is not None:
            yield "hidden", self.hidden
            yield "prediction", self.prediction

    @property
    def engines(self) -> Sequence[Engine]:
        """The engine of each partition."""
        return self.gates.engines

    @property
    def gradient(self) -> Gradient:
        """The name of the gradient method."""
        return self.gates.gradient

    @property
    def seconds(self) -> float:
        """Time spent in circuits since `reset_seconds`."""
        return sum(group.seconds for _, group in self.groups)

    def reset_seconds(self) -> None:
        """Count `seconds` from here."""
        for _, group in self.groups:
            group.seconds = 0.0

    def raise_failure(self) -> None:
        """Raise the EngineError of the first engine that failed, if any, and forget all."""
        failures = [group.take_failure() for _, group in self.groups]
        for failure in failures:
            if failure is not None:
                raise failure
