"""A user's own Qiskit circuits as ansatz, from QPY."""

from __future__ import annotations

import numpy as np
import pytest

import hpc_qlstm
from hpc_qlstm import load_config
from hpc_qlstm.circuits.user_ansatz import circuits_from_file
from hpc_qlstm.errors import InputError


def own_circuit(qubits=2, features=2, weights=12, vector=False):
    """RY(x) on every qubit, then layers of RX(w) and CZ; more than ten weights, to be sorted."""
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter, ParameterVector

    names = [Parameter(f"x{i}") for i in range(features)]
    if vector:
        names = ParameterVector("x", features)
    theta = [Parameter(f"w{j}") for j in range(weights)]
    circuit = QuantumCircuit(qubits)
    for i in range(features):
        circuit.ry(names[i], i)
    for j in range(weights):
        circuit.rx(theta[j], j % qubits)
        if j % qubits == qubits - 1 and qubits > 1:
            circuit.cz(0, 1)
    return circuit


@pytest.fixture
def save(tmp_path):
    from qiskit import qpy

    def write(*circuits, name="own.qpy"):
        path = tmp_path / name
        with path.open("wb") as file:
            qpy.dump(list(circuits), file)
        return path

    return write


@pytest.fixture
def configured(write_config):
    def config(path, **sections):
        values = {
            "model": {"hidden_size": 2, "ansatz_file": str(path)},
            "partition": {"strategy": "broadcast_input", "count": 2},
            "training": {"epochs": 2, "learning_rate": 0.1},
        }
        return write_config(**{**values, **sections})

    return config


def test_weights_are_in_natural_order(save):
    (circuit,) = circuits_from_file(save(own_circuit()), [[0, 1]], [1])
    used = [gate.angle.index for gate in circuit.gates if gate.name == "rx"]
    assert used == list(range(12))
    assert circuit.weight_shape == (12,)


@pytest.mark.parametrize("vector", [False, True])
def test_training(save, configured, vector):
    config = load_config(configured(save(own_circuit(vector=vector))))
    result = hpc_qlstm.train(config, quiet=True)
    assert result.weights["forget.0"].shape == (12,)
    assert result.history[1]["train_loss"] < result.history[0]["train_loss"]


def test_a_circuit_for_each_partition(save, configured, hpc_qlstm_run, losses, tmp_path):
    path = save(own_circuit(2, weights=4), own_circuit(3, weights=5))
    config = configured(path)
    for name, ranks in (("one", None), ("two", 2)):
        done = hpc_qlstm_run(
            "train", config, "--set", f"output.run_dir={tmp_path / name}", ranks=ranks
        )
        assert done.returncode == 0, done.stderr
        assert "2 partitions of 2, 3 qubits" in done.stdout
    assert losses(tmp_path / "one") == losses(tmp_path / "two")


def test_an_exported_circuit_comes_back(save, configured, write_config, tmp_path, hpc_qlstm_run):
    """Export with free weights, read one circuit back: the same model, one gate's shape for all."""
    first = write_config(
        model={"hidden_size": 2, "depth": 1},
        partition={"strategy": "broadcast_input", "count": 2},
        training={"epochs": 1},
    )
    hpc_qlstm.train(load_config(first), quiet=True)
    done = hpc_qlstm_run("export", tmp_path / "run", "--free")
    assert done.returncode == 0, done.stderr
    path = tmp_path / "run" / "export" / "forget.0.qpy"
    named = hpc_qlstm.ansatz("rot_ring", qubits=2, features=2, outputs=1, depth=1)
    (circuit,) = circuits_from_file(path, [[0, 1]], [1])
    assert circuit.gates == named.gates
    assert circuit.weight_count == named.weight_count


def test_another_file_is_not_resumed_or_evaluated(save, configured):
    config = configured(save(own_circuit()))
    hpc_qlstm.train(load_config(config), quiet=True)
    changed = own_circuit()
    changed.h(0)
    save(changed)
    run_dir = load_config(config).output.run_dir
    with pytest.raises(InputError, match="the circuits are not those that the checkpoint"):
        hpc_qlstm.resume(run_dir, overrides=["training.epochs=3"], quiet=True)


def measured():
    circuit = own_circuit()
    circuit.measure_all()
    return circuit


def of_another_gate():
    circuit = own_circuit()
    circuit.iswap(0, 1)
    return circuit


@pytest.mark.parametrize(
    ("circuits", "message"),
    [
        (lambda: [own_circuit()] * 3, "has 3 circuits, allowed: 1 or one for each of 2"),
        (lambda: [own_circuit(3, 3)], "feature x2 is used, allowed: x0 to x1"),
        (lambda: [own_circuit(1, 1)] * 2, "circuit 0: 1 qubits, allowed: at least 2 for"),
        (lambda: [own_circuit(2, 1)] * 2, None),
        (lambda: [measured()], r"circuit 0: instruction \d+ \(measure"),
        (lambda: [of_another_gate()], r"\(iswap on \(0, 1\)\) cannot be converted"),
    ],
)
def test_circuits_that_do_not_fit(save, configured, circuits, message):
    config = load_config(configured(save(*circuits())))
    if message is None:
        hpc_qlstm.train(config, quiet=True)  # a feature that is not used keeps its place
        return
    with pytest.raises(InputError, match=message):
        hpc_qlstm.train(config, quiet=True)


def test_files_of_another_kind_are_refused(configured, tmp_path):
    with pytest.raises(InputError, match=r"model.ansatz_file: .*absent.qpy cannot be read"):
        hpc_qlstm.train(load_config(configured(tmp_path / "absent.qpy")), quiet=True)
    (tmp_path / "text.qpy").write_text("not a circuit")
    with pytest.raises(InputError, match="is no QPY file"):
        hpc_qlstm.train(load_config(configured(tmp_path / "text.qpy")), quiet=True)


def test_values_agree_with_qiskit(save):
    from qiskit.quantum_info import Statevector

    qc = own_circuit()
    (circuit,) = circuits_from_file(save(qc), [[0, 1]], [2])
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=2), rng.normal(size=12)
    names = {p.name: p for p in qc.parameters}
    bound = qc.assign_parameters(
        {**{names[f"x{i}"]: x[i] for i in range(2)}, **{names[f"w{j}"]: w[j] for j in range(12)}}
    )
    expected = [np.subtract(*Statevector(bound).probabilities([k])) for k in range(2)]
    found = hpc_qlstm.create_engine("native").expectations(circuit, x[None], w)[0]
    np.testing.assert_allclose(found, expected, atol=1e-13)
