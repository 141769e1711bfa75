"""Qiskit's V2 primitives and backends as an engine: simulators, fake devices, real processors."""

from __future__ import annotations

from hpc_qlstm.engines.primitive.engine import PrimitiveEngine

__all__ = ["PrimitiveEngine"]
