"""Concentration and gradients before training, against qubits and depth.

One batch of a centric model with random weights: the variance of each gate's expectation values
over samples, and the gradient norm of each gate, as metrics.jsonl has them. Small initial angles
(the default, normal with 0.01 rad) and angles anywhere (normal with pi) are shown side by side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hpc_qlstm.studies.reproduce.study import Row, Settings, configured

QUBITS = tuple(range(2, 11))
DEPTHS = (1, 2, 4, 8, 16)
SCALES = {"0.01 rad": 0.01, "pi rad": math.pi}
ANSAETZE = ("rot_ring", "ry_brickwork")


def concentration_rows(overrides: Sequence[str]) -> list[Row]:
    """A row for each ansatz, scale, depth and number of qubits; one epoch of a single batch."""
    rows = []
    for ansatz in ANSAETZE:
        for name, scale in SCALES.items():
            for depth in DEPTHS:
                for qubits in QUBITS:
                    settings: Settings = {
                        "model": {
                            "ansatz": ansatz,
                            "depth": depth,
                            "hidden_size": qubits - 1,
                            "init_scale": scale,
                        },
                        "training": {"epochs": 1, "batch_size": 10_000},
                        "data": {"task": "damped_pendulum", "window": 4},
                    }
                    label = f"{ansatz}, {name}, depth {depth}, {qubits} qubits"
                    rows.append(Row(label, configured(overrides, settings)))
    return rows
