"""Training on one rank alone, as the trials of studies need it. Local."""

from __future__ import annotations

from hpc_qlstm.build.setup import set_up
from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import Config
from hpc_qlstm.data import WindowSource
from hpc_qlstm.parallel import SerialCommunicator
from hpc_qlstm.training.trainer import Trainer


def trained_alone(
    config: Config, data: WindowSource, weights: dict[str, Float] | None = None
) -> Trainer:
    """A trainer that has run all epochs on `data`, from drawn or given weights.

    Raises what set-up and training raise.
    """
    trainer = Trainer(set_up(config, SerialCommunicator(), data), weights)
    for _ in range(config.training.epochs):
        trainer.run_epoch()
    return trainer
