"""The machine's costs in a scaling study: measured before and after its trials, put together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpc_qlstm import registry
from hpc_qlstm.config import Config
from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.studies.runner import Job, digest_of
from hpc_qlstm.studies.scaling.calibrate import measure_machine
from hpc_qlstm.studies.scaling.machine import Machine, load_machine, machine_text, median_of
from hpc_qlstm.studies.scaling.model import has_four_vqcs
from hpc_qlstm.studies.scaling.plan import Point


def predictable(config: Config) -> bool:
    """Whether the model says something about it, and measuring it costs no quantum processor."""
    return has_four_vqcs(config) and registry.engines[config.engine.name].capabilities.simulated


@dataclass(frozen=True)
class Costs:
    """Measures the machine for a study and stores it.

    folder: of this study, as what others measured, with other circuits or ranks, is not for it;
    configs: those to be predicted; ranks: numbers of ranks of the study.
    """

    folder: Path
    configs: Sequence[Config]
    ranks: Sequence[int]

    @classmethod
    def of(cls, root: Path, points: Sequence[Point]) -> Costs:
        """Of a study of these points. root: where studies keep theirs."""
        configs = {_circuits_text(point.config): point.config for point in points}
        ranks = sorted({point.ranks for point in points})
        folder = root / digest_of([sorted(configs), ranks])[:8]
        return cls(folder, list(configs.values()), ranks)

    def measure(self, job: Job, when: str) -> None:
        """Measure and store; `when` tells one measurement from another. Collective."""
        configs = [config for config in self.configs if predictable(config)]
        if not configs:
            return
        machine = measure_machine(job.comm, configs, self.ranks, job.say)
        path = self.folder / f"machine-{job.share[0]}-{when}.json"

        def store() -> None:
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_text(path, machine_text(machine))

        job.write(store)


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
    return median_of([each for each in machines if _shape(each) == shape]), notes


def _circuits_text(config: Config) -> str:
    """Equal for configurations whose circuits cost the same, and are measured once."""
    parts = config.model_dump(include={"model", "partition", "engine", "data"}, mode="json")
    return json.dumps([parts, config.training.batch_size], sort_keys=True)


def _shape(machine: Machine) -> object:
    return [
        (each.ranks, {key: curves["forward"].sizes for key, curves in each.circuits.items()})
        for each in machine.busy
    ]
