"""The report of a run: one HTML page that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from hpc_qlstm.analysis.evaluation import Evaluation
from hpc_qlstm.config import Config
from hpc_qlstm.config_io import config_text
from hpc_qlstm.runs.checkpoint_format import package_versions
from hpc_qlstm.runs.run_directory import replace_text

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; } td, th { padding: .25rem 1rem .25rem 0; text-align: left;
       border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums; }
img { max-width: 100%; } pre { background: #f6f6f6; padding: 1rem; overflow: auto; }
"""


def write_report(
    path: Path, config: Config, evaluation: Evaluation, figures: Sequence[Path]
) -> None:
    """Write the page for an evaluated run, replacing an older one. Local."""
    title = f"hpc_qlstm: {config.data.source}"
    scores = _table(
        ("part", "windows", "MSE (scaled)", "R²"),
        [
            (part, str(values["windows"]), f"{values['mse']:.4e}", f"{values['r2']:.5f}")
            for part, values in evaluation.scores.items()
        ],
    )
    images = "".join(
        f'<img alt="{escape(figure.stem)}" src="data:image/png;base64,'
        f'{base64.b64encode(figure.read_bytes()).decode()}">'
        for figure in figures
    )
    page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<style>{_STYLE}</style></head><body>
<h1>{escape(title)}</h1>
<p>After epoch {evaluation.epoch} of {config.training.epochs}.</p>
{scores}
{images}
<h2>Time</h2>
{_time_table(evaluation)}
<h2>Configuration</h2>
<pre>{escape(config_text(config))}</pre>
<h2>Versions</h2>
{_table(("package", "version"), package_versions().items())}
</body></html>
"""
    replace_text(path, page)


def _time_table(evaluation: Evaluation) -> str:
    epochs, rows = max(len(evaluation.history), 1), []
    for name in ("total", "compute", "communication", "waiting"):
        total = sum(record["seconds"][name] for record in evaluation.history)
        rows.append((name, f"{total:.3f}", f"{total / epochs:.4f}"))
    return _table(("rank 0", "seconds", "per epoch"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{cells}</tr>{body}</table>"
