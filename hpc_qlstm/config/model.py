"""The sections [model] and [partition]."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hpc_qlstm import registry
from hpc_qlstm.config.fields import NameIn, Section, Seed, Size


class ModelConfig(Section):
    """The QLSTM. Its input and output sizes come from the data."""

    hidden_size: Size = 4
    """Hidden units d_h."""
    ansatz: Annotated[str, NameIn(registry.ansaetze)] = "rot_ring"
    """The circuit of every gate, or a registered one of your own."""
    ansatz_file: str | None = None
    """A QPY file with circuits of your own instead: one for each partition, or one for all."""
    depth: Annotated[int, Field(ge=1, le=10_000)] = 2
    """Layers L of the ansatz."""
    order: Literal["hx", "xh"] = "hx"
    """v_t = [h; x] (hx, the paper's) or [x; h] (xh)."""
    encoding: Literal["default", "arctan_ry_rz", "arctan_ry", "ry", "rx", "rz"] = "default"
    """How a feature becomes angles; default is the ansatz's own."""
    reupload: bool = False
    """Repeat the encoding before every layer."""
    affine: bool = False
    """A trainable scale and shift of every expectation value, in front of sigmoid and tanh."""
    sequence: bool = False
    """Predict at every time step instead of after the last one."""
    init_scale: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.01
    """Standard deviation of the initial circuit weights, in radians."""
    gates: Literal["vqc", "linear"] = "vqc"
    """What the gates of the cell are: circuits, or the affine maps of a classical LSTM, for which
    the keys of circuits, `extra_vqcs`, `mix` and `engine` do not count."""
    extra_vqcs: Literal[0, 2] = 0
    """N_extra: 2 for the six-VQC cell, in which VQCs partitioned as the gates are map o*tanh(c_t)
    to h_t and to what the readout sees."""
    mix: bool = False
    """A trainable matrix for each gate mixes its outputs over all partitions."""


class PartitionConfig(Section):
    """How v_t is split over sub-VQCs (processors)."""

    strategy: Literal[
        "contiguous", "strided", "broadcast_input", "overlap", "random", "explicit"
    ] = "contiguous"
    """The rule; `explicit` takes inputs and outputs from this section."""
    count: Size | None = None
    """Partitions M, 1 by default; with explicit it follows from the lists."""
    shared: Annotated[int, Field(ge=0, le=1_000_000)] = 1
    """Neighbours that an `overlap` block shares on each side."""
    seed: Seed = 0
    """Seed of the `random` permutation."""
    qubits: Size | list[Size] | None = None
    """Qubits of every partition, or a list; default: as many as inputs or outputs need."""
    inputs: list[list[Annotated[int, Field(ge=0)]]] | None = None
    """Index lists into v_t, for `explicit`."""
    outputs: list[Size] | None = None
    """Outputs of every partition, for `explicit`; default: split evenly."""

    @model_validator(mode="after")
    def _explicit_has_lists(self) -> PartitionConfig:
        explicit = self.strategy == "explicit"
        if explicit and self.inputs is None:
            raise ValueError("strategy 'explicit' needs partition.inputs, a list of index lists")
        if not explicit and (self.inputs is not None or self.outputs is not None):
            raise ValueError(
                f"inputs and outputs are for strategy 'explicit', not for {self.strategy!r}"
            )
        if explicit and self.inputs is not None and self.count not in (None, len(self.inputs)):
            raise ValueError(f"count is {self.count}, but inputs has {len(self.inputs)} lists")
        return self
