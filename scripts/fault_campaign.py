"""Faults on purpose: random kills of ranks, failing surroundings, damaged checkpoints.

usage: python scripts/fault_campaign.py kills [--count 200] [--seed 0] [--folder DIR]
       python scripts/fault_campaign.py surroundings [--count 50] [--seed 0] [--folder DIR]
       python scripts/fault_campaign.py damage [--count 1000] [--seed 0] [--folder DIR]

kills: trains a small model on 1 to 4 ranks, kills a random rank by SIGKILL at a random moment,
resumes on a random allowed number of ranks, and so on until the run is done; then losses and
weights must equal those of a run that was left alone, to the bit, and every checkpoint on the way
must have been readable. surroundings: the same with full disks, read-only and removed folders,
removed files and a jumping clock (scripts/fault_surroundings.py). damage: truncates checkpoints at
random bytes, flips bits and zeroes blocks; every damaged file must be refused with a message, or
hold the same content.
Ends with exit code 1 at the first broken promise.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from fault_surroundings import FAULTS, NEED_MOUNTS, disturb, jumping_clock, small_disk

import hpc_qlstm
from hpc_qlstm.errors import InputError
from hpc_qlstm.runs.checkpoint import find_checkpoints, load_checkpoint
from hpc_qlstm.runs.checkpoint_format import Checkpoint

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import launch

SETTINGS: dict[str, Any] = {
    "model": {"hidden_size": 4, "depth": 1},
    "partition": {"strategy": "broadcast_input", "count": 2},
    "data": {"task": "sine", "options": {"points": 120}},
    "training": {"epochs": 150, "batch_size": 5, "learning_rate": 0.05, "shuffle": True},
    "checkpoint": {"interval": 0.02},
    "output": {"figures": False},
}
RANKS = (None, 1, 2, 4)
"""None: without mpirun."""
ENVIRONMENT = launch.environment()
LONGEST_END = 5.0
"""Seconds within which all ranks must have ended after one was killed."""


class BrokenPromiseError(Exception):
    """What the campaign found."""


def settings(run_dir: Path) -> dict[str, Any]:
    """The configuration with this run directory."""
    return {**SETTINGS, "output": {**SETTINGS["output"], "run_dir": str(run_dir)}}


def outcome(run_dir: Path) -> tuple[list[tuple[float, ...]], dict[str, np.ndarray]]:
    """Losses of a run's metrics.jsonl and weights of its newest checkpoint."""
    records = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    losses = [(r["train_loss"], r["test_loss"], r["test_r2"]) for r in records]
    return losses, load_checkpoint(find_checkpoints(run_dir / "checkpoints")[0]).weights


def same(one: Any, other: Any) -> bool:
    """Whether two outcomes are equal to the bit."""
    return one[0] == other[0] and all(np.array_equal(one[1][k], other[1][k]) for k in other[1])


def descendants(pid: int) -> list[int]:
    """Processes that came from `pid`, however deep, itself included."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found = [pid]
    for candidate in found:
        found += [child for child, parent in parents.items() if parent == candidate]
    return found


def ranks_of(process: subprocess.Popen[str]) -> list[int]:
    """The Python processes among a launcher's descendants."""
    ranks = []
    for pid in descendants(process.pid):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words and b"python" in Path(os.fsdecode(words[0])).name.encode():
            ranks.append(pid)
    return ranks


def start(
    command: str, target: Path, ranks: int | None, variables: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start `hpc-qlstm COMMAND TARGET` in a session of its own."""
    words = [sys.executable, "-m", "hpc_qlstm", command, str(target)]
    if ranks is not None:
        mpirun = Path(sys.executable).with_name("mpirun")
        words = [str(mpirun) if mpirun.exists() else "mpirun", "-n", str(ranks), *words]
    return subprocess.Popen(
        words, env=ENVIRONMENT | (variables or {}), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def kill_one(process: subprocess.Popen[str], after: float, rng: random.Random) -> bool:
    """Kill a random rank after some seconds; whether there was one to kill."""
    try:
        process.wait(timeout=after)
        return False
    except subprocess.TimeoutExpired:
        pass
    victims = ranks_of(process)
    if not victims:
        return False
    os.kill(rng.choice(victims), signal.SIGKILL)
    begin = time.monotonic()
    try:
        process.communicate(timeout=LONGEST_END + 25)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise BrokenPromiseError("ranks still run half a minute after one was killed") from None
    if time.monotonic() - begin > LONGEST_END:
        raise BrokenPromiseError(f"ranks ended {time.monotonic() - begin:.1f} s after the kill")
    # Only a run that was over when the signal came may end well.
    return process.returncode != 0


def kills(folder: Path, count: int, rng: random.Random) -> None:
    """The campaign of kills."""
    calm = folder / "calm"
    hpc_qlstm.train(settings(calm), quiet=True)
    expected = outcome(calm)
    config = folder / "config.toml"
    run_dir = folder / "run"
    config.write_text(tomli_w.dumps(settings(run_dir)))
    killed = runs = 0
    while killed < count:
        shutil.rmtree(run_dir, ignore_errors=True)
        runs += 1
        here = 0
        while True:
            begun = (run_dir / "config.toml").exists()
            ranks = rng.choice(RANKS)
            process = start("resume" if begun else "train", run_dir if begun else config, ranks)
            # From before Python is up to beyond the end; a few runs in a row are let through.
            if kill_one(process, rng.uniform(0.2, 3.0), rng):
                killed += 1
                here += 1
            else:
                _, errors = process.communicate()
                if "PMIx server" in errors and "failed to start" in errors:
                    print("mpirun itself did not start, once more", flush=True)
                    continue
                if process.returncode:
                    raise BrokenPromiseError(f"exit code {process.returncode}: {errors[-2000:]}")
                break
            for path in find_checkpoints(run_dir / "checkpoints") if begun else []:
                load_checkpoint(path)
        if not same(outcome(run_dir), expected):
            raise BrokenPromiseError(
                f"run {runs}, killed {here} times, has other losses or weights"
            )
        print(f"run {runs}: {here} kills, the same bits ({killed} of {count})", flush=True)


def surroundings(folder: Path, count: int, rng: random.Random) -> None:
    """The campaign of failing surroundings."""
    calm = folder / "calm"
    hpc_qlstm.train(settings(calm), quiet=True)
    expected = outcome(calm)
    clock = jumping_clock(folder)
    disk = folder / "disk"
    disk.mkdir()
    for number in range(count):
        with small_disk(disk) as mounted:
            names = [name for name in FAULTS if mounted or name not in NEED_MOUNTS]
            run_dir, config = disk / "run", folder / "config.toml"
            shutil.rmtree(run_dir, ignore_errors=True)
            config.write_text(tomli_w.dumps(settings(run_dir)))
            variables = clock if rng.random() < 0.4 else {}
            process = start("train", config, rng.choice(RANKS), variables)
            what = disturb(process, run_dir, names, rng)
            _, errors = process.communicate()
            lines = [line for line in errors.splitlines() if line.startswith("error:")]
            if process.returncode == 1 and len(lines) == 1 and str(run_dir) in lines[0]:
                for path in find_checkpoints(run_dir / "checkpoints"):
                    load_checkpoint(path)
                again = start("resume", run_dir, rng.choice(RANKS), variables)
                _, errors = again.communicate()
                ended, code = "exit code 1, resumed", again.returncode
            else:
                ended, code = "exit code 0", process.returncode
            jumps = ", clock jumping" if variables else ""
            if code:
                raise BrokenPromiseError(f"{what}{jumps}: exit code {code}: {errors[-2000:]}")
            if not same(outcome(run_dir), expected):
                raise BrokenPromiseError(f"{what}{jumps}: other losses or weights")
            print(f"{number + 1} of {count}: {what}{jumps}: {ended}, the same bits", flush=True)


def damaged(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """A way to break a file, and the file broken in that way."""
    size = len(content)
    kind = rng.choice(("truncated", "bit flipped", "bits flipped", "block zeroed", "tail of zeros"))
    if kind == "truncated":
        return kind, content[: rng.randrange(size)]
    broken = bytearray(content)
    if kind == "tail of zeros":
        begin = rng.randrange(size)
        broken[begin:] = bytes(size - begin)
    elif kind == "block zeroed":
        begin = rng.randrange(size)
        end = min(size, begin + rng.choice((1, 64, 512, 4096)))
        broken[begin:end] = bytes(end - begin)
    else:
        for _ in range(1 if kind == "bit flipped" else rng.randrange(2, 100)):
            broken[rng.randrange(size)] ^= 1 << rng.randrange(8)
    return kind, bytes(broken)


def equal_content(one: Checkpoint, other: Checkpoint) -> bool:
    """Whether two checkpoints hold the same."""
    texts = ("config", "history", "epoch", "batch", "seed", "optimizer_steps", "best_loss")
    return all(getattr(one, name) == getattr(other, name) for name in texts) and all(
        getattr(one, group).keys() == getattr(other, group).keys()
        and all(
            np.array_equal(array, getattr(other, group)[name], equal_nan=True)
            for name, array in getattr(one, group).items()
        )
        for group in ("weights", "best", "optimizer", "data", "progress")
    )


def damage(folder: Path, count: int, rng: random.Random) -> None:
    """The campaign of damaged files."""
    run_dir = folder / "run"
    hpc_qlstm.train(settings(run_dir), quiet=True)
    whole = find_checkpoints(run_dir / "checkpoints")[0]
    content, expected = whole.read_bytes(), load_checkpoint(whole)
    path = folder / "damaged.h5"
    refused: dict[str, int] = {}
    harmless: dict[str, int] = {}
    for number in range(count):
        kind, broken = damaged(content, rng)
        path.write_bytes(broken)
        try:
            loaded = load_checkpoint(path)
        except InputError:
            refused[kind] = refused.get(kind, 0) + 1
            continue
        if not equal_content(loaded, expected):
            kept = folder / f"silent-{number}.h5"
            shutil.copy(path, kept)
            raise BrokenPromiseError(
                f"{kind}: loaded without a word with other content, see {kept}"
            )
        harmless[kind] = harmless.get(kind, 0) + 1
    for kind in sorted({*refused, *harmless}):
        print(f"{kind}: {refused.get(kind, 0)} refused, {harmless.get(kind, 0)} harmless")
    print(f"{sum(refused.values())} refused and {sum(harmless.values())} harmless of {count}")


def main() -> int:
    """Run the campaign that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("campaign", choices=("kills", "surroundings", "damage"))
    parser.add_argument("--count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if options.campaign == "kills":
                kills(folder, options.count or 200, rng)
            elif options.campaign == "surroundings":
                surroundings(folder, options.count or 50, rng)
            else:
                damage(folder, options.count or 1000, rng)
        except BrokenPromiseError as found:
            print(f"BROKEN: {found}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
