"""Bad input gives one message and exit code 2, on one process and on three ranks."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

ROWS = "a,b\n" + "".join(f"{0.1 * k},{np.sin(0.3 * k)}\n" for k in range(40))
WITH_NAN = ROWS.replace(f"{np.sin(0.3 * 5)}", "nan")


def csv(text: str) -> dict[str, object]:
    return {"file": text, "features": ["b"]}


CASES = {
    # name: (sections or a file's text, words that the message must have)
    "malformed TOML": ("[model\n", ["config.toml", "not valid TOML"]),
    "unknown section": ({"modle": {"depth": 1}}, ["modle", "unknown key", "allowed: model,"]),
    "unknown key": ({"model": {"dept": 1}}, ["model.dept", "unknown key", "depth"]),
    "wrong type": ({"model": {"depth": "two"}}, ["model.depth", "'two'", "integer"]),
    "out of range": ({"training": {"epochs": 0}}, ["training.epochs", "0 given", "1"]),
    "not finite": ({"training": {"learning_rate": float("nan")}}, ["training.learning_rate"]),
    "unknown task": ({"data": {"task": "sinus"}}, ["sinus", "damped_pendulum"]),
    "unknown task option": ({"data": {"options": {"pts": 9}}}, ["pts", "points"]),
    "missing data file": ({"data": csv("none.csv")}, ["none.csv"]),
    "missing column": ({"data": {"file": "rows.csv", "features": ["c"]}}, ["'c'", "'a', 'b'"]),
    "NaN in data": ({"data": csv("nan.csv")}, ["nan.csv", "row 6", "'b'"]),
    "malformed number": ({"data": csv("word.csv")}, ["word.csv", "line 3"]),
    "too few rows": ({"data": {"options": {"points": 8}, "window": 9}}, ["8 rows", "needed"]),
    "more partitions than hidden units": ({"partition": {"count": 9}}, ["partition.count", "9"]),
    "partition misses an index": (
        {"partition": {"strategy": "explicit", "count": 2, "inputs": [[0, 1], [2, 3]]}},
        ["partition.inputs", "index 4", "no partition"],
    ),
    "partition exceeds the indices": (
        {"partition": {"strategy": "explicit", "count": 2, "inputs": [[0, 1, 2], [3, 4, 5]]}},
        ["partition.inputs", "index 5", "0 to 4"],
    ),
    "outputs do not sum up": (
        {
            "partition": {
                "strategy": "explicit",
                "count": 2,
                "inputs": [[0, 1, 2], [3, 4]],
                "outputs": [2, 1],
            }
        },
        ["partition.outputs", "sum to 3", "4"],
    ),
    "too few qubits": ({"partition": {"qubits": 1}}, ["partition.qubits", "1", "or more"]),
    "qubits of another count": ({"partition": {"qubits": [2, 2]}}, ["partition.qubits", "2 given"]),
    "adjoint on Aer": (
        {"engine": {"name": "aer", "gradient": "adjoint"}},
        ["aer", "'adjoint'", "parameter_shift"],
    ),
    "device that is not there": (
        {"engine": {"name": "aer", "device": "GPU"}},
        ["'GPU'", "not available", "CPU"],
    ),
    "Aer option that is not there": (
        {"engine": {"name": "aer", "options": {"no_such_option": 1}}},
        ["no_such_option"],
    ),
    "shots without sampling": (
        {"engine": {"shots": 9}},
        ["shots is for engines 'aer' and", "native"],
    ),
    "unknown key of a backend": (
        {"engine": {"name": "aer", "backends": [{"noise": {"redout": 0.1}}]}},
        ["backends.0.noise.redout", "unknown key", "depolarizing"],
    ),
    "backends for other partitions": (
        {"engine": {"name": "aer", "backends": [{"shots": 1}, {"shots": 2}]}},
        ["engine.backends has 2 entries", "1 partitions"],
    ),
    "noise of nothing": (
        {"engine": {"name": "aer", "noise": {"backend": "manila"}}},
        ["engine.noise.backend", "'manila'", "fake_manila"],
    ),
    "noise file that is none": (
        {"engine": {"name": "aer", "noise": {"file": "rows.csv"}}},
        ["rows.csv", "no noise model"],
    ),
    "even noise scales": (
        {"engine": {"name": "aer", "mitigation": {"zne": "linear", "scales": [1, 2]}}},
        ["engine.mitigation", "[1, 2]", "odd"],
    ),
    "unknown backend": (
        {"engine": {"name": "primitive", "backend": "magic"}},
        ["engine.backend", "'magic'", "statevector"],
    ),
    "exact values of a device": (
        {"engine": {"name": "primitive", "backend": "generic:5"}},
        ["generic_backend_5q", "shots"],
    ),
    "circuits beyond the device": (
        {"engine": {"name": "primitive", "backend": "generic:3", "shots": 9}},
        ["5 qubits", "at most 3"],
    ),
    "module that is not there": (
        {"engine": {"name": "primitive", "backend": "nowhere:Backend"}},
        ["'nowhere:Backend'", "cannot be found"],
    ),
    "circuits that are not there": ({"model": {"ansatz_file": "own.qpy"}}, ["own.qpy", "read"]),
    "circuits that are none": ({"model": {"ansatz_file": "rows.csv"}}, ["rows.csv", "no QPY"]),
    "too many qubits": ({"partition": {"count": 1, "qubits": 60}}, ["60 qubits", "at most"]),
}


def one_message(done, words):
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    for word in words:
        assert word in lines[0], lines[0]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "rows.csv").write_text(ROWS)
    (tmp_path / "nan.csv").write_text(WITH_NAN)
    (tmp_path / "word.csv").write_text(
        ROWS.replace("0.1,", "many,", 1).replace(f",{np.sin(0.3)}", ",much")
    )


@pytest.mark.usefixtures("files")
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
        (["train", "."], ["cannot be read"]),
        (["train", "--set", "model.depth"], ["Missing argument"]),
        (["train", "ok.toml", "--set", "depth=1"], ["depth=1", "section.key=value"]),
        (["train", "ok.toml", "--set", "model.depth.x=1"], ["model.depth"]),
        (["resume", "nowhere"], ["nowhere", "run directory"]),
        (["evaluate", "."], ["config.toml", "run directory"]),
        (["predict", ".", "--data", "x.csv"], ["run directory"]),
        (["predict", "."], ["--data"]),
        (["trian"], ["trian"]),
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
