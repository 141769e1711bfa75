"""Helpers of the tests that run under mpirun."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from builders import merged, small_config

ONE_THREAD = small_config(
    engine={"name": "native", "threads": 1}, training={"batch_size": 7, "seed": 3}
)


@pytest.fixture
def configured() -> Callable[..., Any]:
    """The configuration of a small run, with keys of its sections replaced."""
    from hpc_qlstm import load_config

    def build(**sections: dict[str, Any]) -> Any:
        return load_config(merged(ONE_THREAD, **sections))

    return build


@pytest.fixture
def comm() -> Any:
    from mpi4py import MPI

    # Ranks that leave a failed test early must not meet the others in the next one.
    MPI.COMM_WORLD.Barrier()
    return MPI.COMM_WORLD


@pytest.fixture
def agree(comm: Any) -> Callable[[bool, str], None]:
    """An assertion that fails on all ranks when it fails on one, so that no rank waits for ever."""

    def check(condition: bool, message: str = "") -> None:
        failing = [r for r, ok in enumerate(comm.allgather(bool(condition))) if not ok]
        assert not failing, f"ranks {failing}: {message}"

    return check


@pytest.fixture
def shared_path(comm: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One temporary folder for all ranks."""
    path = tmp_path_factory.mktemp("run") if comm.rank == 0 else None
    return comm.bcast(path, root=0)
