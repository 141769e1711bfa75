"""Optimizers on the flat weight vector, with the formulas and defaults' meaning of torch.optim.

Each keeps named state arrays of the vector's length, which checkpoints store.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from hpc_qlstm import registry
from hpc_qlstm.circuits.circuit import Float
from hpc_qlstm.config import TrainingConfig
from hpc_qlstm.errors import InputError
from hpc_qlstm.native import numerics


class Optimizer(abc.ABC):
    """Base: a step count and named state arrays (n,); found by name in `registry.optimizers`.

    config_keys: the keys of [training] that the constructor takes, after the size.
    """

    config_keys: ClassVar[tuple[str, ...]] = ()

    def __init__(self, size: int, *names: str) -> None:
        self.steps = 0
        self.state: dict[str, Float] = {name: np.zeros(size) for name in names}

    @classmethod
    def from_config(cls, config: TrainingConfig, size: int) -> Optimizer:
        """The optimizer of `size` weights with the configured settings."""
        return cls(size, *(getattr(config, key) for key in cls.config_keys))

    def step(self, weights: Float, gradient: Float, learning_rate: float) -> None:
        """Update the weights (n,) in place with a gradient (n,)."""
        self.steps += 1
        self._update(weights, gradient, learning_rate)

    def restore(self, steps: int, state: Mapping[str, Float]) -> None:
        """Take over a stored state; InputError names the first array that does not fit."""
        for name in state:
            if name not in self.state:
                raise InputError(f"optimizer state: {name!r} belongs to another optimizer")
        for name, array in self.state.items():
            if name not in state:
                raise InputError(f"optimizer state: {name!r} is missing")
            if state[name].shape != array.shape:
                raise InputError(
                    f"optimizer state: {name!r} has shape {state[name].shape}, "
                    f"allowed: {array.shape}"
                )
            array[...] = state[name]
        self.steps = steps

    @abc.abstractmethod
    def _update(self, weights: Float, gradient: Float, learning_rate: float) -> None: ...


class SGD(Optimizer):
    """Stochastic gradient descent; with momentum, b <- momentum b + g and w <- w - lr b."""

    config_keys: ClassVar[tuple[str, ...]] = ("momentum",)

    def __init__(self, size: int, momentum: float = 0.0, *names: str) -> None:
        super().__init__(size, *names, *(["momentum"] if momentum else []))
        self._momentum = momentum

    def _update(self, weights: Float, gradient: Float, learning_rate: float) -> None:
        if self._momentum:
            buffer = self.state["momentum"]
            buffer *= self._momentum
            buffer += gradient
            gradient = buffer
        weights -= learning_rate * gradient


class RMSProp(SGD):
    """s <- alpha s + (1 - alpha) g^2; w <- w - lr g / (sqrt(s) + eps), with optional momentum."""

    config_keys = ("alpha", "epsilon", "momentum")

    def __init__(
        self, size: int, alpha: float = 0.99, epsilon: float = 1e-8, momentum: float = 0.0
    ) -> None:
        super().__init__(size, momentum, "square")
        self._alpha, self._epsilon = alpha, epsilon

    def _update(self, weights: Float, gradient: Float, learning_rate: float) -> None:
        square = self.state["square"]
        square *= self._alpha
        square += (1.0 - self._alpha) * gradient * gradient
        super()._update(weights, gradient / (np.sqrt(square) + self._epsilon), learning_rate)


class Adam(Optimizer):
    """Adam (Kingma and Ba, arXiv 1412.6980) with bias correction."""

    config_keys = ("beta1", "beta2", "epsilon")

    def __init__(
        self, size: int, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
    ) -> None:
        super().__init__(size, "first", "second")
        self._beta1, self._beta2, self._epsilon = beta1, beta2, epsilon

    def _update(self, weights: Float, gradient: Float, learning_rate: float) -> None:
        numerics.adam(
            self._beta1,
            self._beta2,
            learning_rate / (1.0 - self._beta1**self.steps),
            math.sqrt(1.0 - self._beta2**self.steps),
            self._epsilon,
            gradient,
            self.state["first"],
            self.state["second"],
            weights,
        )


OPTIMIZERS = {"adam": Adam, "rmsprop": RMSProp, "sgd": SGD}
"""The built-in optimizers by name."""


def create_optimizer(config: TrainingConfig, size: int) -> Optimizer:
    """The configured optimizer for `size` weights."""
    made: Optimizer = registry.optimizers[config.optimizer].from_config(config, size)
    return made


def clip(gradient: Float, largest_norm: float) -> None:
    """Scale the gradient in place so that its Euclidean norm is at most `largest_norm`.

    As torch.nn.utils.clip_grad_norm_; 0 leaves it alone.
    """
    if largest_norm:
        norm = math.sqrt(float(np.add.reduce(gradient * gradient)))
        gradient *= min(1.0, largest_norm / (norm + 1e-6))


def learning_rate(config: TrainingConfig, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0: constant, or half a cosine over all epochs."""
    if config.schedule == "constant":
        return config.learning_rate
    low, high = config.min_learning_rate, config.learning_rate
    return low + 0.5 * (high - low) * (1.0 + math.cos(math.pi * epoch / config.epochs))
