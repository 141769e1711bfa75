"""The QLSTM: cell, recurrence, readout, weights."""

from hpc_qlstm.model.cell import GATES
from hpc_qlstm.model.exchange import Exchange, LocalExchange
from hpc_qlstm.model.qlstm import QLSTM, SampleGradients
from hpc_qlstm.model.weights import WeightLayout

__all__ = ["GATES", "QLSTM", "Exchange", "LocalExchange", "SampleGradients", "WeightLayout"]
