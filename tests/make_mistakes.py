"""Makes all mistakes of tests/mistakes.py.

usage: [mpirun -n 3] python tests/make_mistakes.py FOLDER

All are made in one process (or on one set of ranks), in a folder that `prepare` has filled; what
came of them is printed as JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from mistakes import MISTAKES, columns, write_config


def prepare(folder: Path) -> None:
    """Fill a folder with the files and runs that the mistakes are made with."""
    import h5py

    import hpc_qlstm

    rows = [[0.1 * k, float(np.sin(0.3 * k))] for k in range(40)]
    lines = ["a,b", *(f"{a},{b}" for a, b in rows)]

    def write(name: str, changed: dict[int, str]) -> None:
        text = "\n".join(changed.get(k, line) for k, line in enumerate(lines)) + "\n"
        (folder / name).write_bytes(text.encode("latin-1"))

    write("rows.csv", {})
    write("changed.csv", {})
    write("nan.csv", {6: "0.5,nan"})
    write("inf.csv", {6: "0.5,inf"})
    write("word.csv", {2: "0.1,much"})
    write("hole.csv", {2: "0.1,"})
    write("ragged.csv", {2: "0.1,0.2,0.3"})
    write("blank.csv", {2: ""})
    write("headless.csv", {0: ""})
    write("twice.csv", {0: "a,a"})
    write("latin.csv", {2: "0.1,\xe9"})
    write("back.csv", {2: "7.0,0.5"})
    write("rows.xlsx", {})
    write("rows.npz", {})
    (folder / "flat.csv").write_text("a\n" + "1.0\n" * 40)
    (folder / "one.csv").write_text("a,b\n1.0,2.0\n")
    (folder / "empty.csv").write_bytes(b"")
    (folder / "folder.csv").mkdir()
    series = np.sin(np.arange(40.0))
    np.savez(folder / "objects.npz", a=np.array([{"code": 1}] * 40, dtype=object))
    np.savez(folder / "lengths.npz", a=series, b=series[:-1])
    np.savez(folder / "complex.npz", a=1j * series)
    with h5py.File(folder / "table.h5", "w") as file:
        file["t"] = np.stack([series, series], axis=1)
        file["s"] = ["text"] * 40
    with h5py.File(folder / "nan.h5", "w") as file:
        file["x"], file["y"] = series, np.where(np.arange(40) == 30, np.nan, series)
    with h5py.File(folder / "series.h5", "w") as file:
        file["x"] = series
    (folder / "torn.h5").write_bytes((folder / "table.h5").read_bytes()[:700])

    for name in ("run", "bare", "damaged", "garbled", "moved", "streamed"):
        given: dict[str, Any] = {"output": {"run_dir": str(folder / name)}}
        if name == "moved":
            given |= columns(str(folder / "changed.csv"), "a", "b", targets=["b"])
        if name == "streamed":
            given |= columns(str(folder / "series.h5"), "x", stream=True)
        write_config(folder / "config.toml", given)
        hpc_qlstm.train(folder / "config.toml", quiet=True)
    for path in (folder / "bare" / "checkpoints").iterdir():
        path.unlink()
    for path in (folder / "damaged" / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    (folder / "garbled" / "config.toml").write_text("[model\n")
    write("changed.csv", {9: "0.8,0.5"})
    with h5py.File(folder / "series.h5", "r+") as file:
        file["x"][9] = 0.5


def make_all(folder: Path) -> list[dict[str, Any]]:
    """Make all mistakes in this process: exit code, standard error and seconds of each."""
    from hpc_qlstm.cli import main
    from hpc_qlstm.parallel import open_communicator

    comm = open_communicator()
    os.chdir(folder)
    results = []
    for mistake in [mistake for part in MISTAKES.values() for mistake in part]:
        if comm.rank == 0:
            write_config(folder / "config.toml", mistake.given)
        comm.allgather_object(None)
        errors, code = io.StringIO(), None
        sys.argv = ["hpc-qlstm", *mistake.arguments]
        os.environ.update(mistake.environment)
        start = time.monotonic()
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            try:
                main()
            except SystemExit as leaving:
                code = leaving.code
        seconds = time.monotonic() - start
        for name in mistake.environment:
            del os.environ[name]
        reports = comm.allgather_object((code, errors.getvalue(), seconds))
        results.append(
            {
                "codes": [report[0] for report in reports],
                "errors": "".join(report[1] for report in reports),
                "seconds": max(report[2] for report in reports),
            }
        )
    return results if comm.rank == 0 else []


if __name__ == "__main__":
    done = make_all(Path(sys.argv[1]))
    if done:
        print(json.dumps(done))
