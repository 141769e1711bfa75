"""How it is trained: the sections [training] to [output], and all sections together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hpc_qlstm import registry
from hpc_qlstm.config.engine import EngineConfig
from hpc_qlstm.config.fields import Fraction, NameIn, Rate, Section, Seed, Size
from hpc_qlstm.config.model import DataConfig, ModelConfig, PartitionConfig

Signal = Literal["USR1", "USR2", "TERM", "INT", "HUP", "QUIT", "ALRM"]


class TrainingConfig(Section):
    """Epochs, batches and the optimizer."""

    epochs: Annotated[int, Field(ge=1, le=10_000_000)] = 100
    """Passes over the training part."""
    batch_size: Size = 10
    """Samples B of an optimizer step; the last batch of an epoch may be smaller."""
    shuffle: bool = False
    """Draw the order of the samples anew for every epoch, from the seed."""
    loss: Annotated[str, NameIn(registry.losses)] = "mse"
    """What training makes small, the name of a registered loss; mse is the mean squared error."""
    optimizer: Annotated[str, NameIn(registry.optimizers)] = "adam"
    """The optimizer, with torch.optim's formulas, or a registered one of your own."""
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
    """Rank 0 of a group updates the LSTM cell and broadcasts, or every rank updates a copy."""
    replicas: Size | None = None
    """Replicas R, groups of P / R ranks that each have all partitions and a share of every batch;
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
        values = self.model_dump(mode="json", exclude_none=True)
        # Studies find what is stored by these values; the default loss is older than its key.
        if values["training"]["loss"] == "mse":
            del values["training"]["loss"]
        return values
