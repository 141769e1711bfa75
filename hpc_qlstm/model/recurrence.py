"""The recurrence over time steps and its exact back-propagation (BPTT).

Written once for one process and for a row of ranks: values that other ranks hold come through an
Exchange. A rank that does not update the cell follows the same steps with received values.

A batch may be cut into parts, which take turns: while the messages of one part travel, the circuits
of the next are computed. Samples do not depend on each other, so no bit depends on the parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.model.exchange import Exchange
from hpc_qlstm.model.general_sweep import GeneralSweep
from hpc_qlstm.model.local_cell import LocalCell
from hpc_qlstm.model.native_cell_sweep import NativeCellSweep
from hpc_qlstm.model.sweep import CellSweep, Place, Wiring


def forward(
    x: Float,
    wiring: Wiring,
    local: LocalCell,
    exchange: Exchange,
    flat: Float,
    mixing: Float | None = None,
    place: Place | None = None,
    parts: Sequence[slice] = (),
    *,
    back: bool = True,
) -> list[CellSweep]:
    """Run T steps over x (B, T, d_x); collective on the row. h_0 = c_0 = 0.

    parts: consecutive samples that take turns, by default all at once. Gives a sweep for each.
    back: whether `reverse` follows; without it, memory does not grow with T.
    """
    place = place or Place()
    native = local.gates.native
    sweeps: list[CellSweep] = []
    for slot, part in enumerate(parts or [slice(0, x.shape[0])]):
        piece = np.ascontiguousarray(x[part])
        if native is None or mixing is not None or local.hidden is not None:
            where = place.after(part.start)
            sweeps.append(
                GeneralSweep(piece, slot, wiring, local, exchange, flat, mixing, where, back=back)
            )
        else:
            sweeps.append(NativeCellSweep(piece, slot, wiring, native, exchange, flat, back=back))
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
    sweeps: Sequence[CellSweep],
    to_read: Sequence[Float],
    rows: Sequence[Float],
    *,
    with_inputs: bool = False,
) -> None:
    """Back-propagate through the steps of `forward`; collective on the row.

    to_read, rows: of each sweep, with_inputs: see `CellSweep.start_back`; the sweeps hold to_x and
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
