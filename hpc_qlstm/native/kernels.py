"""Which compiled kernels are used: by instruction set and precision. Local."""

from __future__ import annotations

import functools
import os
from typing import Literal

from hpc_qlstm.errors import InputError
from hpc_qlstm.native import extension

ISA_VARIABLE = "HPC_QLSTM_ISA"
PRECISIONS = ("double", "single")
Precision = Literal["double", "single"]


def available_isas() -> list[str]:
    """Instruction sets of this build that this processor has, the fastest last."""
    return extension.available_isas()


def isa() -> str:
    """The instruction set that an engine of this process takes by default.

    Raises InputError when HPC_QLSTM_ISA names one that is not there.
    """
    return find_kernel().name


def find_kernel(isa: str | None = None, precision: Precision = "double") -> extension.Kernel:
    """The kernels of an instruction set, by default the environment's HPC_QLSTM_ISA or the fastest.

    Raises InputError for one that is not there.
    """
    wanted = isa or os.environ.get(ISA_VARIABLE)
    kernel = _compiled(wanted, precision == "single")
    if kernel is None:
        where = "engine native: isa" if isa else f"environment variable {ISA_VARIABLE}"
        allowed = ", ".join(extension.available_isas())
        raise InputError(f"{where} is {wanted!r}, allowed on this processor: {allowed}")
    return kernel


@functools.cache
def _compiled(isa: str | None, single: bool) -> extension.Kernel | None:
    return extension.kernel(isa or extension.available_isas()[-1], single)
