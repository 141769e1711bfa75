"""What studies share: trials that are stored, divided among jobs and ranks, and put together."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from hpc_qlstm.errors import InputError, TrainingError
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.studies import runner
from hpc_qlstm.studies.runner import Job, Store, complete, run_trials
from hpc_qlstm.training.stopping import SIGNAL, StopRequested


@dataclass(frozen=True)
class Square(runner.Trial):
    number: int
    version: int = 0

    @property
    def name(self):
        return f"square-{self.number}"

    @property
    def title(self):
        return f"the square of {self.number}"

    @property
    def digest(self):
        return runner.digest_of([self.number, self.version])

    def run(self):
        return {"square": self.number**2}


SQUARES = [Square(number) for number in range(5)]


class Ranks(SerialCommunicator):
    """One rank of several, as far as a rank by itself can tell."""

    def __init__(self, rank, size):
        super().__init__()
        self._place = rank, size

    @property
    def rank(self):
        return self._place[0]

    @property
    def size(self):
        return self._place[1]


def squares(results):
    return [result["square"] for result in results]


def test_what_is_stored_is_taken_and_what_is_not_its_own_is_computed(tmp_path):
    lines, job = [], Job(tmp_path, SerialCommunicator())
    assert squares(run_trials(job, SQUARES, Square.run)) == [0, 1, 4, 9, 16]
    file = tmp_path / "cells" / "square-3.json"
    assert json.loads(file.read_text()) == {"digest": SQUARES[3].digest, "square": 9}
    assert [path.suffix for path in file.parent.iterdir()] == [".json"] * 5
    for text in ("", "[]", '{"square": 8}', json.dumps({"digest": "another", "square": 8})):
        file.write_text(text)
        lines.clear()
        job = Job(tmp_path, SerialCommunicator(), say=lines.append)
        assert squares(run_trials(job, SQUARES, Square.run)) == [0, 1, 4, 9, 16]
        assert lines == [
            f"5 cells, 4 of them stored in {tmp_path / 'cells'}, 1 to compute",
            "1/1: the square of 3",
        ]
    other = [Square(number, version=1) for number in range(5)]
    assert Store(file.parent).read(other[3]) is None


def test_jobs_and_ranks_take_turns(tmp_path):
    taken = []

    def run(trial):
        taken.append(trial.number)
        return trial.run()

    lines = []
    job = Job(tmp_path, Ranks(0, 2), share=(0, 2), say=lines.append)
    assert run_trials(job, SQUARES, run, "squares") is None
    assert taken == [0, 4]
    assert lines[-1] == "other parts are not done yet"
    taken.clear()
    assert run_trials(Job(tmp_path, SerialCommunicator(), share=(1, 2)), SQUARES, run) is None
    assert taken == [1, 3]
    taken.clear()
    # By turns: pairs belong together.
    job = Job(tmp_path, SerialCommunicator(), share=(1, 2))

    def compute(own, store, watch):
        taken.extend(trial.number for trial in own)

    complete(job, SQUARES, compute, "pairs", turn=lambda k: k // 2)
    assert taken == [2, 3]


def test_a_failing_trial_is_named_and_others_stay(tmp_path):
    def run(trial):
        if trial.number == 2:
            raise TrainingError("the loss is not finite")
        return trial.run()

    with pytest.raises(TrainingError, match=r"^the square of 2: the loss is not finite$"):
        run_trials(Job(tmp_path, SerialCommunicator()), SQUARES, run)
    assert len(list((tmp_path / "cells").iterdir())) == 2


def test_a_signal_to_any_rank_stops_all(tmp_path, monkeypatch):
    monkeypatch.setattr(runner.StopWatch, "step", lambda self: SIGNAL)
    with pytest.raises(StopRequested, match="a signal"):
        run_trials(Job(tmp_path, SerialCommunicator()), SQUARES, Square.run)
    assert list((tmp_path / "cells").iterdir()) == []


def test_a_folder_that_cannot_be_used_is_refused_before_any_work(tmp_path):
    (tmp_path / "cells").write_text("a file")
    with pytest.raises(InputError, match="cells: cannot be written"):
        run_trials(Job(tmp_path, SerialCommunicator()), SQUARES, lambda trial: 1 / 0)
    with pytest.raises(InputError, match="report: cannot be written"):
        Job(tmp_path, SerialCommunicator()).write((tmp_path / "no" / "report").read_text)
