"""Train a recurrent network with plain SGD, its gradients left alone, clipped hard, and clipped softly.

    python examples/torch_gradients.py                     under a minute; the table and a picture
    python examples/torch_gradients.py --epochs 2 --seeds 1

The network reads scikit-learn's digits pixel by pixel, so that gradients go through 64 steps and sometimes explode.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from tqdm import tqdm

from softclip.torch import soft_clip_grad_value_

Clip = Callable[[Iterable[torch.Tensor], float], object]
CLIPS: dict[str, Clip] = {
    "none": lambda *_: None,
    "clip_grad_norm_, to 1": lambda parameters, _: torch.nn.utils.clip_grad_norm_(parameters, 1.0),
    "clip_grad_value_": torch.nn.utils.clip_grad_value_,
    "soft_clip_grad_value_, softsign": soft_clip_grad_value_,
    "soft_clip_grad_value_, tanh": lambda parameters, value: soft_clip_grad_value_(parameters, value, "tanh"),
}


class Outcome(NamedTuple):
    accuracy: list[float]
    """On the digits held out, after each epoch."""
    tied: float
    """Share of gradient elements that lie exactly on the clip value, where their order is lost."""


class Reader(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.recurrent = torch.nn.RNN(1, 48, batch_first=True)
        self.read_out = torch.nn.Linear(48, 10)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        states, _ = self.recurrent(pixels.unsqueeze(-1))
        return self.read_out(states[:, -1])


def train(clip: Clip, seed: int, epochs: int, rate: float, value: float) -> Outcome:
    digits = load_digits()
    x, y = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    held_out, rest = order[:600], order[600:]
    torch.manual_seed(seed)
    model = Reader()
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    accuracy, tied, seen = [], 0, 0
    for _ in range(epochs):
        for batch in rest[torch.randperm(len(rest))].split(50):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            clip(model.parameters(), value)
            optimizer.step()
            tied += sum(int((p.grad.abs() == np.float32(value)).sum()) for p in model.parameters())
            seen += sum(p.numel() for p in model.parameters())
        with torch.no_grad():
            accuracy.append((model(x[held_out]).argmax(1) == y[held_out]).float().mean().item())
    return Outcome(accuracy, tied / seen)


def show(outcomes: dict[str, list[Outcome]]) -> None:
    print(f"{'clipping':<32} {'accuracy':>15}   {'on the clip value':>17}")
    for name, runs in outcomes.items():
        last = [run.accuracy[-1] for run in runs]
        print(f"{name:<32} {np.mean(last):6.1%} +- {np.std(last):5.1%}   {np.mean([run.tied for run in runs]):17.2%}")


def draw(path: Path, outcomes: dict[str, list[Outcome]]) -> None:
    mpl.use("Agg")
    figure, ax = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, runs in outcomes.items():
        mean = np.mean([run.accuracy for run in runs], axis=0)
        ax.plot(range(1, len(mean) + 1), mean, "-" if "soft" in name else "--", label=name)
    ax.set(title="accuracy, held out", xlabel="epoch", ylim=(0, 1))
    ax.legend(fontsize="small")
    figure.savefig(path, dpi=130)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=0.3, help="SGD's step size")
    parser.add_argument("--value", type=float, default=0.05, help="the clip value")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for the picture")
    options = parser.parse_args()
    torch.set_num_threads(1)
    outcomes = {
        name: [train(clip, seed, options.epochs, options.rate, options.value) for seed in range(options.seeds)]
        for name, clip in tqdm(CLIPS.items(), disable=None)
    }
    show(outcomes)
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "torch-gradients.png"
    draw(path, outcomes)
    print(f"\nPicture: {path}")


if __name__ == "__main__":
    main()
