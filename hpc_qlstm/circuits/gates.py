"""The primitive gates: the one table that circuits, engines, noise and conversions read.

Every engine knows these; all others are made of them (`composite.py`). Two qubits are (control,
target). A gate without an angle is its own inverse and maps Pauli strings to Pauli strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]

PAULI: dict[str, Complex] = {
    "X": np.array([[0, 1], [1, 0]], dtype=complex),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.array([[1, 0], [0, -1]], dtype=complex),
}
_H = np.array([[1, 1], [1, -1]], dtype=complex) / np.sqrt(2)


@dataclass(frozen=True, eq=False, slots=True)
class Primitive:
    """What the package has to know of one gate.

    qubits: 1 or 2; qiskit: the name of Qiskit's method and instruction; matrix (2, 2): what
    happens to the target, with two qubits where the control is 1; of a rotation the Pauli matrix
    that it is about. axis: that matrix's letter, empty without an angle. conjugates: what the gate
    makes of X and Z on each qubit where it changes them, signs aside: {"XI": "XX"} takes X on the
    control to X on both.
    """

    qubits: int
    qiskit: str
    matrix: Complex
    axis: str = ""
    conjugates: Mapping[str, str] = field(default_factory=dict)


PRIMITIVES: dict[str, Primitive] = {
    "h": Primitive(1, "h", _H, conjugates={"X": "Z", "Z": "X"}),
    "x": Primitive(1, "x", PAULI["X"]),
    "rx": Primitive(1, "rx", PAULI["X"], axis="X"),
    "ry": Primitive(1, "ry", PAULI["Y"], axis="Y"),
    "rz": Primitive(1, "rz", PAULI["Z"], axis="Z"),
    "cnot": Primitive(2, "cx", PAULI["X"], conjugates={"XI": "XX", "IZ": "ZZ"}),
    "cz": Primitive(2, "cz", PAULI["Z"], conjugates={"XI": "XZ", "IX": "ZX"}),
}
