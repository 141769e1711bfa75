"""The cell and its circuits on one part of a batch, with an engine that offers both in one call.

What lies between two collectives is one call (`FusedCell`), which knows the arrays that are sent
and received; step by step in Python it would take several, and copies. The same bits as
`StepwiseCellTape`.
"""

from __future__ import annotations

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.engines.fused import ForwardArrays, FusedGroup, ReverseArrays
from hpc_qlstm.model.exchange import Exchange
from hpc_qlstm.model.tape import Cotangents, Microbatch, Sequences, State, Wiring


class FusedCellTape:
    """See CellTape. group: the lstm gates of an engine that updates the cell too."""

    mixing_rows: Float | None = None

    def __init__(
        self,
        group: FusedGroup,
        wiring: Wiring,
        exchange: Exchange,
        given: Sequences,
        part: Microbatch,
    ) -> None:
        batch, self._steps, _ = self._x_shape = given.x.shape
        self._exchange, self._slot, self._early = exchange, part.number, part.count > 1
        self._hidden_begin = wiring.hidden.start
        self._updates = exchange.updates_cell
        # Nobody waits for values of the cell: they are computed in one call with the circuits.
        self._alone = self._updates and not exchange.broadcasts
        self._outputs = outputs = exchange.outputs(self._slot, 4, batch, early=self._early)
        self._shared = exchange.shared(self._slot, 1, batch)
        looked_at = self._steps if given.sequence else 1
        self.outputs: Float = np.empty((looked_at, batch, wiring.hidden_size))
        self.grad_x: Float | None = None
        self.gates = group.begin(given.flat, given.x, outputs.send, back=given.back)
        h0, c0 = given.state or (None, None)
        self._cell = cell = self.gates.with_cell(
            ForwardArrays(
                outputs.received,
                outputs.counts,
                self._shared.buffer[0],
                self.outputs,
                given.sequence,
                self._updates,
                h0,
                c0,
            )
        )
        self._evaluate = cell.forward_step if self._alone else cell.evaluate

    def begin(self, t: int) -> None:
        """See CellTape."""
        self._evaluate(t)
        self._outputs.start()

    def finish(self, t: int) -> None:
        """See CellTape."""
        self._outputs.collect()
        if self._alone and t < self._steps - 1:
            return  # `forward_step` does the rest
        if self._updates:
            self._cell.update(t)
        self._shared.share()

    def state(self) -> State:
        """See CellTape."""
        hidden = self._shared.buffer[0].copy()
        c: Float = np.empty(hidden.shape)
        self._cell.state(c)
        return hidden, c

    def start_back(self, cotangents: Cotangents, rows: Float, *, with_inputs: bool) -> None:
        """See CellTape."""
        batch = self._x_shape[0]
        self.gates.count(self._steps)
        self._inputs = inputs = self._exchange.inputs(self._slot, batch, early=self._early)
        self._cotangents = self._exchange.shared(self._slot, 4, batch)
        if with_inputs:
            self.grad_x = np.empty(self._x_shape)
        grad_h, grad_c = (cotangents.state if self._updates else None) or (None, None)
        self.gates.start_back(
            ReverseArrays(
                np.ascontiguousarray(cotangents.outputs),
                rows,
                inputs.send,
                inputs.received,
                inputs.columns,
                self._hidden_begin,
                self._cotangents.buffer,
                self.grad_x,
                grad_h,
                grad_c,
            )
        )

    def begin_back(self, t: int) -> None:
        """See CellTape."""
        if self._alone:
            self._cell.backward_step(t)
        else:
            if self._updates:
                self._cell.cell_backward(t)
            self._cotangents.share()
            self._cell.reverse(t)
        self._inputs.start()

    def finish_back(self, t: int) -> None:
        """See CellTape."""
        self._inputs.collect()
        # Step 0's v_t is read by nobody but who asked for the inputs' gradients.
        last = t == 0 and self.grad_x is not None
        if last if self._alone else self._updates:
            self._cell.scatter_input_gradients(t)

    def grad_state(self) -> State:
        """See CellTape."""
        size = self.outputs.shape[1:]
        grad_h, grad_c = np.empty(size), np.empty(size)
        self._cell.grad_state(grad_h, grad_c)
        return grad_h, grad_c

    def release(self) -> None:
        """See CellTape."""
        self.gates.count(self._steps)
        self.gates.release()
