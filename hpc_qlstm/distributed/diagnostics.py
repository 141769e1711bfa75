"""What shows whether a model can be trained: concentration and gradient norms.

Taken at the first batch of every epoch, with the weights before it. `variance`: that of each gate's
expectation values over the batch's samples at the last time step, averaged over a partition's
outputs; it falls exponentially with the qubits where expectation values concentrate (McClean et
al. 2018, arXiv 1803.11173). `gradient_norm`: the Euclidean norm of the loss's gradient by the
weights of one VQC; it falls likewise on a barren plateau.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.model import LSTM_GATES, WeightLayout

_DIGITS = 6


def expectation_variances(values: list[Float]) -> Float:
    """(4, M) from each partition's expectation values (4, B, d_h^(m)) of a whole batch. Local."""
    return np.stack([part.var(axis=1).mean(axis=1) for part in values], axis=1)


def gradient_norms(layout: WeightLayout, gradient: Float) -> Float:
    """(4, M), or (6, M) with extra VQCs, from the gradient of the flat weights. Local."""
    partitions = range(len(layout.circuits))
    groups = [[layout.rows(gradient, m, group) for m in partitions] for group in layout.groups]
    return np.concatenate([np.stack([*map(_norms, rows)], axis=1) for rows in groups])


def _norms(rows: Float) -> Float:
    """Euclidean norms of the rows, without overflow on the way."""
    peak = np.abs(rows).max(axis=1)
    scaled = rows / np.where(peak > 0, peak, 1.0)[:, None]
    norms: Float = peak * np.sqrt((scaled * scaled).sum(axis=1))
    return norms


def diagnostics_record(layout: WeightLayout, variances: Float, norms: Float) -> dict[str, Any]:
    """What metrics.jsonl says: by VQC, a number for each partition."""
    names = [name for group in layout.groups.values() for name in group]
    return {
        "variance": {gate: _rounded(row) for gate, row in zip(LSTM_GATES, variances, strict=True)},
        "gradient_norm": {name: _rounded(row) for name, row in zip(names, norms, strict=True)},
    }


def _rounded(row: Float) -> list[float]:
    return [float(f"{value:.{_DIGITS}g}") for value in row]
