"""Data: named tasks, files, windows and scaling. Nothing here knows of circuits or of MPI."""

from hpc_qlstm.data.files import load
from hpc_qlstm.data.scaling import Scaler
from hpc_qlstm.data.series import Series, validate
from hpc_qlstm.data.tasks import TASKS, generate, resolve_options
from hpc_qlstm.data.windows import (
    Dataset,
    PredictionWindows,
    make_dataset,
    windows_for_prediction,
)

__all__ = [
    "TASKS",
    "Dataset",
    "PredictionWindows",
    "Scaler",
    "Series",
    "generate",
    "load",
    "make_dataset",
    "resolve_options",
    "validate",
    "windows_for_prediction",
]
