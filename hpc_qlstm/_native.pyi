"""The compiled kernels of the native engine: see kernels/bindings.cpp."""

from collections.abc import Sequence

from numpy import float64
from numpy.typing import NDArray

class Kernel:
    """The kernels for one instruction set."""

    @property
    def name(self) -> str: ...
    @property
    def lanes(self) -> int: ...

class Program:
    """A compiled circuit."""

    def __init__(
        self,
        qubits: int,
        features: int,
        weights: int,
        outputs: int,
        gates: Sequence[tuple[str, int, int, str, int, str, float]],
    ) -> None: ...
    @property
    def passes(self) -> int: ...

class StatePlan:
    """How one large state of a program is swept."""

    def __init__(self, program: Program, kernel: Kernel, tile_bits: int = 0) -> None: ...
    @property
    def passes(self) -> int: ...

def available_isas() -> list[str]: ...
def kernel(isa: str) -> Kernel | None: ...
def expectations(
    program: Program | StatePlan,
    kernel: Kernel,
    threads: int,
    features: NDArray[float64],
    weights: NDArray[float64],
    outputs: NDArray[float64],
) -> None: ...
def vjp(
    program: Program | StatePlan,
    kernel: Kernel,
    threads: int,
    features: NDArray[float64],
    weights: NDArray[float64],
    cotangent: NDArray[float64],
    outputs: NDArray[float64],
    weight_rows: NDArray[float64],
    feature_rows: NDArray[float64],
) -> None: ...
