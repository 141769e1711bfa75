"""Up to where ranks are worth adding: for one configuration, and for many side by side. Local."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hpc_qlstm.config import Config
from hpc_qlstm.errors import InputError
from hpc_qlstm.studies.scaling.extrapolate import Extrapolated, extrapolate
from hpc_qlstm.studies.scaling.interconnect import Interconnect
from hpc_qlstm.studies.scaling.machine import Machine
from hpc_qlstm.studies.scaling.model import plan_of
from hpc_qlstm.studies.scaling.plan import varied

SAVED = 0.25
"""Ranks are called worth adding while twice as many save this part of a step's time at least: an
efficiency of two thirds from one doubling to the next."""


class Limits:
    """Of the numbers of ranks that a configuration was extrapolated to, in ascending order: the
    first, the most that are worth adding, those with the shortest step, and the first on which
    communication takes more than half of the step, if any."""

    def __init__(self, found: Sequence[Extrapolated]) -> None:
        self.first = self.worth = found[0]
        for each in found[1:]:
            doublings = math.log2(each.ranks / self.worth.ranks)
            if each.seconds > self.worth.seconds * (1.0 - SAVED) ** doublings:
                break
            self.worth = each
        self.fastest = min(found, key=lambda each: each.seconds)
        self.half = next((each for each in found if each.communication_share > 0.5), None)


def limit_sentences(found: Sequence[Extrapolated], kind: str) -> list[str]:
    """Where communication passes half of the step and, where only the ranks grow, up to where they
    are worth adding."""
    limits = Limits(found)
    half = f"communication stays below half of the step up to P = {found[-1].ranks}"
    if limits.half is not None:
        half = f"communication passes half of the step at P = {limits.half.ranks}"
    if kind != "strong":
        return [half]
    saved = f"{100 * SAVED:.0f}% of a step or more up to P = {limits.worth.ranks}"
    fastest = f"P = {limits.fastest.ranks} with {1e3 * limits.fastest.seconds:.3g} ms a step"
    return [half, f"doubling the ranks saves {saved}", f"the fastest is {fastest}"]


def compare_limits(
    config: Config, vary: Sequence[str], ranks: Sequence[int], machine: Machine, net: Interconnect
) -> list[dict[str, str]]:
    """The limits of strong scaling of every combination of "section.key=value,value": the rows of a
    table, by column.

    q is of the largest partition. Raises InputError for values that cannot be, and for circuits the
    machine's file has not.
    """
    rows = []
    for chosen, variant in varied(config, vary):
        try:
            found, _ = extrapolate("strong", chosen, ranks, machine, net)
        except InputError as error:
            raise InputError(f"{variant}: {error}") from None
        model, steps = plan_of(chosen)
        limits = Limits(found)
        first = limits.first
        rows.append(
            {
                "M": str(model.partition.count),
                "q": str(max(model.partition.qubits)),
                "B": str(chosen.training.batch_size),
                "T": str(steps),
                "variant": variant,
                "P": str(first.ranks),
                "ms a step": f"{1e3 * first.seconds:.4g}",
                "worth adding up to P": str(limits.worth.ranks),
                "speed-up there": f"{first.seconds / limits.worth.seconds:.1f}",
                "fastest P": str(limits.fastest.ranks),
                "its speed-up": f"{first.seconds / limits.fastest.seconds:.1f}",
                "messages above half from P": str(limits.half.ranks) if limits.half else "never",
            }
        )
    return rows
