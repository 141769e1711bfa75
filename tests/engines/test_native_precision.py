"""Single precision of the native engine, and the accuracy of its elementary functions."""

import numpy as np
import pytest

from hpc_qlstm import train
from hpc_qlstm.circuits import Circuit, Constant, Feature, Gate, ansatz
from hpc_qlstm.engines import native
from hpc_qlstm.errors import InputError
from hpc_qlstm.native import extension
from hpc_qlstm.native.kernels import ISA_VARIABLE, find_kernel

ISAS = native.available_isas()


def arrays_of(circuit, samples, sets):
    rng = np.random.default_rng(3)
    return (
        rng.uniform(-1, 1, (samples, circuit.features)),
        rng.normal(size=(sets, *circuit.weight_shape)),
        rng.normal(size=(sets, samples, circuit.outputs)),
    )


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("qubits", "mode"), [(4, "batch"), (8, "batch"), (11, "state")])
@pytest.mark.parametrize("name", ["rot_ring", "ry_brickwork"])
def test_single_precision_is_close_and_the_same_on_any_number_of_threads(isa, qubits, mode, name):
    circuit = ansatz(name, qubits=qubits, features=qubits, outputs=qubits, depth=2)
    arrays = arrays_of(circuit, 21, 2)
    exact = native.NativeEngine(isa=isa, mode=mode).vjp_group(circuit, *arrays)
    single = native.NativeEngine(isa=isa, mode=mode, precision="single", threads=1)
    threaded = native.NativeEngine(isa=isa, mode=mode, precision="single", threads=3)
    found = single.vjp_group(circuit, *arrays)
    for got, want, other in zip(found, exact, threaded.vjp_group(circuit, *arrays), strict=True):
        assert got.dtype == np.float64
        assert 0 < np.max(np.abs(got - want)) < 3e-5
        assert got.tobytes() == other.tobytes()
    outputs = threaded.expectations_group(circuit, *arrays[:2])
    assert outputs.tobytes() == found[0].tobytes()


def test_precision_is_checked_and_needs_half_the_memory():
    with pytest.raises(InputError, match="precision is 'half', allowed: double, single"):
        native.NativeEngine(precision="half")
    most = {p: native.NativeEngine(precision=p).capabilities.max_qubits for p in native.PRECISIONS}
    assert most["single"] in (most["double"], most["double"] + 1)


def test_training_in_single_precision_follows_that_in_double(write_config, tmp_path):
    losses = []
    for precision in native.PRECISIONS:
        config = write_config(
            engine={"name": "native", "precision": precision},
            output={"run_dir": str(tmp_path / precision)},
        )
        losses.append([record["train_loss"] for record in train(config).history])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    assert losses[0] != losses[1]


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(("precision", "tolerance"), [("double", 1e-15), ("single", 5e-7)])
def test_sine_cosine_and_arctan(isa, precision, tolerance):
    """<Z> after RX(x) is cos x; after RX(pi/2) as well it is -sin x."""
    engine = native.NativeEngine(isa=isa, precision=precision)
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-7, 7, 4000), rng.normal(size=1000) * 1e-3, [0.0, 1.0]])
    x = np.concatenate([x, np.linspace(0.4, 2.5, 999)])  # around the edges of arctan's pieces
    if precision == "single":
        x = x.astype(np.float32).astype(np.float64)

    def outputs(*gates):
        return engine.expectations(Circuit(1, gates, 1, 1), x[:, None], np.empty(0))[:, 0]

    def check(values, exact):
        assert np.max(np.abs(values - exact)) < tolerance

    quarter = Gate("rx", (0,), Constant(np.pi / 2))
    # A scale other than one takes the arctan itself; without one its half-angle has a closed form.
    for transform, scale, exact_angle in [
        ("identity", 1.0, x),
        ("arctan", 1.0, np.arctan(x)),
        ("arctan_square", 1.0, np.arctan(x * x)),
        ("arctan", -0.5, -0.5 * np.arctan(x)),
        ("arctan_square", 0.75, 0.75 * np.arctan(x * x)),
    ]:
        turn = Gate("rx", (0,), Feature(0, transform, scale))
        check(outputs(turn), np.cos(exact_angle))
        check(outputs(turn, quarter), -np.sin(exact_angle))


@pytest.mark.parametrize("isa", ISAS)
def test_tanh_of_the_cell(isa, monkeypatch):
    """With the gates input and output open, h is tanh(tanh(candidate))."""
    monkeypatch.setenv(ISA_VARIABLE, isa)
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=2000) * 3, [0.0, 1e-300, -1e-9, 25.0, -1e9, np.inf]])
    z = np.stack([np.zeros_like(x), np.full_like(x, 800.0), x, np.full_like(x, 800.0)])
    hidden = np.empty((1, x.size))
    extension.Cell(find_kernel(), 1, x.size).forward(0, z[:, None], hidden)
    np.testing.assert_allclose(hidden[0], np.tanh(np.tanh(x)), rtol=2e-15, atol=0)
    z[2, :2] = np.nan, 0.5
    extension.Cell(find_kernel(), 1, x.size).forward(0, z[:, None], hidden)
    assert np.isnan(hidden[0, 0])
    assert np.isfinite(hidden[0, 1:]).all()
