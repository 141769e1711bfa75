"""The classical LSTM as a baseline: the same cell, recurrence and readout with affine gates.

The paper's equations 1a to 1f; with a partition of several parts its matrices are block-sparse as
the distributed QLSTM's circuits are.
"""

from __future__ import annotations

from hpc_qlstm.circuits.linear import LinearMap
from hpc_qlstm.engines.linear import LinearEngine
from hpc_qlstm.model.cell import LSTM_GATES
from hpc_qlstm.model.losses import Loss
from hpc_qlstm.model.qlstm import QLSTM
from hpc_qlstm.partition import Order, Partition


def classical_lstm(
    input_size: int,
    hidden_size: int,
    output_size: int,
    order: Order = "hx",
    partition: Partition | None = None,
    *,
    sequence: bool = False,
    loss: str | Loss = "mse",
) -> QLSTM:
    """An LSTM with affine gates, to be used like a QLSTM. Raises InputError for wrong sizes.

    Weights "forget.0" and so on have the shape (d_h, D + 1), the bias in the last column, and
    begin uniform in +-1/sqrt(d_h) as torch.nn.LSTM's do (which adds a second bias to the first).
    """
    parts = partition or Partition.contiguous(input_size + hidden_size, hidden_size, 1)
    return QLSTM(
        input_size,
        hidden_size,
        output_size,
        order=order,
        partition=parts,
        engine=LinearEngine(),
        sequence=sequence,
        loss=loss,
        circuits=[
            LinearMap.of(len(inputs), outputs)
            for inputs, outputs in zip(parts.inputs, parts.outputs, strict=True)
        ],
    )


def matched_hidden_size(weights: int, input_size: int, output_size: int) -> int:
    """The hidden size at which a classical LSTM's number of weights is nearest to `weights`.

    The smaller one of two that are equally near.
    """

    def count(hidden: int) -> int:
        return len(LSTM_GATES) * hidden * (hidden + input_size + 1) + output_size * (hidden + 1)

    hidden = 1
    while count(hidden + 1) <= weights:
        hidden += 1
    return hidden if weights - count(hidden) <= count(hidden + 1) - weights else hidden + 1
