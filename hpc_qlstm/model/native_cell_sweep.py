"""The cell and its circuits on one part of a batch, with the native engine.

What lies between two collectives is one call of the extension (`kernels/lstm/cell_sweep.hpp`): it
knows the arrays that are sent and received; step by step in Python it would take several, and
copies. The same bits as `GeneralSweep`.
"""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.engines.native_sweep import NativeSweeps
from hpc_qlstm.model.exchange import Exchange
from hpc_qlstm.model.sweep import Wiring


class NativeCellSweep:
    """See CellSweep. x (B, T, d_x), C-contiguous; slot: which part it is; native: the gates."""

    mixing_rows: Float | None = None

    def __init__(
        self,
        x: Float,
        slot: int,
        wiring: Wiring,
        native: NativeSweeps,
        exchange: Exchange,
        flat: Float,
        *,
        back: bool,
    ) -> None:
        batch, self.steps, _ = x.shape
        self._exchange, self._slot = exchange, slot
        self._hidden_begin, self._x_shape = wiring.hidden.start, x.shape
        self._updates = exchange.updates_cell
        # Nobody waits for values of the cell: they are computed in one call with the circuits.
        self._alone = self._updates and not exchange.broadcasts
        self._outputs = outputs = exchange.outputs(slot, 4, batch)
        self._shared = exchange.shared(slot, 1, batch)
        looked_at = self.steps if wiring.sequence else 1
        self.read: Float = np.empty((looked_at, batch, wiring.hidden_size))
        self.to_x: Float | None = None
        self.gates = native.begin(flat, x, outputs.send, back=back)
        self._step = step = self.gates.with_cell(
            outputs.received,
            outputs.counts,
            self._shared.buffer[0],
            self.read,
            sequence=wiring.sequence,
            updates=self._updates,
        )
        self._evaluate = step.forward_step if self._alone else step.evaluate

    def begin(self, t: int) -> None:
        """See CellSweep."""
        self._evaluate(t)
        self._outputs.start()

    def finish(self, t: int) -> None:
        """See CellSweep."""
        self._outputs.collect()
        if self._alone and t < self.steps - 1:
            return  # `forward_step` does the rest
        if self._updates:
            self._step.update(t)
        self._shared.share()

    def start_back(self, to_read: Float, rows: Float, *, with_inputs: bool) -> None:
        """See CellSweep."""
        batch = self._x_shape[0]
        self.gates.count(self.steps)
        self._inputs = inputs = self._exchange.inputs(self._slot, batch)
        self._cotangents = self._exchange.shared(self._slot, 4, batch)
        if with_inputs:
            self.to_x = np.empty(self._x_shape)
        self._step.start_back(
            np.ascontiguousarray(to_read),
            rows,
            inputs.send,
            inputs.received,
            inputs.columns,
            self._hidden_begin,
            self._cotangents.buffer,
            self.to_x,
        )

    def begin_back(self, t: int) -> None:
        """See CellSweep."""
        if self._alone:
            self._step.backward_step(t)
        else:
            if self._updates:
                self._step.cell_backward(t)
            self._cotangents.share()
            self._step.reverse(t)
        self._inputs.start()

    def finish_back(self, t: int) -> None:
        """See CellSweep."""
        self._inputs.collect()
        # What comes before the first step is nobody's but the inputs'.
        last = t == 0 and self.to_x is not None
        if last if self._alone else self._updates:
            self._step.scatter_input_gradients(t)

    def release(self) -> None:
        """See CellSweep."""
        self.gates.count(self.steps)
        self.gates.release()
