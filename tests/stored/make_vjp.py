"""Write vjp.npz from PyTorch: what tests/model/test_vjp.py compares `QLSTM.vjp` with.

An implementation of its own: dense matrices of every gate by Kronecker products, and torch's
autograd. Run by hand, `python tests/stored/make_vjp.py`; it needs numpy and torch, nothing else.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

LSTM_GATES = ("forget", "input", "candidate", "output")
HIDDEN, INPUT, DEPTH, BATCH, STEPS = 4, 2, 2, 3, 4
CASES = {
    # name: order, inputs of each partition into v_t, outputs, qubits
    "centric": ("hx", [[0, 1, 2, 3, 4, 5]], [4], [6]),
    "partitions": ("hx", [[0, 1, 4, 5], [2, 3, 4, 5]], [2, 2], [4, 4]),
    "unequal": ("xh", [[2, 0, 5], [1, 3, 4, 2]], [1, 3], [3, 5]),
}

I2 = torch.eye(2, dtype=torch.complex128)
H = torch.tensor([[1, 1], [1, -1]], dtype=torch.complex128) / np.sqrt(2)
X = torch.tensor([[0, 1], [1, 0]], dtype=torch.complex128)
Y = torch.tensor([[0, -1j], [1j, 0]], dtype=torch.complex128)
Z = torch.tensor([[1, 0], [0, -1]], dtype=torch.complex128)


def on(qubits: int, placed: dict[int, torch.Tensor]) -> torch.Tensor:
    """Matrices (.., 2^q, 2^q) of 2 x 2 ones; qubit 0 is the last factor of the product."""
    matrix = torch.ones(1, 1, dtype=torch.complex128)
    for k in reversed(range(qubits)):
        factor = placed.get(k, I2)
        matrix = torch.einsum("...ab,...cd->...acbd", matrix, factor)
        matrix = matrix.reshape(*matrix.shape[:-4], matrix.shape[-4] * 2, matrix.shape[-2] * 2)
    return matrix


def rotation(axis: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """exp(-i angle P / 2) for angles of any shape."""
    half = angle.to(torch.complex128)[..., None, None] / 2
    return torch.cos(half) * I2 - 1j * torch.sin(half) * axis


def cnot(qubits: int, control: int, target: int) -> torch.Tensor:
    """|0><0| on the control, plus |1><1| with X on the target."""
    zero, one = (I2 + Z) / 2, (I2 - Z) / 2
    return on(qubits, {control: zero}) + on(qubits, {control: one, target: X})


def vqc(features: torch.Tensor, weights: torch.Tensor, outputs: int) -> torch.Tensor:
    """rot_ring: <Z_k> (B, outputs) from features (B, F) and weights (L, q, 3)."""
    depth, q, _ = weights.shape
    state = torch.zeros(features.shape[0], 2**q, dtype=torch.complex128)
    state[:, 0] = 1
    operations = [on(q, {k: H}) for k in range(q)]
    for k in range(features.shape[1]):
        x = features[:, k]
        operations += [on(q, {k: rotation(Y, torch.arctan(x))})]
        operations += [on(q, {k: rotation(Z, torch.arctan(x**2))})]
    for layer in range(depth):
        for distance in (1, 2):
            for k in range(q):
                if (k + distance) % q != k:
                    operations.append(cnot(q, k, (k + distance) % q))
        for k in range(q):
            for axis, angle in zip((Z, Y, Z), weights[layer, k], strict=True):
                operations.append(on(q, {k: rotation(axis, angle)}))
    for operation in operations:
        state = (operation @ state[..., None])[..., 0]
    probabilities = state.abs() ** 2
    values = [probabilities @ on(q, {k: Z}).diagonal().real for k in range(outputs)]
    return torch.stack(values, dim=1)


def run(case, weights, x, h, c):
    """Outputs (B, T, d_h), h_T and c_T."""
    order, inputs, outputs, _ = case
    seen = []
    for t in range(x.shape[1]):
        v = torch.cat([h, x[:, t]] if order == "hx" else [x[:, t], h], dim=1)
        z = {
            gate: torch.cat(
                [
                    vqc(v[:, part], weights[f"{gate}.{m}"], outputs[m])
                    for m, part in enumerate(inputs)
                ],
                dim=1,
            )
            for gate in LSTM_GATES
        }
        forget, take, out = (torch.sigmoid(z[gate]) for gate in ("forget", "input", "output"))
        c = forget * c + take * torch.tanh(z["candidate"])
        h = out * torch.tanh(c)
        seen.append(h)
    return torch.stack(seen, dim=1), h, c


def main() -> None:
    stored = {"torch": np.array(torch.__version__)}
    for number, (name, case) in enumerate(CASES.items()):
        rng = np.random.default_rng(number)
        given = {
            f"{gate}.{m}": rng.normal(0, 0.8, (DEPTH, q, 3))
            for gate in LSTM_GATES
            for m, q in enumerate(case[3])
        }
        weights = {key: torch.tensor(value, requires_grad=True) for key, value in given.items()}
        leaves = {
            "x": rng.uniform(-1, 1, (BATCH, STEPS, INPUT)),
            "h": rng.uniform(-1, 1, (BATCH, HIDDEN)),
            "c": rng.uniform(-1, 1, (BATCH, HIDDEN)),
        }
        tensors = {key: torch.tensor(value, requires_grad=True) for key, value in leaves.items()}
        outputs, h, c = run(case, weights, *tensors.values())
        cotangents = [rng.normal(size=tuple(value.shape)) for value in (outputs, h, c)]
        total = sum(
            (torch.tensor(a) * b).sum() for a, b in zip(cotangents, (outputs, h, c), strict=True)
        )
        total.backward()
        arrays = {f"weight.{key}": value for key, value in given.items()} | leaves
        arrays |= dict(zip(("to_outputs", "to_h", "to_c"), cotangents, strict=True))
        arrays |= {"outputs": outputs, "h_last": h, "c_last": c}
        arrays |= {f"grad.{key}": value.grad for key, value in (weights | tensors).items()}
        stored |= {
            f"{name}/{key}": np.asarray(torch.as_tensor(v).detach()) for key, v in arrays.items()
        }
    np.savez_compressed(Path(__file__).with_name("vjp.npz"), **stored)
    print(Path(__file__).with_name("vjp.npz"), len(stored), "arrays")


if __name__ == "__main__":
    main()
