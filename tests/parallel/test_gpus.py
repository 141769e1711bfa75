"""Which GPU a rank takes. nvidia-smi is a script here: no GPU is needed to read what it prints."""

import os
import sys
import textwrap

import launch
import pytest

from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.parallel.gpus import VISIBLE, Gpu, take_gpu, visible_gpus

LISTING = "0, GPU-aaaa-0, NVIDIA H100\n1, GPU-bbbb-1, NVIDIA H100\n"


@pytest.fixture(autouse=True)
def _no_choice_yet(monkeypatch):
    monkeypatch.setenv(VISIBLE, "")  # remembers what was there, to be restored
    monkeypatch.delenv(VISIBLE)


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Put an nvidia-smi that prints `listing` in front of the PATH."""

    def install(listing, code=0):
        script = tmp_path / "nvidia-smi"
        script.write_text(f"#!/bin/sh\ncat <<'END'\n{listing}END\nexit {code}\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return install


class Node(SerialCommunicator):
    """One of `size` ranks, all on one node; the others took what `others` says."""

    def __init__(self, rank, size, others):
        super().__init__()
        self.rank, self.size, self._others = rank, size, others

    def node_ranks(self):
        return list(range(self.size))

    def allgather_object(self, value):
        gathered = [(value[0], value[1], gpu) for gpu in self._others]
        gathered[self.rank] = value
        return gathered


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, ["0", "1"]),
        ("1", ["1"]),
        ("1,0", ["1", "0"]),
        ("GPU-bbbb", ["GPU-bbbb"]),
        ("0,7,1", ["0"]),
        ("", []),
        ("-1", []),
    ],
)
def test_visible_gpus_follow_the_environment(nvidia_smi, monkeypatch, given, expected):
    nvidia_smi(LISTING)
    if given is not None:
        monkeypatch.setenv(VISIBLE, given)
    found = visible_gpus()
    assert [gpu.device for gpu in found] == expected
    assert all(gpu.uuid and gpu.model == "NVIDIA H100" for gpu in found)


def test_without_nvidia_smi_the_environment_decides(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert visible_gpus() == []
    monkeypatch.setenv(VISIBLE, "2,3")
    assert visible_gpus() == [Gpu("2"), Gpu("3")]


def test_a_failing_nvidia_smi_finds_nothing(nvidia_smi):
    nvidia_smi("No devices were found\n", code=6)
    assert visible_gpus() == []


@pytest.mark.parametrize(("rank", "device"), [(0, "0"), (1, "1"), (2, "0")])
def test_ranks_of_a_node_take_gpus_in_turn(nvidia_smi, monkeypatch, rank, device):
    nvidia_smi(LISTING)
    monkeypatch.setenv("SLURM_LOCALID", "1")  # launchers' variables do not count
    a, b = Gpu("0", "GPU-aaaa-0", "NVIDIA H100"), Gpu("1", "GPU-bbbb-1", "NVIDIA H100")
    table = take_gpu(Node(rank, 3, [a, b, a]))
    assert os.environ[VISIBLE] == device
    assert len(table.lines) == 3
    assert table.lines[1].endswith("GPU 1 NVIDIA H100 GPU-bbbb-1")
    assert len(table.warnings) == 1
    assert "ranks 0, 2 share one GPU" in table.warnings[0]


def test_ranks_that_see_different_gpus_under_one_index_do_not_share(nvidia_smi):
    """As under a batch system that shows each task its own GPU as number 0."""
    nvidia_smi("0, GPU-aaaa-0, NVIDIA H100\n")
    table = take_gpu(Node(0, 2, [None, Gpu("0", "GPU-bbbb-1", "NVIDIA H100")]))
    assert table.warnings == []


def test_no_gpu_leaves_the_environment_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    table = take_gpu(SerialCommunicator())
    assert VISIBLE not in os.environ
    assert table.lines[0].endswith("no GPU found")


def test_two_ranks_under_mpirun(nvidia_smi, tmp_path):
    """The place on the node comes from MPI: two ranks here take different GPUs."""
    nvidia_smi(LISTING)
    program = tmp_path / "program.py"
    program.write_text(
        textwrap.dedent(
            """
            import os
            from hpc_qlstm.parallel import open_communicator
            from hpc_qlstm.parallel.gpus import take_gpu
            comm = open_communicator()
            table = take_gpu(comm)
            seen = comm.allgather_object(os.environ["CUDA_VISIBLE_DEVICES"])
            if comm.rank == 0:
                print(seen, table.warnings)
            """
        )
    )
    done = launch.mpirun(2, sys.executable, program)
    assert done.stdout.strip() == "['0', '1'] []", done.stderr
