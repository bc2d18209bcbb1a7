"""Try the claim of arXiv:2406.16640: train a small network with SGD, clipped hard and softly, and with Adam, over many step sizes.

    python benchmarks/paper.py                        minutes; writes docs/paper.json, docs/paper.md and docs/paper.png
    python benchmarks/paper.py --epochs 2 --seeds 1 --only softsign --output folder

Williamson, Eisenmann and Stillfjord soft-clip every component of the update: w <- w - a g(x, a), where x is the stochastic
gradient and a the step size, which is ``optax.chain(optax.sgd(a), softclip.optax.soft_clip(gamma, g))``. They report
results on par with Adam and tuned SGD, larger usable step sizes, and little difference between the g's.

All runs of a method, one for each step size, clip value and seed, are trained at once by `jax.vmap`.
"""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import optax
from paper_page import page
from sklearn.datasets import load_digits
from tqdm import tqdm

from softclip.optax import soft_clip

mpl.use("Agg")
from matplotlib import pyplot as plt

RATES = tuple(float(f"{rate:.3g}") for rate in 10.0 ** np.arange(-3.5, 2.01, 0.5))
UPDATES = (0.003, 0.01, 0.03)
"""Bounds of an update, gamma."""


class Method(NamedTuple):
    make: Callable[[Any, Any], optax.GradientTransformation]
    clips: tuple[float, ...] = (0.0,)


METHODS = {
    "SGD": Method(lambda rate, _: optax.sgd(rate)),
    "SGD, gradient clipped by value": Method(
        lambda rate, clip: optax.chain(optax.clip(clip), optax.sgd(rate)), (0.001, 0.01, 0.1)
    ),
    "SGD, gradient clipped by norm": Method(
        lambda rate, clip: optax.chain(optax.clip_by_global_norm(clip), optax.sgd(rate)), (0.1, 0.3, 1.0)
    ),
    "SGD, update clipped hard": Method(lambda rate, clip: optax.chain(optax.sgd(rate), optax.clip(clip)), UPDATES),
    "soft-clipped scheme, softsign": Method(lambda rate, clip: optax.chain(optax.sgd(rate), soft_clip(clip)), UPDATES),
    "soft-clipped scheme, arctan": Method(
        lambda rate, clip: optax.chain(optax.sgd(rate), soft_clip(clip, "arctan")), UPDATES
    ),
    "soft-clipped scheme, tanh": Method(
        lambda rate, clip: optax.chain(optax.sgd(rate), soft_clip(clip, "tanh")), UPDATES
    ),
    "Adam": Method(lambda rate, _: optax.adam(rate)),
}


def digits() -> dict[str, tuple[Any, Any]]:
    """Scikit-learn's handwritten digits: 897 to train on, 300 to choose the step size by, 600 to report."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x, y = jnp.asarray(data.data[order] / 16, jnp.float32), jnp.asarray(data.target[order])
    return {"test": (x[:600], y[:600]), "validation": (x[600:900], y[600:900]), "train": (x[900:], y[900:])}


def network(key: Any) -> dict[str, Any]:
    first, second = jax.random.split(key)
    layer = jax.nn.initializers.glorot_uniform()
    return {"a": layer(first, (64, 64)), "b": jnp.zeros(64), "c": layer(second, (64, 10)), "d": jnp.zeros(10)}


def logits(w: dict[str, Any], x: Any) -> Any:
    return jnp.maximum(x @ w["a"] + w["b"], 0) @ w["c"] + w["d"]


def train(method: Method, epochs: int, data: Any, rate: Any, clip: Any, seed: Any) -> dict[str, Any]:
    """Accuracy on the two sets held out after the last epoch; 0 if the weights are not finite."""
    x, y = data["train"]
    optimizer = method.make(rate, clip)
    start, shuffle = jax.random.split(jax.random.key(seed))
    w = network(start)

    def loss(w: Any, rows: Any) -> Any:
        return optax.softmax_cross_entropy_with_integer_labels(logits(w, x[rows]), y[rows]).mean()

    def step(carry: Any, rows: Any) -> tuple[Any, None]:
        w, state = carry
        updates, state = optimizer.update(jax.grad(loss)(w, rows), state, w)
        return (optax.apply_updates(w, updates), state), None

    def epoch(carry: Any, key: Any) -> tuple[Any, None]:
        rows = jax.random.permutation(key, len(x))[: len(x) // 32 * 32].reshape(-1, 32)
        return jax.lax.scan(step, carry, rows)

    (w, _), _ = jax.lax.scan(epoch, (w, optimizer.init(w)), jax.random.split(shuffle, epochs))
    finite = functools.reduce(jnp.logical_and, (jnp.isfinite(part).all() for part in jax.tree.leaves(w)))
    sets = ("validation", "test")
    return {name: finite * (logits(w, data[name][0]).argmax(1) == data[name][1]).mean() for name in sets}


def measure(epochs: int, seeds: int, only: str = "") -> dict[str, Any]:
    data = digits()
    methods = {name: method for name, method in METHODS.items() if only in name}
    report: dict[str, Any] = {"epochs": epochs, "seeds": seeds, "rates": RATES, "methods": {}}
    for name, method in (progress := tqdm(methods.items())):
        progress.set_description(name)
        run = functools.partial(train, method, epochs, data)
        for axes in ((None, None, 0), (None, 0, None), (0, None, None)):
            run = jax.vmap(run, in_axes=axes)
        found = jax.jit(run)(jnp.asarray(RATES), jnp.asarray(method.clips), jnp.arange(seeds))
        report["methods"][name] = {
            "clips": method.clips,
            **{part: np.asarray(values, float).round(4).tolist() for part, values in found.items()},
        }
    return report


def draw(path: Path, report: dict[str, Any]) -> None:
    """For each step size the accuracy with the clip value that is best there."""
    figure, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for name, found in report["methods"].items():
        accuracy = np.mean(found["validation"], axis=2).max(axis=1)
        ax.plot(report["rates"], accuracy, "-" if name.startswith("soft") else "--", marker=".", label=name)
    ax.set(xscale="log", xlabel="step size", ylabel="accuracy (validation, mean over seeds)", ylim=(0, 1))
    ax.legend(fontsize="small")
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--only", default="", help="methods with this in their name, and no page")
    parser.add_argument(
        "--output", type=Path, default=Path("docs"), help="folder for paper.json, paper.md and paper.png"
    )
    options = parser.parse_args()
    report = measure(options.epochs, options.seeds, options.only)
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / "paper.json").write_text(json.dumps(report, indent=1) + "\n")
    draw(options.output / "paper.png", report)
    if not options.only:
        (options.output / "paper.md").write_text(page(report))


if __name__ == "__main__":
    main()
