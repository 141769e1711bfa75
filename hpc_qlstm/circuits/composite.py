"""Composite gates: each is a few primitive gates, so every engine has it.

Names, qubits and angles are those of Qiskit's gates. So are the matrices, up to a global phase,
which no expectation value shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import pi

from hpc_qlstm.circuits.circuit import Angle, Constant, Gate, Weight
from hpc_qlstm.circuits.gates import PRIMITIVES
from hpc_qlstm.errors import InputError

Template = tuple[Gate, ...]
"""Gates on qubits 0, 1, ..; the angle Weight(k, factor) is `factor` times the gate's angle k."""


def _turn(name: str, qubit: int, angle: Weight | float) -> Gate:
    return Gate(name, (qubit,), Constant(angle) if isinstance(angle, float) else angle)


def _both(name: str, angle: float | None = None) -> Template:
    return tuple(Gate(name, (k,), None if angle is None else Constant(angle)) for k in (0, 1))


def _controlled(name: str, flip: str) -> Template:
    """Two half rotations of qubit 1; where qubit 0 is 1, `flip` turns the second one's sign back.

    With qubit 0 at 0 they cancel. `flip` anticommutes with the rotation's axis.
    """
    half, back = _turn(name, 1, Weight(0, 0.5)), _turn(name, 1, Weight(0, -0.5))
    return half, Gate(flip, (0, 1)), back, Gate(flip, (0, 1))


_CNOT, _ANGLE, _SECOND, _THIRD = Gate("cnot", (0, 1)), Weight(0), Weight(1), Weight(2)
_P = (_turn("rz", 0, _ANGLE),)
_U = (_turn("rz", 0, _THIRD), _turn("ry", 0, _ANGLE), _turn("rz", 0, _SECOND))
_RZZ = (_CNOT, _turn("rz", 1, _ANGLE), _CNOT)

COMPOSITES: dict[str, Template] = {
    "y": (_turn("ry", 0, pi),),
    "z": (_turn("rz", 0, pi),),
    "s": (_turn("rz", 0, pi / 2),),
    "sdg": (_turn("rz", 0, -pi / 2),),
    "t": (_turn("rz", 0, pi / 4),),
    "tdg": (_turn("rz", 0, -pi / 4),),
    "sx": (_turn("rx", 0, pi / 2),),
    "sxdg": (_turn("rx", 0, -pi / 2),),
    "p": _P,
    "u1": _P,
    "u2": (_turn("rz", 0, _SECOND), _turn("ry", 0, pi / 2), _turn("rz", 0, _ANGLE)),
    "u": _U,
    "u3": _U,
    "swap": (_CNOT, Gate("cnot", (1, 0)), _CNOT),
    "cy": (_turn("rz", 1, -pi / 2), _CNOT, _turn("rz", 1, pi / 2)),
    "ch": (_turn("ry", 1, -pi / 4), Gate("cz", (0, 1)), _turn("ry", 1, pi / 4)),
    "crx": _controlled("rx", "cz"),
    "cry": _controlled("ry", "cnot"),
    "crz": _controlled("rz", "cnot"),
    "cp": (_turn("rz", 0, Weight(0, 0.5)), *_controlled("rz", "cnot")),
    "rxx": (*_both("h"), *_RZZ, *_both("h")),
    "ryy": (*_both("rx", pi / 2), *_RZZ, *_both("rx", -pi / 2)),
    "rzz": _RZZ,
}
"""The composite gates by their names in Qiskit."""

TEMPLATES = COMPOSITES | {
    kind.qiskit: (Gate(name, tuple(range(kind.qubits)), _ANGLE if kind.axis else None),)
    for name, kind in PRIMITIVES.items()
}
"""The same for all gates; a primitive one is itself."""


def composite(name: str, qubits: Sequence[int], *angles: Angle) -> list[Gate]:
    """A gate as the primitive gates that it is made of, to be part of a circuit's gates.

    name: one of TEMPLATES; qubits and angles: as for Qiskit's gate. A weight may then stand in
    several gates, with factors. Raises InputError for an unknown name or another number of qubits
    or angles.
    """
    if name not in TEMPLATES:
        raise InputError(f"composite: {name!r} is not known, allowed: {', '.join(TEMPLATES)}")
    template = TEMPLATES[name]
    width = len({k for gate in template for k in gate.qubits})
    count = len({gate.angle.index for gate in template if isinstance(gate.angle, Weight)})
    if (len(qubits), len(angles)) != (width, count):
        raise InputError(
            f"composite: {name} on {len(qubits)} qubits with {len(angles)} angles, allowed: "
            f"{width} and {count}"
        )
    return [
        Gate(gate.name, tuple(qubits[k] for k in gate.qubits), _angle(gate.angle, angles))
        for gate in template
    ]


def _angle(angle: Angle | None, given: Sequence[Angle]) -> Angle | None:
    if not isinstance(angle, Weight):
        return angle
    taken = given[angle.index]
    if isinstance(taken, Constant):
        return Constant(angle.scale * taken.value)
    return replace(taken, scale=angle.scale * taken.scale)
