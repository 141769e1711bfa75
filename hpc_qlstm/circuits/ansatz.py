"""Named ansaetze: functions from sizes to a circuit.

`rot_ring` is the circuit of Chen, Yoo and Fang, "Quantum long short-term memory" (2020,
arXiv 2009.01783); `ry_brickwork` is that of the first author's code of 2024.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from numbers import Integral

from hpc_qlstm.circuits.circuit import Circuit, Feature, Gate, Weight
from hpc_qlstm.errors import InputError

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


_LAYERS = {"rot_ring": _rot_ring_layer, "ry_brickwork": _ry_brickwork_layer}
_ENCODING_OF = {"rot_ring": "arctan_ry_rz", "ry_brickwork": "ry"}
_WEIGHTS_PER_QUBIT: dict[str, tuple[int, ...]] = {"rot_ring": (3,), "ry_brickwork": ()}
ANSAETZE = tuple(_LAYERS)


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

    name: `rot_ring`, weights (depth, qubits, 3), or `ry_brickwork`, weights (depth, qubits).
    qubits: q, at least max(features, outputs); features: D_m, feature i is encoded on qubit i;
    outputs: the number of expectation values; depth: the number L of layers;
    encoding: a name of ENCODINGS, default the ansatz's own; reupload: encode before every layer
    instead of before the first alone.
    Raises InputError for an unknown name or sizes that do not fit.
    """
    if name not in _LAYERS:
        raise InputError(f"ansatz: {name!r} is not known, allowed: {', '.join(ANSAETZE)}")
    encoding = encoding or _ENCODING_OF[name]
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
        gates += _LAYERS[name](qubits, layer)
    shape = (depth, qubits, *_WEIGHTS_PER_QUBIT[name])
    return Circuit(qubits, tuple(gates), features, outputs, shape)
