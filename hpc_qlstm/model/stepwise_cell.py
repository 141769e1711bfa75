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
from hpc_qlstm.model.tape import Cotangents, Microbatch, Sequences, State


class StepwiseCellTape:
    """See CellTape."""

    def __init__(
        self, local: LocalCell, exchange: Exchange, given: Sequences, part: Microbatch
    ) -> None:
        batch, self._steps, _ = given.x.shape
        self._local, self._exchange, self._given = local, exchange, given
        self._wiring = wiring = local.wiring
        self._slot, self._early, self._batch = part.number, part.count > 1, batch
        self._mixing = local.layout.mixing(given.flat)
        self._cell_steps = self._steps if exchange.updates_cell else 0
        self._cell = local.take_cell(self._cell_steps, batch, back=given.back)
        self._outputs = exchange.outputs(self._slot, 4, batch, early=self._early)
        self._shared = exchange.shared(self._slot, 1, batch)
        self._state: Float = np.zeros((batch, wiring.hidden_size))
        if exchange.updates_cell:
            self._cell.begin(None if given.state is None else given.state[1])
        if given.state is not None:
            self._state[...] = given.state[0]
        looked_at = self._steps if given.sequence else 1
        self.outputs: Float = np.empty((looked_at, batch, wiring.hidden_size))
        self.grad_x: Float | None = None
        self.mixing_rows: Float | None = None
        self._unmixed: list[Float] = []
        self.gates = local.gates.begin(
            given.flat, given.x, given.sample_key, self._outputs.send, back=given.back
        )
        self._extras: ExtraVqcs | None = None
        if local.hidden is not None:
            self._extras = ExtraVqcs(local, exchange, given, part)

    def begin(self, t: int) -> None:
        """See CellTape."""
        self.gates.forward(t, self._state)
        self._outputs.start()

    def finish(self, t: int) -> None:
        """See CellTape."""
        z = self._outputs.finish(self._exchange.updates_cell)
        state = self._shared.buffer[0]
        if self._exchange.updates_cell:
            if self._mixing is not None:
                if self._given.back:
                    self._unmixed.append(z.copy())
                z = mix(z, self._mixing)
            self._cell.forward(t, z, state)
        self._shared.share()
        last, sequence = t == self._steps - 1, self._given.sequence
        if self._extras is not None:
            if not last or self._given.final_state:  # else nobody reads the last h_t
                self._state = self._extras.hidden(t, state)
            if last or sequence:
                self.outputs[t if sequence else 0] = self._extras.prediction(t, state)
            return
        self._state = state
        if last or sequence:
            self.outputs[t if sequence else 0] = state

    def state(self) -> State:
        """See CellTape."""
        return self._state.copy(), self._cell.state()

    def start_back(self, cotangents: Cotangents, rows: Float, *, with_inputs: bool) -> None:
        """See CellTape."""
        wiring, batch = self._wiring, self._batch
        self._grad_outputs, self._rows = cotangents.outputs, rows
        self._inputs = self._exchange.inputs(self._slot, batch, early=self._early)
        self._cotangents = self._exchange.shared(self._slot, 4, batch)
        self._grad_v: Float = np.zeros((batch, wiring.input_size + wiring.hidden_size))
        self._grad_state: Float = np.empty((batch, wiring.hidden_size))
        if self._exchange.updates_cell:
            state = cotangents.state
            self._cell.begin_reverse(None if state is None else state[1])
            if state is not None:
                self._grad_v[:, wiring.hidden] = state[0]
        if with_inputs:
            self.grad_x = np.empty((batch, self._steps, wiring.input_size))
        self.gates.begin_reverse()
        if self._extras is not None:
            self._extras.start_back(rows)

    def begin_back(self, t: int) -> None:
        """See CellTape."""
        sequence = self._given.sequence
        grad_previous = self._grad_v[:, self._wiring.hidden]
        grad_seen = self._grad_outputs[t if sequence else 0]
        if self._extras is not None:
            grad_state = self._extras.reverse(t, grad_seen, grad_previous)
        elif sequence or t == self._steps - 1:
            grad_state = np.add(grad_seen, grad_previous, out=self._grad_state)
        else:
            grad_state = self._grad_state
            grad_state[...] = grad_previous
        cotangents = self._cotangents.buffer
        if self._exchange.updates_cell:
            self._cell.reverse(t, grad_state, cotangents)
            if self._mixing is not None:
                cotangents[...], rows = unmix(cotangents, self._unmixed[t], self._mixing)
                self.mixing_rows = rows if self.mixing_rows is None else self.mixing_rows + rows
        self._cotangents.share()
        self.gates.reverse(t, cotangents, self._rows, self._inputs.send)
        self._inputs.start()

    def finish_back(self, t: int) -> None:
        """See CellTape."""
        updates = self._exchange.updates_cell
        self._grad_v.fill(0.0)
        self._inputs.finish(self._grad_v if updates else None)
        if self.grad_x is not None:
            self.grad_x[:, t] = self._grad_v[:, self._wiring.x]

    def grad_state(self) -> State:
        """See CellTape."""
        return self._grad_v[:, self._wiring.hidden].copy(), self._cell.grad_state()

    def release(self) -> None:
        """See CellTape."""
        self.gates.release()
        self._local.give_cell(self._cell, self._cell_steps, self._batch, back=self._given.back)
        if self._extras is not None:
            self._extras.release()
