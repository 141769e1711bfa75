"""The reference model's training epoch in plain JAX under jit, for benchmarks/epoch.py.

usage: python peer_jax_epoch.py DATA.npz EPOCHS
Needs jax alone. Prints the median seconds of an epoch (batches of 10, RMSProp, evaluation of the
test part) after compilation, and the last test loss with its difference from the stored one.
"""

from __future__ import annotations

import sys
from time import perf_counter

import jax

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")

import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

QUBITS, BATCH, RATE = 6, 10, 0.01


def rotated(state, angle, qubit):
    """RY on one qubit of a real state of shape (2,) * QUBITS."""
    low, high = jnp.take(state, 0, axis=qubit), jnp.take(state, 1, axis=qubit)
    cos, sin = jnp.cos(angle / 2), jnp.sin(angle / 2)
    return jnp.stack([cos * low - sin * high, sin * low + cos * high], axis=qubit)


def controlled_not(state, control, target):
    low, high = jnp.take(state, 0, axis=control), jnp.take(state, 1, axis=control)
    flipped = jnp.flip(high, axis=target - (target > control))
    return jnp.stack([low, flipped], axis=control)


def circuit(v, weights):
    """Expectation values (QUBITS - 1,); every amplitude stays real, so real arrays serve."""
    state = jnp.full((2,) * QUBITS, 2.0 ** (-QUBITS / 2))
    for k in range(QUBITS):
        state = rotated(state, v[k], k)
    for layer in weights:
        for start in (0, 1):
            for k in range(start, QUBITS - 1, 2):
                state = controlled_not(state, k, k + 1)
        for k in range(QUBITS):
            state = rotated(state, layer[k], k)
    probability = state**2
    axes = range(QUBITS)
    marginals = [probability.sum(axis=tuple(j for j in axes if j != k)) for k in range(QUBITS - 1)]
    return jnp.stack([m[0] - m[1] for m in marginals])


def predict(parameters, sequences):
    def one(sequence):
        def step(carry, x):
            hidden, cell = carry
            v = jnp.concatenate([x, hidden])
            forget, take, candidate, output = (
                circuit(v, parameters[name]) for name in ("forget", "input", "candidate", "output")
            )
            cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(take) * jnp.tanh(candidate)
            return (jax.nn.sigmoid(output) * jnp.tanh(cell), cell), None

        zeros = jnp.zeros(QUBITS - 1)
        (hidden, _), _ = jax.lax.scan(step, (zeros, zeros), sequence)
        return parameters["W"] @ hidden + parameters["b"]

    return jax.vmap(one)(sequences)


def loss(parameters, x, y):
    return jnp.mean((predict(parameters, x) - y) ** 2)


@jax.jit
def train_batch(parameters, squares, x, y):
    gradient = jax.grad(loss)(parameters, x, y)
    squares = jax.tree.map(lambda s, g: 0.99 * s + 0.01 * g * g, squares, gradient)
    parameters = jax.tree.map(
        lambda p, g, s: p - RATE * g / (jnp.sqrt(s) + 1e-8), parameters, gradient, squares
    )
    return parameters, squares


def main() -> None:
    with np.load(sys.argv[1]) as file:
        data = dict(file)
    epochs, n = int(sys.argv[2]), int(data["n_train"])
    x, y = data["x"], data["y"]
    names = ("forget", "input", "candidate", "output", "W", "b")
    parameters = {name: jnp.asarray(data[name]) for name in names}
    squares = jax.tree.map(jnp.zeros_like, parameters)
    evaluate = jax.jit(loss)
    seconds = []
    for _ in range(epochs):
        start = perf_counter()
        for k in range(0, n, BATCH):
            rows = slice(k, min(k + BATCH, n))
            parameters, squares = train_batch(parameters, squares, x[rows], y[rows])
        test = float(evaluate(parameters, x[n:], y[n:]))
        seconds.append(perf_counter() - start)
    print(f"{np.median(seconds[2:]):.6f} s per epoch; test loss after {epochs} epochs {test:.6e}, "
          f"difference {abs(test - data['test'][epochs - 1]):.1e}")  # fmt: skip


if __name__ == "__main__":
    main()
