"""What the tests share: stored reference numbers, and real runs of the command under mpirun."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import launch
import numpy as np
import pytest
from builders import small_config, write_toml

DATA = Path(__file__).parent / "stored"
LONGEST = ("test_slurm.py", "test_determinism.py", "test_backend_failures.py", "test_golden.py")
"""These begin first, so that none of them is left to one of two workers at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long before the others."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, np.ndarray]]:
    """The arrays of a file of tests/stored by its name."""

    def load(name: str) -> dict[str, np.ndarray]:
        with np.load(DATA / f"{name}.npz") as file:
            return {key: file[key] for key in file}

    return load


@pytest.fixture
def hpc_qlstm_run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run `hpc-qlstm ARGUMENTS` in a temporary folder, under mpirun when `ranks` is given."""

    def run(*arguments: object, **options: Any) -> Any:
        environment = run.environment  # type: ignore[attr-defined]
        return launch.run(*launch.HPC_QLSTM, *arguments, cwd=tmp_path, env=environment, **options)

    run.environment = launch.environment()  # type: ignore[attr-defined]
    return run


@pytest.fixture
def write_config(tmp_path: Path) -> Callable[..., Path]:
    """Write a small configuration, with keys of some sections replaced, as a TOML file."""

    def write(name: str = "config.toml", **sections: dict[str, Any]) -> Path:
        output = {"run_dir": str(tmp_path / "run"), **sections.pop("output", {})}
        return write_toml(tmp_path / name, small_config(output=output, **sections))

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
