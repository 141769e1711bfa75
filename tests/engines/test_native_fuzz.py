"""2,000 random circuits, every gate, 1 to 8 qubits, against the reference, on every kernel."""

import numpy as np
import pytest
from random_circuits import random_arrays, random_circuit

from hpc_qlstm.engines.reference import ReferenceEngine

native = pytest.importorskip("hpc_qlstm.engines.native", reason="the extension is not built")

CIRCUITS = 2000
# Single precision rounds to 6e-8; sums over many features with slopes up to 2.5 add up.
TOLERANCES = {"double": 1e-12, "single": 5e-5}


def test_random_circuits():
    rng = np.random.default_rng(1)
    engines = [
        native.NativeEngine(isa=isa, precision=precision, mode=mode)
        for isa in native.available_isas()
        for precision, mode in (("double", "batch"), ("single", "batch"), ("single", "state"))
    ]
    worst = dict.fromkeys(TOLERANCES, 0.0)
    for number in range(CIRCUITS):
        circuit = random_circuit(
            rng, 1 + number % 8, int(rng.integers(1, 40)), features=3, weights=4
        )
        arrays = random_arrays(rng, circuit, int(rng.integers(1, 5)), int(rng.integers(1, 3)))
        expected = ReferenceEngine().vjp_group(circuit, *arrays)
        # In single precision every tenth is enough.
        for engine in engines if number % 10 == 0 else engines[::3]:
            for got, want in zip(engine.vjp_group(circuit, *arrays), expected, strict=True):
                difference = float(np.max(np.abs(got - want), initial=0.0))
                worst[engine.precision] = max(worst[engine.precision], difference)
    print(worst)
    for precision, tolerance in TOLERANCES.items():
        assert 0.0 < worst[precision] < tolerance
