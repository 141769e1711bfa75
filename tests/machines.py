"""Machines that are made up, for tests of the model of a step."""

from __future__ import annotations

from builders import merged, small_config

from hpc_qlstm import load_config
from hpc_qlstm.studies.scaling.machine import (
    REST,
    Curve,
    LoadCosts,
    Machine,
)
from hpc_qlstm.studies.scaling.model import circuit_key, plan_of

TINY = {
    "partition": {"count": 2},
    "engine": {"threads": 1},
    "data": {"window": 3},
    "training": {"batch_size": 8},
}


def config(**sections):
    return load_config(merged(small_config(**TINY), **sections))


def invented(like, ranks=(1, 2), circuit=10.0, gather=1.0, latency=0.0, rest=None):
    """A machine on which a sample costs `circuit` seconds forward and twice that back, and a byte
    `gather` in an Allgather and half of it in a Bcast."""
    model, _ = plan_of(like)
    curves = {
        "forward": Curve((0.0, 1000.0), (0.0, 1000.0 * circuit)),
        "reverse": Curve((0.0, 1000.0), (0.0, 2000.0 * circuit)),
    }
    circuits = {circuit_key(each, like): curves for each in model.circuits}
    wire = Curve((0.0, 1e6), (latency, latency + 1e6 * gather))
    half = Curve((0.0, 1e6), (latency, latency + 0.5e6 * gather))
    busy = tuple(
        LoadCosts(
            count, 0.5, circuits, wire if count > 1 else None, half if count > 1 else None,
            dict.fromkeys(REST, 0.0) | (rest or {}),
        )
        for count in ranks
    )  # fmt: skip
    return Machine("a processor", 64, "an MPI library", busy)
