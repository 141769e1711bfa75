"""What a partition of v_t means before anything is trained: who sees the input, who costs what.

The paper's section II.D; with concatenated outputs (equation 7) a hidden unit depends on its own
partition's inputs alone, so that the input may reach it late or never.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.analysis.resources import vqc_weights
from hpc_qlstm.build.setup import build_plan, reach_warnings
from hpc_qlstm.build.sources import build_source
from hpc_qlstm.config import Config
from hpc_qlstm.data import WindowSource
from hpc_qlstm.model.cost import partition_costs
from hpc_qlstm.partition import NEVER, Order, Reach, steps_to_input
from hpc_qlstm.partition.partition import hidden_indices, input_indices


@dataclass(frozen=True)
class PartitionSummary:
    """One partition: the hidden units and components of x that it reads, the hidden units that it
    makes, its qubits, the weights of its circuits, and its share of the cost (0 to 1)."""

    partition: int
    hidden: tuple[int, ...]
    inputs: tuple[int, ...]
    units: range
    qubits: int
    weights: int
    cost: float

    def cells(self) -> tuple[str, ...]:
        """The row of a table."""
        reads = ", ".join(filter(None, [_names("h", self.hidden), _names("x", self.inputs)]))
        return (
            str(self.partition),
            reads,
            _names("h", self.units),
            str(self.qubits),
            str(self.weights),
            f"{100 * self.cost:.1f} %",
        )


@dataclass(frozen=True)
class PartitionTable:
    """A configuration's partitions; steps (d_h, d_x): how many steps until component k of x reaches
    hidden unit j, 1 for the same step, NEVER for never; warnings as before training."""

    partitions: list[PartitionSummary]
    steps: NDArray[np.int64]
    window: int
    warnings: list[str]


HEADER = ("partition", "reads", "makes", "qubits", "weights", "cost")


def partition_table(config: Config, data: WindowSource | None = None) -> PartitionTable:
    """The partitions of a configuration. Local; raises InputError where it cannot be used."""
    data = build_source(config) if data is None else data
    input_size = data.input_size
    model = build_plan(config, input_size, data.output_size)
    partition, hidden_size, order = model.partition, model.hidden_size, model.order
    costs = np.array(partition_costs(model))
    offsets = partition.output_offsets
    rows = [
        PartitionSummary(
            m,
            *_split(indices, input_size, hidden_size, order),
            range(offsets[m], offsets[m + 1]),
            partition.qubits[m],
            vqc_weights(model, m),
            float(costs[m] / costs.sum()),
        )
        for m, indices in enumerate(partition.inputs)
    ]
    reach = Reach(model.circuits, model.extra_circuits, model.layout.mix)
    steps = steps_to_input(partition, input_size, hidden_size, order, reach)
    window = config.data.window
    return PartitionTable(rows, steps, window, reach_warnings(model, window))


def reach_rows(table: PartitionTable) -> list[tuple[str, ...]]:
    """Hidden units that the input reaches after the same numbers of steps, a row for each kind."""
    kinds: dict[tuple[int, ...], list[int]] = {}
    for unit, steps in enumerate(table.steps.tolist()):
        kinds.setdefault(tuple(steps), []).append(unit)
    return [(_names("h", units), *map(_steps, steps)) for steps, units in kinds.items()]


def _steps(count: int) -> str:
    return "never" if count == NEVER else str(count)


def _split(
    indices: Sequence[int], input_size: int, hidden_size: int, order: Order
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Numbers of the hidden units and of the components of x among entries of v_t."""
    size = input_size + hidden_size
    hidden = hidden_indices(size, hidden_size, order)
    x = input_indices(size, hidden_size, order)
    return (
        tuple(i - hidden.start for i in indices if i in hidden),
        tuple(i - x.start for i in indices if i in x),
    )


def _names(letter: str, numbers: Iterable[int]) -> str:
    """h0-h3, h7: runs of consecutive numbers."""
    # In a run, numbers grow as fast as their places.
    runs = groupby(enumerate(sorted(numbers)), lambda at: at[1] - at[0])
    names = [[f"{letter}{number}" for _, number in run] for _, run in runs]
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in names)
