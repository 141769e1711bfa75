"""Jobs that fail, hang, are lost or give NaN: retried, resubmitted, counted once."""

import threading
import time

import pytest

from hpc_qlstm.engines.primitive.jobs import JobRunner
from hpc_qlstm.errors import EngineError


class Job:
    """A job whose result is what `act` returns or raises; counts what is done with it."""

    def __init__(self, number, act, done=False):
        self.number, self.act, self.finished = number, act, done
        self.cancelled = False

    def job_id(self):
        return f"job-{self.number}"

    def result(self):
        return self.act(self)

    def done(self):
        return self.finished

    def cancel(self):
        self.cancelled = True


def run(acts, **options):
    """Run one job after the other until one gives a result; returns it, the jobs, the runner."""
    runner = JobRunner("backend", **{"wait": 0.0, **options})
    jobs = []

    def submit():
        jobs.append(Job(len(jobs), acts[len(jobs)]))
        return jobs[-1]

    try:
        return runner.run(submit, lambda result: result, 5), jobs, runner
    except EngineError as error:
        return error, jobs, runner


def good(_):
    return "values"


def broken(_):
    raise ConnectionError("connection reset")


def test_a_good_job_is_recorded():
    result, jobs, runner = run([good])
    assert result == "values"
    assert len(jobs) == 1
    (record,) = runner.records
    assert (record.backend, record.job_id, record.circuits, record.attempts) == (
        "backend", "job-0", 5, 1,
    )  # fmt: skip


def test_a_failing_job_is_cancelled_and_submitted_again(caplog):
    result, jobs, runner = run([broken, broken, good])
    assert result == "values"
    assert [job.cancelled for job in jobs] == [True, True, False]
    # Counted once, under the id of the job whose result was used.
    (record,) = runner.records
    assert (record.job_id, record.attempts) == ("job-2", 3)
    assert "try 1 failed: job-0: ConnectionError: connection reset" in caplog.text


def test_all_tries_are_named():
    error, jobs, runner = run([broken] * 3, retries=2)
    assert isinstance(error, EngineError)
    assert "no result after 3 tries: job-0: ConnectionError" in str(error)
    assert len(jobs) == 3
    assert not runner.records


def test_waits_grow(monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    run([broken] * 12, retries=11, wait=1.0)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


def test_a_job_that_finished_all_the_same_is_not_submitted_again():
    """The connection broke while its result was fetched: the result is there, and was paid for."""

    def breaks_once(job):
        if not job.finished:
            job.finished = True
            raise ConnectionError("connection reset")
        return "values"

    result, jobs, runner = run([breaks_once])
    assert result == "values"
    assert len(jobs) == len(runner.records) == 1
    assert not jobs[0].cancelled


def test_a_hanging_job_is_lost_after_the_timeout():
    release = threading.Event()

    def hangs(_):
        release.wait(30)
        return "too late"

    start = time.monotonic()
    result, jobs, _ = run([hangs, good], timeout=0.2)
    assert result == "values"
    assert time.monotonic() - start < 5
    assert jobs[0].cancelled
    release.set()


def test_a_hanging_submission_is_lost_too():
    release = threading.Event()
    runner = JobRunner("backend", retries=0, timeout=0.2)
    with pytest.raises(EngineError, match=r"one try: TimeoutError: no result within 0.2 s"):
        runner.run(lambda: release.wait(30), lambda result: result, 1)
    release.set()


@pytest.mark.parametrize("error", [TypeError("wrong"), ValueError("wrong"), KeyError("wrong")])
def test_what_another_try_would_not_change_is_not_tried_again(error):
    def wrong(_):
        raise error

    found, jobs, _ = run([wrong, good])
    assert isinstance(found, EngineError)
    assert "wrong" in str(found)
    assert len(jobs) == 1


def test_a_result_that_cannot_be_used_is_asked_for_again():
    runner = JobRunner("backend", wait=0.0)
    jobs = []

    def submit():
        jobs.append(Job(len(jobs), lambda job: "values" if job.number else "nan", done=True))
        return jobs[-1]

    def read(result):
        if result == "nan":
            raise EngineError("not finite")
        return result

    assert runner.run(submit, read, 1) == "values"
    assert len(jobs) == 2


def test_a_malformed_result_is_asked_for_again():
    runner = JobRunner("backend", wait=0.0, retries=1)
    with pytest.raises(EngineError, match="no result after 2 tries: job-0: AttributeError"):
        runner.run(lambda: Job(0, lambda _: None), lambda result: result.data, 1)


def test_a_submission_that_ends_too_late_is_cancelled():
    release, jobs = threading.Event(), []

    def late():
        release.wait(30)
        jobs.append(Job(len(jobs), good))
        return jobs[-1]

    runner = JobRunner("backend", retries=0, timeout=0.1)
    with pytest.raises(EngineError, match="TimeoutError"):
        runner.run(late, lambda result: result, 1)
    release.set()
    for _ in range(100):
        if jobs and jobs[0].cancelled:
            break
        time.sleep(0.05)
    assert jobs[0].cancelled
    assert not runner.records
