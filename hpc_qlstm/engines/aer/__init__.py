"""Qiskit Aer as an engine: statevectors on CPU or GPU, shots, noise models."""

from __future__ import annotations

from hpc_qlstm.engines.aer.engine import AerEngine
from hpc_qlstm.engines.aer.probabilities import expectations_of_z
from hpc_qlstm.engines.aer.simulator import available_devices

__all__ = ["AerEngine", "available_devices", "expectations_of_z"]
