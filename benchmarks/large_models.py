"""Large distributed models: 1,024 qubits as 128 partitions of 8, and 1,024 partitions of 4.

usage: python benchmarks/large_models.py [--epochs N]

Each is trained as `hpc-qlstm train` does, without figures, alone and on two ranks under mpirun,
with one thread a rank; alone with two threads too. Prints seconds from the start of the program to
its end, of the epochs, and of a training step (median of the last epoch), the losses, and the peak
of resident memory of every rank. Exit code 1 if losses differ by a bit, the training loss of the
1,024 qubits does not fall in every epoch, or five of its epochs take 20 s or a rank 1 GiB.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import tomli_w
from machine import LAUNCHED, describe

from hpc_qlstm.config_io import read_toml

EXAMPLE = Path(__file__).parents[1] / "examples" / "1024_qubits.toml"
MOST_SECONDS, MOST_MIB = 20.0, 1024.0
RANK = """
import json, os, sys
from pathlib import Path
import hpc_qlstm
from hpc_qlstm.training import trainer
steps = []
run_epoch = trainer.Trainer.run_epoch
def noting(self):
    record = run_epoch(self)
    steps[:] = self.step_seconds
    return record
trainer.Trainer.run_epoch = noting
hpc_qlstm.train(sys.argv[1], quiet=True)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
found = {"peak": int(status["VmHWM"].split()[0]) / 1024, "steps": steps}
Path(sys.argv[2], f"rank-{os.getpid()}").write_text(json.dumps(found))
"""


def run(values: dict[str, Any], launcher: list[str], threads: int, folder: Path) -> dict[str, Any]:
    """Train; prints what it took. Losses, seconds of all, largest peak in MiB."""
    folder.mkdir()
    config = folder / "config.toml"
    output = {"run_dir": str(folder / "run"), "figures": False}
    config.write_text(tomli_w.dumps({**values, "output": output}))
    start = perf_counter()
    subprocess.run(
        [*launcher, sys.executable, "-c", RANK, str(config), str(folder)],
        env={**LAUNCHED, "OMP_NUM_THREADS": str(threads)},
        check=True,
    )
    whole = perf_counter() - start
    ranks = [json.loads(file.read_text()) for file in folder.glob("rank-*")]
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    peaks = sorted(rank["peak"] for rank in ranks)
    step = 1e3 * np.median(ranks[0]["steps"])
    epochs = [record["seconds"]["total"] for record in records]
    where = " ".join(launcher[-2:]) or f"{threads} thread{'s' if threads > 1 else ''}"
    print(
        f"  {where:10s} whole program {whole:5.2f} s, epochs {sum(epochs):5.2f} s, step "
        f"{step:6.1f} ms, peak {', '.join(f'{peak:.0f}' for peak in peaks)} MiB",
        flush=True,
    )
    losses = [(record["train_loss"], record["test_loss"]) for record in records]
    return {"losses": losses, "seconds": whole, "peak": max(peaks)}


def study(name: str, values: dict[str, Any], mpirun: str, folder: Path) -> tuple[bool, list[Any]]:
    """All runs of a model; whether their losses are equal to the bit."""
    print(name, flush=True)
    folder.mkdir()
    found = [
        run(values, [], 1, folder / "alone"),
        run(values, [], 2, folder / "threads"),
        run(values, [mpirun, "-n", "2"], 1, folder / "ranks"),
    ]
    same = all(each["losses"] == found[0]["losses"] for each in found)
    train = ", ".join(f"{loss:.4e}" for loss, _ in found[0]["losses"])
    print(f"  training losses {train}; bits {'identical' if same else 'DIFFER'}")
    return same, found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=5)
    epochs = parser.parse_args().epochs
    mpirun = shutil.which("mpirun", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if mpirun is None:
        parser.error("mpirun is not there")
    print(describe())
    values = read_toml(EXAMPLE)
    values["training"]["epochs"] = epochs
    many = {**values, "model": {**values["model"], "hidden_size": 3 * 1024}}
    many["partition"] = {**values["partition"], "count": 1024}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        same, found = study(
            f"128 partitions of 8 qubits, {epochs} epochs", values, mpirun, folder / "q"
        )
        losses = [loss for loss, _ in found[0]["losses"]]
        good = same and all(a > b for a, b in itertools.pairwise(losses))
        # One rank a core, as on two cores.
        good &= found[2]["seconds"] * 5 / epochs < MOST_SECONDS
        good &= max(each["peak"] for each in found) < MOST_MIB
        same, _ = study(
            f"1,024 partitions of 4 qubits, {epochs} epochs", many, mpirun, folder / "m"
        )
    return int(not (good and same))


if __name__ == "__main__":
    sys.exit(main())
