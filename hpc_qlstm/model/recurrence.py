"""The recurrence over time steps and its exact back-propagation (BPTT).

Written once for one process and for a row of ranks: values that other ranks hold come through an
Exchange. A rank that does not update the cell follows the same steps with received values.

A batch may be cut into parts, which take turns: while the messages of one part travel, the circuits
of the next are computed. Samples do not depend on each other, so no bit depends on the parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.model.exchange import Exchange
from hpc_qlstm.model.extra_vqcs import ExtraVqcs
from hpc_qlstm.model.local_cell import LocalCell
from hpc_qlstm.model.mixing import mix, unmix
from hpc_qlstm.model.sweep import Place


@dataclass(frozen=True)
class Wiring:
    """Sizes, and where h_{t-1} stands in v_t. sequence: the readout looks at every step, not at the
    last alone."""

    hidden: slice
    input_size: int
    hidden_size: int
    sequence: bool

    @property
    def x(self) -> slice:
        """Where x_t stands in v_t."""
        return slice(self.hidden_size, None) if self.hidden.start == 0 else slice(self.input_size)


class Sweep:
    """One part of a batch on its way through the time steps, and back; collective on the row.

    x (B, T, d_x); slot: which part it is; mixing (4, d_h, d_h): matrices that mix the gates'
    outputs. Forward: `begin`, `finish` for each t; then `start_back`, and `begin_back`,
    `finish_back` for each t. `read` (T, B, d_h), or (1, B, d_h) unless for sequences: what the
    readout sees.
    """

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
    ) -> None:
        batch, self.steps, _ = x.shape
        self._wiring, self._exchange, self._mixing = wiring, exchange, mixing
        self._local = local
        self._cell_steps = self.steps if exchange.updates_cell else 0
        self._cell = local.take_cell(self._cell_steps, batch, wiring.hidden_size)
        self._outputs = exchange.outputs(slot, 4, batch)
        self._shared = exchange.shared(slot, 1, batch)
        self._state: Float = np.zeros((batch, wiring.hidden_size))
        looked_at = self.steps if wiring.sequence else 1
        self.read: Float = np.empty((looked_at, batch, wiring.hidden_size))
        self._unmixed: list[Float] = []
        self.gates = local.gates.begin(flat, x, place, self._outputs.send)
        self._extras: ExtraVqcs | None = None
        if local.hidden is not None:
            self._extras = ExtraVqcs(local, exchange, slot, flat, x, place, wiring.sequence)
        self._slot, self._batch = slot, batch

    def begin(self, t: int) -> None:
        """Evaluate the gates of step t; their outputs begin to travel."""
        self.gates.forward(t, self._state)
        self._outputs.start()

    def finish(self, t: int) -> None:
        """Update the cell of step t, and give everybody what step t + 1 reads."""
        z = self._outputs.finish(self._exchange.updates_cell)
        state = self._shared.buffer[0]
        if self._exchange.updates_cell:
            if self._mixing is not None:
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
        """Begin the way back.

        to_read, shaped as `read`: the loss's derivatives by it; rows (B, R): zeros that the
        gradients of the local weights are added to; with_inputs: keep the gradients of x_t in
        `to_x`, (B, d_x) a step.
        """
        wiring, batch = self._wiring, self._batch
        size = wiring.input_size + wiring.hidden_size
        self._to_read, self._rows = to_read, rows
        self._inputs = self._exchange.inputs(self._slot, batch)
        self._cotangents = self._exchange.shared(self._slot, 4, batch)
        self._to_v: Float = np.zeros((batch, size))
        self._to_state: Float = np.empty((batch, wiring.hidden_size))
        self._with_inputs = with_inputs
        self.to_x: list[Float] = [np.empty(0)] * self.steps
        self.mixing_rows: Float | None = None
        self.gates.begin_reverse()
        if self._extras is not None:
            self._extras.start_back(rows)

    def begin_back(self, t: int) -> None:
        """Step t back through the cell and the gates; gradients of v_t begin to travel."""
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
        """Collect the gradients of v_t."""
        updates = self._exchange.updates_cell
        self._to_v.fill(0.0)
        self._inputs.finish(self._to_v if updates else None)
        if self._with_inputs:
            self.to_x[t] = self._to_v[:, self._wiring.x].copy()

    def release(self) -> None:
        """Over: memory may serve the next batch."""
        self.gates.release()
        self._local.give_cell(self._cell, self._cell_steps, self._batch)
        if self._extras is not None:
            self._extras.release()


def forward(
    x: Float,
    wiring: Wiring,
    local: LocalCell,
    exchange: Exchange,
    flat: Float,
    mixing: Float | None = None,
    place: Place | None = None,
    parts: Sequence[slice] = (),
) -> list[Sweep]:
    """Run T steps over x (B, T, d_x); collective on the row. h_0 = c_0 = 0.

    parts: consecutive samples that take turns, by default all at once. Gives a sweep for each.
    """
    place = place or Place()
    sweeps = [
        Sweep(
            np.ascontiguousarray(x[part]),
            slot,
            wiring,
            local,
            exchange,
            flat,
            mixing,
            place.after(part.start),
        )
        for slot, part in enumerate(parts or [slice(0, x.shape[0])])
    ]
    local.gates.newest = [sweep.gates for sweep in sweeps]
    steps = x.shape[1]
    for t in range(steps):
        for sweep in sweeps:
            if t:
                sweep.finish(t - 1)
            sweep.begin(t)
    for sweep in sweeps:
        sweep.finish(steps - 1)
    return sweeps


def reverse(
    sweeps: Sequence[Sweep],
    to_read: Sequence[Float],
    rows: Sequence[Float],
    *,
    with_inputs: bool = False,
) -> None:
    """Back-propagate through the steps of `forward`; collective on the row.

    to_read, rows: of each sweep, with_inputs: see `Sweep.start_back`; the sweeps hold to_x and
    mixing_rows afterwards, on ranks that update the cell.
    """
    for sweep, cotangent, sums in zip(sweeps, to_read, rows, strict=True):
        sweep.start_back(cotangent, sums, with_inputs=with_inputs)
    steps = sweeps[0].steps
    for t in reversed(range(steps)):
        for sweep in sweeps:
            if t < steps - 1:
                sweep.finish_back(t + 1)
            sweep.begin_back(t)
    for sweep in sweeps:
        sweep.finish_back(0)
