"""Memory and time of an epoch on a file that is streamed: 10 million rows, 10,000 windows.

usage: python benchmarks/streaming.py [--rows N] [--windows N] [--gzip] [--file FILE] [--limit MIB]

Writes an HDF5 file of two columns, a piece at a time, into a temporary folder (FILE: uses that
file, and writes it where it is not there), and trains one epoch on windows drawn from it as
`hpc-qlstm train` does, with evaluation, figures and report: alone, and on two ranks under mpirun.
Every rank tells its own peak of resident memory. Exit code 1 if one is above the limit or, unless
the file is compressed, if an epoch spends more than half of its time on reading.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import h5py
import numpy as np
import tomli_w
from machine import LAUNCHED, describe

COLUMNS = ("swing", "push")
PIECE = 500_000
"""Rows that are made and written at a time."""
RANK = """
import os, sys
from pathlib import Path
import hpc_qlstm
hpc_qlstm.train(sys.argv[1], quiet=True)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
Path(sys.argv[2], f"peak-{os.getpid()}").write_text(status["VmHWM"].split()[0])
"""


def write(path: Path, rows: int, packed: bool) -> None:
    """A damped swing that is pushed again and again, and the push, with noise."""
    storage = {"chunks": True, "compression": "gzip"} if packed else {}
    with h5py.File(path, "w") as file:
        columns = [
            file.create_dataset(name, (rows,), "f8", **storage) for name in ("swing", "push")
        ]
        for begin in range(0, rows, PIECE):
            k = np.arange(begin, min(begin + PIECE, rows))
            phase, noise = k % 5000, np.random.default_rng(begin).normal(size=(2, len(k)))
            swing = np.exp(-phase / 2000) * np.sin(0.05 * phase)
            for column, values, part in zip(columns, (swing, phase < 10), noise, strict=True):
                column[k[0] : k[-1] + 1] = values + 0.01 * part


def configuration(path: Path, run_dir: Path, windows: int) -> dict[str, dict[str, object]]:
    return {
        "model": {"hidden_size": 4},
        "partition": {"strategy": "broadcast_input", "count": 2},
        "data": {
            "file": str(path),
            "features": list(COLUMNS),
            "targets": ["swing"],
            "window": 8,
            "stream": True,
            "epoch_windows": windows,
            "test_windows": windows // 5,
        },
        "training": {"epochs": 1},
        "output": {"run_dir": str(run_dir)},
    }


def run(launcher: list[str], path: Path, folder: Path, windows: int) -> tuple[float, float]:
    """Train one epoch; prints what it took. The largest peak in MiB, and reading's share."""
    folder.mkdir()
    config = folder / "config.toml"
    config.write_text(tomli_w.dumps(configuration(path, folder / "run", windows)))
    start = perf_counter()
    subprocess.run(
        [*launcher, sys.executable, "-c", RANK, str(config), str(folder)],
        env={**LAUNCHED, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    whole = perf_counter() - start
    peaks = sorted(int(peak.read_text()) / 1024 for peak in folder.glob("peak-*"))
    seconds = json.loads((folder / "run" / "metrics.jsonl").read_text())["seconds"]
    print(
        f"{' '.join(launcher[-2:]) or 'alone':10s} epoch {seconds['total']:.3f} s, of it reading "
        f"{seconds['reading']:.3f} s; whole run {whole:.1f} s; peak resident memory "
        f"{', '.join(f'{peak:.0f}' for peak in peaks)} MiB"
    )
    return max(peaks), seconds["reading"] / seconds["total"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--windows", type=int, default=10_000)
    parser.add_argument("--gzip", action="store_true", help="compressed instead of contiguous")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--limit", type=float, default=500.0, help="MiB of a rank")
    options = parser.parse_args()
    mpirun = shutil.which("mpirun", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if mpirun is None:
        parser.error("mpirun is not there")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        path = options.file or folder / "rows.h5"
        if not path.exists():
            write(path, options.rows, options.gzip)
        with h5py.File(path) as file:
            rows = file["swing"].shape[0]
        print(describe())
        print(
            f"{rows:,} rows of 2 columns, {path.stat().st_size / 2**20:.0f} MiB, "
            f"{options.windows:,} windows of 8 steps an epoch"
        )
        found = [
            run(launcher, path, folder / name, options.windows)
            for name, launcher in (("alone", []), ("ranks", [mpirun, "-n", "2"]))
        ]
    most = 1.0 if options.gzip else 0.5
    return int(any(peak > options.limit or reading > most for peak, reading in found))


if __name__ == "__main__":
    sys.exit(main())
