"""A scaling study: measured on parts of one job's ranks, stored, compared, written. Collective."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from hpc_qlstm.config import Config
from hpc_qlstm.errors import HpcQlstmError, InputError
from hpc_qlstm.parallel import Watchdog, on_root, threads_per_rank, together
from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.studies.runner import Job, Result, Store, complete, stop_together
from hpc_qlstm.studies.scaling.costs import Costs, stored_machine
from hpc_qlstm.studies.scaling.machine import Machine, machine_text
from hpc_qlstm.studies.scaling.measure import measure
from hpc_qlstm.studies.scaling.model import plan_of, predict_step
from hpc_qlstm.studies.scaling.plan import Point, StepTrial, default_ranks, plan_points, plan_trials
from hpc_qlstm.studies.scaling.report import Outcome, write
from hpc_qlstm.studies.scaling.table import make_rows
from hpc_qlstm.training.stopping import StopRequested, StopWatch


@dataclass(frozen=True)
class Wanted:
    """What a study measures.

    kind: one of KINDS; ranks: numbers of ranks, by default powers of two up to those of the job;
    vary: "section.key=value,value,...", all combinations of which are measured. repeats of epochs
    of steps, the first epoch of each a warm-up. model: also measure what this machine costs, and
    predict the steps.
    """

    kind: str
    ranks: Sequence[int] | None = None
    vary: Sequence[str] = ()
    repeats: int = 5
    epochs: int = 3
    steps: int = 20
    model: bool = True


def scaling(wanted: Wanted, config: Config, job: Job) -> Outcome:
    """Measure what is missing of a study and, when nothing is, write its files. Collective.

    config: the same on all ranks. A job's share are whole repeats; the job that finds all trials
    stored writes the files. Raises InputError for bad input, StopRequested on all ranks after a
    signal to any.
    """
    comm = job.comm
    threads = min(comm.allgather_object(threads_per_rank(comm)))
    points, trials, notes = on_root(comm, lambda: _plan(wanted, config, comm.size, threads))
    for note in notes:
        job.say(note)
    costs = Costs.of(job.folder / "costs", points if wanted.model else ())

    def compute(own: Sequence[StepTrial], store: Store, watch: StopWatch) -> None:
        if own:
            with Watchdog(comm, config.parallel.watchdog):
                # Before and after: what the machine does in between is what the model is held
                # against.
                costs.measure(job, "before")
                _measure_all(own, store, watch, job)
                costs.measure(job, "after")

    # Whole repeats: the numbers of ranks that are compared are measured by the same job.
    results = complete(job, trials, compute, turn=lambda k: trials[k].repeat, verb="measure")
    if results is None:
        return Outcome([], [])
    measured = list(zip(trials, results, strict=True))

    def finish() -> Outcome:
        machine, unusable = stored_machine(costs.folder)
        if machine is not None:
            replace_text(job.folder / "machine.json", machine_text(machine))
        rows = make_rows(wanted.kind, points, measured, partial(_predicted, machine))
        return write(wanted.kind, rows, measured, [*notes, *unusable], job)

    return job.write(finish)


def _plan(
    wanted: Wanted, config: Config, size: int, threads: int
) -> tuple[list[Point], list[StepTrial], list[str]]:
    """The study's points, its trials, and notes. Local; raises InputError."""
    if wanted.repeats < 1 or wanted.steps < 1 or wanted.epochs < 2:
        raise InputError(
            f"{wanted.repeats} repeats, {wanted.epochs} epochs, {wanted.steps} steps: allowed are "
            "at least 1, 2 (the first warms up) and 1"
        )
    if beyond := [count for count in wanted.ranks or () if not 1 <= count <= size]:
        raise InputError(f"--ranks {beyond[0]}: allowed: 1 to {size}, the ranks of this job")
    ranks = sorted(set(wanted.ranks)) if wanted.ranks else default_ranks(size)
    asked = wanted.ranks is not None
    points, notes = plan_points(wanted.kind, config, ranks, wanted.vary, threads, asked=asked)
    for point in points:
        plan_of(point.config)  # before anything is measured: it can be trained
    return points, plan_trials(points, wanted.repeats, wanted.epochs, wanted.steps), notes


def _predicted(machine: Machine | None, config: Config, ranks: int) -> float | None:
    """Seconds of a step by the model; None for what it does not know."""
    try:
        return None if machine is None else predict_step(config, ranks, machine).total
    except InputError:
        return None


def _measure_all(trials: Sequence[StepTrial], store: Store, watch: StopWatch, job: Job) -> None:
    """Measure trials one after the other, each on the first ranks of the job, and store them.

    The other ranks sleep meanwhile: one that waits in a collective spins, and takes a processor
    from those that are measured, or what they share with it: a core's other thread, power.
    """
    comm = job.comm
    counts = sorted({trial.point.ranks for trial in trials})
    teams = {count: comm.split(0 if comm.rank < count else 1) for count in counts}
    for number, trial in enumerate(trials, start=1):
        outcome: Result | HpcQlstmError | None = None
        if comm.rank < trial.point.ranks:
            try:
                outcome = measure(trial, teams[trial.point.ranks], watch.step)
            except StopRequested:
                pass  # the watches say so below, on the ranks that slept too
            except HpcQlstmError as error:
                if not getattr(error, "shared", False):
                    raise  # of this rank alone: the job ends
                outcome = error
        comm.sleep_until_all()
        together(comm, partial(_settle, trial, outcome, store if comm.rank == 0 else None))
        stop_together(comm, watch.step())
        if isinstance(outcome, dict):
            job.say(f"{number}/{len(trials)}: {trial.news(outcome)}")
    for team in teams.values():
        team.free()


def _settle(trial: StepTrial, outcome: Result | HpcQlstmError | None, store: Store | None) -> None:
    """Store a trial, or raise what kept it from being measured. Local."""
    if isinstance(outcome, HpcQlstmError):
        outcome.args = (f"{trial.title}: {outcome}",)
        raise outcome
    if store is not None and outcome is not None:
        store.write(trial, outcome)
