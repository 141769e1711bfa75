"""The sections [parallel] and [output], and all sections together."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from hpc_qlstm.config.data import DataConfig
from hpc_qlstm.config.engine import EngineConfig
from hpc_qlstm.config.fields import Section, Size
from hpc_qlstm.config.model import ModelConfig, PartitionConfig
from hpc_qlstm.config.training import CheckpointConfig, StopConfig, TrainingConfig


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
        values = self.model_dump(mode="json", exclude_none=True)
        # Studies find what is stored by these values; the default loss is older than its key.
        if values["training"]["loss"] == "mse":
            del values["training"]["loss"]
        return values
