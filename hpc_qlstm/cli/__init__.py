"""The command line. Every command works with and without mpirun; rank 0 alone prints.

Exit codes: 0 done, 2 bad input, 75 stopped at a checkpoint, 1 anything else.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

from hpc_qlstm.cli import (  # noqa: F401 (they register their commands)
    configurations,
    noise,
    reproduce,
    runs,
    scaling,
)
from hpc_qlstm.cli.common import app, print_error
from hpc_qlstm.errors import EXIT_BAD_INPUT, HpcQlstmError
from hpc_qlstm.parallel import launched_rank, open_communicator

INTERRUPTED = 130


def main() -> None:
    """Entry point of `hpc-qlstm`: runs a command and ends the process with its exit code."""
    rank = launched_rank() or 0
    with contextlib.ExitStack() as stack:
        if rank:
            # Usage, help and results come from rank 0; a failing rank still has its stderr.
            null = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(null))
        code = _run(rank)
        if code == INTERRUPTED:
            # At once: a library's threads may be in the middle of something long.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)


def _run(rank: int) -> int:
    # Typer carries its own copy of click in some versions: take the exceptions from where it does.
    from typer.main import get_command

    command = get_command(app)
    try:
        result = command.main(standalone_mode=False)
    except HpcQlstmError as error:
        if rank == 0:
            print_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        usage: Any = error
        if rank == 0:
            print_error(usage.format_message())
        if launched_rank() is not None:
            # All ranks got the same words. A launcher ends the job when the first of them leaves,
            # so wait until rank 0 has spoken.
            open_communicator().allgather_object(None)
        return int(getattr(usage, "exit_code", EXIT_BAD_INPUT))
    return result if isinstance(result, int) else 0
