"""A user's own Qiskit circuits as the circuits of the partitions, from a QPY file.

Parameters named x0, x1, .. (or x[0], x[1], ..) are the features; all others are weights, in the
natural order of their names (w2 before w10). Files that `hpc-qlstm export --free` writes follow the
same names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpc_qlstm.circuits.circuit import Circuit
from hpc_qlstm.circuits.qiskit_conversion import from_qiskit
from hpc_qlstm.errors import InputError

_FEATURE = re.compile(r"x(\d+)|x\[(\d+)\]")


def circuits_from_file(
    path: str | Path, inputs: Sequence[Sequence[int]], outputs: Sequence[int]
) -> tuple[Circuit, ...]:
    """One circuit for each partition from a QPY file with as many circuits, or one for all.

    inputs, outputs: those of the partitions. Raises InputError for a file that cannot be read, a
    circuit that cannot be converted, or one with other features than its partition has inputs.
    """
    where = f"model.ansatz_file: {path}"
    found = _read(Path(path), where)
    if len(found) not in (1, len(inputs)):
        raise InputError(
            f"{where} has {len(found)} circuits, allowed: 1 or one for each of "
            f"{len(inputs)} partitions"
        )
    made: dict[tuple[int, int, int], Circuit] = {}
    circuits = []
    for m, (part, count) in enumerate(zip(inputs, outputs, strict=True)):
        number = m if len(found) > 1 else 0
        # One object for equal circuits, which engines compile once.
        key = (number, len(part), count)
        if key not in made:
            made[key] = _converted(found[number], len(part), count, f"{where}, circuit {number}")
        circuits.append(made[key])
    return tuple(circuits)


def _read(path: Path, where: str) -> list[Any]:
    from qiskit import qpy

    try:
        with path.open("rb") as file:
            return list(qpy.load(file))
    except OSError as error:
        raise InputError(f"{where} cannot be read ({error.strerror})") from None
    except Exception as error:
        raise InputError(f"{where} is no QPY file ({type(error).__name__}: {error})") from None


def _converted(qc: Any, features: int, outputs: int, where: str) -> Circuit:
    by_number: dict[int, Any] = {}
    weights: list[Any] = []
    for parameter in qc.parameters:
        match = _FEATURE.fullmatch(parameter.name)
        if match:
            by_number[int(match[1] or match[2])] = parameter
        else:
            weights.append(parameter)
    if any(k >= features for k in by_number):
        raise InputError(
            f"{where}: feature x{max(by_number)} is used, allowed: x0 to x{features - 1}, the "
            "partition's inputs"
        )
    least = max(features, outputs)
    if qc.num_qubits < least:
        raise InputError(
            f"{where}: {qc.num_qubits} qubits, allowed: at least {least} for the partition's "
            f"{features} inputs and {outputs} outputs"
        )
    from qiskit.circuit import Parameter

    # A feature that the circuit does not use keeps its place.
    inputs = [by_number.get(k) or Parameter(f"x{k}") for k in range(features)]
    weights.sort(key=lambda parameter: _natural(parameter.name))
    try:
        return from_qiskit(qc, inputs, weights, outputs)
    except InputError as error:
        raise InputError(f"{where}: {str(error).removeprefix('from_qiskit: ')}") from None


def _natural(name: str) -> list[tuple[int, int | str]]:
    """Sorts w2 before w10."""
    return [(0, int(p)) if p.isdigit() else (1, p) for p in re.split(r"(\d+)", name) if p]
