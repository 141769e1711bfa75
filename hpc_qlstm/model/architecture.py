"""What a QLSTM is made of: sizes, partition, circuits, engines, and the layout of its weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from numbers import Integral

from hpc_qlstm import registry
from hpc_qlstm.circuits import ansatz as build_ansatz
from hpc_qlstm.circuits.circuit import Circuit
from hpc_qlstm.engines import Engine, create_engine
from hpc_qlstm.engines.base import GRADIENTS, Gradient
from hpc_qlstm.errors import InputError, UnsupportedError
from hpc_qlstm.model.cell import EXTRAS, Cell
from hpc_qlstm.model.engine_tape import GroupSpec
from hpc_qlstm.model.exchange import Exchange, LocalExchange
from hpc_qlstm.model.local_cell import LocalCell
from hpc_qlstm.model.local_model import LocalModel
from hpc_qlstm.model.losses import Loss
from hpc_qlstm.model.tape import GradientMethod, Wiring
from hpc_qlstm.model.vqc_group import VqcGroup, group_of
from hpc_qlstm.model.weights import Group, WeightLayout
from hpc_qlstm.partition import Order, Partition
from hpc_qlstm.partition.partition import hidden_indices


@dataclass(eq=False, repr=False)
class Architecture:
    """Sizes, circuits, engines and the layout of the weights. Local.

    Raises InputError when sizes do not fit, UnsupportedError when the engine cannot serve.
    """

    input_size: int
    """d_x."""
    hidden_size: int
    """d_h."""
    output_size: int
    """d_y."""
    ansatz: str = "rot_ring"
    """The circuit of every VQC; see `hpc_qlstm.ansatz`, also for depth, encoding and reupload."""
    depth: int = 2
    """Layers L of the ansatz."""
    order: Order = "hx"
    """v_t = [h; x] (`hx`, the paper's) or [x; h] (`xh`)."""
    partition: Partition = field(default=None)  # type: ignore[assignment]
    """How v_t is split, by default not at all (the centric QLSTM)."""
    engine: str | Engine | Sequence[Engine] = "native"
    """An engine, its name, or one engine for each partition, of which only the entries of local
    partitions are taken."""
    gradient: Gradient | GradientMethod | None = None
    """`adjoint`, `parameter_shift`, `spsa` or a GradientMethod, by default the engine's own. Where
    one engine serves all partitions, the method's name afterwards."""
    _: KW_ONLY
    encoding: str | None = None
    """How a feature becomes angles, by default the ansatz's own."""
    reupload: bool = False
    """Repeat the encoding before every layer."""
    sequence: bool = False
    """Predict at every step instead of after the last."""
    circuits: Sequence[Circuit] = ()
    """One for each partition, instead of a named ansatz."""
    affine: bool = False
    """A trainable scale and shift of every expectation value, so that an lstm gate is not bound to
    sigmoid(-1) .. sigmoid(1)."""
    extra_vqcs: int = 0
    """2 for the six-VQC cell (Chen, Yoo and Fang 2020; equation 12's N_extra), in which VQCs of the
    same ansatz map o*tanh(c_t) to h_t and to what the readout sees."""
    mix: bool = False
    """A trainable matrix for each lstm gate mixes its outputs over all partitions."""
    loss: str | Loss = "mse"
    """A Loss or the name of one."""

    def __post_init__(self) -> None:
        for name in ("input_size", "hidden_size", "output_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise InputError(f"{name} is {value!r}, allowed: an integer of 1 or more")
        if self.order not in ("hx", "xh"):
            raise InputError(f"order is {self.order!r}, allowed: 'hx' or 'xh'")
        if self.extra_vqcs not in (0, len(EXTRAS)) or (self.extra_vqcs and self.circuits):
            own = " with circuits of your own" if self.circuits else ""
            raise InputError(
                f"model.extra_vqcs is {self.extra_vqcs!r}{own}, "
                "allowed: 0, or 2 with a named ansatz"
            )
        size, hidden = self.input_size + self.hidden_size, self.hidden_size
        self.partition = self.partition or Partition.contiguous(size, hidden, 1)
        self.partition.check(size, hidden)
        start = 0 if self.order == "hx" else self.input_size
        self.wiring = Wiring(slice(start, start + hidden), self.input_size, hidden)
        self._build_circuits()
        self._choose_engines()
        self._loss: Loss = registry.losses[self.loss]() if isinstance(self.loss, str) else self.loss
        self.layout = WeightLayout(
            tuple(self.circuits),
            hidden,
            self.output_size,
            self.affine,
            self.extra_circuits,
            self.mix,
        )

    def local_model(self, cell: LocalCell, exchange: Exchange) -> LocalModel:
        """Predictions and gradients with these VQCs; the other partitions' come by the exchange."""
        return LocalModel(cell, exchange, self._loss, sequence=self.sequence)

    def local_cell(self, partitions: range) -> LocalCell:
        """The VQCs of these partitions, ready for tapes. Raises UnsupportedError."""
        offsets = self.partition.output_offsets
        engines = [self.engines[m] for m in partitions]
        for m, engine in zip(partitions, engines, strict=True):
            engine.check(self.circuits[m])
        method = _gradient_for(engines[0], self._gradient)
        outputs = [slice(offsets[m], offsets[m + 1]) for m in partitions]

        def group(name: Group, picks: Sequence[Sequence[int]], *stream: int) -> VqcGroup:
            members = group_of(
                self.layout, partitions, name, [picks[m] for m in partitions], outputs
            )
            sets = len(self.layout.groups[name])
            spec = GroupSpec(engines, method, members, sets, partitions.start, self.affine, stream)
            return VqcGroup(spec)

        gates = group("gates", [self._picks(part) for part in self.partition.inputs])
        if not self.extra_circuits:
            return LocalCell(partitions, self.layout, self.wiring, gates)
        hidden, prediction = (
            group("hidden", self.state_inputs, 1),
            group("prediction", self.state_inputs, 2),
        )
        return LocalCell(partitions, self.layout, self.wiring, gates, hidden, prediction)

    def local_exchange(self) -> LocalExchange:
        """The exchange of a process that owns all partitions."""
        return LocalExchange(self.hidden_size, self.partition.inputs, self.state_inputs)

    def _build_circuits(self) -> None:
        """The circuits of all partitions, and those of the extra VQCs. Raises InputError."""
        parts = self.partition
        made: dict[tuple[int, int, int], Circuit] = {}

        def build(inputs: Sequence[int], m: int) -> Circuit:
            sizes = (parts.qubits[m], len(inputs), parts.outputs[m])
            if sizes not in made:  # a thousand partitions have one or two circuits
                qubits, features, outputs = sizes
                made[sizes] = build_ansatz(
                    self.ansatz,
                    qubits=qubits,
                    features=features,
                    outputs=outputs,
                    depth=self.depth,
                    encoding=self.encoding,
                    reupload=self.reupload,
                )
            return made[sizes]

        self.circuits = tuple(self.circuits or ()) or tuple(
            build(inputs, m) for m, inputs in enumerate(parts.inputs)
        )
        self._check_circuits()
        self.state_inputs = (
            parts.state_inputs(self.hidden_size, self.order) if self.extra_vqcs else ()
        )
        self.extra_circuits = tuple(build(part, m) for m, part in enumerate(self.state_inputs))

    def _choose_engines(self) -> None:
        """An engine for each partition, and the gradient method. Raises InputError."""
        Cell(0, 0, 0)  # refuses an instruction set that is not there now, not in the first step
        engine = create_engine(self.engine) if isinstance(self.engine, str) else self.engine
        self.engines: Sequence[Engine] = (
            [engine] * self.partition.count if isinstance(engine, Engine) else engine
        )
        if len(self.engines) != self.partition.count:
            raise InputError(
                f"engine: {len(self.engines)} engines given, allowed: one for each of "
                f"{self.partition.count} partitions"
            )
        self._gradient = self.gradient
        if isinstance(engine, Engine):
            self._gradient = _gradient_for(engine, self.gradient)
            self.gradient = self._gradient.name
            for circuit in {id(c): c for c in (*self.circuits, *self.extra_circuits)}.values():
                engine.check(circuit)

    def _check_circuits(self) -> None:
        """InputError where a given circuit does not fit its partition."""
        parts = self.partition
        if len(self.circuits) != parts.count:
            raise InputError(
                f"circuits: {len(self.circuits)} given, allowed: one for each of {parts.count} "
                "partitions"
            )
        for m, circuit in enumerate(self.circuits):
            given = (circuit.features, circuit.outputs)
            wanted = (len(parts.inputs[m]), parts.outputs[m])
            if given != wanted:
                raise InputError(
                    f"circuit of partition {m}: {given[0]} features and {given[1]} outputs, "
                    f"allowed: {wanted[0]} and {wanted[1]}, as the partition has"
                )

    def _picks(self, inputs: Sequence[int]) -> list[int]:
        """Entries of v_t as columns of h_{t-1}, or -1 - k for column k of x_t."""
        hidden = hidden_indices(self.input_size + self.hidden_size, self.hidden_size, self.order)
        start = self.wiring.x.start or 0
        return [i - hidden.start if i in hidden else -1 - (i - start) for i in inputs]


def _gradient_for(engine: Engine, gradient: Gradient | GradientMethod | None) -> GradientMethod:
    """The gradient method to use; refuses one that is unknown or that the engine has not."""
    own = engine.capabilities.gradient
    method = gradient if isinstance(gradient, GradientMethod) else GradientMethod(gradient or own)
    if method.name not in GRADIENTS:
        raise InputError(f"gradient is {method.name!r}, allowed: {', '.join(GRADIENTS)}")
    if method.name == "adjoint" and own != "adjoint":
        raise UnsupportedError(
            f"engine {engine.name}: gradient 'adjoint' is not available, "
            "allowed: 'parameter_shift' or 'spsa'"
        )
    return method
