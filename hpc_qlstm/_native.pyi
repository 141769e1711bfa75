"""
The compiled kernels: circuits, the LSTM cell, sums, and threads without Python.
"""

from collections.abc import Sequence
from typing import Annotated

import numpy
from numpy.typing import NDArray

class Kernel:
    """The kernels for one instruction set and precision."""

    @property
    def name(self) -> str: ...
    @property
    def lanes(self) -> int:
        """Numbers in one vector."""

    def multiply_add(self, rounds: int) -> float:
        """
        Do nothing but multiplications and additions; returns how many, to be timed.
        """

    def update(self, rounds: int, bytes: int) -> None:
        """Read and write `bytes` of memory so many times, to be timed."""

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
    def steps(self) -> int:
        """Rotations and CZ after the product state that the circuit starts from."""

class BatchPlan:
    """How the samples of a batch are swept."""

    def __init__(self, program: Program) -> None: ...
    @property
    def passes(self) -> int:
        """
        Passes over the state of a forward evaluation, after the product state.
        """

    def operations(self, gradient: bool) -> float:
        """Additions and multiplications on the states of one sample."""

    def accesses(self, gradient: bool) -> float:
        """Amplitudes that these load and store."""

    @property
    def real(self) -> bool:
        """Whether amplitudes are real numbers."""

class StatePlan:
    """How one large state of a program is swept."""

    def __init__(self, program: Program, kernel: Kernel, tile_bits: int = 0) -> None: ...
    @property
    def passes(self) -> int:
        """Passes over memory of a forward evaluation."""

def available_isas() -> list[str]:
    """
    Instruction sets of this build that this processor has, the fastest last.
    """

def kernel(isa: str, single: bool = False) -> Kernel | None:
    """The kernels of that name, or None."""

def expectations(
    plan: BatchPlan | StatePlan,
    kernel: Kernel,
    threads: int,
    features: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    weights: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu", writable=False)],
    outputs: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None, None), order="C", device="cpu")
    ],
) -> None:
    """Fill outputs (sets, samples, n_out)."""

def vjp(
    plan: BatchPlan | StatePlan,
    kernel: Kernel,
    threads: int,
    features: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    weights: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu", writable=False)],
    cotangent: Annotated[
        NDArray[numpy.float64],
        dict(shape=(None, None, None), order="C", device="cpu", writable=False),
    ],
    outputs: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None, None), order="C", device="cpu")
    ],
    weight_rows: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None, None), order="C", device="cpu")
    ],
    feature_rows: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None, None), order="C", device="cpu")
    ],
) -> None:
    """
    Fill outputs and the gradients of sum(cotangent * outputs), one row for each sample.
    """

def vjp_sum(
    plan: BatchPlan | StatePlan,
    kernel: Kernel,
    threads: int,
    features: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    weights: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu", writable=False)],
    cotangent: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    outputs: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")],
    gradient: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu")],
    feature_rows: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")
    ],
) -> None:
    """
    The same for one set of weights, whose gradient is summed over samples.
    """

class Cell:
    """The LSTM cell over the time steps of a batch."""

    def __init__(self, kernel: Kernel, steps: int, size: int, back: bool = True) -> None: ...
    def begin(
        self,
        c0: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu", writable=False)]
        | None = None,
    ) -> None:
        """A sweep follows, from c_0 (B, d_h) or zeros."""

    def begin_reverse(
        self,
        grad_c: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu", writable=False)]
        | None = None,
    ) -> None:
        """The way back follows, from the cotangent of c_T (B, d_h) or zeros."""

    def state(self, c: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu")]) -> None:
        """Copy c_T (B, d_h)."""

    def grad_state(
        self, grad_c: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu")]
    ) -> None:
        """Copy the cotangent of c_0 (B, d_h), after the way back."""

    def forward(
        self,
        t: int,
        z: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu", writable=False)],
        hidden: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu")],
    ) -> None:
        """From z (4, B, d_h) to h_t (B, d_h)."""

    def reverse(
        self,
        t: int,
        grad_hidden: Annotated[
            NDArray[numpy.float64], dict(order="C", device="cpu", writable=False)
        ],
        grad_z: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu")],
    ) -> None:
        """From the cotangent of h_t (B, d_h) to that of z (4, B, d_h)."""

class CellSweep:
    """Cell and circuits of one process, tied to the arrays of an exchange."""

    def __init__(self, gates: PartitionSweep, kernel: Kernel) -> None: ...
    def start(
        self,
        threads: int,
        x: Annotated[
            NDArray[numpy.float64],
            dict(shape=(None, None, None), order="C", device="cpu", writable=False),
        ],
        weights: Annotated[
            NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ],
        outputs: Annotated[
            NDArray[numpy.float64], dict(shape=(None, None, None), order="C", device="cpu")
        ],
        gathered: Annotated[
            NDArray[numpy.float64],
            dict(shape=(None, None, None, None), order="C", device="cpu", writable=False),
        ],
        counts: Sequence[int],
        state: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")],
        read: Annotated[
            NDArray[numpy.float64], dict(shape=(None, None, None), order="C", device="cpu")
        ],
        sequence: bool,
        updates: bool,
    ) -> None:
        """Tie the arrays of the way forward; h_0 = 0."""

    def start_back(
        self,
        grad_read: Annotated[
            NDArray[numpy.float64],
            dict(shape=(None, None, None), order="C", device="cpu", writable=False),
        ],
        rows: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")],
        grad_inputs: Annotated[
            NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")
        ],
        gathered: Annotated[
            NDArray[numpy.float64],
            dict(shape=(None, None, None), order="C", device="cpu", writable=False),
        ],
        columns: ColumnList,
        hidden_begin: int,
        cotangents: Annotated[
            NDArray[numpy.float64], dict(shape=(None, None, None), order="C", device="cpu")
        ],
        grad_x: Annotated[
            NDArray[numpy.float64], dict(shape=(None, None, None), order="C", device="cpu")
        ]
        | None,
    ) -> None:
        """Tie the arrays of the way back."""

    def set_state(
        self,
        h0: Annotated[
            NDArray[numpy.float64],
            dict(shape=(None, None), order="C", device="cpu", writable=False),
        ],
        c0: Annotated[
            NDArray[numpy.float64],
            dict(shape=(None, None), order="C", device="cpu", writable=False),
        ],
    ) -> None:
        """h_0 and c_0 (B, d_h) instead of zeros; after start."""

    def state(
        self,
        c: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")],
    ) -> None:
        """Copy c_T (B, d_h)."""

    def set_grad_state(
        self,
        grad_h: Annotated[
            NDArray[numpy.float64],
            dict(shape=(None, None), order="C", device="cpu", writable=False),
        ],
        grad_c: Annotated[
            NDArray[numpy.float64],
            dict(shape=(None, None), order="C", device="cpu", writable=False),
        ],
    ) -> None:
        """The cotangents of h_T and c_T instead of zeros; after start_back."""

    def grad_state(
        self,
        grad_h: Annotated[
            NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")
        ],
        grad_c: Annotated[
            NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")
        ],
    ) -> None:
        """Copy the cotangents of h_0 and c_0, after the way back."""

    def evaluate(self, t: int) -> None:
        """Outputs of step t from the state."""

    def update(self, t: int) -> None:
        """The state after step t."""

    def forward_step(self, t: int) -> None:
        """update(t - 1), and evaluate(t)."""

    def cell_backward(self, t: int) -> None:
        """Cotangents of step t's outputs."""

    def reverse(self, t: int) -> None:
        """Gradients by weights and what is read."""

    def scatter_input_gradients(self, t: int) -> None:
        """Add up the gathered gradients of v_t."""

    def backward_step(self, t: int) -> None:
        """scatter_input_gradients(t + 1), cell_backward(t) and reverse(t)."""

class Member:
    """One partition of a sweep: VQCs with circuit and features in common."""

    def __init__(
        self,
        *,
        plan: BatchPlan | StatePlan,
        picks: Sequence[int],
        weights_begin: int,
        rows_begin: int,
        output_begin: int,
    ) -> None: ...
    @property
    def plan(self) -> BatchPlan | StatePlan:
        """The compiled circuit."""

    @property
    def picks(self) -> list[int]:
        """
        For each feature its column of the state, or -1 - k for column k of x_t.
        """

    @property
    def weights_begin(self) -> int:
        """Where its weight sets begin in the flat vector."""

    @property
    def rows_begin(self) -> int:
        """Where their gradients begin in a sample's row."""

    @property
    def output_begin(self) -> int:
        """Where its outputs begin in the hidden vector."""

class PartitionSweep:
    """The VQCs of one process's partitions over the time steps."""

    def __init__(self, kernel: Kernel, members: Sequence[Member], sets: int) -> None: ...
    def begin(self, steps: int, samples: int, back: bool = True) -> None: ...
    @property
    def seconds(self) -> float:
        """Spent in forward and reverse."""

    @seconds.setter
    def seconds(self, arg: float, /) -> None: ...
    def forward(
        self,
        t: int,
        threads: int,
        state: Annotated[
            NDArray[numpy.float64],
            dict(shape=(None, None), order="C", device="cpu", writable=False),
        ],
        x: Annotated[
            NDArray[numpy.float64],
            dict(shape=(None, None, None), order="C", device="cpu", writable=False),
        ],
        weights: Annotated[
            NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ],
        outputs: Annotated[
            NDArray[numpy.float64], dict(shape=(None, None, None), order="C", device="cpu")
        ],
    ) -> None:
        """Fill outputs (sets, B, width) of step t."""

    def reverse(
        self,
        t: int,
        threads: int,
        weights: Annotated[
            NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
        ],
        cotangents: Annotated[
            NDArray[numpy.float64],
            dict(shape=(None, None, None), order="C", device="cpu", writable=False),
        ],
        rows: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")],
        grad_inputs: Annotated[
            NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")
        ],
    ) -> None:
        """Add to rows (B, n), fill grad_inputs (B, width)."""

def merge_columns(
    parts: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu", writable=False)],
    counts: Sequence[int],
    merged: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu")],
) -> None:
    """The first columns of every part side by side."""

class ColumnList:
    """Which column of which part goes to which."""

    def __init__(self, columns: Sequence[tuple[int, int, int]]) -> None: ...

def add_columns(
    parts: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu", writable=False)],
    columns: ColumnList,
    sums: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")],
) -> None:
    """Add columns of the parts, in that order."""

def block_sums(
    rows: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    bounds: Sequence[int],
    sums: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")],
) -> None:
    """Sums of rows (n, width) over blocks of consecutive rows."""

def sum_blocks(
    rows: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    bounds: Sequence[int],
    sum: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu")],
) -> None:
    """The sum of all blocks, in block order."""

def adam(
    beta1: float,
    beta2: float,
    step_size: float,
    root: float,
    epsilon: float,
    gradient: Annotated[
        NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    first: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu")],
    second: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu")],
    weights: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu")],
) -> None:
    """One step of Adam, in place."""

def add_blocks(
    received: Annotated[
        NDArray[numpy.float64],
        dict(shape=(None, None, None), order="C", device="cpu", writable=False),
    ],
    counts: Sequence[int],
    offsets: Sequence[int],
    shared_begin: int,
    begin: int,
    gradient: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu")],
) -> tuple[float, float]:
    """
    Add up the gathered blocks of all ranks in block order. Returns the sum of the losses,
    and that of the gradient, which tells whether all of it is finite.
    """

def readout(
    hidden: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    weight: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    bias: Annotated[
        NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    out: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")],
) -> None:
    """W h + b for each sample."""

def squared_errors(
    hidden: Annotated[
        NDArray[numpy.float64],
        dict(shape=(None, None, None), order="C", device="cpu", writable=False),
    ],
    weight: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    bias: Annotated[
        NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    target: Annotated[NDArray[numpy.float64], dict(order="C", device="cpu", writable=False)],
    scale: float,
    loss: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu")],
    grad_hidden: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None, None), order="C", device="cpu")
    ],
    rows: Annotated[NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu")],
) -> None:
    """
    Squared errors of the readout for each sample, and scale / 2 times their derivatives.
    """

def pack_sums(
    loss: Annotated[
        NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu", writable=False)
    ],
    shared: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    partitions: Annotated[
        NDArray[numpy.float64], dict(shape=(None, None), order="C", device="cpu", writable=False)
    ],
    bounds: Sequence[int],
    head: int,
    sent: Annotated[NDArray[numpy.float64], dict(shape=(None,), order="C", device="cpu")],
) -> None:
    """Sums of all blocks: losses, shared and own gradients."""

class Heartbeat:
    """A thread that says over a socket that the process lives."""

    def __init__(self, descriptor: int, message: str, period: float) -> None:
        """
        Send the message to a connected datagram socket every `period` seconds.
        """

class FileWriter:
    """A thread that writes files, complete or not at all."""

    def __init__(self) -> None: ...
    def start(
        self,
        folder: str,
        temporary: str,
        path: str,
        content: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order="C", writable=False)],
        retired: Sequence[str],
    ) -> bool:
        """
        Begin to write a copy of the content; False while another file is under way.
        """

    @property
    def busy(self) -> bool:
        """Whether a file is being written."""

    def wait(self) -> tuple[int, bool, int, float]:
        """
        Wait for the file under way: errno or 0, whether the file has its name,
        errno of an old file that stays, and seconds.
        """
