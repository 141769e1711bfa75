"""Interconnects by file: latency and bandwidth between two nodes, and what collectives take then.

LogGP (Alexandrov, Ionescu, Schauser and Scheiman 1997) describes a message of s bytes by latency L,
overhead o and the gap G of a byte. Here alpha = L + 2 o is what a ping-pong benchmark calls
latency, and beta = G one over the bandwidth. An Allgather takes ceil(log2 P) rounds in which data
double (recursive doubling), a Bcast ceil(log2 P) rounds of the whole (binomial tree): the
textbook's algorithms for short messages; long ones are pipelined and pass a link once or twice.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from hpc_qlstm.config import Section
from hpc_qlstm.config_io import read_toml, section_from
from hpc_qlstm.errors import InputError


class Interconnect(Section):
    """An interconnect between nodes."""

    name: str
    """What it is."""
    source: str
    """Where the numbers are from."""
    latency: Annotated[float, Field(gt=0, le=1.0)]
    """Seconds of a message of a few bytes between two nodes."""
    bandwidth: Annotated[float, Field(gt=0, le=1e15)]
    """Bytes a second between two nodes."""
    ranks_per_node: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Ranks that share a node's link."""

    def allgather(self, ranks: int, part: float) -> float:
        """Seconds of an Allgather over nodes filled with ranks; part: bytes of each rank."""
        nodes, rounds = self._nodes(ranks)
        crossing = (nodes - 1) * min(ranks, self.ranks_per_node) * part
        return rounds * self.latency + crossing / self.bandwidth

    def bcast(self, ranks: int, size: float) -> float:
        """Seconds of a Bcast of `size` bytes: a binomial tree, or, where that is less, a scatter
        and an Allgather."""
        nodes, rounds = self._nodes(ranks)
        tree = rounds * (self.latency + size / self.bandwidth)
        halves = (rounds + nodes - 1) * self.latency
        pipelined = halves + 2 * (nodes - 1) / nodes * size / self.bandwidth
        return min(tree, pipelined)

    def _nodes(self, ranks: int) -> tuple[int, int]:
        """How many nodes ranks fill, and rounds of a tree over them; a single node has none."""
        nodes = -(-ranks // self.ranks_per_node)
        return nodes, math.ceil(math.log2(nodes))


SHARED_MEMORY = "shared-memory"
_FOLDER = Path(__file__).with_name("interconnects")


def known_interconnects() -> list[str]:
    """Names of the interconnects that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


@lru_cache(maxsize=1)
def shared_memory() -> Interconnect:
    """Messages inside a node, where none were measured."""
    return load_interconnect(SHARED_MEMORY)


def load_interconnect(name: str) -> Interconnect:
    """One by name or from a TOML file with the keys of `Interconnect`. Raises InputError. Local."""
    known = known_interconnects()
    path = _FOLDER / f"{name}.toml" if name in known else Path(name)
    if path.suffix != ".toml":
        raise InputError(f"interconnect {name!r}: allowed: {', '.join(known)}, or a .toml file")
    return section_from(Interconnect, read_toml(path), str(path))
