"""Train a network whose output has physical bounds: a hard clamp, the formula as it is written by hand, and soft_clip.

    python examples/torch_bounds.py                     a minute; the table and a picture
    python examples/torch_bounds.py --epochs 5 --seeds 1

The upper half of a handwritten digit goes in, the lower half comes out: 32 intensities between 0 and 16, most of them on
a bound (scikit-learn's digits, 1797 of them, a third held out). All networks have the same layers, and start in the middle of the range.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from tqdm import tqdm

from softclip import hinge
from softclip.torch import SoftClipping

LOW, HIGH = 0.0, 16.0


class Formula(torch.nn.Module):
    """x_min + (x_max - x_min) * clip_func(x), as activations-plus and hundreds of projects have it."""

    def __init__(self, clip_func: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.clip_func = clip_func

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return LOW + (HIGH - LOW) * self.clip_func(x)


# The last layer, and the argument at which it gives the middle of the range.
OUTPUTS: dict[str, tuple[torch.nn.Module, float]] = {
    "hard clamp": (torch.nn.Hardtanh(LOW, HIGH), 8.0),
    "formula, sigmoid": (Formula(torch.sigmoid), 0.0),
    "formula, tanh": (Formula(torch.tanh), 0.5493),
    "soft_clip, sigmoid": (SoftClipping(LOW, HIGH), 0.0),
    "soft_clip, tanh": (SoftClipping(LOW, HIGH, torch.tanh), 0.0),
    "soft_clip, algebraic, slope 1": (SoftClipping(LOW, HIGH, "algebraic", slope=1.0), 8.0),
    "soft_clip, hinge(1), slope 1": (SoftClipping(LOW, HIGH, hinge(1.0), slope=1.0), 8.0),
}


class Outcome(NamedTuple):
    losses: list[float]
    """Mean squared error on the digits held out, after each epoch."""
    dead: list[float]
    """Share of outputs that are wrong, and whose gradient is exactly 0."""
    outside: float
    """Share of outputs out of the bounds, at the end."""


def halves() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """The digits to train on and those held out, each as upper and lower halves."""
    digits = torch.tensor(load_digits().data, dtype=torch.float32)
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))
    train, test = digits[order[600:]], digits[order[:600]]
    return train[:, :32] / 16, train[:, 32:], test[:, :32] / 16, test[:, 32:]


def train(output: torch.nn.Module, middle: float, seed: int, epochs: int, rate: float) -> Outcome:
    torch.manual_seed(seed)
    inside = torch.nn.Sequential(torch.nn.Linear(32, 128), torch.nn.ReLU(), torch.nn.Linear(128, 32))
    torch.nn.init.constant_(inside[-1].bias, middle)
    optimizer = torch.optim.Adam(inside.parameters(), lr=rate)
    x, y, x_test, y_test = halves()
    losses, dead, outside = [], [], 0.0
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(100):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(output(inside(x[batch])), y[batch]).backward()
            optimizer.step()
        z = inside(x_test).detach().requires_grad_()
        result = output(z)
        (gradient,) = torch.autograd.grad(result.sum(), z)
        losses.append(torch.nn.functional.mse_loss(result, y_test).item())
        dead.append(((gradient == 0) & (result != y_test)).float().mean().item())
        outside = ((result < LOW) | (result > HIGH)).float().mean().item()
    return Outcome(losses, dead, outside)


def show(outcomes: dict[str, list[Outcome]]) -> None:
    print(f"{'output':<31} {'test loss':>15}   {'dead':>6}   {'outside':>7}")
    for name, runs in outcomes.items():
        losses = [run.losses[-1] for run in runs]
        dead, outside = (
            float(np.mean([get(run) for run in runs])) for get in (lambda r: r.dead[-1], lambda r: r.outside)
        )
        print(f"{name:<31} {np.mean(losses):6.2f} +- {np.std(losses):5.2f}   {dead:6.1%}   {outside:7.1%}")


def draw(path: Path, outcomes: dict[str, list[Outcome]]) -> None:
    mpl.use("Agg")
    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for name, runs in outcomes.items():
        style = "-" if name.startswith("soft_clip") else "--"
        for ax, values in zip(axes, ("losses", "dead"), strict=True):
            mean = np.mean([getattr(run, values) for run in runs], axis=0)
            ax.plot(range(1, len(mean) + 1), mean, style, label=name)
    axes[0].set(title="mean squared error, held out", xlabel="epoch", yscale="log")
    axes[1].set(title="wrong outputs without a gradient", xlabel="epoch")
    axes[1].yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0))
    axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=1e-2, help="Adam's step size")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the picture")
    options = parser.parse_args()
    torch.set_num_threads(1)
    outcomes = {
        name: [train(output, middle, seed, options.epochs, options.rate) for seed in range(options.seeds)]
        for name, (output, middle) in tqdm(OUTPUTS.items(), disable=None)
    }
    show(outcomes)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "torch-bounds.png"
    draw(path, outcomes)
    print(f"\nPicture: {path}")


if __name__ == "__main__":
    main()
