"""Which outputs of a circuit can depend on which features: its light cone, for generic weights.

In the Heisenberg picture every gate is taken back through Z_k. What Z_k may have become is followed
as the linear span (over GF(2)) of Pauli strings: gates without an angle map strings to strings, a
rotation about P adds P to the span if anything there anticommutes with it. A feature matters where
its rotation does. Rotations about a stabilizer of the state that they find do nothing, as RX after
H. Depth, encoding and entangling gates thus decide whether an output sees a feature: in a shallow
circuit many do not. This is an upper bound: expectation values that happen to vanish in the initial
state (of qubits without an encoding, say) are not accounted for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hpc_qlstm.circuits.circuit import Circuit, Feature, Gate
from hpc_qlstm.circuits.gates import PRIMITIVES
from hpc_qlstm.circuits.linear import LinearMap

Pauli = tuple[int, int]
"""A Pauli string without its sign: bit masks of the qubits with an X part and with a Z part."""


@lru_cache(maxsize=256)
def feature_dependence(circuit: Circuit) -> NDArray[np.bool_]:
    """Whether output k can depend on feature i: (n_out, features), to be read only."""
    if isinstance(circuit, LinearMap):
        return np.ones((circuit.outputs, circuit.features), dtype=bool)
    found = np.zeros((circuit.outputs, circuit.features), dtype=bool)
    gates = _effective_gates(circuit)
    for output in range(circuit.outputs):
        span: list[Pauli] = [(0, 1 << output)]
        for gate in reversed(gates):
            if found[output].all():
                break
            if gate.angle is None:
                span = _mapped(gate, span)
                continue
            axis = _axis(gate)
            if any(_anticommute(axis, string) for string in span):
                if isinstance(gate.angle, Feature):
                    found[output, gate.angle.index] = True
                if len(span) < 2 * circuit.qubits and not _spans(span, axis):
                    span.append(axis)
    return found


def _effective_gates(circuit: Circuit) -> list[Gate]:
    """The gates without those rotations that leave the state before them as it is."""
    stabilizers: list[Pauli] = [(0, 1 << qubit) for qubit in range(circuit.qubits)]
    kept = []
    for gate in circuit.gates:
        if gate.angle is None:
            stabilizers = _mapped(gate, stabilizers)
        elif stabilizers:
            axis = _axis(gate)
            if _spans(stabilizers, axis):
                continue
            # What is left are products of stabilizers that commute with the rotation.
            broken = [s for s in stabilizers if _anticommute(axis, s)]
            stabilizers = [s for s in stabilizers if not _anticommute(axis, s)]
            stabilizers += [_product(broken[0], s) for s in broken[1:]]
        kept.append(gate)
    return kept


def _axis(gate: Gate) -> Pauli:
    return _on(gate.qubits, PRIMITIVES[gate.name].axis)


def _on(qubits: Sequence[int], letters: str) -> Pauli:
    """The string with these letters on these qubits."""
    x = sum(1 << k for k, letter in zip(qubits, letters, strict=True) if letter in "XY")
    return x, sum(1 << k for k, letter in zip(qubits, letters, strict=True) if letter in "YZ")


def _product(a: Pauli, b: Pauli) -> Pauli:
    return a[0] ^ b[0], a[1] ^ b[1]


def _anticommute(a: Pauli, b: Pauli) -> bool:
    return ((a[0] & b[1]).bit_count() + (a[1] & b[0]).bit_count()) % 2 == 1


def _mapped(gate: Gate, strings: Sequence[Pauli]) -> list[Pauli]:
    """The strings conjugated by a gate without an angle, which is its own inverse."""
    images = list(strings)
    for letters, becomes in PRIMITIVES[gate.name].conjugates.items():
        x, z = _on(gate.qubits, letters)
        change = _product((x, z), _on(gate.qubits, becomes))
        for n, string in enumerate(strings):
            if x & string[0] or z & string[1]:
                images[n] = _product(images[n], change)
    return images


def _spans(span: Sequence[Pauli], string: Pauli) -> bool:
    """Whether the string is a product of members of the span: Gaussian elimination."""
    rows: list[Pauli] = []  # each has a leading bit that no other has

    def reduced(member: Pauli) -> Pauli:
        for row in rows:
            member = min(member, _product(member, row))
        return member

    for member in span:
        rest = reduced(member)
        if any(rest):
            rows.append(rest)
            rows.sort(reverse=True)
    return not any(reduced(string))
