"""Studies as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hpc_qlstm.analysis.baselines import Scores
from hpc_qlstm.studies.markdown import table
from hpc_qlstm.studies.reproduce.study import Summary


def paper_table(found: Sequence[Summary], baselines: Mapping[str, Scores]) -> str:
    """R2, test error and convergence of every row beside the paper's numbers."""
    head = (
        "model", "qubits", "weights", "R² (mean ± std)", "best R²", "paper's R²",
        "test MSE (mean ± std)", "converged at epoch (median)", "paper's epoch",
    )  # fmt: skip
    rows = []
    for summary in found:
        published = summary.row.published
        epochs = summary.values("converged")
        rows.append(
            (
                summary.row.name,
                qubits_text(summary),
                str(summary.cells[0]["weights"]),
                f"{summary.mean('test_r2'):.4f} ± {summary.std('test_r2'):.4f}",
                f"{summary.values('test_r2').max():.4f}",
                f"{published['r2']:.4f}" if "r2" in published else "",
                error_text(summary),
                f"{np.median(epochs):g} ({epochs.min():.0f} to {epochs.max():.0f})",
                f"{published['converged']:.0f}" if "converged" in published else "",
            )
        )
    for name, scores in baselines.items():
        error = f"{scores['mse']:.2e}"
        rows.append((BASELINES[name], "", "", f"{scores['r2']:.4f}", "", "", error, "", ""))
    return table(head, rows)


BASELINES = {
    "constant": "constant (mean of the training part)",
    "last_value": "last value",
    "linear": "linear autoregression (least squares)",
}


def qubits_text(summary: Summary) -> str:
    """2 x 4, or 4 + 3."""
    qubits = summary.cells[0]["qubits"]
    if len(set(qubits)) == 1 and len(qubits) > 1:
        return f"{len(qubits)} x {qubits[0]}"
    return " + ".join(map(str, qubits))


def error_text(summary: Summary) -> str:
    """Mean and standard deviation of the test error; of a single seed the error."""
    if len(summary.cells) == 1:
        return f"{summary.mean('test_mse'):.2e}"
    return f"{summary.mean('test_mse'):.2e} ± {summary.std('test_mse'):.1e}"


def winners(found: Sequence[Summary], baselines: Mapping[str, Scores]) -> str:
    """Says plainly which model has the smallest mean error, and where the classical LSTM, the last
    row, wins."""
    *quantum, classical = found
    errors = {summary.row.name: summary.mean("test_mse") for summary in found}
    errors |= {BASELINES[name]: scores["mse"] for name, scores in baselines.items()}
    order = sorted(errors, key=errors.__getitem__)
    mine = errors[classical.row.name]
    worse = [summary.row.name for summary in quantum if summary.mean("test_mse") > mine]
    better = [summary.row.name for summary in quantum if summary.row.name not in worse]
    text = f"The smallest mean test error is that of: {order[0]} ({errors[order[0]]:.2e}). "
    text += f"The {classical.row.name} ({mine:.2e}) "
    if not worse:
        return text + "is behind every quantum model here."
    if not better:
        return text + "wins against every quantum model here."
    return text + f"wins against {', '.join(worse)}, and not against {', '.join(better)}."
