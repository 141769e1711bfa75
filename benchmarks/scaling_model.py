"""How well the model of a step predicts steps that it was not fitted on.

usage: mpirun -n 2 python benchmarks/scaling_model.py [--rounds N] [--ranks 1,2]

Rounds of: measuring the machine (circuits and messages by themselves, the rest on the small models
of `calibrate.SETTINGS`), then a step of every setting of a grid of qubits, batch and partitions on
each number of ranks. Predictions are by the medians of the machine over rounds, and are compared
with the medians of the steps. No setting of the grid is one of those that the rest is fitted on.
Where there are more ranks than cores they take turns: reported, not counted. Exit code 1 if another
error is beyond 15%.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from machine import describe

from hpc_qlstm import load_config
from hpc_qlstm.config import Config
from hpc_qlstm.parallel import open_communicator
from hpc_qlstm.studies.scaling.calibrate import SETTINGS, measure_machine
from hpc_qlstm.studies.scaling.machine import median_of
from hpc_qlstm.studies.scaling.measure import measure
from hpc_qlstm.studies.scaling.model import predict_step
from hpc_qlstm.studies.scaling.plan import Point, StepTrial

LIMIT = 15.0
GRID = (  # qubits of a partition, samples, partitions
    (4, 10, 2), (4, 32, 2), (4, 32, 4), (4, 64, 8),
    (5, 20, 4), (6, 10, 2), (6, 32, 4), (6, 64, 2),
    (7, 24, 2), (8, 10, 4), (8, 32, 2), (8, 64, 2),
    (9, 16, 2), (10, 10, 2), (10, 32, 2), (10, 64, 2),
)  # fmt: skip


def setting(qubits: int, batch: int, count: int) -> Config:
    return load_config(
        {
            "model": {"hidden_size": (qubits - 1) * count},
            "partition": {"strategy": "broadcast_input", "count": count},
            "engine": {"threads": 1},
            "data": {"task": "damped_pendulum", "window": 4},
            "training": {"batch_size": batch},
        }
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ranks", default="1,2")
    options = parser.parse_args()
    comm = open_communicator()
    counts = [int(word) for word in options.ranks.split(",") if int(word) <= comm.size]
    configs = [setting(*each) for each in GRID]
    teams = {count: comm.split(0 if comm.rank < count else 1) for count in counts}
    machines, steps = [], {}
    for turn in range(options.rounds):
        if comm.rank == 0:
            print(f"round {turn + 1} of {options.rounds}", flush=True)
        machines.append(measure_machine(comm, configs, counts))
        for count in counts:
            for each, config in zip(GRID, configs, strict=True):
                if each[2] < count:
                    continue
                if comm.rank < count:
                    trial = StepTrial(Point(config, count), turn, 3, 20)
                    seconds = measure(trial, teams[count])["step_seconds"]["median"]
                    steps.setdefault((each, count), []).append(seconds)
                comm.sleep_until_all()
    if comm.rank:
        return 0
    machine = median_of(machines)
    print(describe())
    print(
        f"{len(GRID)} settings, {options.rounds} rounds; the rest fitted on {len(SETTINGS)} others"
    )
    print(
        "  q   B   M  P  measured (least .. most) ms  predicted  error %   circuits messages rest"
    )
    errors = []
    for (each, count), seconds in steps.items():
        step = predict_step(setting(*each), count, machine)
        measured = float(np.median(seconds))
        error = 100 * (step.total / measured - 1)
        if count <= machine.cores:
            errors.append(abs(error))
        parts = "  ".join(f"{1e3 * p:.3f}" for p in (step.compute, step.communication, step.rest))
        spread = f"({1e3 * min(seconds):.3f} .. {1e3 * max(seconds):.3f})"
        print(
            f"{each[0]:3d} {each[1]:3d} {each[2]:3d} {count:2d} {1e3 * measured:9.3f} {spread:18s} "
            f"{1e3 * step.total:9.3f} {error:+8.1f}   {parts}"
        )
    print(
        f"{len(errors)} predictions: error {np.mean(errors):.1f}% on average, {max(errors):.1f}% "
        f"at most, allowed: {LIMIT:g}%; {sum(e > LIMIT for e in errors)} beyond"
    )
    return int(max(errors) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
