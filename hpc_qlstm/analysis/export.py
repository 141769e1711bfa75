"""The trained sub-circuits of a run as OpenQASM 3 and QPY, for other tools and devices. Collective.

Each VQC of each partition becomes `forget.0.qasm`, `forget.0.qpy` and so on; `manifest.json` says
what the inputs of each are in terms of the model, and how the cell continues from the outputs.
"""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

from hpc_qlstm.analysis.evaluation import TrainedRun, Which, open_run
from hpc_qlstm.build.setup import require_circuits
from hpc_qlstm.circuits.qiskit_conversion import qasm3_text, qpy_bytes
from hpc_qlstm.errors import InputError
from hpc_qlstm.model import QLSTM
from hpc_qlstm.model.cell import LSTM_GATES
from hpc_qlstm.parallel import Communicator, on_root

MANIFEST = "manifest.json"
_EXTRA_RESULTS = {"hidden": "h", "prediction": "the readout's input y"}


def export(
    run_dir: str | Path,
    output: str | Path | None,
    comm: Communicator,
    which: Which = "last",
    *,
    free: bool = False,
) -> list[Path]:
    """Write every sub-circuit of a run; rank 0 writes. Collective; raises InputError.

    output: the folder to write, default `export` in the run directory; free: weights stay
    parameters `w0`, `w1`, .. and their values go into the manifest, instead of numbers in the
    circuits. Features are parameters always. Returns the files written.
    """
    trained = open_run(run_dir, comm, which)
    folder = trained.run.path / "export" if output is None else Path(output)
    return on_root(comm, lambda: _write(trained, folder, which, free))


def _write(trained: TrainedRun, folder: Path, which: Which, free: bool) -> list[Path]:
    require_circuits(trained.config, "to export")
    model, layout = trained.model.model, trained.model.model.layout
    entries: list[dict[str, Any]] = []
    files: dict[str, bytes] = {}
    for m, group in product(range(model.partition.count), layout.groups):
        circuit, stacked = layout.circuit(m, group), layout.stacked(trained.weights, m, group)
        for k, (gate, weights) in enumerate(zip(layout.groups[group], stacked, strict=True)):
            name, bound = f"{gate}.{m}", None if free else weights
            kind, features = _inputs(model, m, gate)
            entry: dict[str, Any] = {
                "name": name,
                "gate": gate,
                "partition": m,
                "qubits": circuit.qubits,
                "features": features,
                "outputs": circuit.outputs,
            }
            if layout.affine:
                scale, shift = layout.affine_maps(trained.weights, m, group)[k]
                entry |= {"scale": scale.tolist(), "shift": shift.tolist()}
            if free:
                entry["weights"] = weights.ravel().tolist()
            entries.append(entry)
            comments = (
                f"{name}: {kind} of partition {m}",
                f"x0, x1, ..: {', '.join(features)}; arctan_x0 is arctan(x0), "
                "arctan_square_x0 is arctan(x0^2)",
                f"outputs: <Z> of qubits 0 to {circuit.outputs - 1}",
            )
            files[f"{name}.qasm"] = qasm3_text(circuit, bound, comments).encode()
            files[f"{name}.qpy"] = qpy_bytes(circuit, bound)
    manifest = {"run": trained.run.path.name, "weights": which, **_cell(trained, entries)}
    files[MANIFEST] = (json.dumps(manifest, indent=2) + "\n").encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from None
    return [folder / name for name in files]


def _inputs(model: QLSTM, m: int, gate: str) -> tuple[str, list[str]]:
    """What partition m's circuit of a gate is, and the names of its features in the model."""
    if gate in _EXTRA_RESULTS:
        kind = f"the VQC of {_EXTRA_RESULTS[gate]} from s = o tanh(c)"
        return kind, [f"s[{i}]" for i in model.state_inputs[m]]
    h = [f"h[{i}]" for i in range(model.hidden_size)]
    x = [f"x[{i}]" for i in range(model.input_size)]
    v = h + x if model.order == "hx" else x + h
    return f"the {gate} gate", [v[i] for i in model.partition.inputs[m]]


def _cell(trained: TrainedRun, circuits: list[dict[str, Any]]) -> dict[str, Any]:
    """How the cell goes on from the outputs of its circuits."""
    model, layout = trained.model.model, trained.model.model.layout
    weight, bias = layout.readout_views(trained.weights)
    mixing = layout.mixing(trained.weights)
    state = "s = o tanh(c), h and the readout's input y are circuits of s"
    cell: dict[str, Any] = {
        "input_size": model.input_size,
        "hidden_size": model.hidden_size,
        "output_size": model.output_size,
        "activations": "sigmoid of forget, input and output, tanh of candidate; c = f c + i g, "
        f"{state if model.extra_circuits else 'h = o tanh(c)'}, partitions concatenated in their "
        "order; scale and shift, where given, are applied to a circuit's outputs",
        "readout": {"weight": weight.tolist(), "bias": bias.tolist()},
        "circuits": circuits,
    }
    if mixing is not None:
        # Rows of a gate's matrix times its concatenated outputs, before the activation.
        cell["activations"] += "; mixing is applied to the concatenated outputs of a gate"
        cell["mixing"] = {gate: a.tolist() for gate, a in zip(LSTM_GATES, mixing, strict=True)}
    return cell
