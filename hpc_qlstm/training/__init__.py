"""Training: the loop, optimizers, stopping."""

from hpc_qlstm.training.train import Result, resume, train

__all__ = ["Result", "resume", "train"]
