"""Whether overlapping messages with computation is worth it here: tried on a few steps.

Two halves of a batch cost more than a whole (registers less full, twice the messages), and what is
won depends on the network, on whether the MPI library moves data while nobody calls it, and on the
sizes. No bit depends on the outcome.
"""

from __future__ import annotations

from time import perf_counter

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config
from hpc_qlstm.distributed.model import DistributedModel

ROUNDS = 5
"""Steps of each kind that are timed, in turn, after one that is not."""


def choose_overlap(model: DistributedModel, config: Config, x: Float, y: Float) -> None:
    """Set `model.overlap` to what is faster for a step on x, y. Collective.

    Engines that sample, or whose circuits cost money or minutes, are not tried: without overlap.
    """
    comm = model.comm
    simulated = all(engine.capabilities.simulated for engine in model.local.engines)
    fast = simulated and model.local.gradient == "adjoint"
    # Every replica has as many ranks, so all ranks agree.
    if not model.can_overlap or not fast:
        model.overlap = False
        return
    flat = model.model.layout.initial(config.training.seed, config.model.init_scale)
    seconds = np.zeros((2, ROUNDS + 1))
    for turn in range(ROUNDS + 1):
        for overlap in (False, True):
            model.overlap = overlap
            start = perf_counter()
            model.loss_and_gradient(flat, x, y)
            seconds[int(overlap), turn] = perf_counter() - start
    own = np.median(seconds[:, 1:], axis=1)
    every = np.empty((comm.size, 2))
    comm.allgather(own, every)
    # The slowest rank counts, and all ranks see the same numbers.
    without, with_overlap = every.max(axis=0).tolist()
    model.overlap = with_overlap < without
    for part in (comm, model.group):
        part.durations.clear()
        part.moved = 0
