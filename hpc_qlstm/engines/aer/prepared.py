"""Circuits ready for Aer: what of their state is saved or measured, and the simulator for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.circuits.qiskit_transpile import BoundForm, compact
from hpc_qlstm.engines.aer.noise import Noise
from hpc_qlstm.engines.aer.simulator import create_simulator, parallel_threshold

if TYPE_CHECKING:
    from qiskit import QuantumCircuit


@dataclass(frozen=True)
class Prepared:
    """A circuit ready for Aer.

    saved: qubits whose joint probabilities Aer saves, the outputs first; labels: of <Z_k> that it
    saves instead. confusions: reading errors, see `Noise`. by_shot: nothing is saved, Aer measures
    and follows every shot.
    """

    form: BoundForm
    circuit: QuantumCircuit
    simulator: Any
    saved: int = 0
    labels: tuple[str, ...] = ()
    confusions: Float | None = None
    by_shot: bool = False

    @property
    def numbers(self) -> int:
        """Numbers that Aer saves for a row."""
        return len(self.labels) or 2**self.saved


def with_probabilities(form: BoundForm, simulator: Any, threads: int) -> Prepared:
    """Without noise: the outputs' probabilities are saved.

    One save of the output qubits' probabilities was the cheapest exact way or equal to it:
    60, 151 and 1637 us per circuit at 4, 8 and 12 qubits, all of them outputs, against 66,
    176 and 1921 us with an expectation value per qubit (statevector: 67, 155, 1635 us).
    """
    circuit = _copy(form)
    size = circuit.num_qubits
    saved = _saved_qubits(size, size, form.qubits, threads)
    circuit.save_probabilities(list(saved))
    return Prepared(form, circuit, simulator, len(saved))


def with_z(form: BoundForm, simulator: Any) -> Prepared:
    """Without noise, on a GPU: <Z> of each output is saved.

    There Aer goes through the whole state for each probability: 5.0 and 82 ms a circuit at 8 and
    12 qubits, all of them outputs, against 1.1 and 1.4 ms (docs/results/gpu).
    """
    from qiskit.quantum_info import Pauli

    circuit = _copy(form)
    labels = tuple(f"z{k}" for k in range(len(form.qubits)))
    for label, qubit in zip(labels, form.qubits, strict=True):
        circuit.save_expectation_value(Pauli("Z"), [qubit], label)
    return Prepared(form, circuit, simulator, labels=labels)


def with_noise(
    form: BoundForm, noise: Noise, shots: int, base: tuple[str, str, int, Any]
) -> Prepared:
    """With noise: probabilities from a density matrix, or shots where these cost less.

    base: device, precision, threads and options of the simulator.
    """
    small, physical = compact(form)
    confusions = noise.confusions([physical[k] for k in small.qubits])
    settings: dict[str, Any] = {"noise_model": noise.model(physical)}
    circuit = _copy(small)
    by_shot = shots > 0 and 2 ** len(physical) > shots
    saved: tuple[int, ...] = ()
    if by_shot:
        from qiskit.circuit import ClassicalRegister

        register = ClassicalRegister(len(small.qubits))
        circuit.add_register(register)
        circuit.measure(list(small.qubits), list(register))
        # Shots on several threads are seeded by thread: the bits would depend on their number.
        settings["max_parallel_shots"] = 1
    else:
        count = len(physical)
        saved = _saved_qubits(2 * count, count, small.qubits, base[2])
        circuit.save_probabilities(list(saved))
        settings["method"] = "density_matrix"
    simulator = create_simulator(*base, **settings)
    return Prepared(form, circuit, simulator, len(saved), confusions=confusions, by_shot=by_shot)


def _copy(form: BoundForm) -> QuantumCircuit:
    import qiskit_aer  # noqa: F401  (its import gives circuits the instructions that save)

    return form.circuit.copy()


def _saved_qubits(size: int, count: int, outputs: tuple[int, ...], threads: int) -> tuple[int, ...]:
    """The qubits, of `count`, whose joint probabilities Aer saves, the outputs first.

    size: the base-2 logarithm of the numbers of the state. More than two threads add up marginal
    probabilities in an order that changes from run to run; then all qubits are saved, which needs
    no sum in Aer.
    """
    if threads <= 2 or size <= parallel_threshold(threads):
        return outputs
    return outputs + tuple(k for k in range(count) if k not in outputs)
