"""Circuits that a run executes: counted where engines run them, summed over ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpc_qlstm.engines import Engine


@dataclass(frozen=True)
class CircuitCounts:
    """Circuits of training, of the test part's evaluation, and for calibration; see `Engine`."""

    training: int = 0
    evaluation: int = 0
    calibration: int = 0

    def __add__(self, other: CircuitCounts) -> CircuitCounts:
        return CircuitCounts(
            self.training + other.training,
            self.evaluation + other.evaluation,
            self.calibration + other.calibration,
        )


class LocalCounter:
    """What this rank's engines run from now on; training until `evaluating` is called."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        # Partitions may share an engine, which counts once.
        self._engines = list({id(engine): engine for engine in engines}.values())
        self._start = self._now()
        self._trained: int | None = None

    def evaluating(self) -> None:
        """From here on circuits are counted as evaluation."""
        self._trained = self._now()[0]

    def counts(self) -> CircuitCounts:
        """The counts so far, of this rank alone."""
        executions, calibrations = self._now()
        trained = executions if self._trained is None else self._trained
        begun, calibrated = self._start
        return CircuitCounts(trained - begun, executions - trained, calibrations - calibrated)

    def _now(self) -> tuple[int, int]:
        executions = sum(engine.executions for engine in self._engines)
        return executions, sum(engine.calibrations for engine in self._engines)
