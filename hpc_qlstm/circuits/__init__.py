"""Circuits as data: the description and the named ansaetze."""

from hpc_qlstm.circuits.ansatz import ANSAETZE, ENCODINGS, Ansatz, ansatz
from hpc_qlstm.circuits.circuit import Circuit, Constant, Feature, Gate, Weight

__all__ = [
    "ANSAETZE",
    "ENCODINGS",
    "Ansatz",
    "Circuit",
    "Constant",
    "Feature",
    "Gate",
    "Weight",
    "ansatz",
]
