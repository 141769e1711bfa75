"""A rank that is stopped is named, and the job ends; one that computes for long is left alone."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time

import launch
import pytest

from hpc_qlstm.native.system import create_heartbeat
from hpc_qlstm.parallel import SerialCommunicator, Watchdog

PROGRAM = """
import os, sys, time
import numpy as np
from mpi4py import MPI
from hpc_qlstm.parallel import Watchdog, open_communicator

comm = open_communicator(MPI.COMM_WORLD)
limit, busy = float(sys.argv[1]), sys.argv[2]
with Watchdog(comm, limit):
    print(f"rank {comm.rank} is {os.getpid()}", flush=True)
    if busy == "computes" and comm.rank == 1:
        # A library that holds the interpreter's lock all the time.
        import hpc_qlstm
        circuit = hpc_qlstm.ansatz("rot_ring", qubits=19, features=19, outputs=1, depth=2)
        engine = hpc_qlstm.create_engine("aer", threads=1)
        start = time.monotonic()
        while time.monotonic() - start < 4:
            engine.expectations(circuit, np.ones((4, 19)), np.zeros(circuit.weight_shape))
    if busy == "stops":
        while True:
            comm.allgather_object(None)
            time.sleep(0.05)
    comm.allgather_object(None)
print("done", flush=True)
"""


def start(tmp_path, ranks, limit, what):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = launch.start(sys.executable, program, limit, what, ranks=ranks, cwd=tmp_path)
    pids = {}
    while len(pids) < ranks:
        words = process.stdout.readline().split()
        pids[int(words[1])] = int(words[3])
    return process, pids


@pytest.mark.parametrize(("victims", "named"), [([1], 1), ([0], 0), ([1, 2], 2)])
def test_a_stopped_rank_is_named(tmp_path, victims, named):
    process, pids = start(tmp_path, 4, 2.0, "stops")
    time.sleep(1.5)  # everybody has heard of everybody
    for rank in victims:
        os.kill(pids[rank], signal.SIGSTOP)
    begin = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - begin < 8
    assert process.returncode != 0
    host = socket.gethostname()
    message = f"error: rank {named} on {host} (process {pids[named]}) has given no sign of life"
    assert message in errors
    while any(os.path.exists(f"/proc/{pid}") for pid in pids.values()):
        assert time.monotonic() - begin < 12, "a stopped process was left behind"
        time.sleep(0.1)


def test_a_rank_that_computes_is_left_alone(tmp_path):
    process, _ = start(tmp_path, 2, 1.0, "computes")
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert output.count("done") == 2


def test_one_rank_and_no_limit_need_no_watchdog():
    for limit in (0.0, 1.0):
        with Watchdog(SerialCommunicator(), limit) as watchdog:
            assert watchdog._thread is None


def test_heartbeat():
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.bind(("127.0.0.1", 0))
    ear.settimeout(2.0)
    mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    mouth.connect(ear.getsockname())
    beat = create_heartbeat(mouth.fileno(), "alive", 0.01)
    assert [ear.recv(64) for _ in range(5)] == [b"alive"] * 5
    del beat
    ear.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while ear.recv(64):
            pass  # what was under way
    time.sleep(0.05)
    with pytest.raises(BlockingIOError):
        ear.recv(64)
    ear.close()
    mouth.close()


def test_a_stopped_rank_of_a_training_run(write_config, tmp_path):
    config = write_config(
        training={"epochs": 1_000_000}, parallel={"watchdog": 1.5}, checkpoint={"every": 100}
    )
    process = launch.start(*launch.HPC_QLSTM, "train", config, ranks=2, cwd=tmp_path)
    metrics = tmp_path / "run" / "metrics.jsonl"
    while not metrics.exists() or metrics.stat().st_size < 1000:
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1.0)
    listing = launch.run("ps", "-ewwo", "pid=,args=").stdout
    pids = [
        int(line.split(None, 1)[0])
        for line in listing.splitlines()
        if str(config) in line and "run -n" not in line
    ]
    assert len(pids) == 2
    os.kill(max(pids), signal.SIGSTOP)
    begin = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - begin < 8
    assert process.returncode != 0
    assert errors.count("has given no sign of life") == 1
