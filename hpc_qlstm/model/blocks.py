"""Sums over samples that do not depend on how samples are spread over ranks.

A batch of B samples is cut into fixed blocks that depend on B alone. A rank sums its blocks in
sample order; the blocks are then added in block order, wherever they were computed. Floating
point addition is not associative, so this fixed order is what makes runs on any number of ranks
agree to the last bit.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.native import numerics

MAX_BLOCKS = 16
"""Most blocks of a batch, and so the most replicas that can share one. A constant of the numerics:
another value gives other last bits."""

Bounds = tuple[int, ...]
"""Boundaries of consecutive blocks; K + 1 values for K blocks."""


@lru_cache(maxsize=256)
def block_bounds(samples: int) -> Bounds:
    """Boundaries 0 = b_0 < b_1 < ... < b_K = samples of the K <= MAX_BLOCKS blocks of a batch."""
    count = min(MAX_BLOCKS, samples)
    return tuple(samples * k // count for k in range(count + 1)) if count else (0,)


@lru_cache(maxsize=4096)
def share(bounds: Bounds, part: int, parts: int) -> Bounds:
    """The consecutive blocks of `bounds` that part number `part` of `parts` owns; may be none."""
    blocks = len(bounds) - 1
    return bounds[blocks * part // parts : blocks * (part + 1) // parts + 1]


def block_sums(rows: Float, bounds: Bounds) -> Float:
    """Sums over blocks of samples, (K, ...) from rows (n, ...), C-contiguous.

    bounds are relative to bounds[0]. A block's rows are added one after the other.
    """
    if len(bounds) - 1 == rows.shape[0]:
        return rows  # every sample is a block of its own
    sums: Float = np.empty((len(bounds) - 1, *rows.shape[1:]))
    numerics.block_sums(rows.reshape(rows.shape[0], -1), bounds, sums.reshape(len(sums), -1))
    return sums


def sum_of_blocks(rows: Float, bounds: Bounds) -> Float:
    """The sum (w,) of rows (n, w), C-contiguous: block by block, and the blocks in their order."""
    total: Float = np.empty(rows.shape[1])
    numerics.sum_blocks(rows, bounds, total)
    return total
