"""The first author's run of 2024 to the letter: its data, initial weights and order of batches.

The published test errors of the damped pendulum and of Bessel J2 come from one run each. This
repeats them with the native engine: windows in single precision and without the last one, as that
code cuts them; initial weights of its seed (`reference_weights.json`, taken from an independent
implementation of that code, which agrees with it to 1e-15).
"""

from __future__ import annotations

import json
import math
from importlib.resources import files

import numpy as np

from hpc_qlstm.build.sources import build_series
from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config
from hpc_qlstm.data import Dataset, Scaler
from hpc_qlstm.studies.reproduce.literature import REFERENCE, TASKS
from hpc_qlstm.studies.reproduce.rows import configured
from hpc_qlstm.studies.training import trained_alone

COLUMNS = ("damped pendulum", "Bessel J2")
"""Those whose published error has been reproduced independently."""


def reference_error(task: str) -> float:
    """The test error after 100 epochs. Local; a second on one core."""
    config = configured((), REFERENCE, TASKS[task]["series"])
    trainer = trained_alone(config, _windows(config), _weights())
    return float(trainer.state.history[-1]["test_loss"])


def _weights() -> dict[str, Float]:
    text = files(__package__).joinpath("reference_weights.json").read_text(encoding="utf-8")
    return {name: np.array(values) for name, values in json.loads(text)["weights"].items()}


def _windows(config: Config) -> Dataset:
    series = build_series(config)
    scaler = Scaler.fit(series.targets, series.target_names, "minmax", (-1.0, 1.0))
    values = scaler.transform(series.targets).astype(np.float32).astype(np.float64)
    window = config.data.window
    count = len(values) - window - 1
    x = np.stack([values[k : k + window] for k in range(count)])
    y, time = values[window : window + count], series.time[window : window + count]
    n = math.floor(config.data.train_fraction * count)
    names = series.target_names
    return Dataset(x[:n], y[:n], x[n:], y[n:], time[:n], time[n:], scaler, scaler, names, names)
