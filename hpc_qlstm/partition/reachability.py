"""Which hidden units can see the input, and after how many time steps.

With concatenated gate outputs a hidden unit depends on its own partition's inputs alone. Where
those hold no component of x, information must travel through hidden units of earlier steps, and
for some partitions it never arrives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.partition.partition import Order, Partition, hidden_indices, input_indices

NEVER = np.iinfo(np.int64).max


def steps_to_input(
    partition: Partition, input_size: int, hidden_size: int, order: Order
) -> NDArray[np.int64]:
    """Steps (hidden_size, input_size) until component k of x reaches hidden unit j.

    1 means in the same step; NEVER means that no path exists.
    """
    size = input_size + hidden_size
    hidden = hidden_indices(size, hidden_size, order)
    x = input_indices(size, hidden_size, order)
    offsets = partition.output_offsets
    steps = np.full((hidden_size, input_size), NEVER, dtype=np.int64)
    for _ in range(hidden_size):
        before = steps.copy()
        for m, inputs in enumerate(partition.inputs):
            units = slice(offsets[m], offsets[m + 1])
            for i in inputs:
                if i in x:
                    steps[units, i - x.start] = 1
                else:
                    through = before[i - hidden.start]
                    later = np.where(through == NEVER, NEVER, through + 1)
                    steps[units] = np.minimum(steps[units], later)
        if np.array_equal(steps, before):
            break
    return steps


def warnings_for(
    partition: Partition, input_size: int, hidden_size: int, order: Order, window: int
) -> list[str]:
    """One sentence for each group of hidden units that the input reaches late or never."""
    first = steps_to_input(partition, input_size, hidden_size, order).min(axis=1)
    never = np.flatnonzero(first == NEVER)
    late = np.flatnonzero((first != NEVER) & (first > window))
    messages = []
    if never.size:
        messages.append(
            f"partition: hidden units {never.tolist()} can never see the input "
            "(strategy broadcast_input or overlap would let them)"
        )
    if late.size:
        messages.append(
            f"partition: hidden units {late.tolist()} see the input only after "
            f"{int(first[late].max())} steps, the window has {window}"
        )
    return messages
