"""The recurrent layer: the cell over the time steps, and its exact back-propagation (BPTT).

Written once for one process and for a group of ranks: values that other ranks hold come through an
Exchange. A rank that does not update the cell follows the same steps with received values.

A batch may be cut into microbatches, which take turns: while the messages of one travel, the
circuits of the next are computed. Samples do not depend on each other, so no bit depends on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.model.exchange import Exchange
from hpc_qlstm.model.fused_cell import FusedCellTape
from hpc_qlstm.model.local_cell import LocalCell
from hpc_qlstm.model.stepwise_cell import StepwiseCellTape
from hpc_qlstm.model.tape import CellTape, Cotangents, Microbatch, Sequences, State


class Layer:
    """A QLSTM layer on one process: its partitions' VQCs, and the exchange with the others.

    Whether circuits and cell are one call a step is decided here: where the engine offers it.
    """

    def __init__(self, local: LocalCell, exchange: Exchange) -> None:
        self._local, self._exchange = local, exchange
        self._fused = local.fused

    def forward(self, given: Sequences, cuts: Sequence[int] = ()) -> LayerTape:
        """Run T steps; collective on the group of ranks.

        cuts: the samples are cut here into microbatches, by default nowhere.
        """
        tapes = []
        for part, piece in _microbatches(given, cuts):
            tapes.append(self._tape(piece, part))
        steps = given.x.shape[1]
        for t in range(steps):
            for tape in tapes:
                if t:
                    tape.finish(t - 1)
                tape.begin(t)
        for tape in tapes:
            tape.finish(steps - 1)
        return LayerTape(tapes, steps, (0, *cuts, given.x.shape[0]))

    def _tape(self, given: Sequences, part: Microbatch) -> CellTape:
        if self._fused is None:
            return StepwiseCellTape(self._local, self._exchange, given, part)
        return FusedCellTape(self._fused, self._local.wiring, self._exchange, given, part)


class LayerTape:
    """What a layer's way forward has left: its outputs, and what the way back needs.

    Arrays are filled on ranks that update the cell.
    """

    def __init__(self, tapes: Sequence[CellTape], steps: int, bounds: Sequence[int]) -> None:
        self._tapes, self._steps, self._bounds = tapes, steps, bounds
        self.outputs: Float = tapes[0].outputs
        """(T, B, d_h) with `sequence`, else (1, B, d_h): what the readout sees."""
        if len(tapes) > 1:
            self.outputs = np.concatenate([tape.outputs for tape in tapes], axis=1)

    def state(self) -> State:
        """(h_T, c_T), where they were asked for."""
        return _joined([tape.state() for tape in self._tapes])

    def expectations(self) -> list[Float]:
        """Expectation values (4, B, d_h^(m)) of each local partition's lstm gates at step T - 1."""
        parts = [tape.gates.expectations for tape in self._tapes]
        return [np.concatenate(values, axis=1) for values in zip(*parts, strict=True)]

    def reverse(self, cotangents: Cotangents, rows: Float, *, with_inputs: bool = False) -> None:
        """Back-propagate through all steps; collective on the group of ranks.

        rows (B, R): zeros that the gradients of the local weights are added to, one row a sample;
        with_inputs: also for `grad_x` and `grad_state`.
        """
        if len(self._tapes) == 1:
            self._tapes[0].start_back(cotangents, rows, with_inputs=with_inputs)
        else:
            for tape, (begin, end) in zip(
                self._tapes, itertools.pairwise(self._bounds), strict=True
            ):
                part = Cotangents(
                    cotangents.outputs[:, begin:end], _part(cotangents.state, begin, end)
                )
                tape.start_back(part, rows[begin:end], with_inputs=with_inputs)
        for t in reversed(range(self._steps)):
            for tape in self._tapes:
                if t < self._steps - 1:
                    tape.finish_back(t + 1)
                tape.begin_back(t)
        for tape in self._tapes:
            tape.finish_back(0)

    def grad_x(self) -> Float:
        """Gradients (B, T, d_x) of the inputs, after the way back `with_inputs`."""
        return np.concatenate([tape.grad_x for tape in self._tapes if tape.grad_x is not None])

    def grad_state(self) -> State:
        """Cotangents of (h_0, c_0), after the way back `with_inputs`."""
        return _joined([tape.grad_state() for tape in self._tapes])

    def mixing_rows(self) -> Float | None:
        """Gradients (B, 4 d_h^2) of the matrices that mix the gates' outputs; None without them."""
        rows = [tape.mixing_rows for tape in self._tapes if tape.mixing_rows is not None]
        return np.concatenate(rows) if rows else None

    def release(self) -> None:
        """Over: memory may serve the next batch."""
        for tape in self._tapes:
            tape.release()


def _microbatches(given: Sequences, cuts: Sequence[int]) -> list[tuple[Microbatch, Sequences]]:
    given.x = np.ascontiguousarray(given.x)
    if not cuts:
        return [(Microbatch(), given)]
    pieces = []
    bounds = [0, *cuts, given.x.shape[0]]
    for number, (begin, end) in enumerate(itertools.pairwise(bounds)):
        piece = Sequences(
            given.flat, given.x[begin:end], _part(given.state, begin, end),
            given.sample_key.after(begin), given.sequence, given.final_state, given.back,
        )  # fmt: skip
        pieces.append((Microbatch(number, len(cuts) + 1), piece))
    return pieces


def _part(state: State | None, begin: int, end: int) -> State | None:
    if state is None:
        return None
    h, c = state
    return np.ascontiguousarray(h[begin:end]), np.ascontiguousarray(c[begin:end])


def _joined(states: Sequence[State]) -> State:
    h, c = zip(*states, strict=True)
    return np.concatenate(h), np.concatenate(c)
