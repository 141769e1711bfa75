"""Data: named tasks, files, windows and scaling. Nothing here knows of circuits or of MPI."""

from hpc_qlstm.data.files import load
from hpc_qlstm.data.scaling import Scaler
from hpc_qlstm.data.series import Series, validate
from hpc_qlstm.data.split import Rows, Split, split_windows, spread
from hpc_qlstm.data.streaming import StreamedData, StreamPlan, WindowSource, prepare_stream
from hpc_qlstm.data.tasks import TASKS, generate, resolve_options
from hpc_qlstm.data.windows import (
    Dataset,
    PredictionWindows,
    ScaledSeries,
    make_dataset,
    scale_series,
    windows_for_prediction,
)

__all__ = [
    "TASKS",
    "Dataset",
    "PredictionWindows",
    "Rows",
    "ScaledSeries",
    "Scaler",
    "Series",
    "Split",
    "StreamPlan",
    "StreamedData",
    "WindowSource",
    "generate",
    "load",
    "make_dataset",
    "prepare_stream",
    "resolve_options",
    "scale_series",
    "split_windows",
    "spread",
    "validate",
    "windows_for_prediction",
]
