"""Write optimizers.npz from PyTorch: what tests/training/test_optimizers.py compares with.

Run by hand, `python tests/stored/make_optimizers.py`; the test suite neither runs it nor needs
torch.
"""

from pathlib import Path

import numpy as np
import torch

STEPS, SIZE, RATE = 20, 6, 0.05

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {}),
    "sgd_momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "rmsprop": (torch.optim.RMSprop, {"alpha": 0.95, "eps": 1e-6}),
    "rmsprop_momentum": (torch.optim.RMSprop, {"momentum": 0.7}),
    "adam": (torch.optim.Adam, {}),
    "adam_betas": (torch.optim.Adam, {"betas": (0.8, 0.95), "eps": 1e-3}),
}
COSINES = {"cosine_to_0": (0.02, 0.0, 30), "cosine_to_1e-3": (0.1, 1e-3, 7)}
CLIPS = (0.5, 2.0, 100.0)


def trajectory(kind: type, options: dict, start: np.ndarray, gradients: np.ndarray) -> np.ndarray:
    """The weights (STEPS, SIZE) after each step."""
    weights = torch.nn.Parameter(torch.tensor(start))
    optimizer = kind([weights], lr=RATE, **options)
    path = []
    for gradient in gradients:
        weights.grad = torch.tensor(gradient)
        optimizer.step()
        path.append(weights.detach().numpy().copy())
    return np.array(path)


def cosine(high: float, low: float, epochs: int) -> np.ndarray:
    """The learning rate of every epoch."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=high)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, low)
    rates = []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return np.array(rates)


def clipped(gradient: np.ndarray, largest: float) -> np.ndarray:
    """The gradient after clip_grad_norm_."""
    weights = torch.nn.Parameter(torch.zeros(SIZE, dtype=torch.float64))
    weights.grad = torch.tensor(gradient)
    torch.nn.utils.clip_grad_norm_([weights], largest)
    return weights.grad.numpy()


def main() -> None:
    """Write the archive beside this script."""
    rng = np.random.default_rng(2503_14088)
    start = rng.normal(size=SIZE)
    # Gradients of very different sizes, and one weight whose gradient is zero at first.
    gradients = rng.normal(size=(STEPS, SIZE)) * [1.0, 1e-4, 1e3, 1.0, 1e-9, 1.0]
    gradients[:5, 3] = 0.0
    arrays = {"start": start, "gradients": gradients, "rate": np.array(RATE)}
    for name, (kind, options) in OPTIMIZERS.items():
        arrays[name] = trajectory(kind, options, start, gradients)
    for name, arguments in COSINES.items():
        arrays[name] = cosine(*arguments)
    arrays["clip_gradient"] = gradients[6] * [1.0, 1.0, 1e-3, 1.0, 1.0, 1.0]
    for largest in CLIPS:
        arrays[f"clip_{largest:g}"] = clipped(arrays["clip_gradient"], largest)
    np.savez(Path(__file__).with_name("optimizers.npz"), torch=torch.__version__, **arrays)


if __name__ == "__main__":
    main()
