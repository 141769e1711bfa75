"""The configuration: every section and field, its meaning, its range and its default.

A configuration is a TOML file. Unknown keys and wrong values are refused with the key's path,
what was given and what is allowed.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Size = Annotated[int, Field(ge=1, le=1_000_000)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Rate = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Shots = Annotated[int, Field(ge=0, le=10_000_000)]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, docstrings are descriptions."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


class ModelConfig(Section):
    """The QLSTM. Its input and output sizes come from the data."""

    hidden_size: Size = 4
    """Hidden units d_h."""
    ansatz: Literal["rot_ring", "ry_brickwork"] = "rot_ring"
    """The circuit of every gate."""
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


class NoiseConfig(Section):
    """Noise of a simulated processor: by number, from a Qiskit backend, or from a file."""

    depolarizing: Probability = 0.0
    """Depolarizing probability p after every gate: rho of its n qubits becomes
    (1-p) rho + p I/2^n."""
    depolarizing_2q: Probability | None = None
    """The same after two-qubit gates; default: as `depolarizing`."""
    readout: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    """Probability that a measured bit is read wrong."""
    backend: str | None = None
    """A Qiskit backend whose properties give the noise, for example fake_manila or generic:5."""
    file: str | None = None
    """A JSON file with a noise model as `NoiseModel.to_dict(serializable=True)` gives it."""

    @model_validator(mode="after")
    def _one_source(self) -> NoiseConfig:
        numbers = self.depolarizing or self.depolarizing_2q or self.readout
        if sum(map(bool, (numbers, self.backend, self.file))) > 1:
            raise ValueError("numbers, backend and file are given together, allowed: one of them")
        return self

    @property
    def quiet(self) -> bool:
        """Whether there is no noise at all."""
        return self == NoiseConfig() or self == NoiseConfig(depolarizing_2q=0.0)


class MitigationConfig(Section):
    """Error mitigation; needs the package mitiq."""

    readout: bool = False
    """Undo readout errors by the confusion that calibration circuits show."""
    calibration_shots: Annotated[int, Field(ge=1, le=10_000_000)] = 16384
    """Shots of each of the two calibration circuits, where the engine samples."""
    zne: Literal["none", "linear", "quadratic", "richardson"] = "none"
    """Zero-noise extrapolation over circuits whose noise was scaled by global folding."""
    scales: Annotated[list[Annotated[int, Field(ge=1, le=99)]], Field(min_length=2)] = [1, 3, 5]
    """Noise scales of the extrapolation: increasing odd numbers."""

    @model_validator(mode="after")
    def _foldable(self) -> MitigationConfig:
        increasing = all(a < b for a, b in zip(self.scales, self.scales[1:], strict=False))
        if not increasing or any(scale % 2 == 0 for scale in self.scales):
            raise ValueError(f"scales is {self.scales}, allowed: increasing odd numbers")
        if self.zne == "quadratic" and len(self.scales) < 3:
            raise ValueError("zne 'quadratic' needs three scales or more")
        return self


class BackendConfig(Section):
    """What one partition's processor has of its own; absent keys are the engine's."""

    backend: str | None = None
    """As engine.backend."""
    shots: Shots | None = None
    """As engine.shots."""
    noise: NoiseConfig | None = None
    """As engine.noise."""
    mitigation: MitigationConfig | None = None
    """As engine.mitigation."""
    options: dict[str, bool | int | float | str] | None = None
    """As engine.options."""


class EngineConfig(Section):
    """What evaluates the circuits."""

    name: Literal["reference", "native", "aer", "primitive"] = "native"
    """The engine."""
    gradient: Literal["auto", "adjoint", "parameter_shift", "spsa"] = "auto"
    """How gradients of the circuits are taken; auto is the engine's own method."""
    spsa_step: Annotated[float, Field(gt=0, le=1)] = 0.2
    """By how much spsa shifts every angle, in radians."""
    spsa_average: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Directions that spsa averages over; each takes two circuits."""
    threads: Annotated[int, Field(ge=0, le=4096)] = 0
    """Threads of a rank; 0: OMP_NUM_THREADS, else the rank's share of its processors."""
    device: Literal["CPU", "GPU"] = "CPU"
    """Aer's device."""
    precision: Literal["double", "single"] = "double"
    """Amplitudes of the engines native and aer; reference is double."""
    call_memory_mb: Annotated[int, Field(ge=1, le=10_000_000)] = 1024
    """Largest memory of the results of one call to Aer; larger calls are cut."""
    shots: Shots = 0
    """Shots of a circuit for aer and primitive; 0: exact expectation values."""
    noise: NoiseConfig = NoiseConfig()
    """Noise of the engine aer."""
    mitigation: MitigationConfig = MitigationConfig()
    """Error mitigation of the engines aer and primitive."""
    backend: str = "statevector"
    """Backend of the engine primitive: statevector, aer, generic:QUBITS, a fake IBM backend such as
    fake_manila, ibm:NAME for a real one, or module:attribute for an object of your own."""
    optimization_level: Annotated[int, Field(ge=0, le=3)] = 1
    """Qiskit's optimization level where circuits are transpiled for a backend."""
    mode: Literal["job", "session", "batch"] = "job"
    """Execution mode on IBM's service."""
    retries: Annotated[int, Field(ge=0, le=1000)] = 3
    """How often a failed or lost job is submitted again."""
    retry_wait: Annotated[float, Field(ge=0, le=3600)] = 1.0
    """Seconds before the first retry; every further wait is twice as long."""
    timeout: Annotated[float, Field(ge=0, le=1e7)] = 0.0
    """Seconds after which a job counts as lost; 0: never."""
    options: dict[str, bool | int | float | str] = {}
    """Further options of AerSimulator, or of the primitive, passed on as they are."""
    backends: list[BackendConfig] = []
    """One table for each partition, or one for all, that replaces keys of this section."""

    @model_validator(mode="after")
    def _fits_engine(self) -> EngineConfig:
        for keys, engines in _ENGINES_OF:
            for key in keys:
                default = type(self).model_fields[key].default
                if self.name not in engines and getattr(self, key) != default:
                    raise ValueError(f"{key} is for {_quoted(engines)}, not for {self.name!r}")
        if self.name == "reference" and self.precision != "double":
            raise ValueError("precision is for engines 'native' and 'aer', not for 'reference'")
        for number, entry in enumerate(self.backends):
            key, engine = ("noise", "aer") if self.name == "primitive" else ("backend", "primitive")
            if getattr(entry, key) is not None:
                raise ValueError(f"backends.{number}.{key} is for engine {engine!r}")
        return self

    def of_partition(self, m: int) -> EngineConfig:
        """The section as partition m has it, with its entry of `backends` put in."""
        if not self.backends:
            return self
        entry = self.backends[m if len(self.backends) > 1 else 0]
        own = {key: value for key, value in entry if value is not None}
        return self.model_copy(update={**own, "backends": []})


_ENGINES_OF: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("device", "noise", "call_memory_mb"), ("aer",)),
    (("backend", "mode", "retries", "retry_wait", "timeout"), ("primitive",)),
    (
        ("shots", "mitigation", "optimization_level", "options", "backends"),
        ("aer", "primitive"),
    ),
)


def _quoted(engines: tuple[str, ...]) -> str:
    names = " and ".join(repr(name) for name in engines)
    return f"engine{'s' if len(engines) > 1 else ''} {names}"


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


class TrainingConfig(Section):
    """Epochs, batches and the optimizer."""

    epochs: Annotated[int, Field(ge=1, le=10_000_000)] = 100
    """Passes over the training part."""
    batch_size: Size = 10
    """Samples B of an optimizer step; the last batch of an epoch may be smaller."""
    shuffle: bool = False
    """Draw the order of the samples anew for every epoch, from the seed."""
    optimizer: Literal["adam", "rmsprop", "sgd"] = "adam"
    """The optimizer, with torch.optim's formulas."""
    learning_rate: Rate = 0.02
    """The learning rate at the start."""
    schedule: Literal["constant", "cosine"] = "constant"
    """The learning rate over the epochs."""
    min_learning_rate: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 0.0
    """Where the cosine schedule ends."""
    momentum: Fraction = 0.0
    """Momentum of sgd and rmsprop."""
    alpha: Fraction = 0.99
    """Smoothing of rmsprop's squared gradients."""
    beta1: Fraction = 0.9
    """Decay of adam's first moment."""
    beta2: Fraction = 0.999
    """Decay of adam's second moment."""
    epsilon: Rate = 1e-8
    """Added to the denominator of adam and rmsprop."""
    clip_norm: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Largest Euclidean norm of the gradient; 0: no clipping."""
    seed: Seed = 0
    """Seed of the initial weights and of shuffling."""

    @model_validator(mode="after")
    def _ends_below_start(self) -> TrainingConfig:
        if self.min_learning_rate > self.learning_rate:
            raise ValueError(
                f"min_learning_rate is {self.min_learning_rate}, "
                f"allowed: at most learning_rate ({self.learning_rate})"
            )
        return self


class CheckpointConfig(Section):
    """When checkpoints are written and how many are kept."""

    every: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Epochs between checkpoints; default: as `interval` says. The last epoch is always written."""
    interval: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 1.0
    """Without `every`: seconds from a checkpoint to the batch that is followed by the next, or 20
    times what it took to write if that is more; 0: one after every batch."""
    delay: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 1.0
    """Seconds that checkpoints may wait in memory to be written one after the other; those that are
    superseded by then never are. 0, or with `keep` 0: each is written at once."""
    keep: Annotated[int, Field(ge=0, le=1_000_000)] = 3
    """Newest checkpoints that are kept; 0: all."""
    keep_every: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """Also keep those of every n-th epoch; 0: none."""
    keep_best: bool = True
    """Also keep that of the epoch with the smallest test loss, if one was written there."""


Signal = Literal["USR1", "USR2", "TERM", "INT", "HUP", "QUIT", "ALRM"]


class StopConfig(Section):
    """When a run stops before its end, at a checkpoint and with exit code 75."""

    signals: list[Signal] = ["USR1", "TERM", "INT"]
    """Signals to any rank that stop the run after the batch under way; a second INT at once."""
    walltime: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0
    """Seconds after the start of the process at which the job must be over; 0: no limit."""
    slurm_end: bool = True
    """Stop in time for SLURM_JOB_END_TIME where Slurm gives it."""


class ParallelConfig(Section):
    """How ranks work together."""

    cell_update: Literal["root", "replicated"] = "root"
    """Rank 0 of a row updates the LSTM cell and broadcasts, or every rank updates its own copy."""
    replicas: Size | None = None
    """Replicas R, rows of P / R ranks that each have all partitions and a share of every batch;
    default: as few as there can be, 1 up to M ranks and P / M beyond."""
    overlap: Literal["off", "on", "auto"] = "off"
    """Compute a batch in two parts, of which one's messages travel while the other is computed;
    auto: where a few steps before training are faster that way."""
    collectives: Literal["blocking", "persistent"] = "blocking"
    """Kind of the Allgathers of a time step; persistent ones need MPI 4."""
    watchdog: Annotated[float, Field(ge=0, le=1e6)] = 300.0
    """Seconds that a rank may be silent while others wait for it, before it is named and the job
    ended; 0: for ever."""


class OutputConfig(Section):
    """Where results go."""

    run_dir: Annotated[str, Field(min_length=1)] = "runs/run"
    """The run directory. A run that is already there is moved aside, never overwritten."""
    figures: bool = True
    """Draw figures and the report after training."""
    log_every: Annotated[int, Field(ge=1, le=10_000_000)] = 1
    """Epochs between lines of a batch log."""


class Config(Section):
    """A whole run."""

    model: ModelConfig = ModelConfig()
    """See ModelConfig."""
    partition: PartitionConfig = PartitionConfig()
    """See PartitionConfig."""
    engine: EngineConfig = EngineConfig()
    """See EngineConfig."""
    data: DataConfig = DataConfig()
    """See DataConfig."""
    training: TrainingConfig = TrainingConfig()
    """See TrainingConfig."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """See CheckpointConfig."""
    stop: StopConfig = StopConfig()
    """See StopConfig."""
    parallel: ParallelConfig = ParallelConfig()
    """See ParallelConfig."""
    output: OutputConfig = OutputConfig()
    """See OutputConfig."""

    def to_dict(self) -> dict[str, Any]:
        """Plain nested dictionaries with every resolved value; absent values are left out."""
        return self.model_dump(mode="json", exclude_none=True)
