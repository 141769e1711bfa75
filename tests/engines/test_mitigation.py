"""Readout correction and zero-noise extrapolation."""

import sys

import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm.circuits.qiskit_transpile import bound_form, calibration_forms, compact, folded
from hpc_qlstm.config import MitigationConfig
from hpc_qlstm.engines import create_engine
from hpc_qlstm.engines.mitigation import ReadoutCorrection, create_mitigation
from hpc_qlstm.errors import EngineError, InputError, UnsupportedError

pytest.importorskip("mitiq")


@pytest.fixture
def problem():
    circuit = hpc_qlstm.ansatz("rot_ring", qubits=3, features=3, outputs=2, depth=1)
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(4, 3)), rng.normal(size=circuit.weight_shape)
    return circuit, x, w, create_engine("native").expectations(circuit, x, w)


def error(problem, **options):
    circuit, x, w, exact = problem
    engine = create_engine("aer", threads=1, **options)
    return np.abs(engine.expectations(circuit, x, w) - exact).max(), engine


def test_readout_correction_undoes_readout_errors(problem):
    noise = {"readout": 0.1}
    assert error(problem, noise=noise)[0] > 0.05
    corrected, engine = error(problem, noise=noise, mitigation={"readout": True})
    assert corrected < 1e-14
    assert (engine.executions, engine.calibrations) == (4, 2)
    sampled, _ = error(problem, noise=noise, mitigation={"readout": True}, shots=100_000)
    assert 1e-4 < sampled < 0.03


def test_correction_of_unequal_errors():
    # Reading 0 as 1 with 0.1, 1 as 0 with 0.3: <Z> = a m + b.
    correction = ReadoutCorrection.from_calibration(np.array([0.8]), np.array([-0.4]))
    corrected = correction.apply(np.array([[0.8], [-0.4], [0.2]]))
    np.testing.assert_allclose(corrected, [[1], [-1], [0]], atol=1e-15)
    with pytest.raises(EngineError, match="qubit 1 reads"):
        ReadoutCorrection.from_calibration(np.array([0.9, 0.05]), np.array([-0.9, 0.0]))


@pytest.mark.parametrize(("zne", "gain"), [("linear", 4), ("quadratic", 20), ("richardson", 20)])
def test_extrapolation_reduces_gate_errors(problem, zne, gain):
    noise = {"depolarizing": 0.005}
    plain, _ = error(problem, noise=noise)
    mitigated, engine = error(problem, noise=noise, mitigation={"zne": zne})
    assert plain > 0.02
    assert mitigated < plain / gain
    assert engine.executions == 3 * 4


def test_coefficients_are_those_of_the_polynomial_through_the_scales():
    config = MitigationConfig(zne="richardson", scales=[1, 3])
    np.testing.assert_allclose(create_mitigation(config).coefficients, [1.5, -0.5])
    for zne in ("linear", "quadratic", "richardson"):
        assert sum(create_mitigation(MitigationConfig(zne=zne)).coefficients) == pytest.approx(1)
    assert not create_mitigation(MitigationConfig()).active


@pytest.mark.parametrize("backend", [None, "generic:5"])
def test_folding_changes_no_expectation_value(problem, backend):
    from qiskit.quantum_info import Statevector

    from hpc_qlstm.engines.primitive.backends import backend_by_name

    circuit, x, w, exact = problem
    device = backend and backend_by_name(backend, "")
    for scale in (1, 3, 5):
        form = bound_form(circuit, device, scale, 1)
        small, used = compact(form)
        assert len(used) == 3
        for n, row in enumerate(form.angles(circuit.angles(x, w))):
            state = Statevector(small.circuit.assign_parameters(row))
            for k, place in enumerate(small.qubits):
                p = state.probabilities([place])
                assert p[0] - p[1] == pytest.approx(exact[n, k], abs=1e-12)
        if scale > 1:
            ops, once = form.circuit.count_ops(), bound_form(circuit, device, 1, 1).circuit
            assert ops["cx"] == scale * once.count_ops()["cx"]
        if device is not None:
            assert set(form.circuit.count_ops()) <= {*device.target.operation_names, "barrier"}


def test_even_scales_are_refused(problem):
    from qiskit import QuantumCircuit

    with pytest.raises(InputError, match="noise scale is 2"):
        folded(QuantumCircuit(1), 2)


def test_calibration_uses_the_circuits_own_qubits(problem):
    from hpc_qlstm.engines.primitive.backends import backend_by_name

    form = bound_form(problem[0], backend_by_name("generic:5", ""), 1, 3)
    zeros, ones = (each.circuit for each in calibration_forms(form))
    assert zeros.num_qubits == ones.num_qubits == 5
    assert not zeros.data
    assert sorted(ones.find_bit(i.qubits[0]).index for i in ones.data) == sorted(form.qubits)


def test_the_package_may_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "mitiq", None)
    monkeypatch.setitem(sys.modules, "mitiq.zne.inference", None)
    with pytest.raises(UnsupportedError, match="mitigation needs the package mitiq"):
        create_engine("aer", mitigation={"readout": True})
