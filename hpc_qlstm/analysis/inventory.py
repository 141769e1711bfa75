"""The checkpoints of a run: which there are, and whether they can be trusted. Local."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.checkpoint import find_checkpoints, load_checkpoint, position
from hpc_qlstm.runs.checkpoint_format import Checkpoint
from hpc_qlstm.runs.run_directory import open_run_directory


@dataclass(frozen=True)
class Entry:
    """One file: its place in the run, size, time of writing, and its test loss or what is wrong."""

    path: Path
    epoch: int
    batch: int
    size: int
    written: float
    stored: Checkpoint | None
    problem: str = ""

    @property
    def valid(self) -> bool:
        """Whether the file was read and its checksum is right."""
        return self.stored is not None

    def cells(self) -> tuple[str, ...]:
        """Columns of a table."""
        losses = [] if self.stored is None else self.stored.history[-1:]
        return (
            self.path.name,
            str(self.epoch),
            str(self.batch),
            f"{losses[0]['test_loss']:.4e}" if losses else "",
            f"{self.size:,}",
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.written)),
            "valid" if self.valid else self.problem,
        )


def checkpoint_inventory(run_dir: str | Path) -> list[Entry]:
    """Every checkpoint of a run, newest first, read and verified. Raises InputError for no run."""
    run, _ = open_run_directory(run_dir)
    entries = []
    for path in find_checkpoints(run.checkpoints):
        stored, problem = None, ""
        try:
            stored = load_checkpoint(path)
        except InputError as error:
            problem = str(error).removeprefix(f"{path}: ")
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # a running job has taken it away
        epoch, batch = position(path)
        entries.append(Entry(path, epoch, batch, status.st_size, status.st_mtime, stored, problem))
    return entries
