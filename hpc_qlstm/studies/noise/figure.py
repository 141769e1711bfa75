"""The figure of a noise study: R2 against depolarizing rate, a line for each number of shots."""

from __future__ import annotations

from pathlib import Path

from hpc_qlstm.studies.noise.study import Study, shots_text

_LOWEST = -0.2
"""A mean R2 below this is left out: a model that is that wrong is no use, however wrong."""


def draw_study(study: Study, path: Path) -> None:
    """Two panels, without and with mitigation; bars are standard deviations over seeds.

    Local; raises OSError.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for mitigated, axes in zip((False, True), panels, strict=True):
        for number, shots in enumerate(study.shots):
            values = [study.r2(rate, shots, mitigated) for rate in study.rates]
            means = [float(r2.mean()) if r2.mean() > _LOWEST else float("nan") for r2 in values]
            spread = [float(r2.std()) for r2 in values]
            style = {"marker": "o", "markersize": 4, "capsize": 2, "color": f"C{number}"}
            axes.errorbar(study.rates, means, spread, label=shots_text(shots), **style)
        axes.set(
            title="with mitigation" if mitigated else "without mitigation",
            xlabel="depolarizing rate of every gate",
            ylim=(_LOWEST, 1.02),
        )
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("test R²")
    panels[0].legend()
    figure.savefig(path, dpi=150)
