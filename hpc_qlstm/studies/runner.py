"""Trials of a study: shared by ranks and jobs, computed once, stored, and put together. Collective.

A trial is a unit of work with a file of its own. A job takes what is stored in the folder `cells`,
computes what is missing of its share, and stores each trial as soon as it is done. Whichever job
finds all trials stored writes the study's files.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from hpc_qlstm.config import Config, StopConfig
from hpc_qlstm.errors import HpcQlstmError, InputError
from hpc_qlstm.parallel import Communicator, on_root, together
from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.training.stopping import NOTHING, StopRequested, StopWatch

NUMERICS = ("model", "partition", "engine", "data", "training")
"""Sections that decide the numbers that training gives; `parallel` decides only how fast."""

Result = dict[str, Any]
"""What is stored of a trial: plain numbers, strings and lists."""

Say = Callable[[str], None]
T = TypeVar("T")


class Trial(ABC):
    """A unit of work of a study."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Its file's name, without the ending: another one for other settings."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What messages call it."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """Changes with everything that decides the result, with which it is stored."""

    def accepts(self, result: Result) -> bool:
        """Whether a stored result can be used for this trial."""
        return result.get("digest") == self.digest

    def news(self, result: Result) -> str:
        """What to say when it is done."""
        return self.title


TrialT = TypeVar("TrialT", bound=Trial)


@dataclass(frozen=True)
class Store:
    """The folder with a file for each trial. Local."""

    folder: Path

    def read(self, trial: Trial) -> Result | None:
        """A trial's stored result; None where there is none that it accepts."""
        try:
            result = json.loads((self.folder / f"{trial.name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return result if isinstance(result, dict) and trial.accepts(result) else None

    def write(self, trial: Trial, result: Result) -> None:
        """Store a result, never seen incomplete, with the trial's digest. Raises InputError."""
        text = json.dumps({"digest": trial.digest, **result})
        with writing(self.folder):
            replace_text(self.folder / f"{trial.name}.json", text + "\n")


@dataclass(frozen=True)
class Job:
    """What one job does of a study.

    folder: where the study is written; its trials are kept in `cells`. share (k, n): the k-th of n
    jobs, which computes every n-th trial. command: what made the files, to be named in them. say:
    called on every rank with a line of progress.
    """

    folder: Path
    comm: Communicator
    share: tuple[int, int] = (0, 1)
    command: str = ""
    say: Say = lambda text: None

    def write(self, function: Callable[[], T]) -> T:
        """Call a function that writes files on rank 0; all ranks get its result. Collective.

        An OSError becomes an InputError on all ranks.
        """
        return on_root(self.comm, writing(self.folder)(function))


Compute = Callable[[Sequence[TrialT], Store, StopWatch], None]
"""Computes and stores trials. Collective; the watch knows whether this rank got a signal."""


def run_trials(
    job: Job, trials: Sequence[TrialT], run: Callable[[TrialT], Result], study: str = ""
) -> list[Result] | None:
    """Results of all trials, see `complete`; each is run by one rank alone. Collective.

    run: computes a trial, without communication. Ranks take trials in turn. A rank that gets a
    signal stops after its trial. Raises on all ranks what `run` raises on any, with the trial's
    title before the message, and StopRequested when any rank stopped.
    """
    comm = job.comm

    def compute(own: Sequence[TrialT], store: Store, watch: StopWatch) -> None:
        def alone() -> int:
            for number, trial in enumerate(own[comm.rank :: comm.size], start=1):
                if wish := watch.step():
                    return wish
                try:
                    result = run(trial)
                except HpcQlstmError as error:
                    error.args = (f"{trial.title}: {error}",)
                    raise
                store.write(trial, result)
                done = min(len(own), number * comm.size)
                job.say(f"{done}/{len(own)}: {trial.news(result)}")
            return NOTHING

        # Ranks work by themselves here: what fails on one has to be told to the others.
        stop_together(comm, together(comm, alone))

    return complete(job, trials, compute, study)


def complete(
    job: Job,
    trials: Sequence[TrialT],
    compute: Compute[TrialT],
    study: str = "",
    *,
    turn: Callable[[int], int] = lambda index: index,
    verb: str = "compute",
) -> list[Result] | None:
    """Results of all trials, in their order; None while some are missing. Collective.

    compute: is given the trials of this job's share that are not stored. study: the folder inside
    `cells`, where one folder is for several studies. turn: trials of equal turns are one job's;
    by default each is a turn of its own. verb: what is done with trials, for messages. Raises
    InputError where the folder cannot be used, and what `compute` raises.
    """
    store = Store(job.folder / "cells" / study)

    @writing(store.folder)
    def begin() -> list[int]:
        store.folder.mkdir(parents=True, exist_ok=True)
        return [k for k, trial in enumerate(trials) if store.read(trial) is None]

    missing = on_root(job.comm, begin)
    mine, jobs = job.share
    own = [trials[k] for k in missing if turn(k) % jobs == mine]
    job.say(
        f"{len(trials)} cells, {len(trials) - len(missing)} of them stored in {store.folder}, "
        f"{len(own)} to {verb}"
    )
    with StopWatch(StopConfig(), None) as watch:
        compute(own, store, watch)
    found = on_root(job.comm, lambda: [store.read(trial) for trial in trials])
    results = [result for result in found if result is not None]
    if len(results) < len(trials):
        job.say("other parts are not done yet")
        return None
    return results


def stop_together(comm: Communicator, wish: int) -> None:
    """Raise StopRequested on all ranks when any of them wishes to stop. Collective."""
    if wish := max(comm.allgather_object(wish)):
        raise StopRequested(wish)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Around what writes into a folder: an OSError becomes an InputError. Local."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: cannot be written ({error.strerror})"
        ) from None


def numerics(config: Config) -> dict[str, Any]:
    """The sections of a configuration that decide its numbers, as plain values."""
    given = config.to_dict()
    return {key: given[key] for key in NUMERICS}


def changed(config: Config, section: str, **keys: Any) -> Config:
    """The configuration with other values in a section; they are not checked."""
    values = getattr(config, section).model_copy(update=keys)
    return config.model_copy(update={section: values})


def digest_of(value: Any) -> str:
    """Sixteen letters that stand for plain values, or for a text as it is."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
