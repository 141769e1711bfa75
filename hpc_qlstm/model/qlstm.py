"""The distributed QLSTM: an LSTM whose gates are partitioned variational quantum circuits.

Chen, Chen, Liu and Leung, "Toward Large-Scale Distributed Quantum Long Short-Term Memory with
Modular Quantum Computers" (arXiv 2503.14088), equations 2 to 8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hpc_qlstm.circuits.circuit import Float, float_array
from hpc_qlstm.errors import InputError
from hpc_qlstm.model.architecture import Architecture
from hpc_qlstm.model.blocks import block_bounds, sum_of_blocks
from hpc_qlstm.model.local_model import BatchPart, LocalModel
from hpc_qlstm.model.readout import by_sample
from hpc_qlstm.model.tape import Cotangents, SampleKey, Sequences, State

_OWN_CALLS = 2**32
"""First word of the keys of calls that no run has given a key; beyond all seeds."""


@dataclass(frozen=True)
class Vjp:
    """What `QLSTM.vjp` gives.

    outputs (B, T, d_h); state: (h_T, c_T), each (B, d_h); gradient: under the names of the weights,
    without the readout's; grad_x (B, T, d_x); grad_state: of (h_0, c_0), each (B, d_h).
    """

    outputs: Float
    state: State
    gradient: dict[str, Float]
    grad_x: Float
    grad_state: State


class QLSTM(Architecture):
    """A QLSTM layer with linear readout; its methods are local.

    Raises InputError when sizes do not fit, UnsupportedError when the engine cannot serve.
    """

    _calls = 0

    def init(self, seed: int = 0, scale: float = 0.01) -> dict[str, Float]:
        """Initial weights by name: circuits normal(0, scale), readout as torch.nn.Linear."""
        return self.layout.views(self.layout.initial(seed, scale))

    def predict(self, weights: Mapping[str, Float], x: Float) -> Float:
        """Predictions (B, d_y), or (B, T, d_y) with `sequence`, for x (B, T, d_x).

        Engines that sample draw anew in every call. Raises EngineError when a backend fails.
        """
        local = self._own_model()
        prediction = local.predict(
            self.layout.flatten(weights), self._checked(x), self._sample_key()
        )
        local.cell.raise_failure()
        assert prediction is not None
        return prediction

    def forward(
        self, weights: Mapping[str, Float], x: Float, state: State | None = None
    ) -> tuple[Float, State]:
        """The layer without its readout: outputs (B, T, d_h) and the last (h_T, c_T).

        x (B, T, d_x); state: (h_0, c_0), each (B, d_h), zeros where it is None. With extra VQCs the
        outputs are those of the prediction VQC, and h_T is the hidden VQC's. Raises InputError,
        EngineError.
        """
        local = self._own_model()
        given = self._sequences(weights, x, state)
        given.back = False
        tape = local.layer.forward(given)
        result = by_sample(tape.outputs), tape.state()
        tape.release()
        local.cell.raise_failure()
        return result

    def vjp(
        self,
        weights: Mapping[str, Float],
        x: Float,
        cotangent: Float,
        state: State | None = None,
        cotangent_state: State | None = None,
    ) -> Vjp:
        """`forward`, and the gradients of sum(cotangent * outputs) + sum(cotangent_state * state).

        cotangent (B, T, d_h); cotangent_state: of (h_T, c_T), each (B, d_h), zeros where it is
        None. Back-propagation through time; a weight's gradient is summed over samples in a fixed
        order. Raises InputError, EngineError.
        """
        local = self._own_model()
        given = self._sequences(weights, x, state)
        batch, steps, _ = given.x.shape
        shape = (batch, steps, self.hidden_size)
        grad_outputs = np.ascontiguousarray(_array("cotangent", cotangent, shape).swapaxes(0, 1))
        cotangents = Cotangents(
            grad_outputs, self._checked_state("cotangent_state", cotangent_state, batch)
        )
        tape = local.layer.forward(given)
        rows = local.cell.zeros(batch)
        tape.reverse(cotangents, rows, with_inputs=True)
        mixing = tape.mixing_rows()
        local.cell.raise_failure()
        bounds, flat = block_bounds(batch), np.zeros(self.layout.size)
        flat[: self.layout.shared.start] = sum_of_blocks(rows, bounds)
        if mixing is not None:
            flat[self.layout.shared.start : self.layout.readout.start] = sum_of_blocks(
                mixing, bounds
            )
        named = self.layout.views(flat)
        gradient = {n: array for n, array in named.items() if not n.startswith("readout.")}
        result = Vjp(
            by_sample(tape.outputs), tape.state(), gradient, tape.grad_x(), tape.grad_state()
        )
        tape.release()
        return result

    def loss_and_gradient(
        self, weights: Mapping[str, Float], x: Float, y: Float
    ) -> tuple[float, dict[str, Float]]:
        """The loss, by default the mean squared error, and its gradient under the weights' names.

        x (B, T, d_x), y (B, d_y) or (B, T, d_y) with `sequence`.
        """
        loss, gradient, _ = self._loss_and_gradients(weights, x, y)
        return loss, gradient

    def input_gradient(self, weights: Mapping[str, Float], x: Float, y: Float) -> Float:
        """Gradient (B, T, d_x) of the loss by the inputs x."""
        return self._loss_and_gradients(weights, x, y)[2]

    def _loss_and_gradients(
        self, weights: Mapping[str, Float], x: Float, y: Float
    ) -> tuple[float, dict[str, Float], Float]:
        x = self._checked(x)
        y = _array("y", y, self.prediction_shape(x))
        local = self._own_model()
        part = BatchPart(x, y, x.shape[0], self._sample_key())
        rows = local.gradients(self.layout.flatten(weights), part, with_inputs=True)
        local.cell.raise_failure()
        bounds = block_bounds(x.shape[0])
        flat = np.concatenate(
            [sum_of_blocks(rows.partitions, bounds), sum_of_blocks(rows.shared, bounds)]
        )
        loss = float(sum_of_blocks(rows.loss[:, None], bounds)[0]) / self._loss.count(y.shape)
        assert rows.grad_x is not None
        return loss, self.layout.views(flat), rows.grad_x

    def prediction_shape(self, x: Float) -> tuple[int, ...]:
        """The predictions' shape for x (B, T, d_x): (B, d_y), or (B, T, d_y) with `sequence`."""
        steps = (x.shape[1],) if self.sequence else ()
        return (x.shape[0], *steps, self.output_size)

    def _own_model(self) -> LocalModel:
        """All partitions in this process."""
        exchange = self.local_exchange()
        return self.local_model(self.local_cell(exchange.partitions), exchange)

    def _sample_key(self) -> SampleKey:
        """A key of its own for every call of the methods that take none."""
        self._calls += 1
        return SampleKey((_OWN_CALLS, self._calls))

    def _sequences(self, weights: Mapping[str, Float], x: Float, state: State | None) -> Sequences:
        x = self._checked(x)
        state = self._checked_state("state", state, x.shape[0])
        flat = self.layout.flatten(weights)
        return Sequences(flat, x, state, self._sample_key(), sequence=True, final_state=True)

    def _checked(self, x: Float) -> Float:
        x = float_array("X", x)
        if x.ndim != 3 or x.shape[2] != self.input_size or 0 in x.shape:
            raise InputError(
                f"X has shape {x.shape}, allowed: (samples, steps, {self.input_size}), none zero"
            )
        return x

    def _checked_state(self, name: str, state: State | None, batch: int) -> State | None:
        if state is None:
            return None
        if not isinstance(state, Sequence) or len(state) != 2:
            raise InputError(f"{name} is {type(state).__name__}, allowed: a pair of arrays (h, c)")
        shape = (batch, self.hidden_size)
        h, c = (_array(f"{name}[{k}]", array, shape) for k, array in enumerate(state))
        return h, c


def _array(name: str, value: object, shape: tuple[int, ...]) -> Float:
    """A user's array of this shape; InputError for any other."""
    array = float_array(name, value)
    if array.shape != shape:
        raise InputError(f"{name} has shape {array.shape}, allowed: {shape}")
    return array
