"""Noise models for Aer: by number, from a Qiskit backend's properties, or from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.circuits.gates import PRIMITIVES
from hpc_qlstm.config import NoiseConfig
from hpc_qlstm.engines.primitive.backends import backend_by_name
from hpc_qlstm.errors import InputError

_ONE_QUBIT, _TWO_QUBITS = (
    tuple(kind.qiskit for kind in PRIMITIVES.values() if kind.qubits == count) for count in (1, 2)
)
_Z_ROTATIONS = {"rz", "u1", "p", "u3", "u"}  # or gates that include one
_MOST_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Noise:
    """The errors of a noise model as entries of `NoiseModel.to_dict`, and what they are for.

    backend: the Qiskit backend that circuits must be transpiled for; basis_gates: the gates that
    they must be written in, where there is no backend. None where any circuit will do.
    """

    errors: tuple[Mapping[str, Any], ...]
    backend: Any = None
    basis_gates: tuple[str, ...] | None = None

    def model(self, qubits: Sequence[int]) -> Any:
        """A NoiseModel for these physical qubits, renumbered in their order."""
        from qiskit_aer.noise import NoiseModel, ReadoutError

        place = {k: n for n, k in enumerate(qubits)}
        model = NoiseModel()
        for error in self.errors:
            built = (
                ReadoutError(error["probabilities"])
                if error["type"] == "roerror"
                else _quantum_error(error)
            )
            readout = error["type"] == "roerror"
            if "gate_qubits" not in error:
                if readout:
                    model.add_all_qubit_readout_error(built)
                else:
                    model.add_all_qubit_quantum_error(built, error["operations"])
                continue
            for gate_qubits in error["gate_qubits"]:
                if not all(k in place for k in gate_qubits):
                    continue
                where = [place[k] for k in gate_qubits]
                if readout:
                    model.add_readout_error(built, where)
                else:
                    model.add_quantum_error(built, error["operations"], where)
        return model

    def confusions(self, qubits: Sequence[int]) -> Float | None:
        """Probabilities (n, 2, 2) of reading [k, true, read] on these qubits; None if all right.

        Raises InputError for readout errors of several qubits together.
        """
        matrices = np.tile(np.eye(2), (len(qubits), 1, 1))
        readouts = [error for error in self.errors if error["type"] == "roerror"]
        if not readouts:
            return None
        # Errors of single qubits take the place of those for all.
        for error in sorted(readouts, key=lambda error: "gate_qubits" in error):
            probabilities = np.array(error["probabilities"], dtype=float)
            if probabilities.shape != (2, 2):
                raise InputError("engine aer: noise: readout errors of several qubits together")
            named = {k for where in error.get("gate_qubits", ()) for k in where}
            for n, k in enumerate(qubits):
                if "gate_qubits" not in error or k in named:
                    matrices[n] = probabilities
        return matrices


def create_noise(config: NoiseConfig) -> Noise | None:
    """The configured noise, None without any. Raises InputError for a name or file of no use."""
    if config.quiet:
        return None
    if config.backend is not None:
        from qiskit_aer.noise import NoiseModel

        backend = backend_by_name(config.backend, "engine.noise.backend")
        try:
            model = NoiseModel.from_backend(backend)
        except Exception as error:
            raise InputError(
                f"engine.noise.backend: {config.backend!r} has no properties to take noise from "
                f"({error})"
            ) from None
        return Noise(tuple(model.to_dict()["errors"]), backend)
    if config.file is not None:
        return _from_file(Path(config.file))
    return _from_numbers(config)


def _from_numbers(config: NoiseConfig) -> Noise:
    from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error

    model = NoiseModel()
    two_qubits = config.depolarizing_2q
    two_qubits = config.depolarizing if two_qubits is None else two_qubits
    for rate, count, names in ((config.depolarizing, 1, _ONE_QUBIT), (two_qubits, 2, _TWO_QUBITS)):
        if rate:
            model.add_all_qubit_quantum_error(depolarizing_error(rate, count), list(names))
    if config.readout:
        right, wrong = 1.0 - config.readout, config.readout
        model.add_all_qubit_readout_error(ReadoutError([[right, wrong], [wrong, right]]))
    return Noise(tuple(model.to_dict()["errors"]))


def _from_file(path: Path) -> Noise:
    where = f"engine.noise.file: {path}"
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{where} is larger than {_MOST_BYTES // 2**20} MiB")
        content = json.loads(path.read_text(encoding="utf-8"))
        errors = tuple(content["errors"])
        if any(e["type"] == "qerror" and "measure" in e["operations"] for e in errors):
            raise InputError(
                f"{where} has a quantum error on 'measure', allowed there: a readout error"
            )
        noise = Noise(errors, basis_gates=_basis(errors))
        # Everything in it is built once, so that a fault shows here.
        places = sorted({k for e in errors for q in e.get("gate_qubits", ()) for k in q})
        noise.model(places)
        noise.confusions(places)
    except OSError as error:
        raise InputError(f"{where} cannot be read ({error.strerror})") from None
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{where} is no noise model, allowed: the JSON of NoiseModel.to_dict(serializable="
            f"True) ({type(error).__name__}: {error})"
        ) from None
    return noise


def _basis(errors: Sequence[Mapping[str, Any]]) -> tuple[str, ...] | None:
    """The gates to write circuits in: none to be changed where ours are those with errors."""
    own = {*_ONE_QUBIT, *_TWO_QUBITS}
    noisy = {name for e in errors if e["type"] == "qerror" for name in e["operations"]}
    noisy -= {"reset", "id", "delay"}  # no circuit here has them
    if noisy <= own:
        return None
    from qiskit.circuit.library import get_standard_gate_name_mapping

    gates = get_standard_gate_name_mapping()
    # What the noisy gates cannot express comes without error. Devices turn about z without a pulse,
    # and so without an error, unless the model says otherwise.
    basis = set(noisy)
    if not noisy & _Z_ROTATIONS:
        basis.add("rz")
    if all(gates[name].num_qubits > 1 for name in noisy - _Z_ROTATIONS if name in gates):
        basis.add("sx")
    if all(gates[name].num_qubits < 2 for name in noisy if name in gates):
        basis.add("cx")
    return tuple(sorted(basis))


def _quantum_error(entry: Mapping[str, Any]) -> Any:
    """A QuantumError from an entry of `NoiseModel.to_dict`, whose arrays may be lists."""
    from qiskit import QuantumCircuit
    from qiskit.circuit.library import PauliGate, UnitaryGate, get_standard_gate_name_mapping
    from qiskit.quantum_info import Kraus, SuperOp
    from qiskit_aer.noise import QuantumError

    gates = get_standard_gate_name_mapping()
    terms = []
    for instructions, probability in zip(
        entry["instructions"], entry["probabilities"], strict=True
    ):
        width = 1 + max(k for step in instructions for k in step["qubits"])
        circuit = QuantumCircuit(width)
        for step in instructions:
            name, parameters = step["name"], step.get("params", [])
            operation: Any
            if name == "kraus":
                operation = Kraus([_matrix(p) for p in parameters])
            elif name == "superop":
                operation = SuperOp(_matrix(parameters[0]))
            elif name == "unitary":
                operation = UnitaryGate(_matrix(parameters[0]))
            elif name == "pauli":
                operation = PauliGate(str(parameters[0]))
            else:
                operation = type(gates[name])(*parameters) if parameters else gates[name]
            circuit.append(operation, step["qubits"])
        terms.append((circuit, probability))
    return QuantumError(terms)


def _matrix(value: Any) -> NDArray[Any]:
    """A complex matrix; JSON has complex numbers as pairs."""
    array = np.asarray(value)
    if array.ndim == 3 and array.dtype.kind != "c":
        return np.asarray(array[..., 0] + 1j * array[..., 1])
    return np.asarray(array, dtype=complex)
