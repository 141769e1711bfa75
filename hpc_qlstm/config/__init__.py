"""The configuration: every section and field, its meaning, its range and its default.

A configuration is a TOML file. Unknown keys and wrong values are refused with the key's path,
what was given and what is allowed.
"""

from hpc_qlstm.config.engine import BackendConfig, EngineConfig, MitigationConfig, NoiseConfig
from hpc_qlstm.config.fields import Fraction, Probability, Rate, Section, Seed, Shots, Size
from hpc_qlstm.config.model import DataConfig, ModelConfig, PartitionConfig
from hpc_qlstm.config.run import (
    CheckpointConfig,
    Config,
    OutputConfig,
    ParallelConfig,
    Signal,
    StopConfig,
    TrainingConfig,
)  # fmt: skip

__all__ = [
    "BackendConfig", "CheckpointConfig", "Config", "DataConfig", "EngineConfig", "Fraction",
    "MitigationConfig", "ModelConfig", "NoiseConfig", "OutputConfig", "ParallelConfig",
    "PartitionConfig", "Probability", "Rate", "Section", "Seed", "Shots", "Signal", "Size",
    "StopConfig", "TrainingConfig",
]  # fmt: skip
