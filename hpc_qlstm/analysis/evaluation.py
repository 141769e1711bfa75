"""Finished runs used: evaluation on the run's own data, prediction on new data. Collective."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from hpc_qlstm.build.setup import choose_gpus, place_model
from hpc_qlstm.build.sources import build_series, open_source
from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config
from hpc_qlstm.data import Dataset, Rows, Scaler, load, spread, windows_for_prediction
from hpc_qlstm.data.split import Index
from hpc_qlstm.distributed.model import PREDICTING, DistributedModel
from hpc_qlstm.distributed.scores import score
from hpc_qlstm.errors import InputError
from hpc_qlstm.parallel import Communicator, on_root, together
from hpc_qlstm.runs.checkpoint import compare_names, load_newest
from hpc_qlstm.runs.checkpoint_format import Checkpoint
from hpc_qlstm.runs.compatibility import require_same_data, require_same_model
from hpc_qlstm.runs.json_lines import Record
from hpc_qlstm.runs.run_directory import RunDirectory, open_run_directory

Which = Literal["last", "best"]
Part = Literal["feature", "target"]

SHOWN = 10_000
"""Most windows of each part of a streamed file that are kept for figures and baselines."""


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

    scores: for `train` and `test`: windows, mse (scaled, as in training), r2. Where an epoch draws
    its windows, `train` is as many of them, evenly spread. data: the windows of the predictions; of
    a streamed file no more than SHOWN of each part, evenly spread over those of the scores.
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
    config = trained.config
    data = open_source(config, comm)
    together(comm, lambda: require_same_data(trained.checkpoint, data, config.data.source))
    drawn = spread(data.train_count, config.data.epoch_windows or data.train_count)
    train_shown, train, train_scores = _predict_part(trained, data.train, drawn, 0)
    every = np.arange(data.test_count)
    test_shown, test, test_scores = _predict_part(trained, data.test, every, 1)
    sample = together(comm, lambda: data.sample(train_shown, test_shown))
    data.close()
    trained.model.free()
    inverse, checkpoint = data.target_scaler.inverse, trained.checkpoint
    epoch = checkpoint.epoch if which == "last" else checkpoint.best_epoch
    scores = {"train": train_scores, "test": test_scores}
    return Evaluation(sample, inverse(train), inverse(test), epoch, checkpoint.history, scores)


def _predict_part(
    trained: TrainedRun, read: Callable[[Rows], tuple[Float, Float]], windows: Index, part: int
) -> tuple[Index, Float, dict[str, float]]:
    """Predict windows of a part, a chunk at a time. Collective.

    Returns the windows that are shown, their (scaled) predictions, and the scores of all windows.
    """
    count = len(windows)
    shown = spread(count, min(count, SHOWN) if trained.config.data.stream else count)
    kept: list[Float] = []

    def keep(first: int, prediction: Float) -> None:
        inside = shown[(shown >= first) & (shown < first + len(prediction))]
        kept.append(prediction[inside - first])

    def chunk(rows: Rows) -> tuple[Float, Float]:
        return read(windows[rows])

    found = score(trained.model, trained.weights, chunk, count, (PREDICTING, part), keep)
    scores = {"windows": count, "mse": found.mse, "r2": found.r2}
    return windows[shown], np.concatenate(kept), scores


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
        names = on_root(comm, lambda: build_series(trained.config).feature_names)
        features, targets = list(names), list(names)

    read = partial(load, file, features, [], data.time, for_training=False)
    series = on_root(comm, read)
    windows = partial(
        windows_for_prediction,
        series,
        window=data.window,
        horizon=data.horizon,
        feature_scaler=trained.scaler("feature"),
        sequence=trained.config.model.sequence,
    )
    cut = together(comm, windows)
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
            writer.writerows(np.column_stack([time, prediction]).tolist())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
