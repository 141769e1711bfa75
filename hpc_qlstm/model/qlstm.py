"""The distributed QLSTM: an LSTM whose gates are partitioned variational quantum circuits.

Chen, Chen, Liu and Leung, "Toward Large-Scale Distributed Quantum Long Short-Term Memory with
Modular Quantum Computers" (arXiv 2503.14088), equations 2 to 8.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from hpc_qlstm.circuits import ansatz as build_ansatz
from hpc_qlstm.circuits.circuit import Circuit, Float, float_array
from hpc_qlstm.engines import Engine, create_engine
from hpc_qlstm.engines.base import GRADIENTS, Gradient
from hpc_qlstm.errors import InputError, UnsupportedError
from hpc_qlstm.model.blocks import block_bounds, sum_of_blocks
from hpc_qlstm.model.cell import EXTRAS, Cell
from hpc_qlstm.model.exchange import Exchange, LocalExchange
from hpc_qlstm.model.gates import LocalGates
from hpc_qlstm.model.local_cell import LocalCell
from hpc_qlstm.model.readout import predict, squared_errors
from hpc_qlstm.model.recurrence import forward, reverse
from hpc_qlstm.model.sweep import CellSweep, GradientMethod, Place, Wiring
from hpc_qlstm.model.weights import Group, WeightLayout
from hpc_qlstm.partition import Order, Partition
from hpc_qlstm.partition.partition import hidden_indices

_OWN_SWEEPS = 2**32
"""First word of the keys of sweeps that no run has given a place; beyond all seeds."""


@dataclass(frozen=True)
class SampleGradients:
    """One rank's part of a batch: a row for each sample, not summed.

    loss (B,): squared errors; partitions (B, n): gradients of the local partitions' section of the
    flat vector, in memory that the next batch overwrites; shared (B, ..): of what no partition
    owns, mixing and readout. loss and shared are zero on a rank that does not update the cell.
    to_x (B, T, d_x): the gradient of the inputs, where it was asked for.
    """

    loss: Float
    partitions: Float
    shared: Float
    to_x: Float | None


class QLSTM:
    """A QLSTM cell with linear readout; all methods are local unless they take an Exchange.

    input_size d_x, hidden_size d_h, output_size d_y. ansatz, depth, encoding, reupload: see
    `hpc_qlstm.ansatz`. order: v_t = [h; x] (`hx`, the paper's) or [x; h] (`xh`).
    partition: a Partition of v_t, default one partition of all (the centric QLSTM).
    engine: an engine or its name, or a sequence with one engine for each partition, of which only
    the entries of local partitions are taken. gradient: `adjoint`, `parameter_shift`, `spsa` or a
    GradientMethod, default the engine's own. sequence: predict at every step instead of after the
    last. circuits: one for each partition instead of a named ansatz. affine: a trainable scale and
    shift of every expectation value, so that a gate is not bound to sigmoid(-1) .. sigmoid(1).
    extra_vqcs: 2 for the six-VQC cell (Chen, Yoo and Fang 2020; equation 12's N_extra), in which
    VQCs of the same ansatz map o*tanh(c_t) to h_t and to what the readout sees. mix: a trainable
    matrix for each gate mixes its outputs over all partitions.
    Raises InputError when sizes do not fit, UnsupportedError when the engine cannot serve.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        output_size: int,
        ansatz: str = "rot_ring",
        depth: int = 2,
        order: Order = "hx",
        partition: Partition | None = None,
        engine: str | Engine | Sequence[Engine] = "native",
        gradient: Gradient | GradientMethod | None = None,
        *,
        encoding: str | None = None,
        reupload: bool = False,
        sequence: bool = False,
        circuits: Sequence[Circuit] | None = None,
        affine: bool = False,
        extra_vqcs: int = 0,
        mix: bool = False,
    ) -> None:
        sizes = {
            "input_size": input_size,
            "hidden_size": hidden_size,
            "output_size": output_size,
        }
        for name, value in sizes.items():
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise InputError(f"{name} is {value!r}, allowed: an integer of 1 or more")
        if order not in ("hx", "xh"):
            raise InputError(f"order is {order!r}, allowed: 'hx' or 'xh'")
        size = input_size + hidden_size
        self.partition = partition or Partition.contiguous(size, hidden_size, 1)
        self.partition.check(size, hidden_size)
        self.input_size, self.hidden_size, self.output_size = input_size, hidden_size, output_size
        self.order, self.sequence = order, sequence
        if extra_vqcs not in (0, len(EXTRAS)) or (extra_vqcs and circuits):
            own = " with circuits of your own" if circuits else ""
            raise InputError(
                f"model.extra_vqcs is {extra_vqcs!r}{own}, allowed: 0, or 2 with a named ansatz"
            )

        made: dict[tuple[int, int, int], Circuit] = {}

        def build(inputs: Sequence[int], m: int) -> Circuit:
            sizes = (self.partition.qubits[m], len(inputs), self.partition.outputs[m])
            if sizes not in made:  # a thousand partitions have one or two circuits
                qubits, features, outputs = sizes
                made[sizes] = build_ansatz(
                    ansatz,
                    qubits=qubits,
                    features=features,
                    outputs=outputs,
                    depth=depth,
                    encoding=encoding,
                    reupload=reupload,
                )
            return made[sizes]

        self.circuits = tuple(circuits or ()) or tuple(
            build(inputs, m) for m, inputs in enumerate(self.partition.inputs)
        )
        self._check_circuits()
        self.state_inputs = self.partition.state_inputs(hidden_size, order) if extra_vqcs else ()
        self.extra_circuits = tuple(build(part, m) for m, part in enumerate(self.state_inputs))
        engine = create_engine(engine) if isinstance(engine, str) else engine
        self.engines: Sequence[Engine] = (
            [engine] * self.partition.count if isinstance(engine, Engine) else engine
        )
        if len(self.engines) != self.partition.count:
            raise InputError(
                f"engine: {len(self.engines)} engines given, allowed: one for each of "
                f"{self.partition.count} partitions"
            )
        Cell(0, 0, 0)  # refuses an instruction set that is not there now, not in the first step
        if isinstance(engine, Engine):
            gradient = _gradient_for(engine, gradient)
            for circuit in {id(c): c for c in (*self.circuits, *self.extra_circuits)}.values():
                engine.check(circuit)
        self._gradient = gradient
        self._sweeps = 0
        self.layout = WeightLayout(
            self.circuits, hidden_size, output_size, affine, self.extra_circuits, mix
        )
        start = 0 if order == "hx" else input_size
        self._wiring = Wiring(slice(start, start + hidden_size), input_size, hidden_size, sequence)

    @property
    def gradient(self) -> Gradient:
        """The gradient method's name; with engines for each partition, that of the first."""
        return self._method(self.engines[0]).name

    def init(self, seed: int = 0, scale: float = 0.01) -> dict[str, Float]:
        """Initial weights by name: circuits normal(0, scale), readout as torch.nn.Linear."""
        return self.layout.views(self.layout.initial(seed, scale))

    def predict(self, weights: Mapping[str, Float], x: Float) -> Float:
        """Predictions (B, d_y), or (B, T, d_y) with `sequence`, for x (B, T, d_x).

        Engines that sample draw anew in every call. Raises EngineError when a backend fails.
        """
        exchange = self.local_exchange()
        local = self.local_cell(exchange.partitions)
        prediction = self.predict_local(
            self.layout.flatten(weights), self._checked(x), exchange, local, self._next_place()
        )
        local.raise_failure()
        assert prediction is not None
        return prediction

    def loss_and_gradient(
        self, weights: Mapping[str, Float], x: Float, y: Float
    ) -> tuple[float, dict[str, Float]]:
        """Mean squared error and its gradient by every weight, under the weights' names.

        x (B, T, d_x), y (B, d_y) or (B, T, d_y) with `sequence`.
        """
        loss, gradient, _ = self._loss_and_gradients(weights, x, y)
        return loss, gradient

    def input_gradient(self, weights: Mapping[str, Float], x: Float, y: Float) -> Float:
        """Gradient (B, T, d_x) of the mean squared error by the inputs x."""
        return self._loss_and_gradients(weights, x, y)[2]

    def _loss_and_gradients(
        self, weights: Mapping[str, Float], x: Float, y: Float
    ) -> tuple[float, dict[str, Float], Float]:
        x, y = self._checked(x), float_array("y", y)
        if y.shape != self.prediction_shape(x):
            raise InputError(f"y has shape {y.shape}, allowed: {self.prediction_shape(x)}")
        exchange = self.local_exchange()
        local = self.local_cell(exchange.partitions)
        parts = self.sample_gradients(
            self.layout.flatten(weights),
            x,
            y,
            x.shape[0],
            exchange,
            local,
            self._next_place(),
            with_inputs=True,
        )
        local.raise_failure()
        bounds = block_bounds(x.shape[0])
        flat = np.concatenate(
            [sum_of_blocks(parts.partitions, bounds), sum_of_blocks(parts.shared, bounds)]
        )
        loss = float(sum_of_blocks(parts.loss[:, None], bounds)[0]) / y.size
        assert parts.to_x is not None
        return loss, self.layout.views(flat), parts.to_x

    def predict_local(
        self,
        flat: Float,
        x: Float,
        exchange: Exchange,
        local: LocalCell,
        place: Place | None = None,
    ) -> Float | None:
        """Predictions on ranks that update the cell, None on others. Collective on the row."""
        if not x.shape[0]:
            return np.empty(self.prediction_shape(x))
        sweeps = self._forward(flat, x, local, exchange, place, back=False)
        read = self._read(flat, sweeps[0].read) if exchange.updates_cell else None
        for sweep in sweeps:
            sweep.release()
        return read

    def sample_gradients(
        self,
        flat: Float,
        x: Float,
        y: Float,
        total: int,
        exchange: Exchange,
        local: LocalCell,
        place: Place | None = None,
        parts: Sequence[int] = (),
        *,
        with_inputs: bool = False,
    ) -> SampleGradients:
        """Loss and gradients of each of the samples x (B, T, d_x), y.

        total: samples of the whole batch, of which these may be a part: the loss is the mean over
        all of them. flat: all weights. parts: the samples are cut here, and the pieces take turns
        in the recurrence. with_inputs: also the gradient of x. Collective on the row.
        """
        samples, layout = x.shape[0], self.layout
        cuts = [0, *parts, samples]
        pieces = [slice(a, b) for a, b in itertools.pairwise(cuts)]
        sweeps = self._forward(flat, x, local, exchange, place, pieces)
        read = sweeps[0].read
        if len(sweeps) > 1:
            read = np.concatenate([sweep.read for sweep in sweeps], axis=1)
        if exchange.updates_cell:
            scale = 2.0 / (total * (y.size // y.shape[0]))
            loss, to_read, shared = squared_errors(read, *layout.readout_views(flat), y, scale)
        else:
            loss, to_read = np.zeros(samples), np.zeros_like(read)
            shared = np.zeros((samples, layout.shared.stop - layout.shared.start))
        rows = local.zeros(samples)
        reverse(
            sweeps,
            [to_read[:, piece] for piece in pieces],
            [rows[piece] for piece in pieces],
            with_inputs=with_inputs,
        )
        mixing = [sweep.mixing_rows for sweep in sweeps if sweep.mixing_rows is not None]
        if mixing:
            shared = np.concatenate([np.concatenate(mixing), shared], axis=1)
        to_x = None
        if with_inputs:
            to_x = np.concatenate([sweep.to_x for sweep in sweeps if sweep.to_x is not None])
        for sweep in sweeps:
            sweep.release()
        return SampleGradients(loss, rows, shared, to_x)

    def local_cell(self, partitions: range) -> LocalCell:
        """The VQCs of these partitions, ready for sweeps. Raises UnsupportedError."""
        offsets = self.partition.output_offsets
        engines = [self.engines[m] for m in partitions]
        for m, engine in zip(partitions, engines, strict=True):
            engine.check(self.circuits[m])

        def group(name: Group, picks: Sequence[Sequence[int]], *stream: int) -> LocalGates:
            return LocalGates(
                engines,
                self._method(engines[0]),
                self.layout,
                partitions,
                name,
                [picks[m] for m in partitions],
                [slice(offsets[m], offsets[m + 1]) for m in partitions],
                stream,
            )

        section = self.layout.section(partitions)
        weights = section.stop - section.start
        gates = group("gates", [self._picks(part) for part in self.partition.inputs])
        if not self.extra_circuits:
            return LocalCell(partitions, weights, gates)
        state = self.state_inputs
        return LocalCell(
            partitions, weights, gates, group("hidden", state, 1), group("prediction", state, 2)
        )

    def local_exchange(self) -> LocalExchange:
        """The exchange of a process that owns all partitions."""
        return LocalExchange(self.hidden_size, self.partition.inputs, self.state_inputs)

    def _picks(self, inputs: Sequence[int]) -> list[int]:
        """Entries of v_t as columns of h_{t-1}, or -1 - k for column k of x_t."""
        hidden = hidden_indices(self.input_size + self.hidden_size, self.hidden_size, self.order)
        start = self._wiring.x.start or 0
        return [i - hidden.start if i in hidden else -1 - (i - start) for i in inputs]

    def _forward(
        self,
        flat: Float,
        x: Float,
        local: LocalCell,
        exchange: Exchange,
        place: Place | None,
        parts: Sequence[slice] = (),
        *,
        back: bool = True,
    ) -> list[CellSweep]:
        mixing = self.layout.mixing(flat)
        return forward(x, self._wiring, local, exchange, flat, mixing, place, parts, back=back)

    def _read(self, flat: Float, read: Float) -> Float:
        predictions = predict(read, *self.layout.readout_views(flat))
        return predictions if self.sequence else predictions[:, 0]

    def prediction_shape(self, x: Float) -> tuple[int, ...]:
        """The predictions' shape for x (B, T, d_x): (B, d_y), or (B, T, d_y) with `sequence`."""
        steps = (x.shape[1],) if self.sequence else ()
        return (x.shape[0], *steps, self.output_size)

    def _method(self, engine: Engine) -> GradientMethod:
        return _gradient_for(engine, self._gradient)

    def _next_place(self) -> Place:
        """A place of its own for every call of the methods that take no place."""
        self._sweeps += 1
        return Place((_OWN_SWEEPS, self._sweeps))

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

    def _checked(self, x: Float) -> Float:
        x = float_array("X", x)
        if x.ndim != 3 or x.shape[2] != self.input_size or 0 in x.shape:
            raise InputError(
                f"X has shape {x.shape}, allowed: (samples, steps, {self.input_size}), none zero"
            )
        return x


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
