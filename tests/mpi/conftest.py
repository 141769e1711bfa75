"""Helpers of the tests that run under mpirun."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

TINY: dict[str, Any] = {
    "model": {"hidden_size": 4, "depth": 1},
    "partition": {"strategy": "broadcast_input", "count": 4},
    "engine": {"name": "native", "threads": 1},
    "data": {"task": "sine", "options": {"points": 40}},
    "training": {"epochs": 3, "batch_size": 7, "learning_rate": 0.05, "seed": 3},
    "parallel": {},
    "output": {"figures": False},
}


@pytest.fixture
def configured() -> Callable[..., Any]:
    """A tiny run's configuration, with keys of its sections replaced."""
    from hpc_qlstm import load_config

    def build(**sections: dict[str, Any]) -> Any:
        values = copy.deepcopy(TINY)
        for name, keys in sections.items():
            values[name].update(keys)
        return load_config(values)

    return build


@pytest.fixture
def comm() -> Any:
    from mpi4py import MPI

    # Ranks that leave a failed test early must not meet the others in the next one.
    MPI.COMM_WORLD.Barrier()
    return MPI.COMM_WORLD


@pytest.fixture
def agree(comm: Any) -> Callable[[bool, str], None]:
    """An assertion that fails on all ranks when it fails on one, so that nobody waits for ever."""

    def check(condition: bool, message: str = "") -> None:
        failing = [r for r, ok in enumerate(comm.allgather(bool(condition))) if not ok]
        assert not failing, f"ranks {failing}: {message}"

    return check


@pytest.fixture
def shared_path(comm: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One temporary folder for all ranks."""
    path = tmp_path_factory.mktemp("run") if comm.rank == 0 else None
    return comm.bcast(path, root=0)
