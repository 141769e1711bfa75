"""A rank that fails ends the job on all ranks within seconds; a terminal sees a progress bar."""

from __future__ import annotations

import os
import pty
import sys
import time

import launch
import pytest

PROGRAM = """
import resource
import sys
import numpy as np
from mpi4py import MPI
import hpc_qlstm
from hpc_qlstm.model.fused_cell import FusedCellTape

victim, error = int(sys.argv[2]), sys.argv[3]
calls = 0
begin = FusedCellTape.begin

def failing(self, *arguments):
    global calls
    calls += 1
    if MPI.COMM_WORLD.rank == victim and calls == 20:
        if error == "bug":
            raise ZeroDivisionError("a bug")
        pages = int(open("/proc/self/statm").read().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (4096 * pages + 2**22,) * 2)
        np.ones(10**7)
    return begin(self, *arguments)

FusedCellTape.begin = failing
hpc_qlstm.train(sys.argv[1], MPI.COMM_WORLD, quiet=True)
"""


@pytest.mark.parametrize(
    ("victim", "error"), [(0, "bug"), (1, "bug"), (2, "memory"), (0, "memory")]
)
def test_an_exception_on_one_rank_ends_all(write_config, tmp_path, victim, error):
    config = write_config(training={"epochs": 100_000})
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    start = time.monotonic()
    words = (sys.executable, program, config, victim, error)
    done = launch.mpirun(4, *words, cwd=tmp_path, timeout=60)
    assert done.returncode == 1
    assert time.monotonic() - start < 20
    assert done.stderr.count(f"error: rank {victim}") == 1, done.stderr
    if error == "bug":
        assert "ZeroDivisionError: a bug" in done.stderr
    else:
        assert f"error: rank {victim}: out of memory (Unable to allocate 76.3 MiB" in done.stderr
        assert "Traceback" not in done.stderr


def test_out_of_memory_alone(write_config, tmp_path):
    program = tmp_path / "program.py"
    train = "hpc_qlstm.train(sys.argv[1], MPI.COMM_WORLD, quiet=True)"
    main = "sys.argv = ['', 'train', sys.argv[1]]; import hpc_qlstm.cli; hpc_qlstm.cli.main()"
    program.write_text(PROGRAM.replace(train, main))
    config = write_config(training={"epochs": 1000})
    done = launch.run(sys.executable, program, config, 0, "memory", cwd=tmp_path, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("error: out of memory (Unable to allocate")
    assert done.stderr.count("\n") == 1


def read_all(descriptor: int) -> str:
    text = b""
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # the other end has gone
            return text.decode()
        if not part:
            return text.decode()
        text += part


@pytest.mark.parametrize("ranks", [None, 2])
def test_progress_bar_on_a_terminal_and_lines_elsewhere(
    hpc_qlstm_run, write_config, tmp_path, ranks
):
    config = write_config()
    ours, theirs = pty.openpty()
    process = launch.start(
        *launch.HPC_QLSTM, "train", config, ranks=ranks, cwd=tmp_path,
        env=launch.environment(TERM="xterm"), stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    on_terminal = read_all(ours)
    assert process.wait(timeout=30) == 0
    assert "━" in on_terminal
    assert "epoch     1/3" not in on_terminal

    in_a_log = hpc_qlstm_run("train", config, ranks=ranks).stdout
    assert "━" not in in_a_log
    assert in_a_log.count("epoch     1/3") == 1
    assert "\x1b" not in in_a_log
