"""`hpc-qlstm export`: files that other tools read give the model's gate outputs."""

import json

import numpy as np
import pytest
from builders import small_config

from hpc_qlstm import train
from hpc_qlstm.analysis.evaluation import open_run
from hpc_qlstm.analysis.export import MANIFEST, export
from hpc_qlstm.circuits import Circuit, Constant, Feature, Gate, Weight
from hpc_qlstm.circuits.qiskit_conversion import named_qiskit, qpy_bytes
from hpc_qlstm.engines.reference import ReferenceEngine
from hpc_qlstm.errors import InputError
from hpc_qlstm.model.cell import LSTM_GATES
from hpc_qlstm.parallel import SerialCommunicator

qiskit = pytest.importorskip("qiskit")
from qiskit import qasm3, qpy  # noqa: E402
from qiskit.primitives import StatevectorEstimator  # noqa: E402
from qiskit.quantum_info import SparsePauliOp  # noqa: E402

COMM = SerialCommunicator()


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "run"
    config = small_config(
        partition={"count": 2},
        training={"epochs": 2, "learning_rate": 0.02},
        output={"run_dir": str(path)},
    )
    train(config, quiet=True)
    return path


def estimate(circuit, values, outputs):
    """<Z_k> by Qiskit's exact estimator; values by parameter name."""
    observables = [
        SparsePauliOp.from_sparse_list([("Z", [k], 1.0)], circuit.num_qubits)
        for k in range(outputs)
    ]
    bound = [values[parameter.name] for parameter in circuit.parameters]
    result = StatevectorEstimator().run([(circuit, observables, bound)]).result()
    return result[0].data.evs


def values_of(x, weights=None):
    named = {f"x{i}": v for i, v in enumerate(x)}
    named |= {f"arctan_x{i}": np.arctan(v) for i, v in enumerate(x)}
    named |= {f"arctan_square_x{i}": np.arctan(v * v) for i, v in enumerate(x)}
    return named | {f"w{j}": v for j, v in enumerate([] if weights is None else weights)}


@pytest.mark.parametrize("free", [False, True])
def test_files_read_back_give_the_gate_outputs(run_dir, tmp_path, free):
    files = export(run_dir, tmp_path, COMM, free=free)
    assert len(files) == 2 * len(LSTM_GATES) * 2 + 1
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    trained = open_run(run_dir, COMM)
    model, rng = trained.model.model, np.random.default_rng(0)
    for entry in manifest["circuits"]:
        m, g = entry["partition"], LSTM_GATES.index(entry["gate"])
        circuit, weights = model.circuits[m], model.layout.stacked(trained.weights, m)[g]
        x = rng.uniform(-2, 2, circuit.features)
        expected = ReferenceEngine().expectations(circuit, x[None], weights)[0]
        values = values_of(x, entry.get("weights"))
        with (tmp_path / f"{entry['name']}.qpy").open("rb") as file:
            (stored,) = qpy.load(file)
        found = estimate(stored, values, entry["outputs"])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
        assert len(stored.parameters) == circuit.features + free * circuit.weight_count
        pytest.importorskip("qiskit_qasm3_import", reason="Qiskit reads OpenQASM 3 with it")
        read = qasm3.loads((tmp_path / f"{entry['name']}.qasm").read_text())
        found = estimate(read, values, entry["outputs"])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert np.shape(manifest["readout"]["weight"]) == (1, 4)
    assert manifest["circuits"][0]["features"] == ["h[0]", "h[1]", "x[0]"]


def test_every_gate_and_angle_survives(tmp_path):
    gates = (
        Gate("h", (0,)),
        Gate("x", (1,)),
        Gate("rx", (0,), Constant(0.3)),
        Gate("ry", (1,), Feature(0, "arctan_square", -1.5)),
        Gate("rz", (0,), Feature(1, "identity", 2.0)),
        Gate("cnot", (0, 1)),
        Gate("cz", (1, 0)),
        Gate("rx", (0,), Weight(1)),
        Gate("ry", (0,), Feature(1, "arctan", 0.5)),
    )
    circuit = Circuit(2, gates, 2, 2, (2,))
    x, weights = np.array([0.7, -1.1]), np.array([0.2, -0.9])
    expected = ReferenceEngine().expectations(circuit, x[None], weights)[0]
    for expressions in (True, False):
        made = named_qiskit(circuit, weights, expressions=expressions)
        found = estimate(made, values_of(x), 2)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert qpy_bytes(circuit)[:6] == b"QISKIT"
    with pytest.raises(InputError, match=r"weights have shape \(3,\), allowed: \(2,\)"):
        named_qiskit(circuit, np.zeros(3))


def test_command(hpc_qlstm_run, run_dir, tmp_path):
    done = hpc_qlstm_run("export", run_dir, "--output", tmp_path / "out", "--weights", "best")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().replace("\n", "") == f"wrote 17 files to {tmp_path / 'out'}"
    text = (tmp_path / "out" / "forget.0.qasm").read_text()
    assert text.startswith("// forget.0: the forget gate of partition 0\n")
    (tmp_path / "file").write_text("in the way")
    done = hpc_qlstm_run("export", run_dir, "--output", tmp_path / "file")
    assert done.returncode == 2
    assert "cannot be written" in done.stderr
