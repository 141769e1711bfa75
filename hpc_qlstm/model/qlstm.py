"""The distributed QLSTM: an LSTM whose gates are partitioned variational quantum circuits.

Chen, Chen, Liu and Leung, "Toward Large-Scale Distributed Quantum Long Short-Term Memory with
Modular Quantum Computers" (arXiv 2503.14088), equations 2 to 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from hpc_qlstm.circuits import ansatz as build_ansatz
from hpc_qlstm.circuits.circuit import Circuit, Float, float_array
from hpc_qlstm.engines import Engine, create_engine
from hpc_qlstm.engines.base import GRADIENTS, Gradient
from hpc_qlstm.errors import InputError, UnsupportedError
from hpc_qlstm.model.blocks import Bounds, block_bounds, block_sums
from hpc_qlstm.model.cell import Cell
from hpc_qlstm.model.exchange import Exchange, LocalExchange
from hpc_qlstm.model.gates import GradientMethod, LocalGates, Place
from hpc_qlstm.model.readout import readout_backward, readout_forward, squared_errors
from hpc_qlstm.model.recurrence import Index, Trace, forward, reverse
from hpc_qlstm.model.weights import WeightLayout
from hpc_qlstm.partition import Order, Partition

_OWN_SWEEPS = 2**32
"""First word of the keys of sweeps that no run has given a place; beyond all seeds."""


@dataclass(frozen=True)
class BlockGradients:
    """One rank's part of a batch: sums over blocks of samples, before they are added up.

    loss (K,): squared errors; partitions (K, n): gradients of the local partitions' section of
    the flat vector; readout (K, d_y * d_h + d_y). loss and readout are zero on a rank that does
    not update the cell. to_x (B, T, d_x): the gradient of the inputs, not summed.
    """

    loss: Float
    partitions: Float
    readout: Float
    to_x: Float


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
        self.circuits = tuple(circuits or ()) or tuple(
            build_ansatz(
                ansatz,
                qubits=qubits,
                features=len(inputs),
                outputs=outputs,
                depth=depth,
                encoding=encoding,
                reupload=reupload,
            )
            for inputs, outputs, qubits in zip(
                self.partition.inputs, self.partition.outputs, self.partition.qubits, strict=True
            )
        )
        self._check_circuits()
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
            for circuit in self.circuits:
                engine.check(circuit)
        self._gradient = gradient
        self._sweeps = 0
        self.layout = WeightLayout(self.circuits, hidden_size, output_size, affine)
        self._inputs = [_entries(part) for part in self.partition.inputs]
        start = 0 if order == "hx" else input_size
        self._hidden_slice = slice(start, start + hidden_size)

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
        exchange = LocalExchange(self.partition.count)
        gates = self.local_gates(exchange.partitions)
        prediction = self.predict_local(
            self.layout.flatten(weights), self._checked(x), exchange, gates, self._next_place()
        )
        gates.raise_failure()
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
        exchange = LocalExchange(self.partition.count)
        gates = self.local_gates(exchange.partitions)
        bounds = block_bounds(x.shape[0])
        parts = self.gradient_blocks(
            self.layout.flatten(weights),
            x,
            y,
            bounds,
            x.shape[0],
            exchange,
            gates,
            self._next_place(),
        )
        gates.raise_failure()
        flat = np.concatenate(
            [np.add.reduce(parts.partitions, axis=0), np.add.reduce(parts.readout, axis=0)]
        )
        loss = float(np.add.reduce(parts.loss)) / y.size
        return loss, self.layout.views(flat), parts.to_x

    def predict_local(
        self,
        flat: Float,
        x: Float,
        exchange: Exchange,
        gates: LocalGates,
        place: Place | None = None,
    ) -> Float | None:
        """Predictions on ranks that update the cell, None on others. Collective on the row."""
        if not x.shape[0]:
            return np.empty(self.prediction_shape(x))
        trace = self._forward(flat, x, gates, exchange, place)
        return self._read(flat, trace) if exchange.updates_cell else None

    def gradient_blocks(
        self,
        flat: Float,
        x: Float,
        y: Float,
        bounds: Bounds,
        total: int,
        exchange: Exchange,
        gates: LocalGates,
        place: Place | None = None,
    ) -> BlockGradients:
        """Loss and gradients of the samples x (B, T, d_x), y, summed over the blocks `bounds`.

        total: samples of the whole batch, of which these may be a part: the loss is the mean over
        all of them. flat: all weights. Collective on the row.
        """
        blocks = len(bounds) - 1
        loss: Float = np.zeros(blocks)
        readout_rows: Float = np.zeros((blocks, self.output_size * (self.hidden_size + 1)))
        trace = self._forward(flat, x, gates, exchange, place)
        to_hidden = np.zeros_like(trace.hidden)
        if exchange.updates_cell:
            prediction = self._read(flat, trace)
            loss = block_sums(squared_errors(prediction, y), bounds)
            per_sample = prediction[0].size
            to_prediction = (2.0 / (total * per_sample)) * (prediction - y)
            weight, _ = self.layout.readout_views(flat)
            source = trace.hidden.swapaxes(0, 1) if self.sequence else trace.hidden[-1]
            by_hidden, rows = readout_backward(np.ascontiguousarray(source), weight, to_prediction)
            if self.sequence:
                to_hidden[...] = by_hidden.swapaxes(0, 1)
                rows = np.add.reduce(rows, axis=1)
            else:
                to_hidden[-1] = by_hidden
            readout_rows = block_sums(rows, bounds)
        weight_rows, to_x = reverse(
            trace, to_hidden, self._inputs, self._hidden_slice, self.input_size, gates, exchange
        )
        sums = [
            np.swapaxes(block_sums(rows, bounds, axis=1), 0, 1).reshape(blocks, -1)
            for rows in weight_rows
        ]
        return BlockGradients(
            loss,
            np.concatenate(sums, axis=1),
            readout_rows,
            np.ascontiguousarray(to_x.swapaxes(0, 1)),
        )

    def local_gates(self, partitions: range) -> LocalGates:
        """The VQCs of these partitions, ready for sweeps. Raises UnsupportedError."""
        offsets = self.partition.output_offsets
        engines = [self.engines[m] for m in partitions]
        for m, engine in zip(partitions, engines, strict=True):
            engine.check(self.circuits[m])
        return LocalGates(
            engines,
            self._method(engines[0]),
            self.circuits[partitions.start : partitions.stop],
            self._inputs[partitions.start : partitions.stop],
            [slice(offsets[m], offsets[m + 1]) for m in partitions],
            partitions.start,
        )

    def _forward(
        self, flat: Float, x: Float, gates: LocalGates, exchange: Exchange, place: Place | None
    ) -> Trace:
        here, layout = exchange.partitions, self.layout
        maps = [layout.affine_maps(flat, m) for m in here] if layout.affine else None
        gates.begin([layout.stacked(flat, m) for m in here], place, maps)
        return forward(x, self.hidden_size, self._hidden_slice, gates, exchange)

    def _read(self, flat: Float, trace: Trace) -> Float:
        weight, bias = self.layout.readout_views(flat)
        if self.sequence:
            return readout_forward(np.ascontiguousarray(trace.hidden.swapaxes(0, 1)), weight, bias)
        return readout_forward(trace.hidden[-1], weight, bias)

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


def _entries(indices: tuple[int, ...]) -> Index:
    """The indices as a slice where they are consecutive, else as an array."""
    first, count = indices[0], len(indices)
    if indices == tuple(range(first, first + count)):
        return slice(first, first + count)
    return np.array(indices)


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
