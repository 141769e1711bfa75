"""Random numbers of sampled circuits, keyed by what is sampled and never by who samples it.

A run must repeat to the bit on any number of ranks, so nothing may depend on how partitions,
samples or calls are spread. Every row of a call has a stream of its own: Philox (Salmon et al.,
"Parallel random numbers: as easy as 1, 2, 3", SC11), a generator whose key and counter can be set
for each row at little cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

CALLS, CALIBRATION, SIGNS = 1, 2, 3
"""First words of keys: what is drawn for. Each has streams of its own."""


@dataclass(frozen=True)
class RandomStream:
    """The place of a call's rows in a run: what its random numbers are drawn from.

    key: the call, for example (partition, phase, epoch, batch, call); position and sample (B,):
    the identity of every feature row, with position < positions; sample counts over the whole
    batch, whatever part of it is here.
    """

    key: tuple[int, ...]
    position: Integers
    sample: Integers
    positions: int = 1

    @classmethod
    def of_samples(cls, key: tuple[int, ...], count: int, first: int = 0) -> RandomStream:
        """The rows of `count` consecutive samples, the first of which is number `first`."""
        return cls(key, np.zeros(count, dtype=np.int64), np.arange(first, first + count))

    def tiled(self, times: int) -> RandomStream:
        """The same rows `times` times over, one after the other, as different positions."""
        if times == 1:
            return self
        lead = np.repeat(np.arange(times) * self.positions, self.position.size)
        return RandomStream(
            self.key,
            lead + np.tile(self.position, times),
            np.tile(self.sample, times),
            times * self.positions,
        )

    def part(self, begin: int, end: int) -> RandomStream:
        """Rows begin to end - 1 of the same call."""
        return replace(self, position=self.position[begin:end], sample=self.sample[begin:end])

    def at(self, *key: int) -> RandomStream:
        """The same rows of another call, whose key is this one's with `key` added."""
        return replace(self, key=(*self.key, *key))

    def seed(self) -> int:
        """A number for generators that take one seed a call: 31 bits, the same for all rows."""
        return int(self._sequence().generate_state(1, np.uint32)[0] >> 1)

    def generators(self) -> Iterator[np.random.Generator]:
        """A generator for every row, to be used before the next one is asked for."""
        philox = np.random.Philox(self._sequence())
        generator = np.random.Generator(philox)
        state = philox.state
        counter = state["state"]["counter"]
        for position, sample in zip(self.position.tolist(), self.sample.tolist(), strict=True):
            # Two words are counted up by what a row draws, the other two are the row's own.
            counter[:] = (0, 0, position, sample)
            philox.state = state
            yield generator

    def _sequence(self) -> np.random.SeedSequence:
        # With the length, because SeedSequence takes (1,) and (1, 0) for the same.
        return np.random.SeedSequence((len(self.key), *self.key))
