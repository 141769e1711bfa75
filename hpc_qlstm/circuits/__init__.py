"""Circuits as data: the description and the named ansaetze."""

from hpc_qlstm.circuits.ansatz import ANSAETZE, ENCODINGS, Ansatz, ansatz
from hpc_qlstm.circuits.circuit import Circuit, Constant, Feature, Gate, Weight
from hpc_qlstm.circuits.composite import COMPOSITES, composite

__all__ = [
    "ANSAETZE",
    "COMPOSITES",
    "ENCODINGS",
    "Ansatz",
    "Circuit",
    "Constant",
    "Feature",
    "Gate",
    "Weight",
    "ansatz",
    "composite",
]
