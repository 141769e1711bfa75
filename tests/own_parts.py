"""An engine, an ansatz, a loss and an optimizer as a user's own module has them; registered."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from hpc_qlstm import registry
from hpc_qlstm.circuits import Ansatz, Gate, Weight
from hpc_qlstm.engines import Capabilities, Engine, create_engine
from hpc_qlstm.errors import InputError
from hpc_qlstm.model import Loss
from hpc_qlstm.training.optimizers import Optimizer


class DampedEngine(Engine):
    """Exact values times 1 - damping; gradients by parameter shift."""

    name = "damped"
    capabilities = Capabilities(max_qubits=20)

    def __init__(self, damping: float = 0.0) -> None:
        if not 0 <= damping < 1:
            raise InputError(f"engine damped: damping is {damping}, allowed: 0 or more, below 1")
        self.factor = 1.0 - damping
        self._exact = create_engine("reference")

    def expectations_group(self, circuit, features, weights, draw=None):
        self.executions += weights.shape[0] * features.shape[0]
        return self.factor * self._exact.expectations_group(circuit, features, weights)


class DampedProcessor(DampedEngine):
    """The same, one for each partition."""

    name = "damped_processor"
    capabilities = Capabilities(max_qubits=20, shared=False)


def _layer(qubits: int, layer: int) -> Iterator[Gate]:
    for i in range(qubits - 1):
        yield Gate("cz", (i, i + 1))
    for i in range(qubits):
        for k, name in enumerate(("rx", "rz")):
            yield Gate(name, (i,), Weight(2 * (layer * qubits + i) + k))


CZ_CHAIN = Ansatz(_layer, "ry", (2,))


class LogCosh(Loss):
    """log(cosh(prediction - target)): nearly the absolute error, smooth at zero."""

    def of_samples(self, prediction, target):
        error = prediction - target
        values = np.add.reduce(np.log(np.cosh(error)).reshape(len(error), -1), axis=1)
        return values, np.tanh(error)


class Signs(Optimizer):
    """Steps of one size against the sign of the averaged gradient."""

    config_keys = ("momentum",)

    def __init__(self, size: int, momentum: float) -> None:
        super().__init__(size, "average")
        self._momentum = momentum

    def _update(self, weights, gradient, learning_rate):
        average = self.state["average"]
        average += (1.0 - self._momentum) * (gradient - average)
        weights -= learning_rate * np.sign(average)


SETTINGS: dict[str, dict[str, Any]] = {
    "model": {"ansatz": "cz_chain"},
    "engine": {"name": "damped", "options": {"damping": 0.25}},
    "training": {"optimizer": "signs", "momentum": 0.5, "loss": "log_cosh"},
}
PROCESSORS = {
    **SETTINGS,
    "engine": {
        "name": "damped_processor",
        "backends": [{"options": {"damping": 0.1 * m}} for m in range(4)],
    },
}


@contextlib.contextmanager
def registered() -> Iterator[None]:
    """The parts are known by name inside the block."""
    parts = [
        (registry.engines, "damped", DampedEngine),
        (registry.engines, "damped_processor", DampedProcessor),
        (registry.ansaetze, "cz_chain", CZ_CHAIN),
        (registry.losses, "log_cosh", LogCosh),
        (registry.optimizers, "signs", Signs),
    ]
    for kind, name, part in parts:
        kind.register(name)(part)
    try:
        yield
    finally:
        for kind, name, _ in parts:
            del kind._own[name]
