"""Time per element of soft_clip beside a lone tanh and beside the formula as written, interleaved, in one run.

    python benchmarks/bench.py [--size 10000000] [--rounds 15] [--dtype float32]

Ratios carry over to another machine, times do not.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np

from softclip import hinge, soft_clip


def cases(x: np.ndarray) -> dict[str, list[tuple[str, Callable[[], Any]]]]:
    """Per group, what is timed, the reference of the group first."""
    from scipy.special import expit

    found = {
        "numpy tanh": [
            ("np.tanh(x)", lambda: np.tanh(x)),
            ("formula: lo + (hi - lo) (1 + tanh x) / 2", lambda: -2.0 + 4.0 * ((1.0 + np.tanh(x)) / 2.0)),
            ("soft_clip(x, -2, 2, tanh)", lambda: soft_clip(x, -2.0, 2.0, "tanh")),
            ("soft_clip(x, -2, 2, tanh, slope=1)", lambda: soft_clip(x, -2.0, 2.0, "tanh", slope=1.0)),
        ],
        "numpy sigmoid": [
            ("formula: lo + (hi - lo) / (1 + exp(-x))", lambda: -1.0 + 4.0 / (1.0 + np.exp(-x))),
            ("formula with scipy.special.expit", lambda: -1.0 + 4.0 * expit(x)),
            ("soft_clip(x, -1, 3)", lambda: soft_clip(x, -1.0, 3.0)),
            ("soft_clip(x, 0, 6)", lambda: soft_clip(x, 0.0, 6.0)),
        ],
        "numpy algebraic": [
            ("formula: lo + (hi - lo) (1 + x / sqrt(1 + x x)) / 2", lambda: 3.0 * (1 + x / np.sqrt(1 + x * x))),
            ("soft_clip(x, 0, 6, algebraic)", lambda: soft_clip(x, 0.0, 6.0, "algebraic")),
        ],
        "numpy hinge": [
            (
                "formula with np.logaddexp",
                lambda: 0.1 * (np.logaddexp(0, x * 10) - np.logaddexp(0, (x - 1) * 10)),
            ),
            ("soft_clip(x, 0, 1, hinge(0.1), slope=1)", lambda: soft_clip(x, 0.0, 1.0, hinge(0.1), slope=1.0)),
        ],
    }
    try:
        import torch
    except ImportError:
        return found
    torch.set_num_threads(1)
    t = torch.tensor(x)
    found["torch"] = [
        ("torch.tanh(t)", lambda: torch.tanh(t)),
        ("formula: lo + (hi - lo) sigmoid(t)", lambda: -2.0 + 4.0 * torch.sigmoid(t)),
        ("soft_clip(t, -2, 2)", lambda: soft_clip(t, -2.0, 2.0)),
        ("soft_clip(t, -1, 3)", lambda: soft_clip(t, -1.0, 3.0)),
    ]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    options = parser.parse_args()
    x = np.random.default_rng(0).standard_normal(options.size).astype(options.dtype) * 3
    versions = {name: metadata.version(name) for name in ("numpy", "scipy")}
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {versions}")
    print(f"{options.size} elements of {options.dtype}, median of {options.rounds}\n")
    for group, calls in cases(x).items():
        times: dict[str, list[float]] = {name: [] for name, _ in calls}
        for _ in range(options.rounds + 1):
            for name, call in calls:
                start = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - start)
        medians = {name: statistics.median(values[1:]) for name, values in times.items()}
        first = next(iter(medians.values()))
        print(group)
        for name, median in medians.items():
            print(f"  {name:56}{median / options.size * 1e9:9.2f} ns{median / first:9.2f} x")


if __name__ == "__main__":
    main()
