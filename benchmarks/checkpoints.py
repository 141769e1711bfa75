"""What a checkpoint after every epoch costs: runs with and without, in turn, in one process group.

usage: mpirun -n 2 python benchmarks/checkpoints.py [CONFIG] [--rounds N] [--folder DIR]

Trains CONFIG (default: the example that the main command runs) once with `checkpoint.every = 1` and
once with the last checkpoint alone, again and again, and compares the wall times from the first
epoch to the end of the last. The first round does not count.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from machine import describe

from hpc_qlstm.build.setup import set_up
from hpc_qlstm.config import Config
from hpc_qlstm.config_io import load_config
from hpc_qlstm.native.system import create_file_writer
from hpc_qlstm.parallel import Communicator, ending_all, on_root, open_communicator
from hpc_qlstm.runs.checkpoint import load_newest
from hpc_qlstm.runs.checkpoint_encoder import CheckpointEncoder
from hpc_qlstm.runs.run_directory import create_run_directory
from hpc_qlstm.runs.writer import RunWriter
from hpc_qlstm.training.trainer import Trainer

EXAMPLE = Path(__file__).parent.parent / "examples" / "damped_pendulum.toml"
BARE_BYTES = 72_000
"""A checkpoint of the example at its end."""
KINDS = {"last only": ["checkpoint.interval=1e9"], "every epoch": ["checkpoint.every=1"]}


def bare_write(folder: Path, count: int = 300) -> tuple[float, float]:
    """Wall and processor seconds of writing a file as checkpoints are, and nothing else."""
    writer, content = create_file_writer(), np.zeros(BARE_BYTES, dtype=np.uint8)
    start, before = perf_counter(), os.times()
    for number in range(count):
        retired = [f"{folder}/bare-{number - 3}"]
        writer.start(str(folder), f"{folder}/.bare", f"{folder}/bare-{number}", content, retired)
        writer.wait()
    after = os.times()
    cpu = after.user + after.system - before.user - before.system
    return (perf_counter() - start) / count, cpu / count


def encoding(run: Path, count: int = 300) -> tuple[int, float]:
    """Datasets of a run's newest checkpoint, and the least seconds to make its bytes again."""
    stored, _ = load_newest(run / "checkpoints")
    encoder, times = CheckpointEncoder(), []
    for _ in range(count):
        start = perf_counter()
        encoder.encode(stored)
        times.append(perf_counter() - start)
    groups = (stored.weights, stored.best, stored.optimizer, stored.data, stored.progress)
    return 2 + sum(map(len, groups)), min(times)


def seconds(config: Config, comm: Communicator) -> tuple[float, float]:
    """Wall time from the first epoch to the last file, and the part after the last epoch."""
    trainer = Trainer(set_up(config, comm))
    run, _ = on_root(comm, lambda: create_run_directory(config))
    writer = RunWriter(run, config, print)
    if comm.rank == 0:
        trainer.after_batch = lambda: writer.batch(trainer)
    comm.allgather_object(0)  # all begin together
    start = perf_counter()
    for _ in range(config.training.epochs):
        record = trainer.run_epoch()
        if comm.rank == 0:
            writer.epoch(trainer, record)
    end = perf_counter()
    if comm.rank == 0:
        writer.finish(trainer)
    writer.close()
    comm.allgather_object(0)
    return perf_counter() - start, perf_counter() - end


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", nargs="?", default=EXAMPLE)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    comm = open_communicator()
    with ending_all(comm):
        compare(options, comm)


def compare(options: argparse.Namespace, comm: Communicator) -> None:
    """Collective."""
    folder = on_root(comm, lambda: options.folder or Path(tempfile.mkdtemp()))
    times: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for number in range(options.rounds + 1):
        for kind, keys in KINDS.items():
            overrides = [*keys, f"output.run_dir={folder}/{number}-{len(keys[0])}"]
            taken, _ = seconds(load_config(options.config, overrides), comm)
            if number:
                times[kind].append(taken)
    if comm.rank:
        return
    bare_seconds, bare_cpu = bare_write(folder)
    datasets, encoded = encoding(Path(load_config(options.config, overrides).output.run_dir))
    shutil.rmtree(folder if options.folder is None else folder / "none", ignore_errors=True)
    print(describe(), f"{comm.size} ranks")
    print(
        f"a durable file of {BARE_BYTES:,} bytes alone: {1e6 * bare_seconds:.0f} us, "
        f"{1e6 * bare_cpu:.0f} us of them on this process's processor"
    )
    print(f"the bytes of a checkpoint of {datasets} datasets: {1e3 * encoded:.1f} ms at best")
    for kind, values in times.items():
        print(f"{kind}: {np.median(values):.4f} s, {min(values):.4f} to {max(values):.4f}")
    without, every = (np.array(values) for values in times.values())
    extra = every / without - 1.0
    print(
        f"a checkpoint after every epoch costs {np.median(extra):+.2%} of the training time "
        f"(median of pairs; quartiles {np.quantile(extra, 0.25):+.2%} to "
        f"{np.quantile(extra, 0.75):+.2%}); by the lower quartiles of both "
        f"{np.quantile(every, 0.25) / np.quantile(without, 0.25) - 1.0:+.2%}, by the fastest runs "
        f"{every.min() / without.min() - 1.0:+.2%}"
    )


if __name__ == "__main__":
    main()
