"""Random circuits, and arrays to evaluate them with."""

from hpc_qlstm.circuits import Circuit, Constant, Feature, Gate, Weight
from hpc_qlstm.circuits.circuit import TRANSFORMS
from hpc_qlstm.circuits.gates import PRIMITIVES


def random_circuit(rng, qubits, gates, features, weights):
    """Any gate anywhere; weights and features are used by none, one or several gates."""
    names = [n for n, kind in PRIMITIVES.items() if kind.qubits <= qubits]
    made = []
    for _ in range(gates):
        name = str(rng.choice(names))
        on = tuple(int(k) for k in rng.permutation(qubits)[: PRIMITIVES[name].qubits])
        kinds = ["constant"] + ["weight"] * (weights > 0) + ["feature"] * (features > 0)
        angle = None
        if PRIMITIVES[name].axis:
            kind = str(rng.choice(kinds))
            if kind == "constant":
                angle = Constant(float(rng.normal()))
            elif kind == "weight":
                angle = Weight(int(rng.integers(weights)), float(rng.choice([1.0, 1.0, -0.5])))
            else:
                scale = float(rng.choice([1.0, -0.7, 2.5]))
                angle = Feature(int(rng.integers(features)), str(rng.choice(TRANSFORMS)), scale)
        made.append(Gate(name, on, angle))
    outputs = int(rng.integers(1, qubits + 1))
    return Circuit(qubits, tuple(made), features, outputs, (weights,))


def random_arrays(rng, circuit, batch, groups):
    return (
        rng.normal(size=(batch, circuit.features)),
        rng.normal(size=(groups, *circuit.weight_shape)),
        rng.normal(size=(groups, batch, circuit.outputs)),
    )
