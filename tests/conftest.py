"""What the tests share: stored reference numbers, and real runs of the command under mpirun."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

DATA = Path(__file__).parent / "stored"
LONGEST = ("test_slurm.py", "test_determinism.py", "test_backend_failures.py", "test_golden.py")
"""These begin first, so that none of them is left to one of two workers at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long before the others."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(scope="session")
def launch_environment() -> dict[str, str]:
    """Lets Open MPI start as root and with more ranks than cores, one thread each."""
    return {
        **os.environ,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": "slot:oversubscribe",
        "PRTE_MCA_hwloc_default_binding_policy": "none",
        "OMPI_MCA_mpi_yield_when_idle": "1",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, np.ndarray]]:
    """The arrays of a file of tests/stored by its name."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(DATA / f"{name}.npz") as file:
            return {key: file[key] for key in file}

    return load


@pytest.fixture(scope="session")
def command() -> Callable[..., list[str]]:
    """The words that run `hpc-qlstm` alone or, with ranks, under mpirun."""

    def words(*arguments: object, ranks: int | None = None) -> list[str]:
        own = [sys.executable, "-m", "hpc_qlstm", *map(str, arguments)]
        if ranks is None:
            return own
        mpirun = shutil.which("mpirun", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        assert mpirun, "mpirun is needed for this test"
        return [mpirun, "-n", str(ranks), *own]

    return words


@pytest.fixture
def hpc_qlstm_run(
    command: Callable[..., list[str]], launch_environment: dict[str, str], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `hpc-qlstm ARGUMENTS` in a temporary folder, under mpirun when `ranks` is given."""

    def run(*arguments: object, ranks: int | None = None, timeout: float = 120) -> Any:
        return subprocess.run(
            command(*arguments, ranks=ranks),
            cwd=tmp_path,
            env=run.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    run.environment = dict(launch_environment)  # type: ignore[attr-defined]
    return run


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """Write sections as a TOML file; a run that finishes in a second unless told otherwise."""
    import tomli_w

    def write(name: str = "config.toml", **sections: dict[str, Any]) -> Path:
        values: dict[str, dict[str, Any]] = {
            "model": {"hidden_size": 4, "depth": 1},
            "partition": {"strategy": "broadcast_input", "count": 4},
            "data": {"task": "sine", "options": {"points": 40}},
            "training": {"epochs": 3, "learning_rate": 0.05},
            "checkpoint": {"every": 1},
            "output": {"run_dir": str(tmp_path / "run"), "figures": False},
        }
        for section, keys in sections.items():
            if "file" in keys:
                values[section] = {}
            values.setdefault(section, {}).update(keys)
        path = tmp_path / name
        path.write_text(tomli_w.dumps(values))
        return path

    return write


@pytest.fixture(scope="session")
def losses() -> Callable[[Path], list[tuple[float, ...]]]:
    """Epoch, losses and R2 of a run directory's metrics.jsonl; floats as exactly as written."""

    def read(run_dir: Path) -> list[tuple[float, ...]]:
        lines = (run_dir / "metrics.jsonl").read_text().splitlines()
        keys = ("epoch", "train_loss", "test_loss", "test_r2", "learning_rate")
        return [tuple(json.loads(line)[key] for key in keys) for line in lines]

    return read


@pytest.fixture(scope="session")
def final_weights() -> Callable[[Path], dict[str, np.ndarray]]:
    """The weights of a run directory's newest checkpoint."""
    from hpc_qlstm.runs.checkpoint import load_newest

    def read(run_dir: Path) -> dict[str, np.ndarray]:
        checkpoint, warnings = load_newest(run_dir / "checkpoints")
        assert checkpoint is not None
        assert not warnings
        return checkpoint.weights

    return read
