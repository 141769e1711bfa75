"""The run directory: its files, and how a new run gets one without harming an old one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc_qlstm.config import Config
from hpc_qlstm.config_io import config_text, load_config
from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.json_lines import Record
from hpc_qlstm.runs.lock import RunLock


class _Inside:
    """A path below that of the run directory."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, run: RunDirectory, owner: type) -> Path:
        return run.path / self._name


@dataclass(frozen=True)
class RunDirectory:
    """Paths inside a run directory."""

    path: Path

    config = _Inside("config.toml")
    """The resolved configuration."""
    metrics = _Inside("metrics.jsonl")
    """One JSON object an epoch."""
    lock = _Inside("lock")
    """Held by the job that writes here."""
    jobs = _Inside("jobs.jsonl")
    """One JSON object for each job of a backend; there with the engine primitive only."""
    checkpoints = _Inside("checkpoints")
    """The folder of checkpoints."""
    figures = _Inside("figures")
    """The folder of figures."""
    report = _Inside("report.html")
    """The report page."""


def with_whole_paths(config: Config) -> Config:
    """The configuration with `~` expanded and absolute files, to be used from anywhere."""
    values = config.to_dict()
    engine = values["engine"]
    noises = [part["noise"] for part in (engine, *engine["backends"]) if "noise" in part]
    for section in (values["data"], values["model"], *noises):
        for key in {"file", "ansatz_file"} & section.keys():
            section[key] = str(Path(section[key]).expanduser().absolute())
    values["output"]["run_dir"] = str(Path(config.output.run_dir).expanduser())
    return load_config(values)


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
