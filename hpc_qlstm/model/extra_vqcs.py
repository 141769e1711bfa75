"""The two extra VQCs of the six-VQC cell in the recurrence (N_extra = 2, equation 12).

One maps o*tanh(c_t) to h_t, at all steps but the last; the other maps it to what the readout sees,
at the steps where it looks. Every rank needs their outputs.
"""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.model.exchange import Exchange
from hpc_qlstm.model.local_cell import LocalCell
from hpc_qlstm.model.sweep import Place


class ExtraVqcs:
    """Both VQCs, of a cell that has them, on one part of a batch; collective on the row."""

    def __init__(
        self,
        local: LocalCell,
        exchange: Exchange,
        slot: int,
        flat: Float,
        x: Float,
        place: Place,
        sequence: bool,
        *,
        back: bool,
    ) -> None:
        assert local.hidden is not None
        assert local.prediction is not None
        batch, self._steps, _ = x.shape
        self._exchange, self._slot, self._sequence = exchange, slot, sequence
        self._outputs = exchange.outputs(slot, 1, batch)
        send = self._outputs.send
        self._hidden = local.hidden.begin(flat, x, place, send, back=back)
        self._prediction = local.prediction.begin(flat, x, place, send, back=back)

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
        """Begin the way back; rows (B, R): see `CellSweep.start_back`."""
        self._rows = rows
        batch = rows.shape[0]
        self._inputs = self._exchange.inputs(self._slot, batch, of_state=True)
        self._cotangents = self._exchange.shared(self._slot, 1, batch)
        self._hidden.begin_reverse()
        self._prediction.begin_reverse()

    def reverse(self, t: int, to_read: Float, to_hidden: Float) -> Float:
        """Step t back: from the cotangents of both outputs (B, d_h) to that of o*tanh(c_t), on
        ranks that update the cell."""
        to_state = np.zeros(to_read.shape)
        used = []
        if t == self._steps - 1 or self._sequence:
            used.append((self._prediction, self._call(t), to_read))
        if t < self._steps - 1:
            used.append((self._hidden, t, to_hidden))
        for sweep, step, cotangent in used:
            buffer = self._cotangents.buffer
            if self._exchange.updates_cell:
                buffer[0] = cotangent
            self._cotangents.share()
            sweep.reverse(step, buffer, self._rows, self._inputs.send)
            self._inputs.start()
            self._inputs.finish(to_state if self._exchange.updates_cell else None)
        return to_state

    def release(self) -> None:
        """Over: memory may serve the next batch."""
        self._hidden.release()
        self._prediction.release()

    def _call(self, t: int) -> int:
        """The number of the prediction VQC's call at step t."""
        return t if self._sequence else 0
