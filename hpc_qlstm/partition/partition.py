"""Partitions: which inputs reach which sub-VQC, and how many outputs and qubits it has.

The paper's section II.D and equation 6 split v_t = [h_{t-1}; x_t] into M sub-vectors. Here a
partition is a list of index lists into v_t, which may overlap, so that strategies other than the
paper's contiguous blocks are the same kind of object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from numbers import Integral
from operator import index
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from hpc_qlstm.errors import InputError

Order = Literal["hx", "xh"]


@dataclass(frozen=True)
class Partition:
    """M sub-VQCs: inputs[m] indexes v_t, outputs[m] counts its gate outputs, qubits[m] its qubits.

    inputs: M index lists I_m, without repeats inside a list; outputs: M numbers of outputs, whose
    sum is the hidden size; qubits: M numbers of qubits, default max(|I_m|, outputs[m]).
    Raises InputError when these do not fit each other; `check` compares them with a model's sizes.
    """

    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[int, ...]
    qubits: tuple[int, ...]

    def __init__(
        self,
        inputs: Sequence[Sequence[int]],
        outputs: Sequence[int],
        qubits: Sequence[int] | None = None,
    ) -> None:
        try:
            lists = tuple(tuple(index(i) for i in part) for part in inputs)
            counts = tuple(index(n) for n in outputs)
            given = None if qubits is None else tuple(index(q) for q in qubits)
        except TypeError as error:
            raise InputError(f"partition: {error}, allowed: lists of integers") from None
        if not lists or len(lists) != len(counts):
            raise InputError(
                f"partition: {len(lists)} input lists and {len(counts)} output counts, "
                "allowed: one of each for every partition"
            )
        needed = tuple(max(len(part), n) for part, n in zip(lists, counts, strict=True))
        sizes = needed if given is None else given
        if len(sizes) != len(lists):
            raise InputError(f"partition.qubits: {len(sizes)} given, allowed: {len(lists)}")
        for m, (part, n, q) in enumerate(zip(lists, counts, sizes, strict=True)):
            if not part:
                raise InputError(f"partition.inputs[{m}] is empty, allowed: one index or more")
            if len(set(part)) != len(part):
                raise InputError(f"partition.inputs[{m}] = {list(part)} repeats an index")
            if n < 1:
                raise InputError(f"partition.outputs[{m}] is {n}, allowed: 1 or more")
            if q < needed[m]:
                raise InputError(
                    f"partition.qubits[{m}] is {q}, allowed: {needed[m]} or more "
                    f"({len(part)} inputs, {n} outputs)"
                )
        object.__setattr__(self, "inputs", lists)
        object.__setattr__(self, "outputs", counts)
        object.__setattr__(self, "qubits", sizes)

    @property
    def count(self) -> int:
        """The number M of partitions."""
        return len(self.inputs)

    @property
    def output_offsets(self) -> tuple[int, ...]:
        """Where each partition's outputs begin in the hidden vector; M + 1 values."""
        return tuple(accumulate(self.outputs, initial=0))

    def state_inputs(self, hidden_size: int, order: Order) -> tuple[tuple[int, ...], ...]:
        """What each partition's extra VQCs read of o*tanh(c_t): the hidden units among its inputs,
        or, where there are none, those that it makes. For partitions that `check` accepts."""
        size = max(i for part in self.inputs for i in part) + 1
        hidden, offsets = hidden_indices(size, hidden_size, order), self.output_offsets
        return tuple(
            tuple(i - hidden.start for i in part if i in hidden)
            or tuple(range(offsets[m], offsets[m + 1]))
            for m, part in enumerate(self.inputs)
        )

    def check(self, size: int, hidden_size: int) -> None:
        """Raise InputError unless the union covers 0..size-1 and the outputs sum to hidden_size."""
        given = {i for part in self.inputs for i in part}
        beyond = given - set(range(size))
        if beyond:
            raise InputError(
                f"partition.inputs: index {min(beyond)} does not exist, "
                f"allowed: 0 to {size - 1} (hidden {hidden_size} + input {size - hidden_size})"
            )
        missing = set(range(size)) - given
        if missing:
            raise InputError(
                f"partition.inputs: index {min(missing)} is in no partition, "
                f"allowed: lists whose union is 0 to {size - 1}"
            )
        if sum(self.outputs) != hidden_size:
            raise InputError(
                f"partition.outputs: {list(self.outputs)} sum to {sum(self.outputs)}, "
                f"allowed: a sum of {hidden_size} (the hidden size)"
            )

    def with_qubits(self, qubits: int | Sequence[int] | None) -> Partition:
        """The same partition with other numbers of qubits; one number serves all partitions."""
        each = [int(qubits)] * self.count if isinstance(qubits, Integral) else qubits
        return Partition(self.inputs, self.outputs, each)  # type: ignore[arg-type]

    @classmethod
    def contiguous(cls, size: int, hidden_size: int, count: int) -> Partition:
        """The paper's partition: consecutive blocks of v_t, sizes equal up to one."""
        _check_count(size, hidden_size, count)
        return cls(_blocks(range(size), count), split_evenly(hidden_size, count))

    @classmethod
    def strided(cls, size: int, hidden_size: int, count: int) -> Partition:
        """Index i goes to partition i mod M."""
        _check_count(size, hidden_size, count)
        inputs = [range(m, size, count) for m in range(count)]
        return cls(inputs, split_evenly(hidden_size, count))

    @classmethod
    def broadcast_input(
        cls, size: int, hidden_size: int, count: int, order: Order = "hx"
    ) -> Partition:
        """The hidden part in contiguous blocks; every partition also receives all of x_t."""
        _check_count(hidden_size, hidden_size, count)
        x = input_indices(size, hidden_size, order)
        blocks = _blocks(hidden_indices(size, hidden_size, order), count)
        inputs = [[*b, *x] if order == "hx" else [*x, *b] for b in blocks]
        return cls(inputs, split_evenly(hidden_size, count))

    @classmethod
    def overlap(cls, size: int, hidden_size: int, count: int, shared: int = 1) -> Partition:
        """Contiguous blocks, each extended by `shared` neighbours on both sides."""
        _check_count(size, hidden_size, count)
        if not 0 <= shared < size:
            raise InputError(f"partition.shared is {shared}, allowed: 0 to {size - 1}")
        blocks = _blocks(range(size), count)
        inputs = [range(max(0, b[0] - shared), min(size, b[-1] + 1 + shared)) for b in blocks]
        return cls(inputs, split_evenly(hidden_size, count))

    @classmethod
    def random(cls, size: int, hidden_size: int, count: int, seed: int = 0) -> Partition:
        """Contiguous blocks of a seeded permutation of v_t."""
        _check_count(size, hidden_size, count)
        order = np.random.default_rng([seed, size]).permutation(size)
        inputs = [sorted(block) for block in _blocks(order, count)]
        return cls(inputs, split_evenly(hidden_size, count))


def hidden_indices(size: int, hidden_size: int, order: Order) -> range:
    """Where h_{t-1} stands in v_t: first for order `hx`, last for `xh`."""
    return range(hidden_size) if order == "hx" else range(size - hidden_size, size)


def input_indices(size: int, hidden_size: int, order: Order) -> range:
    """Where x_t stands in v_t: last for order `hx`, first for `xh`."""
    return range(hidden_size, size) if order == "hx" else range(size - hidden_size)


def split_evenly(total: int, count: int) -> list[int]:
    """Sizes of `count` parts of `total`, equal up to one, larger ones first."""
    return [total // count + (m < total % count) for m in range(count)]


def _blocks(indices: ArrayLike, count: int) -> list[list[int]]:
    """Consecutive blocks, equal up to one, larger ones first."""
    return [block.tolist() for block in np.array_split(np.asarray(indices), count)]


def _check_count(size: int, hidden_size: int, count: int) -> None:
    most = min(size, hidden_size)
    if not 1 <= count <= most:
        raise InputError(
            f"partition.count is {count}, allowed: 1 to {most} "
            "(every partition needs an input and an output of its own)"
        )
