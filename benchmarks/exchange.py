"""What the package adds around the collectives of a time step, beside the bare collectives.

usage: mpirun -n 2 python benchmarks/exchange.py [--rounds N]

Bare: the same Allgathers and Bcasts called in a loop from C (bare_collectives.c, compiled here by
mpicc). Exchange: what the recurrence does, from outputs that lie ready to v_t's summed gradients:
packing (where a rank has several partitions: one writes into what is sent),
`hpc_qlstm.distributed.exchange`, mpi4py, the clock of metrics.jsonl, unpacking. Recurrence:
all of `hpc_qlstm.model.layer` as it runs, less the seconds that circuits took: also the cell,
the loop over steps, and waiting for the other rank's circuits. In turn, medians over rounds of the
slowest rank; microseconds a time step, forward and back.
"""

from __future__ import annotations

import argparse
import ctypes
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from machine import describe
from mpi4py import MPI

from hpc_qlstm import Partition
from hpc_qlstm.distributed.exchange import GroupExchange
from hpc_qlstm.distributed.messages import MessagePlan
from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.layer import Layer
from hpc_qlstm.model.tape import Cotangents, Sequences
from hpc_qlstm.parallel import ProcessGrid, open_communicator
from hpc_qlstm.parallel.grid import balanced_blocks

LIMIT = 10.0
STEPS = 50
CASES = ((4, 32, 2), (4, 10, 2), (8, 16, 2), (10, 64, 2), (4, 32, 8))  # qubits, samples, partitions


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=41)
    rounds = parser.parse_args().rounds
    world = MPI.COMM_WORLD
    comm = open_communicator(world)
    bare = compiled(world)
    if comm.rank == 0:
        print(f"{describe()}, {comm.size} ranks, {MPI.Get_library_version().split(',')[0]}")
        print("  q   B   M  update      bare  exchange  added  recurrence  added")
    worst = 0.0
    for qubits, batch, count in CASES:
        if count % comm.size:
            continue
        for replicated in (False, True):
            row = [
                1e6 * seconds
                for seconds in measure(comm, world, bare, qubits, batch, count, replicated, rounds)
            ]
            worst = max(worst, row[1] - row[0])
            if comm.rank == 0:
                update = "replicated" if replicated else "root"
                print(
                    f"{qubits:3d} {batch:3d} {count:3d}  {update:10s} {row[0]:6.2f} {row[1]:9.2f} "
                    f"{row[1] - row[0]:6.2f} {row[2]:11.2f} {row[2] - row[0]:6.2f}",
                    flush=True,
                )
    if comm.rank == 0:
        print(f"most added by the exchange: {worst:.2f} us a step, allowed: {LIMIT:g}")
    return int(worst > LIMIT)


def compiled(world: Any) -> Any:
    """bare_collectives.c as a library; rank 0 compiles it."""
    folder = Path(world.bcast(tempfile.mkdtemp() if world.rank == 0 else None))
    if world.rank == 0:
        mpicc = shutil.which("mpicc", path=f"{Path(sys.executable).parent}:/usr/bin:/bin")
        mpicc = mpicc or shutil.which("mpicc")
        if mpicc is None:
            print("mpicc is needed for the bare collectives", file=sys.stderr)
            world.Abort(2)
        source = Path(__file__).with_name("bare_collectives.c")
        command = [mpicc, "-O2", "-shared", "-fPIC", str(source), "-o", str(folder / "bare.so")]
        subprocess.run(command, check=True)
    world.Barrier()
    library = ctypes.CDLL(str(folder / "bare.so"))
    library.bare_steps.restype = ctypes.c_double
    world.Barrier()
    if world.rank == 0:
        shutil.rmtree(folder)
    return library.bare_steps


def measure(
    comm: Any, world: Any, bare: Any, qubits: int, batch: int, count: int, replicated: bool,
    rounds: int,
) -> list[float]:  # fmt: skip
    """Seconds of a step: bare, exchange, recurrence; medians over rounds of the slowest rank."""
    hidden = (qubits - 1) * count
    partition = Partition.broadcast_input(hidden + 1, hidden, count)
    model = QLSTM(1, hidden, 1, depth=1, partition=partition)
    blocks = balanced_blocks([1.0] * count, comm.size)
    grid = ProcessGrid(1, 0, comm.rank, tuple(blocks))
    exchange = GroupExchange(comm, MessagePlan(model, grid, replicated))
    outputs, inputs = exchange.outputs(0, 4, batch), exchange.inputs(0, batch)
    state, cotangents = exchange.shared(0, 1, batch), exchange.shared(0, 4, batch)
    rng = np.random.default_rng(0)
    ready = rng.uniform(-1, 1, outputs.send.shape), rng.uniform(-1, 1, inputs.send.shape)
    to_v = np.zeros((batch, hidden + 1))
    sizes = [outputs.send.size, inputs.send.size, *(
        [0, 0] if replicated else [state.buffer.size, cotangents.buffer.size]
    )]  # fmt: skip
    most = max(sizes)
    memory = np.zeros(most), np.zeros(most * comm.size), np.zeros(most)
    pointers = [each.ctypes.data_as(ctypes.c_void_p) for each in memory]

    # A rank's only partition writes into what is sent; several are packed.
    packed = len(blocks[comm.rank]) > 1

    def by_exchange() -> float:
        seconds = 0.0
        for _ in range(STEPS):
            begin = perf_counter()
            outputs.send[...] = ready[0]
            if not packed:
                begin = perf_counter()
            outputs.start()
            outputs.finish(exchange.updates_cell)
            state.share()
            cotangents.share()
            seconds += perf_counter() - begin
            begin = perf_counter()
            inputs.send[...] = ready[1]
            if not packed:
                begin = perf_counter()
            inputs.start()
            inputs.finish(to_v if exchange.updates_cell else None)
            seconds += perf_counter() - begin
        return seconds / STEPS

    local = model.local_cell(blocks[comm.rank])
    flat, x = model.layout.initial(0), rng.uniform(-1, 1, (batch, STEPS, 1))
    rows = np.zeros((batch, local.weights))
    layer = Layer(local, exchange)

    def by_recurrence() -> float:
        local.reset_seconds()
        begin = perf_counter()
        tape = layer.forward(Sequences(flat, x))
        tape.reverse(Cotangents(np.zeros_like(tape.outputs)), rows)
        tape.release()
        return (perf_counter() - begin - local.seconds) / STEPS

    times: list[list[float]] = [[], [], []]
    for _ in range(rounds):
        times[0].append(bare(world.py2f(), STEPS, *sizes, *pointers))
        for kind, call in ((1, by_exchange), (2, by_recurrence)):
            world.Barrier()
            times[kind].append(call())
        comm.durations.clear()
    every = world.allgather([float(np.median(each[1:])) for each in times])
    return [max(each[kind] for each in every) for kind in range(3)]


if __name__ == "__main__":
    sys.exit(main())
