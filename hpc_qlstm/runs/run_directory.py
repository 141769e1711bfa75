"""The run directory: its files, and how a new run gets one without harming an old one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc_qlstm.config import Config
from hpc_qlstm.config_io import SectionT, config_text, load_config
from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.lock import RunLock
from hpc_qlstm.runs.metrics import Record


@dataclass(frozen=True)
class RunDirectory:
    """Paths inside a run directory."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.toml"

    @property
    def metrics(self) -> Path:
        """One JSON object an epoch."""
        return self.path / "metrics.jsonl"

    @property
    def lock(self) -> Path:
        """Held by the job that writes here."""
        return self.path / "lock"

    @property
    def jobs(self) -> Path:
        """One JSON object for each job of a backend; there with the engine primitive only."""
        return self.path / "jobs.jsonl"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def figures(self) -> Path:
        """The folder of figures."""
        return self.path / "figures"

    @property
    def report(self) -> Path:
        """The report page."""
        return self.path / "report.html"


def with_whole_paths(config: Config) -> Config:
    """The configuration with `~` expanded and absolute files, to be used from anywhere."""

    def whole(section: SectionT, key: str) -> SectionT:
        value = getattr(section, key)
        if value is None:
            return section
        return section.model_copy(update={key: str(Path(value).expanduser().absolute())})

    run_dir = str(Path(config.output.run_dir).expanduser())
    engine = config.engine
    backends = [
        entry
        if entry.noise is None
        else entry.model_copy(update={"noise": whole(entry.noise, "file")})
        for entry in engine.backends
    ]
    return config.model_copy(
        update={
            "output": config.output.model_copy(update={"run_dir": run_dir}),
            "data": whole(config.data, "file"),
            "model": whole(config.model, "ansatz_file"),
            "engine": engine.model_copy(
                update={"noise": whole(engine.noise, "file"), "backends": backends}
            ),
        }
    )


def create_run_directory(config: Config) -> tuple[RunDirectory, list[str]]:
    """Make the run directory and save the resolved configuration in it. For rank 0.

    A run that is already there is renamed, with the first free number behind a `~`; the second
    value says so. Raises InputError where the path cannot be used, holds something else, or a run
    that another job is writing.
    """
    run = RunDirectory(Path(config.output.run_dir))
    notes = []
    try:
        if run.path.is_dir() and any(run.path.iterdir()):
            is_run = run.config.is_file() and run.metrics.is_file() and run.checkpoints.is_dir()
            if not is_run or Path.cwd().is_relative_to(run.path.resolve()):
                raise InputError(
                    f"output.run_dir: {run.path} holds other files, allowed: a new or empty folder"
                )
            # Nobody else may be writing there.
            RunLock(run.lock).acquire().release()
            notes.append(f"the run in {run.path} was moved to {_move_aside(run.path)}")
        for folder in (run.checkpoints, run.figures):
            folder.mkdir(parents=True, exist_ok=True)
        replace_text(run.config, config_text(config))
        replace_text(run.metrics, "")
    except OSError as error:
        raise InputError(
            f"output.run_dir: {run.path} cannot be used ({error.strerror}: {error.filename})"
        ) from None
    return run, notes


def continue_run(run: RunDirectory, config: Config, history: Iterable[Record]) -> None:
    """Bring an existing run directory to where a resumed run stands. For rank 0.

    The configuration may have been overridden, metrics.jsonl may be ahead of the checkpoint or end
    in a torn line, and a killed process may have left temporary files.
    """
    try:
        run.checkpoints.mkdir(exist_ok=True)
        for leftover in run.checkpoints.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)
        replace_text(run.config, config_text(config))
        replace_text(run.metrics, "".join(json.dumps(record) + "\n" for record in history))
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be written ({error.strerror})") from None


def replace_text(path: Path, text: str) -> None:
    """Write a text file so that it is never seen incomplete. Raises OSError with its name."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None


def open_run_directory(
    path: str | Path, overrides: Sequence[str] = ()
) -> tuple[RunDirectory, Config]:
    """An existing run directory and its configuration. Local; raises InputError."""
    run = RunDirectory(Path(path))
    if not run.path.is_dir():
        raise InputError(f"{run.path}: is not a folder, allowed: a run directory")
    if not run.config.is_file():
        raise InputError(f"{run.path}: has no config.toml, allowed: a run directory")
    config = load_config(run.config, [*overrides])
    output = config.output.model_copy(update={"run_dir": str(run.path)})
    return run, config.model_copy(update={"output": output})


def _move_aside(path: Path) -> Path:
    number = 1
    while (target := path.with_name(f"{path.name}~{number}")).exists():
        number += 1
    return path.rename(target)
