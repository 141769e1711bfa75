"""Which rank owns which partitions and which part of a batch. Pure functions of sizes.

A group of ranks holds one copy of all partitions. P ranks make R groups, the replicas, of P / R
ranks each, which are no more than there are partitions; every batch is split over the replicas, the
partitions over the ranks of a group by their costs. Unless told otherwise there are as few replicas
as possible: P <= M makes one group of P ranks, P = R * M makes R groups of M ranks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpc_qlstm.errors import InputError


@dataclass(frozen=True)
class ProcessGrid:
    """One rank's place: replica and position in the group, and the partitions of every position."""

    replicas: int
    replica: int
    position: int
    blocks: tuple[range, ...]

    @property
    def group_size(self) -> int:
        """Ranks in a group."""
        return len(self.blocks)

    @property
    def partitions(self) -> range:
        """This rank's partitions."""
        return self.blocks[self.position]

    def busiest(self, costs: Sequence[float]) -> range:
        """The partitions of the rank of a group with most to compute, by each partition's cost."""
        return max(self.blocks, key=lambda block: sum(costs[m] for m in block))


def process_grid(
    size: int, rank: int, costs: Sequence[float], replicas: int | None = None
) -> ProcessGrid:
    """The grid for `size` ranks and M = len(costs) partitions, seen from `rank`.

    replicas: R, by default as few as there can be. Raises InputError, with what would work, when
    they do not fit.
    """
    count = len(costs)
    if replicas is None:
        if size > count and size % count:
            multiples = ", ".join(str(count * k) for k in range(2, 5))
            allowed = f"1 to {count}, or a multiple of {count} ({multiples}, ...)"
            others = ", ".join(map(str, allowed_replicas(size, count)))
            raise InputError(
                f"MPI: {size} ranks do not fit {count} partitions, allowed: {allowed}; or these, "
                f"with parallel.replicas {others}"
            )
        replicas = max(1, size // count)
    elif size % replicas or size // replicas > count:
        allowed = ", ".join(map(str, allowed_replicas(size, count))) or "none of this many ranks"
        raise InputError(
            f"parallel.replicas is {replicas}, which does not fit {size} ranks and {count} "
            f"partitions, allowed: {allowed}"
        )
    group_size = size // replicas
    blocks = tuple(balanced_blocks(costs, group_size))
    return ProcessGrid(replicas, rank // group_size, rank % group_size, blocks)


def allowed_replicas(size: int, count: int) -> list[int]:
    """Numbers of replicas that `size` ranks and this many partitions allow, smallest first."""
    return [r for r in range(1, size + 1) if size % r == 0 and size // r <= count]


def balanced_blocks(costs: Sequence[float], parts: int) -> list[range]:
    """`parts` non-empty consecutive blocks of all items, their largest sum of costs minimal."""
    low, high = max(costs), float(sum(costs))
    for _ in range(60):
        middle = 0.5 * (low + high)
        if len(_fill(costs, middle)) <= parts:
            high = middle
        else:
            low = middle
    return _fill(costs, high, parts)


def _fill(costs: Sequence[float], cap: float, parts: int = 0) -> list[range]:
    """Blocks filled up to `cap`, as many as it takes; with `parts` this many, closed earlier where
    the other parts need the items left."""
    blocks: list[range] = []
    begin, load = 0, 0.0
    for item, cost in enumerate(costs):
        parts_left, items_left = parts - len(blocks) - 1, len(costs) - item
        if item > begin and parts_left and (load + cost > cap or items_left == parts_left):
            blocks.append(range(begin, item))
            begin, load = item, 0.0
        load += cost
    blocks.append(range(begin, len(costs)))
    return blocks
