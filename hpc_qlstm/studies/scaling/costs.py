"""The machine's costs in a scaling study: measured before and after its cells, put together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hpc_qlstm import registry
from hpc_qlstm.config import Config
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import Communicator, on_root
from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.studies.scaling.calibrate import measure_machine, median_machine
from hpc_qlstm.studies.scaling.machine import Machine, load_machine, machine_text
from hpc_qlstm.studies.scaling.model import has_four_vqcs, hash_text

if TYPE_CHECKING:
    from hpc_qlstm.studies.scaling.study import Say


def circuits_text(config: Config) -> str:
    """Equal for configurations whose circuits cost the same, and are measured once."""
    batch = config.training.batch_size
    parts = config.model_dump(include={"model", "partition", "engine", "data"}, mode="json")
    return json.dumps([parts, batch], sort_keys=True)


def predictable(config: Config) -> bool:
    """Whether the model says something about it, and measuring it costs no quantum processor."""
    return has_four_vqcs(config) and registry.engines[config.engine.name].capabilities.simulated


@dataclass(frozen=True)
class Costs:
    """Measures the machine for one part of a study and stores it.

    root: where studies keep theirs, each in a folder of its own; part: of the study; wanted: False
    where nothing is to be measured; configs: those to be predicted; ranks: numbers of ranks of the
    study.
    """

    root: Path
    part: tuple[int, int]
    wanted: bool
    configs: Sequence[Config]
    ranks: Sequence[int]

    @property
    def folder(self) -> Path:
        """Of this study: what others measured, with other circuits or ranks, is not for it."""
        what = json.dumps([sorted(map(circuits_text, self.configs)), sorted(set(self.ranks))])
        return self.root / hash_text(what)

    def measure(self, comm: Communicator, when: str, say: Say) -> None:
        """Measure and store; `when` tells one measurement from another. Collective."""
        configs = [config for config in self.configs if predictable(config)]
        if not self.wanted or not configs:
            return
        machine = measure_machine(comm, configs, self.ranks, say)
        path = self.folder / f"machine-{self.part[0]}-{when}.json"

        def store() -> None:
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                replace_text(path, machine_text(machine))
            except OSError as error:
                raise InputError(
                    f"{error.filename or path}: cannot be written ({error.strerror})"
                ) from None

        on_root(comm, store)


def stored_machine(folder: Path) -> tuple[Machine | None, list[str]]:
    """All measurements of a study's folder as one machine: medians of those that measured the same
    as the newest; None where there is none. Also notes on files that cannot be used. Local."""
    machines, notes = [], []
    for path in sorted(folder.glob("machine-*.json"), key=lambda path: path.stat().st_mtime):
        try:
            machines.append(load_machine(path))
        except InputError as error:
            notes.append(f"left out of the predictions: {error}")
    if not machines:
        return None, notes
    shape = _shape(machines[-1])
    return median_machine([each for each in machines if _shape(each) == shape]), notes


def _shape(machine: Machine) -> object:
    return [
        (each.ranks, {key: curves["forward"].sizes for key, curves in each.circuits.items()})
        for each in machine.busy
    ]
