"""The table of a scaling study: trials of a point put together, speed-up, bits. Local."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hpc_qlstm.config import Config
from hpc_qlstm.distributed.rank_reports import SHARES
from hpc_qlstm.studies.runner import Result
from hpc_qlstm.studies.scaling.plan import Point, StepTrial, grouped, spread

Predict = Callable[[Config, int], float | None]
"""Seconds of a step on a number of ranks, predicted; None where that is not possible."""

Measured = Sequence[tuple[StepTrial, Result]]


@dataclass(frozen=True)
class Row:
    """A point of the study; the fields are the keys of the JSON file.

    grid: replicas and ranks of a group; step_seconds: of a training step, median, least and largest
    over repeats of each repeat's median; speed_up and efficiency: against the variant's fewest
    ranks; shares: of the slowest rank's epoch, by SHARES, their sum is 1; predicted_seconds: by a
    model; identical: whether its losses are those of the same model everywhere.
    """

    ranks: int
    variant: str
    grid: list[int]
    partitions: int
    qubits: list[int]
    step_seconds: dict[str, float]
    speed_up: float
    efficiency: float
    shares: dict[str, float]
    predicted_seconds: float | None
    identical: bool
    config: Config

    def cells(self) -> dict[str, str]:
        """Its text by the table's columns."""
        step, predicted = self.step_seconds, self.predicted_seconds
        error = None if predicted is None else 100 * (predicted / step["median"] - 1)
        return {
            "P": str(self.ranks),
            "grid": f"{self.grid[0]} x {self.grid[1]}",
            "M": str(self.partitions),
            "q": _span(self.qubits),
            "B": str(self.config.training.batch_size),
            "T": str(self.config.data.window),
            "threads": str(self.config.engine.threads),
            "variant": self.variant,
            "step ms": _milliseconds(step["median"]),
            "min ms": _milliseconds(step["min"]),
            "max ms": _milliseconds(step["max"]),
            "speed-up": f"{self.speed_up:.2f}",
            "efficiency": f"{self.efficiency:.2f}",
            **{f"{name} %": f"{100 * share:.1f}" for name, share in self.shares.items()},
            "predicted ms": "" if predicted is None else _milliseconds(predicted),
            "error %": "" if error is None else f"{error:+.1f}",
            "bits": "identical" if self.identical else "DIFFER",
        }


def make_rows(
    kind: str, points: Sequence[Point], measured: Measured, predict: Predict = lambda c, p: None
) -> list[Row]:
    """One row a point, in the order of the points, from the trials of all of them.

    points: those of a variant by ascending ranks.
    """
    different = {trial.name for trial, _, _ in differences(measured)}
    timed = [each for each in measured if each[0].timed]
    of_point = grouped(timed, lambda each: points.index(each[0].point))
    fewest: dict[str, tuple[int, float]] = {}
    rows = []
    for number, point in enumerate(points):
        trials, results = zip(*of_point[number], strict=True)
        step = spread([result["step_seconds"]["median"] for result in results])
        begin, longest = fewest.setdefault(point.variant, (point.ranks, step["median"]))
        ratio = longest / step["median"]
        if kind == "strong":
            speed_up, efficiency = begin * ratio, begin * ratio / point.ranks
        else:  # the work has grown with the ranks
            speed_up, efficiency = point.ranks * ratio, ratio
        total = {name: sum(result["slowest"][name] for result in results) for name in SHARES}
        whole = sum(total.values())
        rows.append(
            Row(
                point.ranks,
                point.variant,
                results[0]["grid"],
                results[0]["partitions"],
                results[0]["qubits"],
                step,
                speed_up,
                efficiency,
                {name: part / whole for name, part in total.items()},
                predict(point.config, point.ranks),
                different.isdisjoint(trial.name for trial in trials),
                point.config,
            )
        )
    return rows


def differences(measured: Measured) -> Iterator[tuple[StepTrial, StepTrial, str]]:
    """Trials whose losses are not those of the same model's first trial: the trial, the first one,
    and what differs first. What both have is compared."""
    for same in grouped(measured, lambda each: each[0].model).values():
        # One that is run for comparison alone has fewer losses, and stands for the others.
        same.sort(key=lambda each: (each[0].timed, each[0].point.ranks, each[0].repeat))
        (first, result), *others = same
        expected = _by_time(result["losses"])
        for trial, result in others:
            for name, loss in _by_time(result["losses"]).items():
                if loss != expected.get(name, loss):
                    yield trial, first, f"the {name} ({loss})"
                    break


def difference_text(measured: Measured) -> list[str]:
    """One sentence for each trial whose losses differ."""
    return [
        f"{trial.title}: {what} is not that of {first.title}"
        for trial, first, what in differences(measured)
    ]


def _by_time(losses: dict[str, list[str]]) -> dict[str, str]:
    """A trial's losses by what messages call them, in the order in which they were computed."""
    named = {f"loss of batch {k}": loss for k, loss in enumerate(losses["batches"], start=1)}
    for epoch, (train, test) in enumerate(zip(losses["train"], losses["test"], strict=False), 1):
        named[f"test loss of epoch {epoch}"] = test
        named[f"training loss of epoch {epoch}"] = train
    return named


def _milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.4g}"


def _span(numbers: Sequence[int]) -> str:
    """4, or 3..4."""
    return "..".join(map(str, sorted({min(numbers), max(numbers)}))) if numbers else ""
