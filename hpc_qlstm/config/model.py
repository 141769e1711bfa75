"""What is trained, and on what: the sections [model], [partition] and [data]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hpc_qlstm import registry
from hpc_qlstm.config.fields import NameIn, Section, Seed, Size


class ModelConfig(Section):
    """The QLSTM. Its input and output sizes come from the data."""

    hidden_size: Size = 4
    """Hidden units d_h."""
    ansatz: Annotated[str, NameIn(registry.ansaetze)] = "rot_ring"
    """The circuit of every gate, or a registered one of your own."""
    ansatz_file: str | None = None
    """A QPY file with circuits of your own instead: one for each partition, or one for all."""
    depth: Annotated[int, Field(ge=1, le=10_000)] = 2
    """Layers L of the ansatz."""
    order: Literal["hx", "xh"] = "hx"
    """v_t = [h; x] (hx, the paper's) or [x; h] (xh)."""
    encoding: Literal["default", "arctan_ry_rz", "arctan_ry", "ry", "rx", "rz"] = "default"
    """How a feature becomes angles; default is the ansatz's own."""
    reupload: bool = False
    """Repeat the encoding before every layer."""
    affine: bool = False
    """A trainable scale and shift of every expectation value, in front of sigmoid and tanh."""
    sequence: bool = False
    """Predict at every time step instead of after the last one."""
    init_scale: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.01
    """Standard deviation of the initial circuit weights, in radians."""
    gates: Literal["vqc", "linear"] = "vqc"
    """What the gates of the cell are: circuits, or the affine maps of a classical LSTM, for which
    the keys of circuits, `extra_vqcs`, `mix` and `engine` do not count."""
    extra_vqcs: Literal[0, 2] = 0
    """N_extra: 2 for the six-VQC cell, in which VQCs partitioned as the gates are map o*tanh(c_t)
    to h_t and to what the readout sees."""
    mix: bool = False
    """A trainable matrix for each gate mixes its outputs over all partitions."""


class PartitionConfig(Section):
    """How v_t is split over sub-VQCs (processors)."""

    strategy: Literal[
        "contiguous", "strided", "broadcast_input", "overlap", "random", "explicit"
    ] = "contiguous"
    """The rule; `explicit` takes inputs and outputs from this section."""
    count: Size | None = None
    """Partitions M, 1 by default; with explicit it follows from the lists."""
    shared: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    """Neighbours that an `overlap` block shares on each side."""
    seed: Seed = 0
    """Seed of the `random` permutation."""
    qubits: Size | list[Size] | None = None
    """Qubits of every partition, or a list; default: as many as inputs or outputs need."""
    inputs: list[list[Annotated[int, Field(ge=0)]]] | None = None
    """Index lists into v_t, for `explicit`."""
    outputs: list[Size] | None = None
    """Outputs of every partition, for `explicit`; default: split evenly."""

    @model_validator(mode="after")
    def _explicit_has_lists(self) -> PartitionConfig:
        explicit = self.strategy == "explicit"
        if explicit and self.inputs is None:
            raise ValueError("strategy 'explicit' needs partition.inputs, a list of index lists")
        if not explicit and (self.inputs is not None or self.outputs is not None):
            raise ValueError(
                f"inputs and outputs are for strategy 'explicit', not for {self.strategy!r}"
            )
        if explicit and self.inputs is not None and self.count not in (None, len(self.inputs)):
            raise ValueError(f"count is {self.count}, but inputs has {len(self.inputs)} lists")
        return self


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
