"""hpc_qlstm: MPI-parallel training of the distributed quantum long short-term memory (QLSTM).

The method is that of Chen, Chen, Liu and Leung, "Toward Large-Scale Distributed Quantum Long
Short-Term Memory with Modular Quantum Computers" (arXiv 2503.14088). Importing this package
initialises neither MPI nor Qiskit; names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpc_qlstm.circuits import Circuit, Constant, Feature, Gate, Weight, ansatz
    from hpc_qlstm.config import Config
    from hpc_qlstm.config_io import load_config
    from hpc_qlstm.engines import Engine, create_engine
    from hpc_qlstm.errors import HpcQlstmError, InputError, UnsupportedError
    from hpc_qlstm.model import QLSTM
    from hpc_qlstm.partition import Partition
    from hpc_qlstm.run import resume, train
    from hpc_qlstm.training import Result

_HOME = {
    "QLSTM": "model",
    "Circuit": "circuits",
    "Config": "config",
    "Constant": "circuits",
    "Engine": "engines",
    "Feature": "circuits",
    "Gate": "circuits",
    "HpcQlstmError": "errors",
    "InputError": "errors",
    "Partition": "partition",
    "Result": "training",
    "UnsupportedError": "errors",
    "Weight": "circuits",
    "ansatz": "circuits",
    "create_engine": "engines",
    "load_config": "config_io",
    "resume": "run",
    "train": "run",
}

__version__ = "0.1.0"
__all__ = [
    "QLSTM",
    "Circuit",
    "Config",
    "Constant",
    "Engine",
    "Feature",
    "Gate",
    "HpcQlstmError",
    "InputError",
    "Partition",
    "Result",
    "UnsupportedError",
    "Weight",
    "ansatz",
    "create_engine",
    "load_config",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
