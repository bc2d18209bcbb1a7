"""The inverse and the derivative of every g on NumPy, beside their closed forms as they are usually written."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from bench_cases import BOUNDS, FORMULA, OURS, Entry, sample
from bench_paths import EVERYDAY, UserPath
from scipy import special

from softclip import hinge, soft_clip, soft_clip_derivative, soft_clip_inverse

SOFTNESS = 0.1

DERIVATIVES: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda x: _logistic(x) * (1 - _logistic(x)),
    "tanh": lambda x: (1 - np.tanh(x) ** 2) / 2,
    "arctan": lambda x: 1 / (np.pi * (1 + x**2)),
    "softsign": lambda x: 1 / (2 * (1 + np.abs(x)) ** 2),
    "algebraic": lambda x: 1 / (2 * (1 + x**2) ** 1.5),
    "erf": lambda x: np.exp(-(x**2)) / math.sqrt(math.pi),
    "gudermannian": lambda x: 1 / (np.pi * np.cosh(x)),
    "exponential": lambda x: np.exp(-np.abs(x)) / 2,
    "cubic": lambda x: (1 - 4 / 9 * np.clip(x, -1.5, 1.5) ** 2) / 2,
    "quintic": lambda x: (1 - 0.4096 * (np.clip(x, -1.25, 1.25) ** 2) ** 2) / 2,
    "sine": lambda x: np.cos(np.clip(x, -np.pi / 2, np.pi / 2)) / 2,
}
"""G', of G onto (0, 1)."""

INVERSES: dict[str, Callable[[Any], Any]] = {
    "sigmoid": lambda p: np.log(p / (1 - p)),
    "tanh": lambda p: np.arctanh(2 * p - 1),
    "arctan": lambda p: np.tan(np.pi * (p - 0.5)),
    "softsign": lambda p: (2 * p - 1) / (1 - np.abs(2 * p - 1)),
    "algebraic": lambda p: (2 * p - 1) / np.sqrt(1 - (2 * p - 1) ** 2),
    "erf": lambda p: special.erfinv(2 * p - 1),
    "gudermannian": lambda p: 2 * np.arctanh(np.tan(np.pi / 2 * (p - 0.5))),
    "exponential": lambda p: -np.sign(p - 0.5) * np.log(2 * np.minimum(p, 1 - p)),
    "cubic": lambda p: 3 * np.sin(np.arcsin(2 * p - 1) / 3),
    "sine": lambda p: np.arcsin(2 * p - 1),
}
"""Of G onto (0, 1). That of quintic has no closed form."""


def _logistic(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def calculus_paths(dtype: str, size: int) -> Iterator[UserPath]:
    x = sample(size).astype(dtype)
    limit = 2 if dtype == "float32" else 1.5
    low, high = BOUNDS["-1 to 3"]
    width = high - low

    def path(case: str, g: str, ours: Callable[[Any], Any], written: Callable[[Any], Any], at: Any) -> UserPath:
        entries = [Entry(OURS, case, partial(ours, at)), Entry(FORMULA, "as written", partial(written, at))]
        return UserPath("NumPy", dtype, EVERYDAY, f"{case} of every g", g, limit, "the closed form", entries)

    for g, density in DERIVATIVES.items():
        ours = partial(soft_clip_derivative, x_min=low, x_max=high, g=g)
        yield path("derivative", g, ours, lambda x, density=density: width * density(x), x)
    for g, quantile in INVERSES.items():
        ours = partial(soft_clip_inverse, x_min=low, x_max=high, g=g)
        # Of half of x, as the values of a g that is flat beyond its knees have no other inverse than infinity.
        y = soft_clip(np.clip(x, -1.25, 1.25) if g in ("cubic", "sine") else x / 2, low, high, g)
        yield path("inverse", g, ours, lambda y, quantile=quantile: quantile((y - low) / width), y)
    corners: dict[str, Any] = {"x_min": low, "x_max": high, "g": hinge(SOFTNESS), "slope": 1.0}
    yield path("derivative", "hinge, slope 1", partial(soft_clip_derivative, **corners), _hinge_derivative, x)
    inside = np.clip(x, low + SOFTNESS, high - SOFTNESS)
    yield path("inverse", "hinge, slope 1", partial(soft_clip_inverse, **corners), _hinge_inverse, inside)
    p = soft_clip(x / 2, 0.0, 1.0)
    logit = path("inverse", "sigmoid", partial(soft_clip_inverse, x_min=0.0, x_max=1.0), INVERSES["sigmoid"], p)
    yield logit._replace(case="inverse of sigmoid, 0 to 1", what="", of="log(p / (1 - p))")


def _hinge_derivative(x: Any) -> Any:
    low, high = BOUNDS["-1 to 3"]
    return _logistic((x - low) / SOFTNESS) - _logistic((x - high) / SOFTNESS)


def _hinge_inverse(y: Any) -> Any:
    low, high = BOUNDS["-1 to 3"]
    below, above = ((low - y) / SOFTNESS), ((y - high) / SOFTNESS)
    return y + SOFTNESS * (np.log1p(-np.exp(below)) - np.log1p(-np.exp(above)))
