"""Which hidden units can see the input, and after how many time steps.

With concatenated gate outputs a hidden unit depends on its own partition's inputs alone, and of
those on the ones in its light cone (`feature_dependence`). Where these hold no component of x,
information must travel through hidden units of earlier steps, and sometimes it never arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.circuits.circuit import Circuit
from hpc_qlstm.circuits.light_cone import feature_dependence
from hpc_qlstm.partition.partition import Order, Partition, hidden_indices, input_indices

NEVER = np.iinfo(np.int64).max
_SHOWN = 32
"""Most units that a message names."""
_DENSE = 2**14
"""Most entries of a matrix that is not made sparse: importing scipy.sparse takes a fifth of the
start of a command."""


@dataclass(frozen=True)
class Reach:
    """What of a model decides who sees what, beside its partition.

    circuits: of the gates and of the extra VQCs, one for each partition; none: every output of a
    circuit sees every feature, and there are no extra VQCs. mix: gate outputs are mixed over all
    partitions.
    """

    circuits: Sequence[Circuit] = ()
    extra_circuits: Sequence[Circuit] = ()
    mix: bool = False


def steps_to_input(
    partition: Partition,
    input_size: int,
    hidden_size: int,
    order: Order,
    reach: Reach | None = None,
) -> NDArray[np.int64]:
    """Steps (hidden_size, input_size) until component k of x reaches hidden unit j.

    1 means in the same step; NEVER means that no path exists.
    """
    return _Graph(partition, input_size, hidden_size, order, reach or Reach()).steps()


class _Graph:
    """Who sees whom in the same step: matrices with a row for each hidden unit, sparse if large.

    input (d_h, d_x) and hidden (d_h, d_h): its columns are the entries of x_t and of h_{t-1}.
    """

    def __init__(
        self,
        partition: Partition,
        input_size: int,
        hidden_size: int,
        order: Order,
        reach: Reach,
    ) -> None:
        size = input_size + hidden_size
        sees = _seen(partition, partition.inputs, reach.circuits, size)
        if reach.mix:
            rows, columns = np.broadcast_to(sees.sum(axis=0) > 0, sees.shape).nonzero()
            sees = _matrix(rows, columns, sees.shape)
        if reach.extra_circuits:
            read = partition.state_inputs(hidden_size, order)
            sees = _seen(partition, read, reach.extra_circuits, hidden_size) @ sees
        x, h = input_indices(size, hidden_size, order), hidden_indices(size, hidden_size, order)
        self.input = sees[:, x.start : x.stop]
        self.hidden = sees[:, h.start : h.stop]

    def steps(self) -> NDArray[np.int64]:
        """See `steps_to_input`."""
        seen = self.input > 0
        if not isinstance(seen, np.ndarray):
            seen = seen.toarray()
        steps = np.where(seen, 1, NEVER)
        for step in range(2, len(steps) + 1):
            found = (self.hidden @ seen.astype(np.int64) > 0) & ~seen
            if not found.any():
                break
            steps[found] = step
            seen |= found
        return steps

    def has_pair(self, units: NDArray[np.bool_]) -> bool:
        """Whether one of these hidden units sees another of them."""
        rows, columns = self.hidden.nonzero()
        return bool((units[rows] & units[columns] & (rows != columns)).any())


def _seen(
    partition: Partition,
    lists: Sequence[Sequence[int]],
    circuits: Sequence[Circuit],
    size: int,
) -> Any:
    """Which of `size` entries each unit's circuit lets it see: (hidden_size, size)."""
    offsets = partition.output_offsets
    rows, columns = [], []
    for m, entries in enumerate(lists):
        shape = (partition.outputs[m], len(entries))
        seen = feature_dependence(circuits[m]) if circuits else np.ones(shape, dtype=bool)
        units, which = seen.nonzero()
        rows.append(offsets[m] + units)
        columns.append(np.asarray(entries)[which])
    return _matrix(np.concatenate(rows), np.concatenate(columns), (offsets[-1], size))


def _matrix(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> Any:
    """Ones at these places, which are all different."""
    if shape[0] * shape[1] <= _DENSE:
        dense = np.zeros(shape, dtype=np.int64)
        dense[rows, columns] = 1
        return dense
    from scipy.sparse import csr_array

    return csr_array((np.ones(rows.size, dtype=np.int64), (rows, columns)), shape=shape)


def warnings_for(
    partition: Partition,
    input_size: int,
    hidden_size: int,
    order: Order,
    window: int,
    reach: Reach | None = None,
) -> list[str]:
    """One sentence for each group of hidden units that the input reaches late or never.

    The last one says that the model is cut off where no hidden unit that sees the input sees
    another one that does: of partitions with unseen units or blocks on their own these are the
    ones that fail (docs/results/partitions).
    """
    graph = _Graph(partition, input_size, hidden_size, order, reach or Reach())
    first = graph.steps().min(axis=1)
    never = np.flatnonzero(first == NEVER)
    late = np.flatnonzero((first != NEVER) & (first > window))
    messages = []
    if never.size:
        messages.append(
            f"partition: hidden units {_listed(never)} can never see the input "
            "(strategy broadcast_input or overlap, deeper circuits, or model.mix may let them)"
        )
    if late.size:
        messages.append(
            f"partition: hidden units {_listed(late)} see the input only after "
            f"{int(first[late].max())} steps, the window has {window}"
        )
    seeing = first <= window
    if min(hidden_size, window) > 1 and not graph.has_pair(seeing):
        messages.append(
            f"partition: the model is cut off, {np.count_nonzero(seeing)} of {hidden_size} hidden "
            "units see the input within the window and none of them sees another (strategy "
            "broadcast_input or overlap with larger parts, or model.mix, would repair it)"
        )
    return messages


def _listed(units: NDArray[np.int64]) -> str:
    shown = ", ".join(map(str, units[:_SHOWN].tolist()))
    return f"[{shown}]" if units.size <= _SHOWN else f"[{shown}, ... {units.size} in all]"
