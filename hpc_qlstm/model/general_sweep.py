"""The cell and its circuits on one part of a batch, with any engine: step by step in Python.

Also with matrices that mix the gates' outputs, and with the extra VQCs of the six-VQC cell.
"""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.model.exchange import Exchange
from hpc_qlstm.model.extra_vqcs import ExtraVqcs
from hpc_qlstm.model.local_cell import LocalCell
from hpc_qlstm.model.mixing import mix, unmix
from hpc_qlstm.model.sweep import Place, Wiring


class GeneralSweep:
    """See CellSweep. x (B, T, d_x); slot: which part it is; mixing (4, d_h, d_h): matrices that
    mix the gates' outputs."""

    def __init__(
        self,
        x: Float,
        slot: int,
        wiring: Wiring,
        local: LocalCell,
        exchange: Exchange,
        flat: Float,
        mixing: Float | None,
        place: Place,
        *,
        back: bool,
    ) -> None:
        batch, self.steps, _ = x.shape
        self._wiring, self._exchange, self._mixing = wiring, exchange, mixing
        self._local = local
        self._cell_steps = self.steps if exchange.updates_cell else 0
        self._back = back
        self._cell = local.take_cell(self._cell_steps, batch, wiring.hidden_size, back=back)
        self._outputs = exchange.outputs(slot, 4, batch)
        self._shared = exchange.shared(slot, 1, batch)
        self._state: Float = np.zeros((batch, wiring.hidden_size))
        looked_at = self.steps if wiring.sequence else 1
        self.read: Float = np.empty((looked_at, batch, wiring.hidden_size))
        self._unmixed: list[Float] = []
        self.gates = local.gates.begin(flat, x, place, self._outputs.send, back=back)
        self._extras: ExtraVqcs | None = None
        if local.hidden is not None:
            self._extras = ExtraVqcs(
                local, exchange, slot, flat, x, place, wiring.sequence, back=back
            )
        self._slot, self._batch = slot, batch

    def begin(self, t: int) -> None:
        """See CellSweep."""
        self.gates.forward(t, self._state)
        self._outputs.start()

    def finish(self, t: int) -> None:
        """See CellSweep."""
        z = self._outputs.finish(self._exchange.updates_cell)
        state = self._shared.buffer[0]
        if self._exchange.updates_cell:
            if self._mixing is not None:
                if self._back:
                    self._unmixed.append(z.copy())
                z = mix(z, self._mixing)
            self._cell.forward(t, z, state)
        self._shared.share()
        last = t == self.steps - 1
        if self._extras is not None:
            if not last:  # nobody reads the last h_t
                self._state = self._extras.hidden(t, state)
            if last or self._wiring.sequence:
                self.read[t if self._wiring.sequence else 0] = self._extras.prediction(t, state)
            return
        self._state = state
        if last or self._wiring.sequence:
            self.read[t if self._wiring.sequence else 0] = state

    def start_back(self, to_read: Float, rows: Float, *, with_inputs: bool) -> None:
        """See CellSweep."""
        wiring, batch = self._wiring, self._batch
        size = wiring.input_size + wiring.hidden_size
        self._to_read, self._rows = to_read, rows
        self._inputs = self._exchange.inputs(self._slot, batch)
        self._cotangents = self._exchange.shared(self._slot, 4, batch)
        self._to_v: Float = np.zeros((batch, size))
        self._to_state: Float = np.empty((batch, wiring.hidden_size))
        self.to_x: Float | None = None
        if with_inputs:
            self.to_x = np.empty((batch, self.steps, wiring.input_size))
        self.mixing_rows: Float | None = None
        self.gates.begin_reverse()
        if self._extras is not None:
            self._extras.start_back(rows)

    def begin_back(self, t: int) -> None:
        """See CellSweep."""
        to_previous = self._to_v[:, self._wiring.hidden]
        to_read = self._to_read[t if self._wiring.sequence else 0]
        seen = self._wiring.sequence or t == self.steps - 1
        if self._extras is not None:
            to_state = self._extras.reverse(t, to_read, to_previous)
        elif seen:
            to_state = np.add(to_read, to_previous, out=self._to_state)
        else:
            to_state = self._to_state
            to_state[...] = to_previous
        cotangents = self._cotangents.buffer
        if self._exchange.updates_cell:
            self._cell.reverse(t, to_state, cotangents)
            if self._mixing is not None:
                cotangents[...], rows = unmix(cotangents, self._unmixed[t], self._mixing)
                self.mixing_rows = rows if self.mixing_rows is None else self.mixing_rows + rows
        self._cotangents.share()
        self.gates.reverse(t, cotangents, self._rows, self._inputs.send)
        self._inputs.start()

    def finish_back(self, t: int) -> None:
        """See CellSweep."""
        updates = self._exchange.updates_cell
        self._to_v.fill(0.0)
        self._inputs.finish(self._to_v if updates else None)
        if self.to_x is not None:
            self.to_x[:, t] = self._to_v[:, self._wiring.x]

    def release(self) -> None:
        """See CellSweep."""
        self.gates.release()
        self._local.give_cell(self._cell, self._cell_steps, self._batch, back=self._back)
        if self._extras is not None:
            self._extras.release()
