"""Optimizers, clipping and the schedule against PyTorch (tests/stored/optimizers.npz)."""

from pathlib import Path

import numpy as np
import pytest

from hpc_qlstm.config import TrainingConfig
from hpc_qlstm.errors import InputError
from hpc_qlstm.training.optimizers import (
    SGD,
    Adam,
    RMSProp,
    clip,
    create_optimizer,
    learning_rate,
)

STORED = np.load(Path(__file__).parents[1] / "stored" / "optimizers.npz")
GRADIENTS, RATE = STORED["gradients"], float(STORED["rate"])

CASES = {
    "sgd": ({"optimizer": "sgd"}, SGD),
    "sgd_momentum": ({"optimizer": "sgd", "momentum": 0.9}, SGD),
    "rmsprop": ({"optimizer": "rmsprop", "alpha": 0.95, "epsilon": 1e-6}, RMSProp),
    "rmsprop_momentum": ({"optimizer": "rmsprop", "momentum": 0.7}, RMSProp),
    "adam": ({"optimizer": "adam"}, Adam),
    "adam_betas": ({"optimizer": "adam", "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}, Adam),
}


def optimizer_of(name):
    optimizer = create_optimizer(TrainingConfig(**CASES[name][0]), GRADIENTS.shape[1])
    assert type(optimizer) is CASES[name][1]
    return optimizer


@pytest.mark.parametrize("name", CASES)
def test_trajectory_is_pytorchs(name):
    optimizer, weights = optimizer_of(name), STORED["start"].copy()
    path = []
    for gradient in GRADIENTS:
        before = gradient.copy()
        optimizer.step(weights, gradient, RATE)
        np.testing.assert_array_equal(gradient, before)
        path.append(weights.copy())
    np.testing.assert_allclose(path, STORED[name], rtol=1e-12, atol=0)
    assert optimizer.steps == 20
    assert np.abs(STORED[name][-1] - STORED["start"]).max() > 0.05


def test_the_stored_cases_are_different_from_each_other():
    ends = np.array([STORED[name][-1] for name in CASES])
    distances = np.abs(ends[:, None] - ends[None]).max(axis=-1)
    assert distances[~np.eye(len(ends), dtype=bool)].min() > 1e-3


@pytest.mark.parametrize("name", CASES)
def test_restored_optimizer_goes_on_bit_for_bit(name):
    whole, first, second = optimizer_of(name), optimizer_of(name), optimizer_of(name)
    straight, halves = STORED["start"].copy(), STORED["start"].copy()
    for k, gradient in enumerate(GRADIENTS):
        whole.step(straight, gradient, RATE)
        if k == 9:
            second.restore(first.steps, {n: a.copy() for n, a in first.state.items()})
        (first if k < 9 else second).step(halves, gradient, RATE)
    np.testing.assert_array_equal(straight, halves)
    assert second.steps == 20


def test_restore_copies():
    stored = {"first": np.ones(3), "second": np.ones(3)}
    adam = Adam(3)
    adam.restore(1, stored)
    adam.step(np.zeros(3), np.full(3, 5.0), 0.1)
    assert (stored["first"] == 1).all()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"first": np.zeros(3)}, "optimizer state: 'second' is missing"),
        ({"square": np.zeros(3)}, "'square' belongs to another optimizer"),
        ({"first": np.zeros(3), "second": np.zeros(4)}, r"'second' has shape \(4,\), allowed: \(3"),
    ],
)
def test_restore_refuses(state, message):
    with pytest.raises(InputError, match=message):
        Adam(3).restore(5, state)


def test_state_arrays():
    assert SGD(2).state == {}
    assert list(SGD(2, 0.5).state) == ["momentum"]
    assert list(RMSProp(2).state) == ["square"]
    assert list(RMSProp(2, momentum=0.5).state) == ["square", "momentum"]
    assert list(Adam(2).state) == ["first", "second"]


@pytest.mark.parametrize("largest", [0.5, 2.0, 100.0])
def test_clip_is_pytorchs(largest):
    gradient = STORED["clip_gradient"].copy()
    clip(gradient, largest)
    np.testing.assert_allclose(gradient, STORED[f"clip_{largest:g}"], rtol=1e-12, atol=0)
    changed = bool((gradient != STORED["clip_gradient"]).any())
    assert changed == (largest < np.linalg.norm(STORED["clip_gradient"]))


def test_clip_of_0_changes_nothing():
    gradient = 1e6 * STORED["clip_gradient"]
    clip(gradient, 0.0)
    np.testing.assert_array_equal(gradient, 1e6 * STORED["clip_gradient"])
    zero = np.zeros(3)
    clip(zero, 1.0)
    assert (zero == 0).all()


@pytest.mark.parametrize(
    ("key", "high", "low", "epochs"),
    [("cosine_to_0", 0.02, 0.0, 30), ("cosine_to_1e-3", 0.1, 1e-3, 7)],
)
def test_cosine_is_pytorchs(key, high, low, epochs):
    config = TrainingConfig(
        schedule="cosine", learning_rate=high, min_learning_rate=low, epochs=epochs
    )
    rates = [learning_rate(config, epoch) for epoch in range(epochs)]
    np.testing.assert_allclose(rates, STORED[key], rtol=1e-12, atol=0)
    assert rates[0] == high
    assert learning_rate(config, epochs) == pytest.approx(low, abs=1e-15)


def test_constant_rate():
    config = TrainingConfig(learning_rate=0.3, epochs=4)
    assert [learning_rate(config, epoch) for epoch in range(4)] == [0.3] * 4
