"""Losses: the squared error's fast path, and a loss of one's own."""

from __future__ import annotations

import numpy as np
import own_parts
import pytest

from hpc_qlstm import QLSTM, InputError, Partition
from hpc_qlstm.model.losses import Loss, SquaredError


class PlainSquaredError(SquaredError):
    """The same loss without the extension's routine."""

    through_readout = Loss.through_readout


class PerSample(PlainSquaredError):
    """A mean over samples, of sums over what each predicts."""

    def count(self, shape):
        return shape[0]


def problem(loss, **options):
    partition = Partition.overlap(4, 3, 2)
    model = QLSTM(1, 3, 2, depth=1, partition=partition, loss=loss, **options)
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (5, 3, 1))
    y = rng.normal(size=model.prediction_shape(x))
    return model, model.init(1, 0.7), x, y


@pytest.mark.parametrize("sequence", [False, True])
def test_the_fast_path_is_the_same_loss(sequence):
    fast, weights, x, y = problem("mse", sequence=sequence)
    plain, *_ = problem(PlainSquaredError(), sequence=sequence)
    results = [model.loss_and_gradient(weights, x, y) for model in (fast, plain)]
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-15)
    for name, array in results[0][1].items():
        np.testing.assert_allclose(array, results[1][1][name], rtol=0, atol=1e-15)


@pytest.mark.parametrize("sequence", [False, True])
@pytest.mark.parametrize("loss", [own_parts.LogCosh(), PerSample()], ids=lambda e: type(e).__name__)
def test_gradients_agree_with_finite_differences(loss, sequence):
    model, weights, x, y = problem(loss, sequence=sequence)
    value, gradient = model.loss_and_gradient(weights, x, y)
    prediction = model.predict(weights, x).reshape(5, -1, 2)
    samples, _ = loss.of_samples(prediction, y.reshape(prediction.shape))
    assert value == pytest.approx(samples.sum() / loss.count(y.shape), rel=1e-14)
    rng, step = np.random.default_rng(1), 1e-5
    for name, array in gradient.items():
        d = rng.normal(size=array.shape)
        values = [
            model.loss_and_gradient({**weights, name: weights[name] + sign * step * d}, x, y)[0]
            for sign in (1, -1)
        ]
        slope = (values[0] - values[1]) / (2 * step)
        assert np.vdot(array, d) == pytest.approx(slope, abs=2e-8), name


def test_a_loss_that_is_not_known():
    with pytest.raises(InputError, match="loss: 'none' is not known, allowed: mse"):
        QLSTM(1, 2, 1, loss="none")
