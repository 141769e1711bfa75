"""Aer's simulators: their options, devices, sizes and failures.

The choices below were measured with Aer 0.18 on one CPU core, `rot_ring` of depth 2
(`benchmarks/aer.py`). Qiskit is imported when an engine is made, never before.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from hpc_qlstm.errors import EngineError, InputError, UnsupportedError

DEVICES = ("CPU", "GPU")
AMPLITUDE_BYTES = {"double": 16, "single": 8}
MOST_QUBITS = 29

_OWN_OPTIONS = {
    "method": "the engine chooses it by shots and noise",
    "device": "give it as the engine's device",
    "precision": "give it as the engine's precision",
    "max_parallel_threads": "give it as the engine's threads",
    "target_gpus": "give it as the engine's gpu",
    "runtime_parameter_bind_enable": "the engine binds at run time",
    "shots": "give it as the engine's shots",
    "seed_simulator": "give it as the engine's seed",
    "noise_model": "give it as the engine's noise",
}


def available_devices() -> tuple[str, ...]:
    """The devices that the installed Aer offers. Raises UnsupportedError without qiskit-aer."""
    try:
        from qiskit_aer import AerSimulator
    except ImportError as error:
        raise UnsupportedError(
            "engine aer: Qiskit Aer is not installed; install qiskit-aer, or qiskit-aer-gpu for "
            "an NVIDIA GPU"
        ) from error
    return tuple(AerSimulator().available_devices())


def check_settings(device: str, options: Mapping[str, Any]) -> None:
    """Refuse a device that is not there and options that the engine sets itself."""
    offered = available_devices()
    if device not in DEVICES or device not in offered:
        raise UnsupportedError(
            f"engine aer: device {device!r} is not available, this Aer offers: {', '.join(offered)}"
        )
    for key in options:
        if key in _OWN_OPTIONS:
            raise InputError(f"engine aer: options.{key} is not allowed: {_OWN_OPTIONS[key]}")


def create_simulator(
    device: str, precision: str, threads: int, options: Mapping[str, Any], **settings: Any
) -> Any:
    """A configured AerSimulator, by default for statevectors. Raises InputError for its options."""
    from qiskit_aer import AerSimulator

    chosen: dict[str, Any] = {
        "method": "statevector",
        "device": device,
        "precision": precision,
        "runtime_parameter_bind_enable": True,
        "max_parallel_threads": threads,
        "statevector_parallel_threshold": parallel_threshold(threads),
    }
    if device == "CPU":
        # Run-time binding fuses anew for every sample: 370 us instead of 65 us per circuit at
        # 4 qubits, 2080 us instead of 1620 us at 12.
        chosen["fusion_enable"] = False
    try:
        return AerSimulator(**{**chosen, **settings, **options})
    except Exception as error:
        raise InputError(f"engine aer: Aer refuses its options: {error}") from error


def run(simulator: Any, circuit: Any, binds: Mapping[Any, list[float]], **options: Any) -> Any:
    """The result of one run; raises EngineError with Aer's text when it failed."""
    try:
        result = simulator.run(
            circuit, parameter_binds=[dict(binds)] if binds else None, **options
        ).result()
    except Exception as error:
        raise EngineError(f"engine aer: the simulation failed: {error}") from error
    if not result.success:
        failed = {str(entry.status) for entry in result.results if not entry.success}
        raise EngineError(
            "engine aer: the simulation failed: " + "; ".join([str(result.status), *sorted(failed)])
        )
    return result


def parallel_threshold(threads: int) -> int:
    """Most qubits that Aer still simulates with one thread.

    A thread pays from 512 amplitudes on: two threads need 331 us instead of 405 us at 10 qubits,
    735 us instead of 1625 us at 12, but 261 us instead of 226 us at 9. Aer's default is 14.
    """
    return 8 + math.ceil(math.log2(threads))


def max_qubits(precision: str) -> int:
    """Most qubits whose state takes at most half of the machine's memory, 29 at the most."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(MOST_QUBITS, int(math.log2(memory / 2 / AMPLITUDE_BYTES[precision])))
