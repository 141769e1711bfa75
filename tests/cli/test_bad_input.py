"""Bad input of real processes and jobs gives one message and exit code 2.

tests/cli/test_mistakes.py has all classes of mistakes.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

CASES = {
    # name: (sections or a file's text, words that the message must have)
    "malformed TOML": ("[model\n", ["config.toml", "not valid TOML"]),
    "out of range": ({"training": {"epochs": 0}}, ["training.epochs", "0 given", "1"]),
    "missing data file": (
        {"data": {"file": "none.csv", "features": ["b"]}},
        ["none.csv"],
    ),
    "too many qubits": ({"partition": {"count": 1, "qubits": 60}}, ["60 qubits", "at most"]),
}


def one_message(done, words):
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    for word in words:
        assert word in lines[0], lines[0]


@pytest.mark.parametrize("ranks", [None, 3])
@pytest.mark.parametrize("case", CASES)
def test_configuration(hpc_qlstm_run, write_config, tmp_path, case, ranks):
    given, words = CASES[case]
    if isinstance(given, str):
        config = tmp_path / "config.toml"
        config.write_text(given)
    else:
        config = write_config(**{"partition": {"count": 1}, **given})
    one_message(hpc_qlstm_run("train", config, ranks=ranks), words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("ranks", [None, 3])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "none.toml"], ["none.toml", "cannot be read"]),
        (["train", "ok.toml", "--set", "depth=1"], ["depth=1", "section.key=value"]),
        (["predict", "."], ["--data"]),
    ],
)
def test_command_line(hpc_qlstm_run, write_config, arguments, words, ranks):
    write_config("ok.toml")
    one_message(hpc_qlstm_run(*arguments, ranks=ranks), words)


def test_number_of_ranks(hpc_qlstm_run, write_config):
    config = write_config(partition={"count": 2})
    done = hpc_qlstm_run("train", config, ranks=3)
    one_message(done, ["3 ranks", "2 partitions", "1 to 2", "4, 6, 8"])


@pytest.mark.parametrize(
    "variables",
    [
        {"PMI_RANK": "0", "PMI_SIZE": "2"},
        {"SLURM_PROCID": "0", "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"},
    ],
)
def test_launcher_of_another_library(hpc_qlstm_run, write_config, monkeypatch, variables):
    """What a rank sees of a launcher that MPI does not know: a world of one where two started."""
    for name, value in variables.items():
        monkeypatch.setitem(hpc_qlstm_run.environment, name, value)
    one_message(hpc_qlstm_run("train", write_config()), ["2 processes", "1 ranks", "srun"])


@pytest.mark.parametrize("ranks", [None, 2])
def test_checkpoint_of_another_model(hpc_qlstm_run, write_config, tmp_path, ranks):
    assert hpc_qlstm_run("train", write_config(partition={"count": 2})).returncode == 0
    run_dir = tmp_path / "run"
    done = hpc_qlstm_run("resume", run_dir, "--set", "model.depth=2", ranks=ranks)
    one_message(done, ["forget.0", "(1, 3, 3)", "(2, 3, 3)"])
    changed = (run_dir / "config.toml").read_text().replace("depth = 1", "depth = 3")
    (run_dir / "config.toml").write_text(changed)
    one_message(hpc_qlstm_run("evaluate", run_dir, ranks=ranks), ["forget.0", "(3, 3, 3)"])


def test_unreadable_checkpoints(hpc_qlstm_run, write_config, tmp_path):
    assert hpc_qlstm_run("train", write_config()).returncode == 0
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.write_bytes(b"not HDF5")
    done = hpc_qlstm_run("evaluate", tmp_path / "run")
    one_message(done, ["no checkpoint that can be read", "epoch-00000003.h5"])


def test_run_directory_that_cannot_be_used(hpc_qlstm_run, write_config, tmp_path):
    config = write_config(output={"run_dir": str(tmp_path / "file" / "run")})
    (tmp_path / "file").write_text("in the way")
    one_message(hpc_qlstm_run("train", config, ranks=2), ["output.run_dir", "file"])
    config = write_config(output={"run_dir": str(tmp_path)})
    one_message(hpc_qlstm_run("train", config), ["output.run_dir", "other files"])


def test_extension_missing(write_config, tmp_path):
    """An installation without the compiled extension says so in one sentence."""
    program = (
        "import sys; sys.modules['hpc_qlstm._native'] = None; "
        f"sys.argv = ['hpc-qlstm', 'train', {str(write_config())!r}]; "
        "from hpc_qlstm.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "the compiled extension hpc_qlstm._native is not installed" in done.stderr


@pytest.mark.parametrize(("ranks", "wanted"), [(None, 2), (2, 3), (1, 2)])
def test_fewer_ranks_than_the_job_script_started(hpc_qlstm_run, write_config, ranks, wanted):
    hpc_qlstm_run.environment["HPC_QLSTM_RANKS"] = str(wanted)
    done = hpc_qlstm_run("train", write_config(partition={"count": 4}), ranks=ranks)
    one_message(done, [f"started {wanted} ranks", f"world has {ranks or 1}", "srun --mpi=pmix"])


def test_one_of_slurms_processes_speaks_for_all(hpc_qlstm_run, write_config):
    """`srun --mpi=none`: two processes that MPI does not know of; the second says nothing."""
    step = {"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}
    hpc_qlstm_run.environment.update({**step, "SLURM_PROCID": "1"})
    done = hpc_qlstm_run("train", write_config())
    assert done.returncode == 2
    assert done.stdout + done.stderr == ""
