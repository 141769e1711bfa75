"""The section [data]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hpc_qlstm.config.fields import Section


class DataConfig(Section):
    """The time series and its windows."""

    task: str | None = None
    """A named task; damped_pendulum when neither task nor file is given."""
    options: dict[str, bool | int | float] = {}
    """Options of the task, for example order for narma."""
    file: str | None = None
    """A CSV, NPZ or HDF5 file instead of a task."""
    features: list[str] = []
    """Columns of the file that are inputs."""
    targets: list[str] = []
    """Columns of the file to predict; default: the features."""
    time: str | None = None
    """Column of the file with the time, for the figures."""
    window: Annotated[int, Field(ge=1, le=100_000)] = 4
    """Time steps T of a window."""
    horizon: Annotated[int, Field(ge=1, le=100_000)] = 1
    """Rows from a window's last row to its target."""
    train_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.67
    """Chronological split: the part of the windows that is trained on."""
    scaler: Literal["minmax", "standard", "none"] = "minmax"
    """Scaling of features and targets; minmax maps to [-1, 1]."""
    fit_scaler_on: Literal["train", "all"] = "train"
    """Rows that the scaling is fitted on; `all` reproduces the literature."""
    validation_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """To choose settings: the last such part of the training windows stands for the test part,
    which nobody sees; 0: the test part is the test part."""
    stream: bool = False
    """Leave the rows in an HDF5 file and read windows when they are needed."""
    epoch_windows: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    """Training windows of an epoch, drawn anew for each from the seed, none twice; 0: all."""
    test_windows: Annotated[int, Field(ge=0, le=1_000_000_000)] = 0
    """Test windows to use, the same in every epoch, evenly spread over the test part; 0: all."""

    @model_validator(mode="after")
    def _one_source(self) -> DataConfig:
        if self.stream:
            if self.file is None:
                raise ValueError("stream is for an HDF5 file, but file is not given")
            if not self.file.lower().endswith((".h5", ".hdf5")):
                raise ValueError(
                    f"stream is for an HDF5 file (.h5, .hdf5), but file is {self.file!r}"
                )
        if self.file is not None:
            if self.task is not None:
                raise ValueError("task and file are both given, allowed: one of them")
            if not self.features:
                raise ValueError("features is empty, allowed: names of the file's columns")
        elif self.features or self.targets or self.time is not None:
            raise ValueError("features, targets and time belong to a file, but file is not given")
        return self

    @property
    def source(self) -> str:
        """The task's or the file's name."""
        return self.file or self.task or "damped_pendulum"
