"""The files of a noise study. Local."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

from hpc_qlstm.runs.run_directory import replace_text
from hpc_qlstm.studies.markdown import table
from hpc_qlstm.studies.noise.figure import draw_study
from hpc_qlstm.studies.noise.study import RESULT, Study, shots_text


def study_table(study: Study) -> str:
    """Mean and standard deviation of R2 over seeds, as Markdown."""
    lines = []
    for rate, (mitigated, word) in product(study.rates, ((False, "no"), (True, "yes"))):
        values = [study.r2(rate, shots, mitigated) for shots in study.shots]
        shown = [f"{r2.mean():.3f} ± {r2.std(ddof=min(1, r2.size - 1)):.3f}" for r2 in values]
        lines.append([f"{rate:g}", word, *shown])
    return table(["rate", "mitigation", *map(shots_text, study.shots)], lines)


def write_study(study: Study, folder: Path) -> list[Path]:
    """Write noise.json, noise.md and noise.png; returns the files. Raises OSError."""
    files = [folder / f"noise.{suffix}" for suffix in ("json", "md", "png")]
    content = {
        "training": study.plan.training,
        "readout": study.plan.readout,
        "mitigation": study.plan.mitigation.model_dump(),
        "config": study.config.to_dict(),
        "cells": [{key: result[key] for key in RESULT} for result in study.results],
    }
    replace_text(files[0], json.dumps(content, indent=1) + "\n")
    replace_text(files[1], study_table(study) + "\n")
    draw_study(study, files[2])
    return files
