"""The samples of an epoch's batches: consecutive, shuffled or drawn, by seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config
from hpc_qlstm.data import Rows, WindowSource
from hpc_qlstm.data.split import Index
from hpc_qlstm.errors import InputError
from hpc_qlstm.model.blocks import block_bounds, share
from hpc_qlstm.parallel import ProcessGrid

_SHUFFLE_STREAM = 10_000
_DRAW_STREAM = 10_001


@dataclass(frozen=True)
class Samples:
    """The samples of a batch that this rank works on, in place of an array (count, ...) of all.

    part (n, ...): samples first .. first+n-1; no others can be asked for.
    """

    part: Float
    first: int
    count: int

    @property
    def shape(self) -> tuple[int, ...]:
        """That of all samples."""
        return (self.count, *self.part.shape[1:])

    @property
    def size(self) -> int:
        """Numbers in all samples."""
        return int(np.prod(self.shape))

    def __getitem__(self, samples: slice) -> Float:
        """Some of the samples that are here."""
        return self.part[samples.start - self.first : samples.stop - self.first]


Batch = tuple[Float, Float] | tuple[Samples, Samples]
"""x (B, T, d_x) and y of a batch: whole, or what this rank needs of it."""


def epoch_size(config: Config, data: WindowSource) -> int:
    """Windows that an epoch trains on."""
    return config.data.epoch_windows or data.train_count


def check_epoch_windows(config: Config, data: WindowSource) -> None:
    """InputError where an epoch is to have more windows than there are. Local."""
    wanted, there = config.data.epoch_windows, data.train_count
    if wanted > there:
        raise InputError(
            f"data.epoch_windows: {wanted} was given, but there are {there} windows to train on; "
            f"allowed: at most {there}, or 0 for all"
        )


def epoch_order(config: Config, data: WindowSource, epoch: int) -> Index | None:
    """Numbers of the training windows of an epoch (from 0), in order; None: all as they come.

    All windows or, with `epoch_windows`, that many of them, none twice, drawn from (seed, epoch);
    in order of time or, with `shuffle`, in an order that is drawn from these too.
    """
    there, count, key = data.train_count, epoch_size(config, data), config.training.seed
    order = None
    if count < there:
        drawing = np.random.default_rng([key, _DRAW_STREAM, epoch])
        order = np.sort(drawing.choice(there, count, replace=False, shuffle=False))
    if config.training.shuffle:
        shuffled = np.random.default_rng([key, _SHUFFLE_STREAM, epoch]).permutation(count)
        order = shuffled if order is None else order[shuffled]
    return order


def batches(
    config: Config, data: WindowSource, grid: ProcessGrid, epoch: int, first: int = 0
) -> Iterator[Batch]:
    """The batches of an epoch, from number `first` on, as this rank needs them. Local.

    So many batches as the source likes are read at once. Raises InputError where they cannot be.
    """
    order = epoch_order(config, data, epoch)
    count, size = epoch_size(config, data), config.training.batch_size

    def rows(begin: int, end: int) -> Rows:
        return slice(begin, end) if order is None else order[begin:end]

    ahead = max(1, data.read_ahead // size) * size
    for begin in range(first * size, count, ahead):
        parts = [(k, min(k + size, count)) for k in range(begin, min(begin + ahead, count), size)]
        if len(parts) == 1 and grid.replicas == 1:
            yield data.train(rows(*parts[0]))
            continue
        own = [_own(begin, end, grid) for begin, end in parts]
        wanted = np.concatenate([np.arange(mine.start, mine.stop) for mine in own])
        x, y = data.train(wanted if order is None else order[wanted])
        stop = 0
        for (begin, end), mine in zip(parts, own, strict=True):
            start, stop = stop, stop + len(mine)
            place = mine.start - begin, end - begin
            yield Samples(x[start:stop], *place), Samples(y[start:stop], *place)


def _own(begin: int, end: int, grid: ProcessGrid) -> range:
    """Of the samples begin..end-1, a batch, those that this rank's replica works on."""
    mine = share(block_bounds(end - begin), grid.replica, grid.replicas)
    return range(begin + mine[0], begin + mine[-1])
