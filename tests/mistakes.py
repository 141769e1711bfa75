"""Every class of user mistake: what is given, and what the one message must contain.

tests/make_mistakes.py makes them, tests/cli/test_mistakes.py judges, and scripts/write_mistakes.py
writes the page of the documentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomli_w
from builders import merged, small_config

BASE = small_config(
    partition=None,
    training={"epochs": 2, "learning_rate": 0.02},
    checkpoint=None,
    output={"run_dir": "new"},
)
TRAIN = ("train", "config.toml")
SCALING = ("scaling", "strong", "config.toml", "--output", "scaled")


@dataclass(frozen=True)
class Mistake:
    """What a user did wrong, and words that the message must have.

    given: sections that change `BASE`, or the text of the configuration file.
    """

    what: str
    given: dict[str, Any] | str | bytes
    words: tuple[str, ...]
    arguments: tuple[str, ...] = TRAIN
    environment: dict[str, str] = field(default_factory=dict)


def columns(file: str, *names: str, **keys: Any) -> dict[str, Any]:
    return {"data": {"file": file, "features": list(names), **keys}}


def explicit(inputs: list[list[int]], **keys: Any) -> dict[str, Any]:
    return {"partition": {"strategy": "explicit", "inputs": inputs, **keys}}


def engine(name: str, **keys: Any) -> dict[str, Any]:
    return {"engine": {"name": name, **keys}}


def command(what: str, *arguments: str, words: tuple[str, ...]) -> Mistake:
    return Mistake(what, {}, words, arguments)


CONFIGURATION = [
    Mistake("no TOML", "[model\n", ("config.toml", "not valid TOML")),
    Mistake("no text", b"\xff\xfe\x00[model]", ("config.toml", "not valid TOML")),
    Mistake("a key twice", "[model]\ndepth = 1\ndepth = 2\n", ("config.toml", "not valid TOML")),
    Mistake("nested without end", "a = " + "[" * 5000, ("config.toml", "not valid TOML")),
    Mistake("unknown section", {"modle": {"depth": 1}}, ("modle", "unknown key", "allowed: model")),
    Mistake("unknown key", {"model": {"dept": 1}}, ("model.dept", "unknown key", "depth")),
    Mistake("a value for a section", "model = 3\n", ("model", "3 given")),
    Mistake("text for a number", {"model": {"depth": "two"}}, ("model.depth", "'two'", "integer")),
    Mistake("a fraction for a count", {"model": {"depth": 1.5}}, ("model.depth", "1.5", "integer")),
    Mistake("true for a count", {"model": {"depth": True}}, ("model.depth", "True", "integer")),
    Mistake("below the range", {"training": {"epochs": 0}}, ("training.epochs", "0 given", "1")),
    Mistake("above the range", {"model": {"depth": 10**6}}, ("model.depth", "1000000", "10000")),
    Mistake(
        "too large for a machine number",
        {"training": {"seed": 2**60}},
        ("training.seed", "4294967295"),
    ),
    Mistake(
        "not finite", {"training": {"learning_rate": float("nan")}}, ("training.learning_rate",)
    ),
    Mistake(
        "a name that is none of the choices",
        {"model": {"ansatz": "magic"}},
        ("model.ansatz", "'magic'", "rot_ring"),
    ),
    Mistake("text for a list", columns("rows.csv") | {"data": {"file": "rows.csv", "features": "a"}},
            ("data.features", "'a'", "list")),
    Mistake(
        "a schedule that rises",
        {"training": {"min_learning_rate": 1.0}},
        ("min_learning_rate is 1.0", "at most", "0.02"),
    ),
    Mistake("an unknown signal", {"stop": {"signals": ["KILL"]}}, ("stop.signals", "'KILL'", "USR1")),
    Mistake("a file that is not there", {}, ("none.toml", "cannot be read"), ("train", "none.toml")),
    Mistake("a folder for a file", {}, ("cannot be read",), ("train", ".")),
]  # fmt: skip

DATA = [
    Mistake("unknown task", {"data": {"task": "sinus"}}, ("sinus", "damped_pendulum")),
    Mistake("unknown option of a task", {"data": {"options": {"pts": 9}}}, ("pts", "points")),
    Mistake("wrong value of an option", {"data": {"options": {"points": -9}}}, ("points", "-9")),
    Mistake(
        "a time that ends before it starts",
        {"data": {"task": "damped_pendulum", "options": {"t_end": -1.0}}},
        ("t_end", "-1"),
    ),
    Mistake(
        "a series shorter than its order",
        {"data": {"task": "narma", "options": {"order": 10, "points": 11}}},
        ("points", "order 10"),
    ),
    Mistake("too few rows", {"data": {"options": {"points": 8}, "window": 9}}, ("8 rows", "needed")),
    Mistake("task and file", {"data": {"task": "sine", "file": "rows.csv", "features": ["a"]}},
            ("task and file",)),
    Mistake("a file without features", columns("rows.csv"), ("features is empty",)),
    Mistake("features without a file", {"data": {"features": ["a"]}}, ("file is not given",)),
    Mistake("a file that is not there", columns("none.csv", "a"), ("none.csv", "no such file")),
    Mistake("a folder", columns("folder.csv", "a"), ("folder.csv", "directory")),
    Mistake("an empty file", columns("empty.csv", "a"), ("empty.csv", "is empty")),
    Mistake("an unknown format", columns("rows.xlsx", "a"), (".xlsx", ".csv", ".npz", ".h5")),
    Mistake("a column that is not there", columns("rows.csv", "c"), ("'c'", "'a', 'b'")),
    Mistake("a column named twice", columns("rows.csv", "a", "a"), ("'a'", "more than once")),
    Mistake("NaN", columns("nan.csv", "b"), ("nan.csv", "row 6", "'b'")),
    Mistake("infinity", columns("inf.csv", "b"), ("inf.csv", "'b'", "inf")),
    Mistake("a number that is none", columns("word.csv", "b"), ("word.csv", "line 3", "'b'")),
    Mistake("an empty cell", columns("hole.csv", "b"), ("hole.csv", "line 3", "empty cell")),
    Mistake("a row too long", columns("ragged.csv", "b"), ("ragged.csv", "line 3", "3 cells")),
    Mistake("a blank line", columns("blank.csv", "b"), ("blank.csv", "line 3", "blank")),
    Mistake("no header", columns("headless.csv", "b"), ("headless.csv", "line 1", "column names")),
    Mistake("a header that repeats", columns("twice.csv", "a"), ("twice.csv", "'a'", "once")),
    Mistake("no UTF-8", columns("latin.csv", "b"), ("latin.csv", "UTF-8")),
    Mistake("a column that is constant", columns("flat.csv", "a"), ("flat.csv", "'a'", "constant")),
    Mistake("time that runs backwards", columns("back.csv", "b", time="a"), ("back.csv", "backwards")),
    Mistake("one row", columns("one.csv", "a"), ("one.csv", "1 rows")),
    Mistake("no archive", columns("rows.npz", "a"), ("rows.npz", "NPZ")),
    Mistake("objects, which are code", columns("objects.npz", "a"), ("objects.npz", "cannot be read")),
    Mistake("arrays of other lengths", columns("lengths.npz", "a", "b"), ("lengths.npz", "length")),
    Mistake("complex numbers", columns("complex.npz", "a"), ("complex.npz", "complex128", "real")),
    Mistake("a table for a column", columns("table.h5", "t"), ("table.h5", "'t'", "1-D")),
    Mistake("a column beyond a table", columns("table.h5", "t:7"), ("table.h5", "0 to 1")),
    Mistake("text in HDF5", columns("table.h5", "s"), ("table.h5", "'s'", "real numbers")),
    Mistake("damaged HDF5", columns("torn.h5", "t"), ("torn.h5", "cannot be read")),
    Mistake("streaming a CSV file", columns("rows.csv", "a", stream=True),
            ("stream is for an HDF5 file", "'rows.csv'")),
    Mistake("streaming a task", {"data": {"stream": True}}, ("stream", "file is not given")),
    Mistake("NaN in a streamed file", columns("nan.h5", "x", "y", stream=True),
            ("nan.h5", "'y'", "row 31")),
    Mistake("a column missing in a streamed file", columns("nan.h5", "z", stream=True),
            ("nan.h5", "'z'", "'x', 'y'")),
    Mistake("damaged HDF5, streamed", columns("torn.h5", "t", stream=True),
            ("torn.h5", "cannot be read")),
    Mistake("more windows an epoch than there are", {"data": {"epoch_windows": 999}},
            ("data.epoch_windows", "999", "at most 24")),
    Mistake("more test windows than there are", {"data": {"test_windows": 999}},
            ("test_windows", "999", "at most 12")),
]  # fmt: skip

PARTITION = [
    Mistake("more partitions than hidden units", {"partition": {"count": 9}}, ("partition.count", "9")),
    Mistake("an index in no partition", explicit([[0, 1], [2, 3]]), ("index 4", "no partition")),
    Mistake("an index that does not exist", explicit([[0, 1, 2], [3, 4, 5]]), ("index 5", "0 to 4")),
    Mistake("an index twice", explicit([[0, 1, 1], [2, 3, 4]]), ("partition.inputs[0]", "repeats")),
    Mistake("a partition without inputs", explicit([[0, 1, 2, 3, 4], []]), ("inputs[1] is empty",)),
    Mistake("outputs that do not sum up", explicit([[0, 1, 2], [3, 4]], outputs=[2, 1]),
            ("partition.outputs", "sum to 3", "4")),
    Mistake("another count than lists", explicit([[0, 1, 2], [3, 4]], count=3), ("count is 3", "2")),
    Mistake("explicit without lists", {"partition": {"strategy": "explicit"}}, ("partition.inputs",)),
    Mistake("lists for another strategy", {"partition": {"inputs": [[0]]}}, ("'explicit'",)),
    Mistake("an overlap beyond the blocks", {"partition": {"strategy": "overlap", "shared": 9}},
            ("partition.shared", "9")),
    Mistake("too few qubits", {"partition": {"qubits": 1}}, ("partition.qubits", "1", "or more")),
    Mistake("qubits for other partitions", {"partition": {"qubits": [2, 2]}}, ("qubits", "2 given")),
    Mistake("too many qubits for the memory", {"partition": {"qubits": 60}}, ("60 qubits", "at most")),
]  # fmt: skip

ENGINES = [
    Mistake("adjoint gradients of Aer", engine("aer", gradient="adjoint"),
            ("aer", "'adjoint'", "parameter_shift")),
    Mistake("a device that is not there", engine("aer", device="GPU"), ("'GPU'", "CPU")),
    Mistake("an option that Aer has not", engine("aer", options={"no_such_option": 1}),
            ("no_such_option",)),
    Mistake("shots of an exact engine", engine("native", shots=9), ("shots is for engines 'aer'",)),
    Mistake("a key of another engine", engine("native", retries=9), ("retries is for engine",)),
    Mistake("single precision of the reference", engine("reference", precision="single"),
            ("precision", "'reference'")),
    Mistake("too many threads", engine("native", threads=5000), ("engine.threads", "5000", "4096")),
    Mistake("an unknown key of a backend", engine("aer", backends=[{"noise": {"redout": 0.1}}]),
            ("backends.0.noise.redout", "unknown key", "depolarizing")),
    Mistake("backends for other partitions", engine("aer", backends=[{"shots": 1}, {"shots": 2}]),
            ("engine.backends has 2 entries", "1 partitions")),
    Mistake("noise of a primitive", engine("primitive", backends=[{"noise": {"readout": 0.1}}]),
            ("backends.0.noise", "'aer'")),
    Mistake("noise from two sources", engine("aer", noise={"readout": 0.1, "backend": "fake_manila"}),
            ("together", "one of them")),
    Mistake("a probability above one", engine("aer", noise={"depolarizing": 1.5}),
            ("engine.noise.depolarizing", "1.5")),
    Mistake("noise of a backend that is not there", engine("aer", noise={"backend": "manila"}),
            ("engine.noise.backend", "'manila'", "fake_manila")),
    Mistake("a file that is no noise", engine("aer", noise={"file": "rows.csv"}),
            ("rows.csv", "no noise model")),
    Mistake("even noise scales", engine("aer", mitigation={"zne": "linear", "scales": [1, 2]}),
            ("engine.mitigation", "[1, 2]", "odd")),
    Mistake("too few noise scales", engine("aer", mitigation={"zne": "quadratic", "scales": [1, 3]}),
            ("quadratic", "three scales")),
    Mistake("an unknown backend", engine("primitive", backend="magic"),
            ("engine.backend", "'magic'", "statevector")),
    Mistake("exact values of a device", engine("primitive", backend="generic:5"),
            ("generic_backend_5q", "shots")),
    Mistake("circuits beyond a device", engine("primitive", backend="generic:3", shots=9),
            ("5 qubits", "at most 3")),
    Mistake("a module that is not there", engine("primitive", backend="nowhere:Backend"),
            ("'nowhere:Backend'", "cannot be found")),
    Mistake("circuits of a classical LSTM", {"model": {"gates": "linear"}},
            ("model.gates", "no circuits"), ("verify", "config.toml")),
    Mistake("circuits that are not there", {"model": {"ansatz_file": "own.qpy"}}, ("own.qpy", "read")),
    Mistake("a file that holds no circuits", {"model": {"ansatz_file": "rows.csv"}},
            ("rows.csv", "no QPY")),
    Mistake("an unknown instruction set", {}, ("HPC_QLSTM_ISA", "'sse9'", "plain"), TRAIN,
            {"HPC_QLSTM_ISA": "sse9"}),
]  # fmt: skip

RUNS = [
    Mistake("a run directory with other files", {"output": {"run_dir": "."}},
            ("output.run_dir", "other files")),
    Mistake("a run directory below a file", {"output": {"run_dir": "rows.csv/run"}},
            ("output.run_dir", "rows.csv")),
    command("a run that is not there", "resume", "nowhere", words=("nowhere", "run directory")),
    command("a folder that is no run", "evaluate", "folder.csv", words=("config.toml",)),
    command("a run without a checkpoint", "evaluate", "bare", words=("bare", "no checkpoint")),
    command("a run whose checkpoints are damaged", "evaluate", "damaged",
            words=("no checkpoint that can be read", "epoch-00000002.h5")),
    command("a run whose configuration is damaged", "resume", "garbled", words=("not valid TOML",)),
    command("another model for a run", "resume", "run", "--set", "model.depth=2",
            words=("forget.0", "(1, 5, 3)", "(2, 5, 3)")),
    command("another optimizer for a run", "resume", "run", "--set", "training.optimizer=sgd",
            words=("training.optimizer", "'adam'")),
    command("fewer epochs than are done", "resume", "run", "--set", "training.epochs=1",
            words=("training.epochs is 1", "2 or more")),
    command("data that have changed", "evaluate", "moved", words=("changed.csv", "has changed")),
    command("a streamed file that has changed", "evaluate", "streamed",
            words=("series.h5", "has changed")),
    command("a column missing in new data", "predict", "moved", "--data", "flat.csv",
            "--output", "new.csv", words=("flat.csv", "'b'")),
    command("too few new rows", "predict", "moved", "--data", "one.csv", "--output", "new.csv",
            words=("1 rows", "4")),
    command("output that cannot be written", "predict", "moved", "--data", "rows.csv",
            "--output", "folder.csv", words=("folder.csv", "cannot be written")),
    command("a file for a folder", "export", "run", "--output", "rows.csv",
            words=("rows.csv", "cannot be written")),
]  # fmt: skip

COMMANDS = [
    command("an unknown command", "trian", words=("trian",)),
    command("a missing argument", "train", words=("Missing argument", "CONFIG")),
    command("a missing option", "predict", "run", words=("--data",)),
    command("an unknown option", "train", "config.toml", "--fast", words=("--fast",)),
    command("an argument too many", "train", "config.toml", "more", words=("more",)),
    command("--set without a value", *TRAIN, "--set", "model.depth", words=("section.key=value",)),
    command("--set without a section", *TRAIN, "--set", "depth=1",
            words=("depth=1", "section.key=value")),
    command("--set below a value", *TRAIN, "--set", "model.depth.x=1", words=("model.depth",)),
    command("--set of a wrong value", *TRAIN, "--set", "model.depth=deep",
            words=("model.depth", "'deep'", "integer")),
    command("weights that are none", "evaluate", "run", "--weights", "worst",
            words=("worst", "best")),
    command("rates that are no numbers", "noise", "config.toml", "--rates", "0,x",
            words=("--rates", "0,x")),
    command("a rate beyond one", "noise", "config.toml", "--rates", "0,2", words=("--rates", "0,2")),
    command("shots that are no counts", "noise", "config.toml", "--shots", "1.5",
            words=("--shots", "1.5")),
    command("more ranks than there are", *SCALING, "--ranks", "1,4000", words=("--ranks 4000", "1 to")),
    command("ranks that are no numbers", *SCALING, "--ranks", "1,two", words=("--ranks", "1,two")),
    command("nothing to vary", *SCALING, "--vary", "parallel.cell_update",
            words=("--vary", "section.key=value")),
    command("a value that cannot be varied", *SCALING, "--cell-update", "root,leaf",
            words=("parallel.cell_update", "'leaf'", "'replicated'")),
    command("a part that there is not", *SCALING, "--part", "2/2", words=("--part", "2/2", "N - 1")),
    command("units that cannot be shared out", "scaling", "weak-partitions", "config.toml",
            "--output", "scaled", "--set", "partition.count=3",
            words=("model.hidden_size is 4", "multiple of", "3")),
    command("a study below a file", *SCALING[:3], "--output", "rows.csv/scaled",
            words=("rows.csv", "cannot be written")),
    command("no machine to predict with", "extrapolate", "config.toml", "--machine", "missing.json",
            words=("missing.json", "cannot be read")),
    command("a machine's file that is none", "extrapolate", "config.toml", "--machine", "rows.csv",
            words=("rows.csv", "is not JSON")),
    command("a growing model that is varied", "extrapolate", "config.toml", "--kind",
            "weak-partitions", "--vary", "data.window=2,3", words=("--vary", "strong")),
    command("an interconnect that is not known", "resources", "config.toml", "--ranks", "1",
            "--interconnect", "token-ring", words=("token-ring", "infiniband-100", ".toml file")),
    command("replicas that do not fit", "train", "config.toml", "--set", "parallel.replicas=4",
            words=("parallel.replicas is 4", "allowed: ")),
    command("no seeds", "noise", "config.toml", "--seeds", "0", words=("--seeds", "1")),
]  # fmt: skip

MISTAKES = {
    "The configuration file": CONFIGURATION,
    "Data": DATA,
    "Partitions": PARTITION,
    "Engines": ENGINES,
    "Runs": RUNS,
    "The command line": COMMANDS,
}


def write_config(path: Path, given: dict[str, Any] | str | bytes) -> None:
    """A configuration file from what a mistake gives."""
    if isinstance(given, dict):
        config = merged(BASE, **given)
        if config["data"].get("task", "sine") != "sine" and "options" not in given["data"]:
            config["data"].pop("options", None)
        given = tomli_w.dumps(config)
    path.write_bytes(given if isinstance(given, bytes) else given.encode())
