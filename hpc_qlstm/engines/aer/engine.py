"""Qiskit Aer's simulators as an engine, on the CPU or on one GPU.

All circuits of a call go to Aer in one `run`: the circuit is built once with a parameter per
variable angle, and Aer binds the angles of every row while it runs. Aer saves the exact
probabilities of the output qubits, with noise from a density matrix, from which NumPy takes the
expectation values of Z, or draws the shots, which are distributed as Aer's own and cost less; on a
GPU, without noise and shots, it saves the expectation values themselves (`prepared.py`). Only
where a density matrix would cost more than the shots does Aer follow every shot by itself.
Gradients are those of the base class, the parameter-shift rule (arXiv 2503.14088, section II.E).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.circuits.qiskit_transpile import BoundForm, bound_form, calibration_forms
from hpc_qlstm.config import EngineConfig, MitigationConfig, NoiseConfig
from hpc_qlstm.config_io import section_from
from hpc_qlstm.engines.aer.noise import create_noise
from hpc_qlstm.engines.aer.prepared import Prepared, with_noise, with_probabilities, with_z
from hpc_qlstm.engines.aer.probabilities import expectations_of_z, marginals, misread
from hpc_qlstm.engines.aer.simulator import (
    AMPLITUDE_BYTES,
    MOST_QUBITS,
    check_settings,
    create_simulator,
    max_qubits,
    run,
)
from hpc_qlstm.engines.random_stream import RandomStream
from hpc_qlstm.engines.sampling import BackendEngine
from hpc_qlstm.errors import EngineError, InputError

# An Aer result takes about this much memory beside the saved data (measured: 8.5 kB).
_RESULT_BYTES = 10_000
_READ_BYTES = 2**19
# Aer's GPU gives each row of a run a CUDA stream and a place in a grid of 65,535; beyond this many,
# a circuit takes longer again (docs/results/gpu).
_GPU_ROWS = 4096


@dataclass(eq=False)
class AerEngine(BackendEngine):
    """Expectation values from Aer, exact or with shots and noise; gradients by shifted angles.

    device: "CPU" or "GPU", in upper or lower case; precision: "double" or "single" (values then
    agree with double to about 1e-6); threads: CPU threads of Aer, default all that this process
    may use; options: further options of `AerSimulator`; gpu: index of the GPU among those that
    CUDA shows, default 0. A call uses one GPU, because Aer's run-time binding gives wrong values
    on more (qiskit-aer issue 2244). shots: of each circuit, 0 for exact values; seed: of the
    shots; noise: a NoiseConfig or its keys; mitigation: a MitigationConfig or its keys;
    call_memory_mb: largest memory of the results of one run, calls beyond it are cut;
    optimization_level: of Qiskit's transpiler, where noise is that of a backend.
    Raises UnsupportedError without qiskit-aer or for a device that it does not offer, InputError
    for other arguments that cannot be used.
    """

    name: ClassVar[str] = "aer"
    config_keys = (*BackendEngine.config_keys, "device", "precision", "noise", "call_memory_mb")
    capabilities = replace(
        BackendEngine.capabilities, precision=tuple(AMPLITUDE_BYTES), max_qubits=MOST_QUBITS
    )

    device: str = "CPU"
    precision: str = "double"
    threads: int | None = None
    options: Mapping[str, Any] | None = None
    gpu: int | None = None
    shots: int = 0
    seed: int = 0
    noise: NoiseConfig | Mapping[str, Any] | None = None
    mitigation: MitigationConfig | Mapping[str, Any] | None = None
    call_memory_mb: int = 1024
    optimization_level: int = 1

    def __post_init__(self) -> None:
        self.device = self.device.upper()
        if self.precision not in AMPLITUDE_BYTES:
            allowed = ", ".join(AMPLITUDE_BYTES)
            raise InputError(f"engine aer: precision is {self.precision!r}, allowed: {allowed}")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"engine aer: threads is {self.threads}, allowed: 1 or more")
        if self.gpu is not None and (self.device != "GPU" or self.gpu < 0):
            raise InputError(
                f"engine aer: gpu is {self.gpu}, allowed: 0 or more, with device GPU alone"
            )
        if self.call_memory_mb < 1:
            raise InputError(
                f"engine aer: call_memory_mb is {self.call_memory_mb}, allowed: 1 or more"
            )
        super().__init__(self.shots, self.seed, self.mitigation)
        self._threads = self.threads or len(os.sched_getaffinity(0))
        check_settings(self.device, self.options or {})
        self._base = (self.device, self.precision, self._threads, self.options or {})
        self._simulator = create_simulator(*self._base)
        self._noise = create_noise(section_from(NoiseConfig, self.noise, "engine aer: noise"))
        # Aer knows target_gpus as an option of a run only; the constructor refuses it.
        self._run_options: dict[str, Any] = {}
        if self.device == "GPU":
            self._run_options["target_gpus"] = [self.gpu or 0]
        self._reads_z = self.device == "GPU" and self._noise is None and not self.shots
        if self._reads_z and "batched_shots_gpu" not in (self.options or {}):
            # All circuits of a run at once, up to 16 qubits: 111 us instead of 497 us per circuit
            # at 4 qubits, 135 us instead of 1061 us at 8 (docs/results/gpu). Not with shots or
            # noise: Aer 0.18.2 crashed there.
            self._run_options["batched_shots_gpu"] = True
        self._call_bytes = self.call_memory_mb * 2**20
        self._prepared_circuits: dict[tuple[Circuit, int], Prepared] = {}
        most = max_qubits(self.precision)
        if self._noise is not None and not self.shots:
            most //= 2  # a density matrix has the square of a state's numbers
        if self._noise is not None and self._noise.backend is not None:
            most = min(most, int(self._noise.backend.num_qubits))
        self.capabilities = replace(self.capabilities, exact=self.shots == 0, max_qubits=most)

    @classmethod
    def from_config(cls, config: EngineConfig, seed: int, threads: int) -> AerEngine:
        """See Engine."""
        settings = {key: getattr(config, key) for key in cls.config_keys}
        return cls(threads=threads, seed=seed, **settings)

    @classmethod
    def exact_twin(cls, config: EngineConfig, threads: int) -> AerEngine:
        """See Engine."""
        return cls.from_config(config.model_copy(update={"shots": 0}), 0, threads)

    def _evaluate(
        self, circuit: Circuit, angles: Float, scale: int, shots: int, draw: RandomStream
    ) -> Float:
        prepared = self._prepared(circuit, scale)
        bound = prepared.form.angles(angles)
        return self._values(prepared, circuit.outputs, bound, shots, draw)

    def _values(
        self, prepared: Prepared, outputs: int, bound: Float, shots: int, draw: RandomStream
    ) -> Float:
        """<Z_k> (N, outputs) at the prepared circuit's own angles (N, A')."""
        if prepared.by_shot:
            return self._by_shot(prepared, outputs, bound, shots, draw)
        if not bound.shape[1]:  # all rows are the same circuit
            saved = np.tile(np.array(self._run(prepared, bound[:1])), (len(bound), 1))
            return self._read(prepared, outputs, saved, shots, draw)
        values = np.empty((len(bound), outputs))
        step = max(1, self._call_bytes // (_RESULT_BYTES + 8 * prepared.numbers))
        step = min(step, _GPU_ROWS) if prepared.labels else step
        # Rows are read a few at a time, while they are in the cache.
        few = max(1, _READ_BYTES // (8 * prepared.numbers))
        for first in range(0, len(bound), step):
            found = self._run(prepared, bound[first : first + step])
            for n in range(0, len(found), few):
                rows = slice(first + n, first + min(n + few, len(found)))
                part = draw.part(rows.start, rows.stop)
                saved = np.array(found[n : n + few], dtype=float)
                values[rows] = self._read(prepared, outputs, saved, shots, part)
        return values

    def _calibration_values(
        self, circuit: Circuit, shots: int, draw: RandomStream
    ) -> tuple[Float, Float]:
        forms = calibration_forms(self._prepared(circuit, 1).form)
        zeros, ones = (
            # Fewer qubits than the circuit has may need no following of single shots.
            self._values(prepared, circuit.outputs, np.empty((1, 0)), shots, draw.at(number))[0]
            for number, prepared in enumerate(map(self._with_instructions, forms))
        )
        return zeros, ones

    def _run(self, prepared: Prepared, angles: Float) -> list[Float]:
        """What is saved, N arrays (numbers,), at angles (N, A') from one run of Aer."""
        binds = {
            parameter: column.tolist()
            for parameter, column in zip(prepared.circuit.parameters, angles.T, strict=True)
        }
        result = run(prepared.simulator, prepared.circuit, binds, shots=1, **self._run_options)
        # Reading the entries directly takes 1 % of a run at 4 qubits; result.data(n) copies first.
        data = [entry.data for entry in result.results]
        try:
            if prepared.labels:
                rows = [np.array([getattr(each, z) for z in prepared.labels]) for each in data]
            else:
                rows = [each.probabilities for each in data]
        except AttributeError:
            rows = []
        if len(rows) != len(angles):  # seen where a GPU's memory was short (qiskit-aer issue 2183)
            raise EngineError("engine aer: the simulation left rows without a result")
        return rows

    def _read(
        self, prepared: Prepared, outputs: int, saved: Float, shots: int, draw: RandomStream
    ) -> Float:
        """<Z_k> (N, outputs) from what is saved: with reading errors, then exact or drawn."""
        if prepared.labels:
            return saved
        probabilities = saved
        if prepared.saved > outputs:
            probabilities = marginals(probabilities, outputs)
        if prepared.confusions is not None:
            probabilities = misread(probabilities, prepared.confusions)
        if shots:
            # Rounding may leave -1e-18 or a sum that is not 1, which multinomial refuses.
            probabilities = np.clip(probabilities, 0.0, None)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            probabilities = np.stack(
                [
                    generator.multinomial(shots, row)
                    for generator, row in zip(draw.generators(), probabilities, strict=True)
                ]
            ) / float(shots)
        return expectations_of_z(probabilities, outputs)

    def _by_shot(
        self, prepared: Prepared, outputs: int, angles: Float, shots: int, draw: RandomStream
    ) -> Float:
        """<Z_k> (N, outputs) from runs in which Aer follows every shot, one run a row."""
        values = np.empty((len(angles), outputs))
        parameters = list(prepared.circuit.parameters)
        for n, generator in enumerate(draw.generators()):
            row = {p: [v] for p, v in zip(parameters, angles[n].tolist(), strict=True)}
            result = run(
                prepared.simulator,
                prepared.circuit,
                row,
                shots=shots,
                seed_simulator=int(generator.integers(2**31)),
                **self._run_options,
            )
            counts = np.zeros((1, 2**outputs))
            for bits, count in result.get_counts().items():
                counts[0, int(bits, 2)] = count
            values[n] = expectations_of_z(counts / shots, outputs)[0]
        return values

    def _prepared(self, circuit: Circuit, scale: int) -> Prepared:
        key = (circuit, scale)
        if key not in self._prepared_circuits:
            noise = self._noise
            form = bound_form(
                circuit,
                None if noise is None else noise.backend,
                scale,
                self.optimization_level,
                None if noise is None else noise.basis_gates,
            )
            self._prepared_circuits[key] = self._with_instructions(form)
        return self._prepared_circuits[key]

    def _with_instructions(self, form: BoundForm) -> Prepared:
        if self._noise is not None:
            return with_noise(form, self._noise, self.shots, self._base)
        if self._reads_z:
            return with_z(form, self._simulator)
        return with_probabilities(form, self._simulator, self._threads)
