"""Qiskit Aer's simulators as an engine, on the CPU or on one GPU.

All circuits of a call go to Aer in one `run`: the circuit is built once with a parameter per
variable angle, and Aer binds the angles of every row while it runs. Aer saves the exact
probabilities of the output qubits, with noise from a density matrix, from which NumPy takes the
expectation values of Z, or draws the shots, which are distributed as Aer's own and cost less. Only
where a density matrix would cost more than the shots does Aer follow every shot by itself.
Gradients are those of the base class, the parameter-shift rule (arXiv 2503.14088, section II.E).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.circuits.qiskit_transpile import (
    BoundForm,
    bound_form,
    calibration_circuits,
    compact,
)
from hpc_qlstm.config import MitigationConfig, NoiseConfig
from hpc_qlstm.config_io import section_from
from hpc_qlstm.engines.aer.noise import create_noise
from hpc_qlstm.engines.aer.simulator import (
    AMPLITUDE_BYTES,
    check_settings,
    create_simulator,
    max_qubits,
    parallel_threshold,
    run,
)
from hpc_qlstm.engines.base import Capabilities
from hpc_qlstm.engines.draw import Draw
from hpc_qlstm.engines.sampling import BackendEngine
from hpc_qlstm.errors import InputError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

# An Aer result takes about this much memory beside the saved data (measured: 8.5 kB).
_RESULT_BYTES = 10_000
_READ_BYTES = 2**19


@dataclass(frozen=True)
class _Prepared:
    """A circuit ready for Aer: its simulator, the qubits that are saved, and reading errors."""

    form: BoundForm
    circuit: QuantumCircuit
    simulator: Any
    saved: int
    confusions: Float | None
    by_shot: bool


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

    def __init__(
        self,
        device: str = "CPU",
        precision: str = "double",
        threads: int | None = None,
        options: dict[str, Any] | None = None,
        gpu: int | None = None,
        shots: int = 0,
        seed: int = 0,
        noise: NoiseConfig | Mapping[str, Any] | None = None,
        mitigation: MitigationConfig | Mapping[str, Any] | None = None,
        call_memory_mb: int = 1024,
        optimization_level: int = 1,
    ) -> None:
        device = device.upper()
        if precision not in AMPLITUDE_BYTES:
            raise InputError(
                f"engine aer: precision {precision!r}, allowed: {', '.join(AMPLITUDE_BYTES)}"
            )
        if threads is not None and threads < 1:
            raise InputError(f"engine aer: threads is {threads}, allowed: 1 or more")
        if gpu is not None and (device != "GPU" or gpu < 0):
            raise InputError(f"engine aer: gpu is {gpu}, allowed: 0 or more, with device GPU alone")
        if call_memory_mb < 1:
            raise InputError(f"engine aer: call_memory_mb is {call_memory_mb}, allowed: 1 or more")
        super().__init__(shots, seed, mitigation)
        self._threads = threads or len(os.sched_getaffinity(0))
        check_settings(device, options or {})
        self._base = (device, precision, self._threads, options or {})
        self._simulator = create_simulator(*self._base)
        self._noise = create_noise(section_from(NoiseConfig, noise, "engine aer: noise"))
        # Aer knows target_gpus as an option of a run only; the constructor refuses it.
        self._run_options = {"target_gpus": [gpu or 0]} if device == "GPU" else {}
        self._call_bytes = call_memory_mb * 2**20
        self._level = optimization_level
        self._prepared_circuits: dict[tuple[Circuit, int], _Prepared] = {}
        most = max_qubits(precision)
        if self._noise is not None and not shots:
            most //= 2  # a density matrix has the square of a state's numbers
        if self._noise is not None and self._noise.backend is not None:
            most = min(most, int(self._noise.backend.num_qubits))
        self.capabilities = Capabilities(
            exact=shots == 0,
            gradient="parameter_shift",
            precision=("double", "single"),
            max_qubits=most,
        )

    def _evaluate(
        self, circuit: Circuit, angles: Float, scale: int, shots: int, draw: Draw
    ) -> Float:
        prepared = self._prepared(circuit, scale)
        bound = prepared.form.angles(angles)
        if prepared.by_shot:
            return self._by_shot(prepared, circuit.outputs, bound, shots, draw)
        if not circuit.angle_count:  # all rows are the same circuit
            probabilities = np.array([self._run(prepared, bound[:1])[0]])
            probabilities = np.tile(probabilities, (len(bound), 1))
            return self._read(prepared, circuit.outputs, probabilities, shots, draw)
        values = np.empty((len(bound), circuit.outputs))
        step = max(1, self._call_bytes // (_RESULT_BYTES + 8 * 2**prepared.saved))
        # Rows are read a few at a time, while they are in the cache.
        few = max(1, _READ_BYTES // (8 * 2**prepared.saved))
        for first in range(0, len(bound), step):
            saved = self._run(prepared, bound[first : first + step])
            for n in range(0, len(saved), few):
                rows = slice(first + n, first + min(n + few, len(saved)))
                values[rows] = self._read(
                    prepared,
                    circuit.outputs,
                    np.array(saved[n : n + few], dtype=float),
                    shots,
                    draw.part(rows.start, rows.stop),
                )
        return values

    def _calibration_values(self, circuit: Circuit, shots: int, draw: Draw) -> tuple[Float, Float]:
        prepared = self._prepared(circuit, 1)
        values = []
        for number, bare in enumerate(calibration_circuits(prepared.form)):
            stream = draw.at(number)
            made = self._with_instructions(BoundForm(bare, *_NO_ANGLES, prepared.form.qubits))
            # Fewer qubits than the circuit has may need no following of single shots.
            if made.by_shot:
                values.append(self._by_shot(made, circuit.outputs, np.empty((1, 0)), shots, stream))
            else:
                read = np.array(self._run(made, np.empty((1, 0))))
                values.append(self._read(made, circuit.outputs, read, shots, stream))
        return values[0][0], values[1][0]

    def _run(self, prepared: _Prepared, angles: Float) -> list[Float]:
        """Probabilities, N arrays (2**saved,), at angles (N, A') from one run of Aer."""
        binds = {
            parameter: column.tolist()
            for parameter, column in zip(prepared.circuit.parameters, angles.T, strict=True)
        }
        result = run(prepared.simulator, prepared.circuit, binds, shots=1, **self._run_options)
        # Reading the entries directly takes 1 % of a run at 4 qubits; result.data(n) copies first.
        return [entry.data.probabilities for entry in result.results]

    def _read(
        self, prepared: _Prepared, outputs: int, probabilities: Float, shots: int, draw: Draw
    ) -> Float:
        """<Z_k> (N, outputs) from probabilities: with reading errors, then exact or drawn."""
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
        self, prepared: _Prepared, outputs: int, angles: Float, shots: int, draw: Draw
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

    def _prepared(self, circuit: Circuit, scale: int) -> _Prepared:
        key = (circuit, scale)
        if key not in self._prepared_circuits:
            noise = self._noise
            form = bound_form(
                circuit,
                None if noise is None else noise.backend,
                scale,
                self._level,
                None if noise is None else noise.basis_gates,
            )
            self._prepared_circuits[key] = self._with_instructions(form)
        return self._prepared_circuits[key]

    def _with_instructions(self, form: BoundForm) -> _Prepared:
        """The form with what it saves or measures, and the simulator for it."""
        # Aer adds save_probabilities to QuantumCircuit when it is imported.
        import qiskit_aer  # noqa: F401

        if self._noise is None:
            saved = self._saved_qubits(form.circuit.num_qubits, form.qubits)
            circuit = form.circuit.copy()
            circuit.save_probabilities(list(saved))
            return _Prepared(form, circuit, self._simulator, len(saved), None, False)
        small, physical = compact(form)
        confusions = self._noise.confusions([physical[k] for k in small.qubits])
        by_shot = self.shots > 0 and 2 ** len(physical) > self.shots
        settings: dict[str, Any] = {"noise_model": self._noise.model(physical)}
        circuit = small.circuit.copy()
        if by_shot:
            from qiskit.circuit import ClassicalRegister

            register = ClassicalRegister(len(small.qubits))
            circuit.add_register(register)
            circuit.measure(list(small.qubits), list(register))
            # Shots on several threads are seeded by thread: the bits would depend on their number.
            settings["max_parallel_shots"] = 1
            saved = small.qubits
        else:
            saved = self._saved_qubits(2 * len(physical), small.qubits, len(physical))
            circuit.save_probabilities(list(saved))
            settings["method"] = "density_matrix"
        simulator = create_simulator(*self._base, **settings)
        return _Prepared(form, circuit, simulator, len(saved), confusions, by_shot)

    def _saved_qubits(
        self, size: int, outputs: tuple[int, ...], count: int | None = None
    ) -> tuple[int, ...]:
        """The qubits whose joint probabilities Aer saves, the outputs first.

        size: the base-2 logarithm of the numbers of the state; count: qubits, default as size.
        One save of the output qubits' probabilities was the cheapest exact way or equal to it:
        60, 151 and 1637 us per circuit at 4, 8 and 12 qubits, all of them outputs, against 66,
        176 and 1921 us with an expectation value per qubit (statevector: 67, 155, 1635 us).
        More than two threads add up marginal probabilities in an order that changes from run to
        run; then all qubits are saved, which needs no sum in Aer.
        """
        if self._threads <= 2 or size <= parallel_threshold(self._threads):
            return outputs
        return outputs + tuple(k for k in range(count or size) if k not in outputs)


_NO_ANGLES = (np.empty((0, 0)), np.empty(0))


def marginals(probabilities: Float, outputs: int) -> Float:
    """Probabilities (N, 2**outputs) of the first qubits from those (N, 2**n) of all."""
    while probabilities.shape[1] > 2**outputs:
        half = probabilities.shape[1] // 2
        probabilities = probabilities[:, :half] + probabilities[:, half:]
    return probabilities


def misread(probabilities: Float, confusions: Float) -> Float:
    """Probabilities (N, 2**n) of what is read, for the qubits' confusions (n, true, read)."""
    rows, size = probabilities.shape
    result = probabilities
    for k, matrix in enumerate(confusions):
        # Axis 2 is qubit k: element by element, so that rows do not depend on their batch.
        split = result.reshape(rows, -1, 2, 2**k)
        zero, one = split[:, :, 0], split[:, :, 1]
        read = [zero * matrix[0, j] + one * matrix[1, j] for j in (0, 1)]
        result = np.stack(read, axis=2).reshape(rows, size)
    return result


def expectations_of_z(probabilities: Float, outputs: int) -> Float:
    """<Z_k> (N, outputs) of the first qubits from basis-state probabilities (N, 2**n).

    Every step takes one qubit off, the highest first, and adds element by element: a sample's
    values are then bitwise the same in every batch, which a BLAS product does not promise.
    """
    folded = probabilities[:, None, :]
    for k in reversed(range(int(probabilities.shape[1]).bit_length() - 1)):
        zero, one = folded[..., : 2**k], folded[..., 2**k :]
        both = zero + one
        if k < outputs:
            both = np.concatenate([both, zero[:, :1] - one[:, :1]], axis=1)
        folded = both
    # Row 0 is the norm; the differences follow in the order in which the qubits went.
    return np.ascontiguousarray(folded[:, :0:-1, 0])
