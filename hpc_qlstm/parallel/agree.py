"""Errors that all ranks share: nobody waits in a collective for a rank that has given up."""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import TypeVar

from hpc_qlstm.errors import EXIT_FAILURE, HpcQlstmError, InputError
from hpc_qlstm.parallel.communicator import Communicator

T = TypeVar("T")


def together(comm: Communicator, function: Callable[[], T]) -> T:
    """Call a local function on every rank; raise on every rank if it raised on any. Collective.

    The function must not communicate. The error of the lowest failing rank is raised everywhere,
    so that rank 0 can report it.
    """
    result, error = None, None
    try:
        result = function()
    except HpcQlstmError as failure:
        error = failure
    except MemoryError as failure:
        error = _out_of_memory(failure)
    except Exception as failure:
        # The message travels to all ranks; where it came from is shown here.
        traceback.print_exc()
        error = HpcQlstmError(f"{type(failure).__name__}: {failure}")
    for rank, first in enumerate(comm.allgather_object(error)):
        if first is not None:
            first.shared = True
            if rank and not isinstance(first, InputError):
                first.args = (f"rank {rank}: {first}",)
            raise first
    return result  # type: ignore[return-value]


def on_root(comm: Communicator, function: Callable[[], T]) -> T:
    """Call a local function on rank 0 and give its result, or its error, to all. Collective."""
    made = together(comm, lambda: function() if comm.rank == 0 else None)
    result: T = comm.bcast_object(made)
    return result


def _out_of_memory(error: MemoryError) -> HpcQlstmError:
    return HpcQlstmError(
        f"out of memory ({error or 'an allocation was refused'}); fewer qubits, a smaller "
        "batch_size or more ranks with partitions of their own need less"
    )


@contextlib.contextmanager
def ending_all(comm: Communicator) -> Iterator[None]:
    """End all ranks when an exception leaves this block on one of them alone.

    Errors that every rank raises (`together`, `on_root`) pass through: the ranks leave in step.
    Any other, KeyboardInterrupt included, is printed by the rank that has it before it aborts
    the job; alone on its communicator, a rank just lets it pass.
    """
    try:
        yield
    except BaseException as raised:
        error = _out_of_memory(raised) if isinstance(raised, MemoryError) else raised
        if comm.size == 1 or (isinstance(error, HpcQlstmError) and error.shared):
            raise error from raised.__cause__
        if comm.rank:
            # Where all ranks have the same trouble, one message is enough: rank 0's, which ends
            # the others while they wait here.
            time.sleep(1.0)
        if isinstance(error, HpcQlstmError):
            print(f"error: rank {comm.rank}: {error}", file=sys.stderr, flush=True)
        else:
            text = "".join(traceback.format_exception(error))
            print(f"error: rank {comm.rank} failed:\n{text}", file=sys.stderr, flush=True)
        comm.abort(getattr(error, "exit_code", EXIT_FAILURE))
        raise
