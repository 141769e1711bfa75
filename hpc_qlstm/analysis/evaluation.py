"""Finished runs used: evaluation on the run's own data, prediction on new data. Collective."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config
from hpc_qlstm.data import Dataset, Scaler, load, windows_for_prediction
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import Communicator, on_root, together
from hpc_qlstm.training.checkpoint import compare_names, load_newest
from hpc_qlstm.training.checkpoint_format import Checkpoint
from hpc_qlstm.training.compatibility import require_same_data, require_same_model
from hpc_qlstm.training.metrics import Record, mean_squared_error, r_squared
from hpc_qlstm.training.run_directory import RunDirectory, open_run_directory
from hpc_qlstm.training.setup import build_dataset, choose_gpus, place_model
from hpc_qlstm.training.step import PREDICTING, DistributedModel

Which = Literal["last", "best"]
Part = Literal["feature", "target"]


@dataclass(frozen=True)
class TrainedRun:
    """A run directory opened for use: configuration, checkpoint and placed model."""

    run: RunDirectory
    config: Config
    checkpoint: Checkpoint
    model: DistributedModel
    weights: Float

    def scaler(self, name: Part) -> Scaler:
        """The scaling that the model was trained with."""
        arrays = self.checkpoint.data
        return Scaler(self.config.data.scaler, arrays[f"{name}.offset"], arrays[f"{name}.factor"])


@dataclass(frozen=True)
class Evaluation:
    """Predictions in the data's own units beside the truth, and scores by part.

    scores: for `train` and `test`: windows, mse (scaled, as in training), r2.
    """

    data: Dataset
    train_prediction: Float
    test_prediction: Float
    epoch: int
    history: list[Record]
    scores: dict[str, dict[str, float]]


def open_run(run_dir: str | Path, comm: Communicator, which: Which = "last") -> TrainedRun:
    """Open a run directory at its newest valid checkpoint. Collective; raises InputError.

    which: the weights after the last epoch, or those of the epoch with the smallest test loss.
    """
    run, config = on_root(comm, lambda: open_run_directory(run_dir))

    def newest() -> Checkpoint:
        stored, warnings = load_newest(run.checkpoints)
        if stored is None:
            reason = f" ({warnings[0]})" if warnings else ""
            raise InputError(f"{run.path}: has no checkpoint that can be read{reason}")
        return stored

    stored = on_root(comm, newest)
    sizes = [stored.data[f"{name}.offset"].size for name in ("feature", "target")]
    choose_gpus(config, comm)
    model = place_model(config, comm, *sizes)
    layout = model.model.layout
    arrays = stored.weights if which == "last" else stored.best

    def flat() -> Float:
        compare_names(arrays, layout.views(np.zeros(layout.size)), "checkpoint weights")
        require_same_model(stored, config)
        return layout.flatten(arrays)

    return TrainedRun(run, config, stored, model, together(comm, flat))


def evaluate(run_dir: str | Path, comm: Communicator, which: Which = "last") -> Evaluation:
    """Predict the run's training and test windows. Collective; raises InputError."""
    trained = open_run(run_dir, comm, which)

    def unchanged_data() -> Dataset:
        data = build_dataset(trained.config)
        require_same_data(trained.checkpoint, data, trained.config.data.source)
        return data

    data = on_root(comm, unchanged_data)
    predictions, scores = [], {}
    parts = (("train", data.train_x, data.train_y), ("test", data.test_x, data.test_y))
    for number, (part, x, y) in enumerate(parts):
        prediction = trained.model.predict(trained.weights, x, (PREDICTING, number))
        predictions.append(data.target_scaler.inverse(prediction))
        scores[part] = {
            "windows": x.shape[0],
            "mse": mean_squared_error(prediction, y),
            "r2": r_squared(prediction, y),
        }
    checkpoint = trained.checkpoint
    epoch = checkpoint.epoch if which == "last" else checkpoint.best_epoch
    return Evaluation(data, predictions[0], predictions[1], epoch, checkpoint.history, scores)


def predict(
    run_dir: str | Path,
    file: str | Path,
    output: str | Path,
    comm: Communicator,
    which: Which = "last",
) -> int:
    """Predict the windows of a file with the run's scaling; rank 0 writes a CSV. Collective.

    The file needs the columns that the run was trained on; for a run on a named task, one column
    under the task's name of the series. Returns the number of predictions. Raises InputError.
    """
    trained = open_run(run_dir, comm, which)
    data = trained.config.data
    features, targets = data.features, data.targets or data.features
    if data.file is None:
        names = on_root(comm, lambda: build_dataset(trained.config).feature_names)
        features, targets = list(names), list(names)

    def windows() -> Any:
        series = load(Path(file), features, [], data.time, for_training=False)
        return windows_for_prediction(
            series,
            window=data.window,
            horizon=data.horizon,
            feature_scaler=trained.scaler("feature"),
            sequence=trained.config.model.sequence,
        )

    cut = on_root(comm, windows)
    prediction = trained.scaler("target").inverse(trained.model.predict(trained.weights, cut.x))
    if prediction.ndim == 3:
        prediction = prediction[:, -1]
    on_root(comm, lambda: _write_csv(Path(output), cut.time, targets, prediction))
    return int(prediction.shape[0])


def _write_csv(path: Path, time: Float, names: list[str], prediction: Float) -> None:
    try:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["time", *names])
            writer.writerows(
                [repr(float(t)), *(repr(float(v)) for v in row)]
                for t, row in zip(time, prediction, strict=True)
            )
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
