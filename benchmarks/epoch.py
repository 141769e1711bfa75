"""Seconds of one training epoch of the reference model: this package beside plain JAX.

usage: python benchmarks/epoch.py [--epochs N] [--threads K] [--peer PYTHON]

The model is the published reference on the damped pendulum (6 qubits, depth 5, hidden 5, batches
of 10; tests/stored/README.md). PYTHON is an interpreter that has jax (CPU), whose epoch is then
measured in the same run, in turn with this package's, and the ratio printed.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from machine import describe

from hpc_qlstm import load_config
from hpc_qlstm.build.setup import set_up
from hpc_qlstm.data import Dataset, Scaler
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.training.trainer import Trainer

HERE = Path(__file__).parent
DATA = HERE.parent / "tests" / "stored" / "reference_damped_pendulum.npz"
LSTM_GATES = ("forget", "input", "candidate", "output")


def reference_trainer(engine: str, threads: int) -> Trainer:
    with np.load(DATA) as file:
        data = dict(file)
    n, none = int(data["n_train"]), Scaler("none", np.zeros(1), np.ones(1))
    x, y, time = data["x"], data["y"], np.arange(len(data["x"]), dtype=float)
    windows = Dataset(x[:n], y[:n], x[n:], y[n:], time[:n], time[n:], none, none, ("v",), ("v",))
    weights = {f"{gate}.0": data[gate] for gate in LSTM_GATES}
    weights |= {"readout.weight": data["W"], "readout.bias": data["b"]}
    config = load_config(
        {
            "model": {"hidden_size": 5, "ansatz": "ry_brickwork", "depth": 5, "order": "xh"},
            "engine": {"name": engine, "threads": threads},
            "training": {"optimizer": "rmsprop", "learning_rate": 0.01, "batch_size": 10},
        }
    )
    return Trainer(set_up(config, SerialCommunicator(), windows), weights)


def measure(trainer: Trainer, epochs: int) -> tuple[float, float]:
    """Median seconds of an epoch with its evaluation, and the part spent in the kernels."""
    seconds, compute = [], []
    for _ in range(epochs):
        start = perf_counter()
        record = trainer.run_epoch()
        seconds.append(perf_counter() - start)
        compute.append(record["seconds"]["compute"])
    return float(np.median(seconds[2:])), float(np.median(compute[2:]))


def measure_peer(python: str, epochs: int) -> float:
    words = [python, str(HERE / "peer_jax_epoch.py"), str(DATA), str(epochs)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--peer", help="an interpreter that has jax")
    options = parser.parse_args()
    print(describe())
    rounds = 3 if options.peer else 1
    ours, kernels, peers = [], [], []
    for _ in range(rounds):
        total, compute = measure(reference_trainer("native", options.threads), options.epochs)
        ours.append(total)
        kernels.append(compute)
        if options.peer:
            peers.append(measure_peer(options.peer, options.epochs))
    print(f"hpc_qlstm native  {np.median(ours) * 1e3:8.2f} ms per epoch, "
          f"of it engine calls {np.median(kernels) * 1e3:.2f} ms")  # fmt: skip
    if peers:
        ratio = np.median([peer / own for peer, own in zip(peers, ours, strict=True)])
        print(f"JAX (jit, CPU)    {np.median(peers) * 1e3:8.2f} ms per epoch")
        print(f"ratio             {ratio:8.2f}")


if __name__ == "__main__":
    sys.exit(main())
