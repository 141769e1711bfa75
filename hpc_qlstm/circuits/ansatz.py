"""Named ansaetze: from sizes to a circuit.

`rot_ring` is the circuit of Chen, Yoo and Fang, "Quantum long short-term memory" (2020,
arXiv 2009.01783); `ry_brickwork` is that of the first author's code of 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Integral

from hpc_qlstm.circuits.circuit import Circuit, Feature, Gate, Weight
from hpc_qlstm.errors import InputError
from hpc_qlstm.registry import ansaetze

Encoding = Callable[[int], list[Gate]]


def _arctan_ry_rz(i: int) -> list[Gate]:
    return [
        Gate("ry", (i,), Feature(i, "arctan")),
        Gate("rz", (i,), Feature(i, "arctan_square")),
    ]


ENCODINGS: dict[str, Encoding] = {
    "arctan_ry_rz": _arctan_ry_rz,
    "arctan_ry": lambda i: [Gate("ry", (i,), Feature(i, "arctan"))],
    "ry": lambda i: [Gate("ry", (i,), Feature(i))],
    "rx": lambda i: [Gate("rx", (i,), Feature(i))],
    "rz": lambda i: [Gate("rz", (i,), Feature(i))],
}
"""Encodings by name: the gates that put feature i on qubit i."""


def _rot_ring_layer(qubits: int, layer: int) -> Iterable[Gate]:
    for distance in (1, 2):
        for i in range(qubits):
            target = (i + distance) % qubits
            if target != i:
                yield Gate("cnot", (i, target))
    for i in range(qubits):
        first = 3 * (layer * qubits + i)
        for j, name in enumerate(("rz", "ry", "rz")):
            yield Gate(name, (i,), Weight(first + j))


def _ry_brickwork_layer(qubits: int, layer: int) -> Iterable[Gate]:
    for start in (0, 1):
        for i in range(start, qubits - 1, 2):
            yield Gate("cnot", (i, i + 1))
    for i in range(qubits):
        yield Gate("ry", (i,), Weight(layer * qubits + i))


@dataclass(frozen=True)
class Ansatz:
    """A named ansatz, as `registry.ansaetze` has it.

    layer(q, l): the gates of layer l on q qubits, whose weights are numbered through all layers;
    encoding: its default, a name of ENCODINGS; weights: the shape of a qubit's weights in a layer,
    () for one number.
    """

    layer: Callable[[int, int], Iterable[Gate]]
    encoding: str
    weights: tuple[int, ...] = ()


ROT_RING = Ansatz(_rot_ring_layer, "arctan_ry_rz", (3,))
RY_BRICKWORK = Ansatz(_ry_brickwork_layer, "ry")
ANSAETZE = {"rot_ring": ROT_RING, "ry_brickwork": RY_BRICKWORK}
"""The built-in ansaetze by name."""


def ansatz(
    name: str,
    *,
    qubits: int,
    features: int,
    outputs: int,
    depth: int,
    encoding: str | None = None,
    reupload: bool = False,
) -> Circuit:
    """Build a named ansatz.

    name: of `registry.ansaetze`: `rot_ring`, weights (depth, qubits, 3), `ry_brickwork`, weights
    (depth, qubits), or one of your own.
    qubits: q, at least max(features, outputs); features: D_m, feature i is encoded on qubit i;
    outputs: the number of expectation values; depth: the number L of layers;
    encoding: a name of ENCODINGS, default the ansatz's own; reupload: encode before every layer
    instead of before the first alone.
    Raises InputError for an unknown name or sizes that do not fit.
    """
    chosen: Ansatz = ansaetze[name]
    encoding = encoding or chosen.encoding
    if encoding not in ENCODINGS:
        raise InputError(f"encoding: {encoding!r} is not known, allowed: {', '.join(ENCODINGS)}")
    if isinstance(depth, bool) or not isinstance(depth, Integral) or depth < 1:
        raise InputError(f"ansatz: depth is {depth!r}, allowed: an integer of 1 or more")
    if qubits < max(features, outputs):
        raise InputError(
            f"ansatz: {qubits} qubits are too few for {features} features and {outputs} outputs, "
            f"allowed: {max(features, outputs)} or more"
        )
    gates = [Gate("h", (i,)) for i in range(qubits)]
    for layer in range(depth):
        if layer == 0 or reupload:
            for i in range(features):
                gates += ENCODINGS[encoding](i)
        gates += chosen.layer(qubits, layer)
    shape = (depth, qubits, *chosen.weights)
    return Circuit(qubits, tuple(gates), features, outputs, shape)
