"""The native engine: this package's C++ kernels, exact statevectors and the adjoint method.

Samples lie side by side in vector registers; a circuit is compiled once to a short program
(`kernels/compile/program.hpp`) and a plan of passes over its state (`kernels/batch/batch_plan.hpp`,
`kernels/state/state_plan.hpp`). Gradients: Jones and Gacon, arXiv 2009.02823. Results of a sample
have the same bits whatever the batch around it and the number of threads; another instruction set
may change the last digits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Constant, Feature, Float, Gate, Weight
from hpc_qlstm.config import EngineConfig
from hpc_qlstm.engines.base import Capabilities, Engine
from hpc_qlstm.engines.fused import GroupMember
from hpc_qlstm.engines.native_group import NativeGroup, NativeKernels
from hpc_qlstm.engines.random_stream import RandomStream
from hpc_qlstm.errors import InputError
from hpc_qlstm.native import extension
from hpc_qlstm.native.kernels import PRECISIONS, Precision, available_isas, find_kernel, isa

__all__ = ["NativeEngine", "available_isas", "compile_program", "isa"]

MODES = ("auto", "batch", "state")
_LARGEST = 28
_STATE_QUBITS = 13  # from here on mode "state" is faster, see benchmarks/large_circuits.py
_CACHED_PLANS = 256
_MOST_THREADS = 4096


Mode = Literal["auto", "batch", "state"]
_Plan = extension.BatchPlan | extension.StatePlan


class NativeEngine(Engine):
    """Batched statevector simulation in C++, adjoint gradient.

    threads: most threads of one call, default OMP_NUM_THREADS, else the processors that this
    process may use; isa: one of `available_isas()`, default the environment's HPC_QLSTM_ISA,
    else the fastest. mode: "batch" puts samples side by side in vector registers, "state" the
    amplitudes of one sample, and needs one state of memory (two with gradients) instead of one
    for each lane and thread; "auto" takes "state" from 13 qubits on. precision: of the amplitudes;
    "single" is nearly twice as fast and good for about six digits; arrays stay float64.
    Safe to use from several Python threads at once.
    Raises InputError for a number of threads below 1, an unknown mode or precision, or an
    instruction set that is not there.
    """

    name: ClassVar[str] = "native"
    config_keys = ("precision",)
    capabilities = Capabilities(gradient="adjoint", precision=PRECISIONS, max_qubits=_LARGEST)

    def __init__(
        self,
        threads: int | None = None,
        isa: str | None = None,
        mode: Mode = "auto",
        precision: Precision = "double",
    ) -> None:
        if mode not in MODES:
            raise InputError(f"engine native: mode is {mode!r}, allowed: {', '.join(MODES)}")
        if precision not in PRECISIONS:
            raise InputError(
                f"engine native: precision is {precision!r}, allowed: {', '.join(PRECISIONS)}"
            )
        if threads is not None and not 1 <= threads <= _MOST_THREADS:
            raise InputError(
                f"engine native: threads is {threads}, allowed: 1 or more, at most {_MOST_THREADS}"
            )
        self.threads = _default_threads() if threads is None else int(threads)
        self.mode = mode
        self.precision = precision
        self._tile_bits = 0  # the default of the kernels; tests cut small states into many tiles
        self._kernel = find_kernel(isa, precision)
        self.isa = self._kernel.name
        self.capabilities = replace(
            self.capabilities,
            max_qubits=_max_qubits(
                self.threads * self._kernel.lanes if mode == "batch" else 1,
                8 if precision == "single" else 16,
            ),
        )
        # By identity: hashing a circuit's gates costs more than evaluating it. The entry holds
        # the circuit, so its id stays taken.
        self._plans: dict[int, tuple[Circuit, _Plan]] = {}

    @classmethod
    def from_config(cls, config: EngineConfig, seed: int, threads: int) -> NativeEngine:
        """See Engine."""
        return cls(threads, precision=config.precision)

    def expectations_group(
        self, circuit: Circuit, features: Float, weights: Float, draw: RandomStream | None = None
    ) -> Float:
        """See Engine."""
        outputs = np.empty((weights.shape[0], features.shape[0], circuit.outputs))
        self._call(extension.expectations, circuit, (features, weights), outputs)
        self.executions += outputs.shape[0] * outputs.shape[1]
        return outputs

    def vjp_group(
        self,
        circuit: Circuit,
        features: Float,
        weights: Float,
        cotangent: Float,
        draw: RandomStream | None = None,
    ) -> tuple[Float, Float, Float]:
        """See Engine; one reverse sweep whatever the number of angles."""
        rows = (weights.shape[0], features.shape[0])
        outputs = np.empty((*rows, circuit.outputs))
        to_weights = np.empty((*rows, circuit.weight_count))
        to_features = np.empty((*rows, circuit.features))
        given = features, weights, cotangent
        self._call(extension.vjp, circuit, given, outputs, to_weights, to_features)
        self.executions += rows[0] * rows[1]
        return outputs, to_weights, to_features

    def _vjp(
        self, circuit: Circuit, features: Float, weights: Float, cotangent: Float
    ) -> tuple[Float, Float, Float]:
        given = features, weights, cotangent
        results = np.empty(cotangent.shape), np.empty(weights.shape), np.empty(features.shape)
        self._call(extension.vjp_sum, circuit, given, *results)
        return results

    def _call(
        self, function: Callable[..., None], circuit: Circuit, given: tuple[Float, ...], *out: Float
    ) -> None:
        """A function of the extension on arrays that it reads and arrays that it fills."""
        plan = self.plan(circuit)
        try:
            function(plan, self._kernel, self.threads, *given, *out)
        except (TypeError, ValueError) as error:
            raise _input_error(error, *given) from None

    def fuse(self, members: Sequence[GroupMember], sets: int) -> NativeGroup:
        """See Engine."""

        def count(executions: int) -> None:
            self.executions += executions

        plans = [self.plan(member.circuit) for member in members]
        return NativeGroup(NativeKernels(self._kernel, self.threads, count), plans, members, sets)

    @property
    def kernel(self) -> extension.Kernel:
        """The kernels of this engine's instruction set and precision."""
        return self._kernel

    def plan(self, circuit: Circuit) -> _Plan:
        """The compiled circuit. Raises UnsupportedError for one beyond the engine."""
        entry = self._plans.get(id(circuit))
        if entry is not None:
            return entry[1]
        self.check(circuit)
        if len(self._plans) >= _CACHED_PLANS:
            self._plans.clear()
        program = compile_program(circuit)
        plan: _Plan
        # By the size alone: a choice by the batch would change bits with the batch.
        if self.mode == "state" or (self.mode == "auto" and circuit.qubits >= _STATE_QUBITS):
            plan = extension.StatePlan(program, self._kernel, self._tile_bits)
        else:
            plan = extension.BatchPlan(program)
        self._plans[id(circuit)] = (circuit, plan)
        return plan


def compile_program(circuit: Circuit) -> extension.Program:
    """The circuit as the kernels' program."""
    gates = [_gate_tuple(gate) for gate in circuit.gates]
    return extension.Program(
        circuit.qubits, circuit.features, circuit.weight_count, circuit.outputs, gates
    )


def _gate_tuple(gate: Gate) -> tuple[str, int, int, str, int, str, float]:
    """Name, target, control or -1, source of the angle, its index, transform, constant or scale."""
    target = gate.qubits[-1]
    control = gate.qubits[0] if len(gate.qubits) == 2 else -1
    match gate.angle:
        case Constant(value):
            return gate.name, target, control, "constant", 0, "identity", float(value)
        case Weight(index, scale):
            return gate.name, target, control, "weight", index, "identity", float(scale)
        case Feature(index, transform, scale):
            return gate.name, target, control, "feature", index, transform, float(scale)
        case None:
            return gate.name, target, control, "none", 0, "identity", 0.0


def _default_threads() -> int:
    """OMP_NUM_THREADS as OpenMP reads it (its first level; ignored if no positive number)."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    if first.isdecimal() and int(first) > 0:
        return int(first)
    return len(os.sched_getaffinity(0))


def _max_qubits(states: int, amplitude: int) -> int:
    """Largest q for which `states` times psi and bra, 2.2 * amplitude bytes * 2^q, are free."""
    fitting = 10 * _available_bytes() // (22 * amplitude * states)
    return max(1, min(_LARGEST, fitting.bit_length() - 1))


def _available_bytes() -> int:
    """Memory that can be had without swapping: free pages and, on Linux, reclaimable caches."""
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _input_error(error: Exception, *arrays: Float) -> InputError:
    """The error of the extension, or, where that only names its signature, what was given."""
    if isinstance(error, ValueError):
        return InputError(f"engine native: {error}")
    given = ", ".join(f"{np.asarray(a).dtype}{np.shape(a)}" for a in arrays)
    return InputError(
        f"engine native: arrays {given}, allowed: real features (samples, features), "
        "weights (sets, ...), cotangent (sets, samples, outputs)"
    )
