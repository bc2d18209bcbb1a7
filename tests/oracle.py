"""The truth, in many digits, written from the literature's formulas and not from the package's.

Each G(z) is a cumulative distribution function or a formula from the cited page. Nothing here is arranged to avoid
cancellation: 420 digits make up for it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
from mpmath import mp, mpf

mp.dps = 420

# A new g needs one line here: G on (0, 1), and its derivative at 0.
CDFS: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "sigmoid": (lambda z: 1 / (1 + mp.exp(-z)), mpf(1) / 4),
    "tanh": (lambda z: 1 / (1 + mp.exp(-2 * z)), mpf(1) / 2),
    "arctan": (lambda z: mpf(1) / 2 + mp.atan(z) / mp.pi, 1 / mp.pi),
    "softsign": (lambda z: (1 + z / (1 + abs(z))) / 2, mpf(1) / 2),
    "algebraic": (lambda z: (1 + z / mp.sqrt(1 + z * z)) / 2, mpf(1) / 2),
    "erf": (lambda z: mp.ncdf(mp.sqrt(2) * max(min(z, 10**7), -(10**7))), 1 / mp.sqrt(mp.pi)),
    "gudermannian": (lambda z: (2 / mp.pi) * mp.atan(mp.exp(z)), 1 / mp.pi),
    "exponential": (lambda z: 1 - mp.exp(-z) / 2 if z >= 0 else mp.exp(z) / 2, mpf(1) / 2),
    "cubic": (lambda z: _odd(z, mpf(3) / 2, lambda a: a - mpf(4) / 27 * a**3), mpf(1) / 2),
    "quintic": (lambda z: _odd(z, mpf(5) / 4, lambda a: a - mpf("0.08192") * a**5), mpf(1) / 2),
    "sine": (lambda z: _odd(z, mp.pi / 2, mp.sin), mpf(1) / 2),
    "algebraic(3.0)": (
        lambda z: (1 + mp.sign(z) / (1 + abs(z) ** -3) ** (mpf(1) / 3)) / 2 if z else mpf(1) / 2,
        mpf(1) / 2,
    ),
}


def _kneed(at: float, tail: Callable[[Any], Any]) -> tuple[Callable[[Any], Any], Any]:
    """The identity up to the knee, and from there on a function of slope 1 at 0, given by its distance from 1."""
    k = mpf(at)

    def value(z: Any) -> Any:
        a = abs(z)
        below = (1 - a if a <= k else (1 - k) * tail((a - k) / (1 - k))) / 2
        return below if z < 0 else 1 - below

    return value, mpf(1) / 2


CDFS["knee('tanh', 0.6)"] = _kneed(0.6, lambda z: 2 / (1 + mp.exp(2 * z)))
CDFS["knee(algebraic(1.2), 0.25)"] = _kneed(0.25, lambda z: 1 - z / (1 + z ** mpf(1.2)) ** (1 / mpf(1.2)))
CDFS["knee('cubic', 0.5)"] = _kneed(0.5, lambda z: 1 - z + 4 * z**3 / 27 if z < mpf(3) / 2 else mpf(0))


def _odd(z: Any, knee: Any, f: Callable[[Any], Any]) -> Any:
    value = mpf(1) if abs(z) >= knee else f(abs(z))
    return (1 + (value if z >= 0 else -value)) / 2


def soft_clip(x: float, low: float, high: float, g: str, slope: float | None = None) -> Any:
    """x_min + (x_max - x_min) G(u), DESIGN: u = x, or u such that f'(m) = slope. All arguments exactly as given."""
    G, k = CDFS[g]
    low, high = mpf(low), mpf(high)
    width = high - low
    u = mpf(x) if slope is None else (mpf(x) - (low + high) / 2) * mpf(slope) / (width * k)
    return low + width * G(u)


def hinge(x: float, low: float | None, high: float | None, softness: float, slope: float | None = None) -> Any:
    """Klimek and Perelstein, arXiv:1810.11509, with alpha = 1/s, as a difference of softplus functions."""

    def softplus(z: Any) -> Any:
        return z if z > 2000 else mp.log1p(mp.exp(z))

    x, s = mpf(x), mpf(softness)
    if low is None or high is None:
        return low + s * softplus((x - low) / s) if high is None else high - s * softplus((high - x) / s)
    low, high = mpf(low), mpf(high)
    x = max(min(x, mpf(10) ** 40), -(mpf(10) ** 40))  # further out f is at the bound, and mp.exp takes for ever
    if slope is None:
        return low + (high - low) * s * (softplus(x / s) - softplus((x - 1) / s))
    m = (low + high) / 2
    x = m + mpf(slope) * (x - m)
    return low + s * (softplus((x - low) / s) - softplus((x - high) / s))


def derivatives(x: float, low: float, high: float, g: str, slope: float | None, softness: float) -> tuple[Any, Any]:
    """f'(x) and f''(x), by differences of the formulas above over 10^-130 of the distance to what they turn on.

    All these functions are odd about their middle: on its upper side the point is taken to the lower, where f is small
    next to a bound of 0 and its digits do not run out.
    """
    low, high, x = mpf(low), mpf(high), mpf(x)
    middle = mpf(0) if slope is None else (low + high) / 2
    if g == "hinge" and slope is None:
        middle = mpf(1) / 2
    sign = 1 if x <= middle else -1
    x = middle - abs(x - middle)
    half = (high - low) / 2
    low, high = mpf(0), high - low  # f less its lower bound
    shift = half - middle if slope is not None else mpf(0)

    def f(v: Any) -> Any:
        return hinge(v, low, high, softness, slope) if g == "hinge" else soft_clip(v, low, high, g, slope)

    at = x + shift
    step = mpf(10) ** -130 * max(1, high if slope else 1)
    if slope is not None:
        step = mpf(10) ** -130 * high / slope
    below, there, above = f(at - step), f(at), f(at + step)
    if there == 0:  # from a knee on
        return mpf(0), mpf(0)
    return (above - below) / (2 * step), sign * (above - 2 * there + below) / step**2


class Digits:
    """Numbers of many digits as two arrays of float64: enough for the distance from a float64 beside them, at once for all."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.high = np.array([float(v) for v in values])
        self.low = np.array([float(v - mpf(h)) for v, h in zip(values, self.high, strict=True)])

    def distance(self, found: np.ndarray) -> np.ndarray:
        return np.abs((found - self.high) - self.low)


@functools.cache
def _spacing(dtype: str) -> tuple[int, int]:
    """Digits and the exponent of the smallest normal number."""
    return {"float16": (11, -14), "bfloat16": (8, -126), "float32": (24, -126), "float64": (53, -1022)}[dtype]


def ulp(value: Any, dtype: str) -> Any:
    """The distance between neighbouring numbers of the dtype at `value`."""
    digits, smallest = _spacing(dtype)
    exponent = max(mpmath.frexp(value)[1] - 1, smallest) if value else smallest
    return mpf(2) ** (exponent - digits + 1)


def is_normal(value: Any, dtype: str) -> bool:
    return bool(value == 0 or abs(value) >= mpf(2) ** _spacing(dtype)[1])


def conditioning(f: Callable[[Any], Any], x: float, middle: Any, bound: Any) -> Any:
    """abs(u T'(u) / T(u)) with T the distance from f to `bound`: how a relative error of x - m shows in T."""
    x = mpf(x)
    step = abs(x - middle) * mpf(10) ** -100 or mpf(10) ** -200
    t = abs(f(x) - bound)
    return abs((x - middle) * (f(x + step) - f(x)) / step / t) if t else mpf(0)


def rounded(value: float, dtype: str) -> float:
    """`value` as a number of the dtype, by NumPy."""
    import ml_dtypes

    return float(np.asarray(value).astype(getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype))
