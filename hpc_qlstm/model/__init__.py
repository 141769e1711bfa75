"""The QLSTM: cell, layer, readout, losses, weights."""

from hpc_qlstm.model.cell import LSTM_GATES
from hpc_qlstm.model.exchange import Exchange, LocalExchange
from hpc_qlstm.model.local_model import SampleGradients
from hpc_qlstm.model.losses import Loss
from hpc_qlstm.model.qlstm import QLSTM, Vjp
from hpc_qlstm.model.tape import GradientMethod
from hpc_qlstm.model.weights import WeightLayout

GATES = LSTM_GATES
"""The earlier name of LSTM_GATES."""

__all__ = [
    "GATES",
    "LSTM_GATES",
    "QLSTM",
    "Exchange",
    "GradientMethod",
    "LocalExchange",
    "Loss",
    "SampleGradients",
    "Vjp",
    "WeightLayout",
]
