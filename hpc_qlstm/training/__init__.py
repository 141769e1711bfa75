"""Training: optimizers, the loop, checkpoints, metrics."""

from hpc_qlstm.training.train import Result, resume, train

__all__ = ["Result", "resume", "train"]
