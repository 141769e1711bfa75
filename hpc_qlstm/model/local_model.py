"""One process's part of a QLSTM: its layer, and readout and loss where the cell is updated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.model.exchange import Exchange
from hpc_qlstm.model.layer import Layer
from hpc_qlstm.model.local_cell import LocalCell
from hpc_qlstm.model.losses import Loss
from hpc_qlstm.model.readout import predict
from hpc_qlstm.model.tape import NO_KEY, Cotangents, SampleKey, Sequences


@dataclass(slots=True)
class BatchPart:
    """The samples of a batch that a group of ranks works on.

    x (B, T, d_x), y (B, d_y) or (B, T, d_y); total: samples of the whole batch, of which these may
    be a part: the loss is a mean over all of them. cuts: where these are cut into microbatches.
    """

    x: Float
    y: Float
    total: int
    sample_key: SampleKey = NO_KEY
    cuts: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class SampleGradients:
    """One rank's part of a batch: a row for each sample, not summed.

    loss (B,): see `Loss`; partitions (B, n): gradients of the local partitions' section of the flat
    vector, in memory that the next batch overwrites; shared (B, ..): of what no partition owns,
    mixing and readout. loss and shared are zero on a rank that does not update the cell. grad_x
    (B, T, d_x) and expectations (see `LayerTape`): where they were asked for.
    """

    loss: Float
    partitions: Float
    shared: Float
    grad_x: Float | None = None
    expectations: list[Float] | None = None


class LocalModel:
    """Predictions and gradients with one process's VQCs; methods are collective on the group.

    sequence: the readout looks at every step, not at the last alone.
    """

    def __init__(self, cell: LocalCell, exchange: Exchange, loss: Loss, *, sequence: bool) -> None:
        self.cell = cell
        self.loss = loss
        self.exchange = exchange
        self.layer = Layer(cell, exchange)
        self._sequence = sequence

    def predict(self, flat: Float, x: Float, sample_key: SampleKey) -> Float | None:
        """Predictions (B, d_y) or (B, T, d_y) on ranks that update the cell, None on others.

        x (B, T, d_x), B > 0; flat: all weights.
        """
        given = Sequences(flat, x, None, sample_key, self._sequence, back=False)
        tape = self.layer.forward(given)
        prediction = None
        if self.exchange.updates_cell:
            prediction = predict(tape.outputs, *self.cell.layout.readout_views(flat))
            prediction = prediction if self._sequence else prediction[:, 0]
        tape.release()
        return prediction

    def gradients(
        self,
        flat: Float,
        part: BatchPart,
        *,
        with_inputs: bool = False,
        with_expectations: bool = False,
    ) -> SampleGradients:
        """Loss and gradients of each sample of a batch's part; flat: all weights."""
        layout, y = self.cell.layout, part.y
        samples = part.x.shape[0]
        given = Sequences(flat, part.x, None, part.sample_key, self._sequence)
        tape = self.layer.forward(given, part.cuts)
        if self.exchange.updates_cell:
            scale = 1.0 / self.loss.count((part.total, *y.shape[1:]))
            loss, grad_outputs, shared = self.loss.through_readout(
                tape.outputs, *layout.readout_views(flat), y, scale
            )
        else:
            loss, grad_outputs = np.zeros(samples), np.zeros_like(tape.outputs)
            shared = np.zeros((samples, layout.shared.stop - layout.shared.start))
        rows = self.cell.zeros(samples)
        tape.reverse(Cotangents(grad_outputs), rows, with_inputs=with_inputs)
        mixing = tape.mixing_rows()
        if mixing is not None:
            shared = np.concatenate([mixing, shared], axis=1)
        gradients = SampleGradients(
            loss,
            rows,
            shared,
            tape.grad_x() if with_inputs else None,
            tape.expectations() if with_expectations else None,
        )
        tape.release()
        return gradients
