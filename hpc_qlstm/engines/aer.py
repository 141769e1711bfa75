"""Qiskit Aer's statevector simulator as an engine, on the CPU or on one GPU.

All circuits of a call go to Aer in one `run`: the circuit is built once with a parameter per
variable angle, and Aer binds the angles of every sample while it runs. Aer saves the exact
probabilities of the output qubits, from which NumPy takes the expectation values of Z.
Gradients are those of the base class, the parameter-shift rule (arXiv 2503.14088, section II.E).

The choices below were measured with Aer 0.18 on one CPU core, `rot_ring` of depth 2 (see
`_simulator`, `_saved_qubits`). Qiskit is imported when an engine is made, never before.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from hpc_qlstm.circuits.circuit import Circuit, Float
from hpc_qlstm.circuits.qiskit_conversion import to_qiskit
from hpc_qlstm.engines.base import Capabilities, Engine
from hpc_qlstm.errors import HpcQlstmError, InputError, UnsupportedError

if TYPE_CHECKING:
    from qiskit import QuantumCircuit

DEVICES = ("CPU", "GPU")
AMPLITUDE_BYTES = {"double": 16, "single": 8}
MOST_QUBITS = 29

_OWN_OPTIONS = {
    "method": "the engine uses the statevector method",
    "device": "give it as the engine's device",
    "precision": "give it as the engine's precision",
    "max_parallel_threads": "give it as the engine's threads",
    "target_gpus": "give it as the engine's gpu",
    "runtime_parameter_bind_enable": "the engine binds at run time",
    "shots": "the engine's values are exact",
    "noise_model": "the engine's values are exact",
}

# An Aer result takes about this much memory beside the saved data (measured: 8.5 kB).
_RESULT_BYTES = 10_000
_RUN_BYTES = 2**30


class AerEngine(Engine):
    """Exact expectation values from Aer's statevector method; gradients by parameter shift.

    device: "CPU" or "GPU", in upper or lower case; precision: "double" or "single" (values then
    agree with double to about 1e-6); threads: CPU threads of Aer, default all that this process
    may use; options: further options of `AerSimulator`; gpu: index of the GPU among those that
    CUDA shows, default 0. A call uses one GPU, because Aer's run-time binding gives wrong values
    on more (qiskit-aer issue 2244).
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
        self._threads = threads or len(os.sched_getaffinity(0))
        self._simulator = _simulator(device, precision, self._threads, options or {})
        # Aer knows target_gpus as an option of a run only; the constructor refuses it.
        self._run_options = {"target_gpus": [gpu or 0]} if device == "GPU" else {}
        self._circuits: dict[Circuit, QuantumCircuit] = {}
        self.capabilities = Capabilities(
            exact=True,
            gradient="parameter_shift",
            precision=("double", "single"),
            max_qubits=_max_qubits(precision),
        )

    def expectations_group(self, circuit: Circuit, features: Float, weights: Float) -> Float:
        """See Engine; one call of Aer's `run` for all G * B circuits.

        A call whose results would take more than a gibibyte is cut into several runs.
        Raises UnsupportedError for too many qubits, HpcQlstmError with Aer's message when a
        simulation fails.
        """
        self.check(circuit)
        shape = (weights.shape[0], features.shape[0], circuit.outputs)
        angles = [circuit.angles(features, w) for w in weights]
        total = shape[0] * shape[1]
        if total == 0:
            return np.empty(shape)
        if circuit.angle_count == 0:
            return np.broadcast_to(self._run(circuit, np.empty((1, 0))), shape).copy()
        rows = np.concatenate(angles)
        step = max(1, _RUN_BYTES // (_RESULT_BYTES + 8 * 2 ** self._saved_qubits(circuit)))
        values = [self._run(circuit, rows[n : n + step]) for n in range(0, total, step)]
        return np.concatenate(values).reshape(shape)

    def _run(self, circuit: Circuit, angles: Float) -> Float:
        """Expectation values (N, n_out) at angles (N, A) from one run of Aer."""
        qiskit_circuit = self._built(circuit)
        binds = {
            parameter: column.tolist()
            for parameter, column in zip(qiskit_circuit.parameters, angles.T, strict=True)
        }
        job = self._simulator.run(
            qiskit_circuit,
            parameter_binds=[binds] if binds else None,
            shots=1,
            **self._run_options,
        )
        result = _checked_result(job)
        # Reading the entries directly takes 1 % of a run at 4 qubits; result.data(n) copies first.
        probabilities = np.array(
            [entry.data.probabilities for entry in result.results], dtype=float
        )
        return expectations_of_z(probabilities, circuit.outputs)

    def _built(self, circuit: Circuit) -> QuantumCircuit:
        """The Qiskit circuit with a parameter per angle and the instruction that saves."""
        if circuit not in self._circuits:
            # Aer adds save_probabilities to QuantumCircuit when it is imported.
            qiskit_circuit = to_qiskit(circuit)
            qiskit_circuit.save_probabilities(list(range(self._saved_qubits(circuit))))
            self._circuits[circuit] = qiskit_circuit
        return self._circuits[circuit]

    def _saved_qubits(self, circuit: Circuit) -> int:
        """Number of qubits whose joint probabilities Aer saves.

        One save of the output qubits' probabilities was the cheapest exact way or equal to it:
        60, 151 and 1637 us per circuit at 4, 8 and 12 qubits, all of them outputs, against 66,
        176 and 1921 us with an expectation value per qubit (statevector: 67, 155, 1635 us).
        More than two threads add up marginal probabilities in an order that changes from run to
        run; then all qubits are saved, which needs no sum in Aer.
        """
        parallel = circuit.qubits > self._simulator.options.statevector_parallel_threshold
        return circuit.qubits if parallel and self._threads > 2 else circuit.outputs


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


def _simulator(device: str, precision: str, threads: int, options: dict[str, Any]) -> Any:
    """The configured AerSimulator, or the reason why there is none."""
    offered = available_devices()
    if device not in DEVICES or device not in offered:
        raise UnsupportedError(
            f"engine aer: device {device!r} is not available, this Aer offers: {', '.join(offered)}"
        )
    for key in options:
        if key in _OWN_OPTIONS:
            raise InputError(f"engine aer: options.{key} is not allowed: {_OWN_OPTIONS[key]}")
    settings: dict[str, Any] = {
        "method": "statevector",
        "device": device,
        "precision": precision,
        "runtime_parameter_bind_enable": True,
        "max_parallel_threads": threads,
        "statevector_parallel_threshold": _parallel_threshold(threads),
    }
    if device == "CPU":
        # Run-time binding fuses anew for every sample: 370 us instead of 65 us per circuit at
        # 4 qubits, 2080 us instead of 1620 us at 12.
        settings["fusion_enable"] = False
    from qiskit_aer import AerSimulator

    try:
        return AerSimulator(**settings | options)
    except Exception as error:
        raise InputError(f"engine aer: Aer refuses its options: {error}") from error


def _checked_result(job: Any) -> Any:
    """The result of a job; raises HpcQlstmError with Aer's text when the job failed."""
    try:
        result = job.result()
    except Exception as error:
        raise HpcQlstmError(f"engine aer: the simulation failed: {error}") from error
    if not result.success:
        failed = {str(entry.status) for entry in result.results if not entry.success}
        raise HpcQlstmError(
            "engine aer: the simulation failed: " + "; ".join([str(result.status), *sorted(failed)])
        )
    return result


def _parallel_threshold(threads: int) -> int:
    """Most qubits that Aer still simulates with one thread.

    A thread pays from 512 amplitudes on: two threads need 331 us instead of 405 us at 10 qubits,
    735 us instead of 1625 us at 12, but 261 us instead of 226 us at 9. Aer's default is 14.
    """
    return 8 + math.ceil(math.log2(threads))


def _max_qubits(precision: str) -> int:
    """Most qubits whose state takes at most half of the machine's memory, 29 at the most."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(MOST_QUBITS, int(math.log2(memory / 2 / AMPLITUDE_BYTES[precision])))
