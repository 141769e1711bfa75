"""Peers of benchmarks/circuits.py: one circuit's forward values and VJP, timed in this interpreter.

usage: python peer_circuits.py PEER QUBITS SAMPLES DEPTH
PEER: tensorcircuit (JAX jit), qulacs (backprop, one circuit after another).
Prints the median seconds of one call and a checksum of outputs and gradients.
"""

from __future__ import annotations

import sys
from time import perf_counter

import numpy as np

BUDGET = 4.0


def problem(qubits, samples, depth):
    """Features, weights and cotangent; the same draws as benchmarks/circuits.py."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (samples, qubits))
    weights = rng.normal(size=(depth, qubits, 3))
    return x, weights, rng.normal(size=(samples, qubits))


def entanglers(qubits):
    """Control and target of the CNOTs of one rot_ring layer."""
    pairs = [(i, (i + step) % qubits) for step in (1, 2) for i in range(qubits)]
    return [(control, target) for control, target in pairs if control != target]


def tensorcircuit(x, weights, cotangent):
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")
    import jax.numpy as jnp
    import tensorcircuit as tc

    tc.set_backend("jax")
    tc.set_dtype("complex128")
    qubits = x.shape[1]

    def one(weights, x):
        circuit = tc.Circuit(qubits)
        for k in range(qubits):
            circuit.h(k)
            circuit.ry(k, theta=jnp.arctan(x[k]))
            circuit.rz(k, theta=jnp.arctan(x[k] ** 2))
        for layer in weights:
            for control, target in entanglers(qubits):
                circuit.cnot(control, target)
            for k in range(qubits):
                circuit.rz(k, theta=layer[k, 0])
                circuit.ry(k, theta=layer[k, 1])
                circuit.rz(k, theta=layer[k, 2])
        probability = (jnp.abs(circuit.state()) ** 2).reshape((2,) * qubits)
        outputs = []
        for k in range(qubits):
            low, high = probability.sum(axis=tuple(j for j in range(qubits) if j != k))
            outputs.append(low - high)
        return jnp.stack(outputs)

    @jax.jit
    def vjp(weights, x, cotangent):
        outputs, pull = jax.vjp(jax.vmap(one, (None, 0)), weights, x)
        return outputs, *pull(cotangent)

    return lambda: [np.asarray(array) for array in vjp(weights, x, cotangent)]


def qulacs(x, weights, cotangent):
    from qulacs import Observable, ParametricQuantumCircuit, QuantumState

    samples, qubits = x.shape
    circuit = ParametricQuantumCircuit(qubits)
    for k in range(qubits):
        circuit.add_H_gate(k)
        circuit.add_parametric_RY_gate(k, 0.0)
        circuit.add_parametric_RZ_gate(k, 0.0)
    for _ in weights:
        for control, target in entanglers(qubits):
            circuit.add_CNOT_gate(control, target)
        for k in range(qubits):
            circuit.add_parametric_RZ_gate(k, 0.0)
            circuit.add_parametric_RY_gate(k, 0.0)
            circuit.add_parametric_RZ_gate(k, 0.0)

    def call():
        outputs, by_x = np.empty((samples, qubits)), np.empty((samples, qubits))
        by_weight = np.zeros(weights.size)
        for n in range(samples):
            encoding = np.stack([np.arctan(x[n]), np.arctan(x[n] ** 2)], axis=1).ravel()
            # Qulacs' rotations are exp(+i angle P / 2).
            for index, angle in enumerate(np.concatenate([encoding, weights.ravel()])):
                circuit.set_parameter(index, -angle)
            state = QuantumState(qubits)
            circuit.update_quantum_state(state)
            one = [state.get_zero_probability(k) for k in range(qubits)]
            outputs[n] = 2 * np.array(one) - 1
            observable = Observable(qubits)
            for k in range(qubits):
                observable.add_operator(cotangent[n, k], f"Z {k}")
            gradient = -np.array(circuit.backprop(observable))
            by_weight += gradient[2 * qubits :]
            by_ry, by_rz = gradient[: 2 * qubits].reshape(qubits, 2).T
            by_x[n] = by_ry / (1 + x[n] ** 2) + by_rz * 2 * x[n] / (1 + x[n] ** 4)
        return outputs, by_weight.reshape(weights.shape), by_x

    return call


def main():
    peer, (qubits, samples, depth) = sys.argv[1], map(int, sys.argv[2:])
    call = {"tensorcircuit": tensorcircuit, "qulacs": qulacs}[peer](
        *problem(qubits, samples, depth)
    )
    arrays = call()
    seconds = []
    while not seconds or (sum(seconds) < BUDGET and len(seconds) < 200):
        start = perf_counter()
        call()
        seconds.append(perf_counter() - start)
    checksum = [float(np.sum(np.abs(array))) for array in arrays]
    print(f"{np.median(seconds):.9f}", *(f"{value:.12e}" for value in checksum))


if __name__ == "__main__":
    main()
