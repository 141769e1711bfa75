"""Which hidden units can see the input, and after how many time steps.

With concatenated gate outputs a hidden unit depends on its own partition's inputs alone, and of
those on the ones in its light cone (`feature_dependence`). Where these hold no component of x,
information must travel through hidden units of earlier steps, and sometimes it never arrives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.circuits.circuit import Circuit
from hpc_qlstm.circuits.light_cone import feature_dependence
from hpc_qlstm.partition.partition import Order, Partition, hidden_indices, input_indices

NEVER = np.iinfo(np.int64).max


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
    at_once = _reads(partition, input_size, hidden_size, order, reach or Reach())
    size = input_size + hidden_size
    x, hidden = input_indices(size, hidden_size, order), hidden_indices(size, hidden_size, order)
    steps = np.where(at_once[:, x.start : x.stop], 1, NEVER)
    through = at_once[:, hidden.start : hidden.stop]
    for _ in range(hidden_size):
        for unit in range(hidden_size):
            later = steps[through[unit]]
            if later.size:
                best = later.min(axis=0)
                steps[unit] = np.minimum(steps[unit], np.where(best == NEVER, NEVER, best + 1))
    return steps


def _reads(
    partition: Partition, input_size: int, hidden_size: int, order: Order, reach: Reach
) -> NDArray[np.bool_]:
    """Which entries of v_t each hidden unit sees in the same step, (hidden_size, size)."""
    sees_v = _seen(partition, partition.inputs, reach.circuits, input_size + hidden_size)
    sees_state = np.eye(hidden_size, dtype=bool)
    if reach.extra_circuits:
        read = partition.state_inputs(hidden_size, order)
        sees_state = _seen(partition, read, reach.extra_circuits, hidden_size)
    if reach.mix:
        sees_v[...] = sees_v.any(axis=0)
    seen: NDArray[np.bool_] = sees_state @ sees_v
    return seen


def _seen(
    partition: Partition,
    lists: Sequence[Sequence[int]],
    circuits: Sequence[Circuit],
    size: int,
) -> NDArray[np.bool_]:
    """Which of `size` entries each unit's circuit lets it see, (hidden_size, size)."""
    offsets = partition.output_offsets
    seen = np.zeros((offsets[-1], size), dtype=bool)
    for m, entries in enumerate(lists):
        units = slice(offsets[m], offsets[m + 1])
        seen[units, list(entries)] = feature_dependence(circuits[m]) if circuits else True
    return seen


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
    first = steps_to_input(partition, input_size, hidden_size, order, reach).min(axis=1)
    never = np.flatnonzero(first == NEVER)
    late = np.flatnonzero((first != NEVER) & (first > window))
    messages = []
    if never.size:
        messages.append(
            f"partition: hidden units {never.tolist()} can never see the input "
            "(strategy broadcast_input or overlap, or model.mix, would let them)"
        )
    if late.size:
        messages.append(
            f"partition: hidden units {late.tolist()} see the input only after "
            f"{int(first[late].max())} steps, the window has {window}"
        )
    hidden = hidden_indices(input_size + hidden_size, hidden_size, order)
    reads = _reads(partition, input_size, hidden_size, order, reach or Reach())
    seeing = first <= window
    among = reads[:, hidden.start : hidden.stop][seeing][:, seeing]
    if hidden_size > 1 and not (among & ~np.eye(len(among), dtype=bool)).any():
        messages.append(
            f"partition: the model is cut off, {np.count_nonzero(seeing)} of {hidden_size} hidden "
            "units see the input within the window and none of them sees another (strategy "
            "broadcast_input or overlap with larger parts, or model.mix, would repair it)"
        )
    return messages
