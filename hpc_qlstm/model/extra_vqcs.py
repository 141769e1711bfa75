"""The two extra VQCs of the six-VQC cell over the time steps (N_extra = 2, equation 12).

One maps o*tanh(c_t) to h_t, at all steps but the last unless h_T is wanted; the other maps it to
what the readout sees, at the steps where it looks. Every rank needs their outputs.
"""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.model.exchange import Exchange
from hpc_qlstm.model.local_cell import LocalCell
from hpc_qlstm.model.tape import Microbatch, Sequences


class ExtraVqcs:
    """Both VQCs, of a cell that has them, on one part of a batch; collective on the group."""

    def __init__(
        self, local: LocalCell, exchange: Exchange, given: Sequences, part: Microbatch
    ) -> None:
        assert local.hidden is not None
        assert local.prediction is not None
        batch, self._steps, _ = given.x.shape
        self._exchange, self._given = exchange, given
        self._slot, self._early = part.number, part.count > 1
        self._outputs = exchange.outputs(self._slot, 1, batch, early=self._early)
        send = self._outputs.send
        arguments = given.flat, given.x, given.sample_key, send
        self._hidden = local.hidden.begin(*arguments, back=given.back)
        self._prediction = local.prediction.begin(*arguments, back=given.back)

    def hidden(self, t: int, state: Float) -> Float:
        """h_t (B, d_h) from o*tanh(c_t) (B, d_h)."""
        self._hidden.forward(t, state)
        self._outputs.start()
        h: Float = self._outputs.finish()[0].copy()
        return h

    def prediction(self, t: int, state: Float) -> Float:
        """What the readout sees of step t (B, d_h); valid until the next call."""
        self._prediction.forward(self._call(t), state)
        self._outputs.start()
        seen: Float = self._outputs.finish()[0]
        return seen

    def start_back(self, rows: Float) -> None:
        """Begin the way back; rows (B, R): see `CellTape.start_back`."""
        self._rows = rows
        batch = rows.shape[0]
        self._inputs = self._exchange.inputs(self._slot, batch, of_state=True, early=self._early)
        self._cotangents = self._exchange.shared(self._slot, 1, batch)
        self._hidden.begin_reverse()
        self._prediction.begin_reverse()

    def reverse(self, t: int, grad_seen: Float, grad_hidden: Float) -> Float:
        """Step t back: from the cotangents of both outputs (B, d_h) to that of o*tanh(c_t), on
        ranks that update the cell."""
        grad_state = np.zeros(grad_seen.shape)
        used = []
        if t == self._steps - 1 or self._given.sequence:
            used.append((self._prediction, self._call(t), grad_seen))
        if t < self._steps - 1 or self._given.final_state:
            used.append((self._hidden, t, grad_hidden))
        for tape, step, cotangent in used:
            buffer = self._cotangents.buffer
            if self._exchange.updates_cell:
                buffer[0] = cotangent
            self._cotangents.share()
            tape.reverse(step, buffer, self._rows, self._inputs.send)
            self._inputs.start()
            self._inputs.finish(grad_state if self._exchange.updates_cell else None)
        return grad_state

    def release(self) -> None:
        """Over: memory may serve the next batch."""
        self._hidden.release()
        self._prediction.release()

    def _call(self, t: int) -> int:
        """The number of the prediction VQC's call at step t."""
        return t if self._given.sequence else 0
