"""What it costs to know where the time goes: epochs with and without it, in turn.

usage: mpirun -n 2 python benchmarks/timing_overhead.py [--epochs N] [CONFIG]

Without: no durations of collectives and no minimum of them over ranks. What is left either way is
needed anyway: the watchdog knows since when a rank is in a collective, and one Allgather of a dozen
numbers brings circuits and messages together.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any

import numpy as np
from machine import describe

from hpc_qlstm import load_config
from hpc_qlstm.build.setup import set_up
from hpc_qlstm.parallel import open_communicator
from hpc_qlstm.training.trainer import Trainer

EXAMPLE = Path(__file__).parents[1] / "examples" / "damped_pendulum.toml"


class Untimed:
    """A communicator that moves arrays by MPI and takes no durations."""

    def __init__(self, inner: Any, mpi: Any) -> None:
        self._inner, self._mpi = inner, mpi
        self.rank, self.size = inner.rank, inner.size
        self.durations: list[float] = []
        self.moved = 0
        self._waiting = inner._waiting

    def allgather(self, send: Any, receive: Any) -> None:
        self._waiting[0] = monotonic()
        self._mpi.Allgather(send, receive)
        self._waiting[0] = None
        self.moved += self.size * (self.size - 1) * send.nbytes

    def bcast(self, buffer: Any) -> None:
        self._waiting[0] = monotonic()
        self._mpi.Bcast(buffer, root=0)
        self._waiting[0] = None
        self.moved += (self.size - 1) * buffer.nbytes

    def split(self, color: int) -> Untimed:
        return Untimed(self._inner.split(color), self._mpi.Split(color, self.rank))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", nargs="?", default=EXAMPLE)
    parser.add_argument("--epochs", type=int, default=300)
    options = parser.parse_args()
    from mpi4py import MPI

    world = open_communicator(MPI.COMM_WORLD)
    config = load_config(options.config)
    trainers = [
        Trainer(set_up(config, comm)) for comm in (world, Untimed(world, MPI.COMM_WORLD.Dup()))
    ]
    seconds: list[list[float]] = [[], []]
    for epoch in range(options.epochs):
        for which in (0, 1) if epoch % 2 else (1, 0):
            world.sleep_until_all()
            start = perf_counter()
            trainers[which].run_epoch()
            seconds[which].append(perf_counter() - start)
    if world.rank == 0:
        with_it, without = (np.array(part[5:]) for part in seconds)
        difference = np.median(with_it - without)
        # Of a median, by the middle half: what other work disturbs is far out.
        low, high = np.quantile(with_it - without, [0.25, 0.75])
        error = 1.2533 * (high - low) / 1.349 / np.sqrt(with_it.size)
        print(describe())
        print(f"{world.size} ranks, {with_it.size} epochs each, in turn")
        for name, found in (("with it", with_it), ("without", without)):
            middle, least = 1e3 * np.median(found), 1e3 * found.min()
            print(f"epoch {name:<12}{middle:8.3f} ms (least {least:.3f})")
        print(f"difference        {difference * 1e3:8.3f} +- {error * 1e3:.3f} ms, "
              f"{100 * difference / np.median(without):.2f} % of an epoch")  # fmt: skip


if __name__ == "__main__":
    main()
