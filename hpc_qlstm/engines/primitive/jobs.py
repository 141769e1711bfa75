"""Jobs on backends that may fail: retries with growing waits, lost jobs, a log of job ids.

A job counts once, when its result is used. A job that raises or is not done in time is looked at
again before it is submitted anew: when it did finish, its result is taken; otherwise it is
cancelled, so that it is not run, and not paid for, twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from hpc_qlstm.engines.base import JobRecord
from hpc_qlstm.errors import EngineError

T = TypeVar("T")

logger = logging.getLogger("hpc_qlstm.jobs")

_LONGEST_WAIT = 300.0
_GRACE = 5.0
"""Seconds that a lost job is given to say whether it is done, and to be cancelled."""

# What another try will not change: the program is wrong, not the backend.
_PERMANENT = (TypeError, ValueError, AttributeError, NotImplementedError, KeyError)


class JobRunner:
    """Runs jobs of one backend, one after the other.

    retries: how often a failed job is submitted again; wait: seconds before the first retry, each
    further wait is twice as long; timeout: seconds after which a job counts as lost, 0: never.
    records: of the jobs whose results were used, since they were last taken.
    """

    def __init__(
        self, backend: str, retries: int = 3, wait: float = 1.0, timeout: float = 0.0
    ) -> None:
        self._backend = backend
        self._retries = retries
        self._wait = wait
        self._timeout = timeout
        self.records: list[JobRecord] = []

    def run(self, submit: Callable[[], Any], read: Callable[[Any], T], circuits: int) -> T:
        """Submit a job and read its result, again when that fails for a time.

        submit: gives a job with `result()`; read: takes the result, raises EngineError for one
        that cannot be used. Raises EngineError after the last try, with all that went wrong.
        """
        failures: list[str] = []
        for attempt in range(1, self._retries + 2):
            start = time.monotonic()
            job = _Submission(submit)
            found, error = self._fetched(job)
            if error is None:
                try:
                    value = read(found)
                except Exception as unusable:  # whatever a backend may return
                    error = unusable
            if error is not None:
                failures.append(f"{job.id}: {_text(error)}" if job.id else _text(error))
                logger.warning("%s: try %d failed: %s", self._backend, attempt, failures[-1])
                if attempt <= self._retries:
                    time.sleep(min(_LONGEST_WAIT, self._wait * 2.0 ** (attempt - 1)))
                continue
            seconds = time.monotonic() - start
            logger.info("%s: job %s, %d circuits, %.1f s", self._backend, job.id, circuits, seconds)
            self.records.append(JobRecord(self._backend, job.id, circuits, attempt, seconds))
            return value
        tries = f"{len(failures)} tries" if len(failures) > 1 else "one try"
        raise EngineError(f"{self._backend}: no result after {tries}: {'; '.join(failures)}")

    def _fetched(self, job: _Submission) -> tuple[Any, Exception | None]:
        """A job's result, or why there is none; raises EngineError for what stays as it is."""
        try:
            return job.result(self._timeout), None
        except _PERMANENT as error:
            raise EngineError(f"{self._backend}: {_text(error)}") from error
        except Exception as error:
            found = job.result_after_all()
            return found, None if found is not None else error


class _Submission:
    """One try: the submission and the waiting in a thread that can be left behind."""

    def __init__(self, submit: Callable[[], Any]) -> None:
        self._submit = submit
        self._job: Any = None
        self._abandoned = False
        self.id = ""

    def result(self, timeout: float) -> Any:
        """The job's result; raises what it raises, or TimeoutError."""
        if not timeout:
            return self._submit_and_wait()
        return _within(timeout, self._submit_and_wait, f"no result within {timeout:g} s")

    def result_after_all(self) -> Any:
        """The result of a job that was done nevertheless; else cancels it and returns None."""
        job = self._job
        if job is None:
            self._abandoned = True  # a submission that is still under way is cancelled when it ends
            return None
        try:
            if _within(_GRACE, job.done, "no status"):
                return _within(_GRACE, job.result, "no result")
            _within(_GRACE, job.cancel, "no answer")
        except Exception as error:
            logger.warning("job %s: neither done nor cancelled: %s", self.id, _text(error))
        return None

    def _submit_and_wait(self) -> Any:
        job = self._submit()
        self._job, self.id = job, str(job.job_id())
        if self._abandoned:
            job.cancel()
        return job.result()


def _within(seconds: float, function: Callable[[], T], message: str) -> T:
    """A function's result within a time; raises TimeoutError and leaves it behind otherwise."""
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(message)
    return results[0]


def _text(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
