"""From a configuration to its windows: held in memory, or streamed from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hpc_qlstm.config import Config
from hpc_qlstm.data import (
    Dataset,
    ScaledSeries,
    Series,
    StreamedData,
    StreamPlan,
    WindowSource,
    generate,
    load,
    prepare_stream,
    scale_series,
)
from hpc_qlstm.parallel import Communicator, on_root, together


def open_source(config: Config, comm: Communicator) -> WindowSource:
    """The configured windows on every rank. Collective; raises InputError on every rank.

    Rank 0 reads and checks the data. The others get its scaled rows and cut the windows
    themselves; of a streamed file they get what rank 0 learnt of it, and open it too.
    """
    if not config.data.stream:
        return on_root(comm, lambda: build_scaled(config)).cut()
    plan = on_root(comm, lambda: build_plan_of_stream(config))
    return together(comm, lambda: StreamedData(plan))


def build_source(config: Config) -> WindowSource:
    """The configured windows in this process alone. Local; raises InputError."""
    if config.data.stream:
        return StreamedData(build_plan_of_stream(config))
    return build_dataset(config)


def build_series(config: Config) -> Series:
    """The configured series from its task or file, whole. Local; raises InputError."""
    data = config.data
    if data.file is None:
        return generate(data.source, **data.options)
    return load(Path(data.file), data.features, data.targets or data.features, data.time)


def build_scaled(config: Config) -> ScaledSeries:
    """The configured series, scaled, with its split. Local; raises InputError."""
    return scale_series(build_series(config), **_options(config))


def build_dataset(config: Config) -> Dataset:
    """The configured windows in memory. Local; raises InputError."""
    return build_scaled(config).cut()


def build_plan_of_stream(config: Config) -> StreamPlan:
    """What there is to know of the configured file: reads it once. Local; raises InputError."""
    data = config.data
    assert data.file is not None
    targets = data.targets or data.features
    return prepare_stream(Path(data.file), data.features, targets, data.time, **_options(config))


def _options(config: Config) -> dict[str, Any]:
    """How the series is split and scaled."""
    keys = "window horizon train_fraction scaler fit_scaler_on validation_fraction test_windows"
    options = {key: getattr(config.data, key) for key in keys.split()}
    return {**options, "sequence": config.model.sequence}
