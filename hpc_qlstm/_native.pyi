"""The compiled kernels of the native engine: see kernels/bindings.cpp."""

from collections.abc import Sequence

from numpy import float64, uint8
from numpy.typing import NDArray

class Kernel:
    """The kernels for one instruction set and precision."""

    @property
    def name(self) -> str: ...
    @property
    def lanes(self) -> int: ...
    def multiply_add(self, rounds: int) -> float: ...
    def update(self, rounds: int, bytes: int) -> None: ...

class Heartbeat:
    """A thread that says over a socket that the process lives."""

    def __init__(self, descriptor: int, message: str, period: float) -> None: ...

class FileWriter:
    """A thread that writes files, complete or not at all."""

    def __init__(self) -> None: ...
    def start(
        self,
        folder: str,
        temporary: str,
        path: str,
        content: NDArray[uint8],
        retired: Sequence[str],
    ) -> bool: ...
    @property
    def busy(self) -> bool: ...
    def wait(self) -> tuple[int, bool, int, float]: ...

class Cell:
    """The LSTM cell over the time steps of a batch."""

    def __init__(self, kernel: Kernel, steps: int, size: int, back: bool = True) -> None: ...
    def begin(self, c0: NDArray[float64] | None = None) -> None: ...
    def begin_reverse(self, grad_c: NDArray[float64] | None = None) -> None: ...
    def state(self, c: NDArray[float64]) -> None: ...
    def grad_state(self, grad_c: NDArray[float64]) -> None: ...
    def forward(self, t: int, z: NDArray[float64], hidden: NDArray[float64]) -> None: ...
    def reverse(self, t: int, grad_hidden: NDArray[float64], grad_z: NDArray[float64]) -> None: ...

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
    def steps(self) -> int: ...

class BatchPlan:
    """How the samples of a batch are swept."""

    def __init__(self, program: Program) -> None: ...
    @property
    def passes(self) -> int: ...
    def operations(self, gradient: bool) -> float: ...
    def accesses(self, gradient: bool) -> float: ...
    @property
    def real(self) -> bool: ...

class StatePlan:
    """How one large state of a program is swept."""

    def __init__(self, program: Program, kernel: Kernel, tile_bits: int = 0) -> None: ...
    @property
    def passes(self) -> int: ...

class PartitionSweep:
    """The VQCs of one process's partitions over the time steps."""

    def __init__(
        self,
        kernel: Kernel,
        members: Sequence[tuple[BatchPlan | StatePlan, Sequence[int], int, int, int]],
        sets: int,
    ) -> None: ...
    seconds: float
    def begin(self, steps: int, samples: int, back: bool = True) -> None: ...
    def forward(
        self,
        t: int,
        threads: int,
        state: NDArray[float64],
        x: NDArray[float64],
        weights: NDArray[float64],
        outputs: NDArray[float64],
    ) -> None: ...
    def reverse(
        self,
        t: int,
        threads: int,
        weights: NDArray[float64],
        cotangents: NDArray[float64],
        rows: NDArray[float64],
        grad_inputs: NDArray[float64],
    ) -> None: ...

class CellSweep:
    """Cell and circuits of one process, tied to the arrays of an exchange."""

    def __init__(self, gates: PartitionSweep, kernel: Kernel) -> None: ...
    def start(
        self,
        threads: int,
        x: NDArray[float64],
        weights: NDArray[float64],
        outputs: NDArray[float64],
        gathered: NDArray[float64],
        counts: Sequence[int],
        state: NDArray[float64],
        read: NDArray[float64],
        sequence: bool,
        updates: bool,
    ) -> None: ...
    def set_state(self, h0: NDArray[float64], c0: NDArray[float64]) -> None: ...
    def state(self, c: NDArray[float64]) -> None: ...
    def set_grad_state(self, grad_h: NDArray[float64], grad_c: NDArray[float64]) -> None: ...
    def grad_state(self, grad_h: NDArray[float64], grad_c: NDArray[float64]) -> None: ...
    def start_back(
        self,
        grad_read: NDArray[float64],
        rows: NDArray[float64],
        grad_inputs: NDArray[float64],
        gathered: NDArray[float64],
        columns: ColumnList,
        hidden_begin: int,
        cotangents: NDArray[float64],
        grad_x: NDArray[float64] | None,
    ) -> None: ...
    def evaluate(self, t: int) -> None: ...
    def update(self, t: int) -> None: ...
    def forward_step(self, t: int) -> None: ...
    def cell_backward(self, t: int) -> None: ...
    def reverse(self, t: int) -> None: ...
    def scatter_input_gradients(self, t: int) -> None: ...
    def backward_step(self, t: int) -> None: ...

class ColumnList:
    """Which column of which part goes to which."""

    def __init__(self, list: Sequence[tuple[int, int, int]]) -> None: ...

def merge_columns(
    parts: NDArray[float64], counts: Sequence[int], merged: NDArray[float64]
) -> None: ...
def add_columns(parts: NDArray[float64], list: ColumnList, sums: NDArray[float64]) -> None: ...
def block_sums(rows: NDArray[float64], bounds: Sequence[int], sums: NDArray[float64]) -> None: ...
def sum_blocks(rows: NDArray[float64], bounds: Sequence[int], sum: NDArray[float64]) -> None: ...
def adam(
    beta1: float,
    beta2: float,
    step_size: float,
    root: float,
    epsilon: float,
    gradient: NDArray[float64],
    first: NDArray[float64],
    second: NDArray[float64],
    weights: NDArray[float64],
) -> None: ...
def add_blocks(
    received: NDArray[float64],
    counts: Sequence[int],
    offsets: Sequence[int],
    shared_begin: int,
    begin: int,
    gradient: NDArray[float64],
) -> tuple[float, float]: ...
def readout(
    hidden: NDArray[float64],
    weight: NDArray[float64],
    bias: NDArray[float64],
    out: NDArray[float64],
) -> None: ...
def squared_errors(
    hidden: NDArray[float64],
    weight: NDArray[float64],
    bias: NDArray[float64],
    target: NDArray[float64],
    scale: float,
    loss: NDArray[float64],
    grad_hidden: NDArray[float64],
    rows: NDArray[float64],
) -> None: ...
def pack_sums(
    loss: NDArray[float64],
    shared: NDArray[float64],
    partitions: NDArray[float64],
    bounds: Sequence[int],
    head: int,
    sent: NDArray[float64],
) -> None: ...
def available_isas() -> list[str]: ...
def kernel(isa: str, single: bool = False) -> Kernel | None: ...
def expectations(
    plan: BatchPlan | StatePlan,
    kernel: Kernel,
    threads: int,
    features: NDArray[float64],
    weights: NDArray[float64],
    outputs: NDArray[float64],
) -> None: ...
def vjp(
    plan: BatchPlan | StatePlan,
    kernel: Kernel,
    threads: int,
    features: NDArray[float64],
    weights: NDArray[float64],
    cotangent: NDArray[float64],
    outputs: NDArray[float64],
    weight_rows: NDArray[float64],
    feature_rows: NDArray[float64],
) -> None: ...
def vjp_sum(
    plan: BatchPlan | StatePlan,
    kernel: Kernel,
    threads: int,
    features: NDArray[float64],
    weights: NDArray[float64],
    cotangent: NDArray[float64],
    outputs: NDArray[float64],
    gradient: NDArray[float64],
    feature_rows: NDArray[float64],
) -> None: ...
