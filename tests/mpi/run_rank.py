"""Run the MPI tests on this rank: `mpirun -n P python tests/mpi/run_rank.py [PYTEST ARGUMENT ...]`.

Rank 0's report goes to the terminal. The other ranks' reports are kept and shown only when the
rank fails. A rank whose tests fail ends with their exit code, and so does the job.
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import pytest
from mpi4py import MPI

NO_TESTS = 5


def main() -> int:
    folder = Path(__file__).parent
    arguments = ["--with-mpi", "-p", "no:cacheprovider", "-m", "mpi", str(folder), *sys.argv[1:]]
    if MPI.COMM_WORLD.rank == 0:
        code = int(pytest.main(arguments))
        return 0 if code == NO_TESTS else code
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        code = int(pytest.main(arguments))
    if code not in (0, NO_TESTS):
        print(f"rank {MPI.COMM_WORLD.rank}:\n{output.getvalue()}", file=sys.stderr, flush=True)
    return 0 if code == NO_TESTS else code


if __name__ == "__main__":
    sys.exit(main())
