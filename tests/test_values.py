"""Values against many-digit arithmetic, in ulp: DESIGN 2, points 1, 2 and 6."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import oracle
import pytest
from libraries import DTYPES, Library, cases_of_digits, computing, g_of
from mpmath import mpf

from softclip import soft_clip

BOUNDS = [(-1.0, 1.0), (-30.0, 30.0), (0.0, 6.0), (-2.5, 0.0), (0.0, 50_000.0), (-1.0, 3.0), (100.0, 101.0), (0.1, 0.7)]
# Formulas do not know of 16 bits, which are rounded afterwards. tests/test_every_16_bit_value.py takes all their values.
BOUNDS_OF_16_BITS = [(-30.0, 30.0), (-2.5, 0.0), (0.0, 50_000.0), (0.1, 0.7)]
KNEES = (1.5, 1.25, np.pi / 2)
SOFTNESS = 0.05


@functools.cache
def points(dtype: str) -> np.ndarray:
    """Zero, both signs, small to large, the knees and their neighbours."""
    import ml_dtypes

    kind = np.dtype(getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype)
    largest = float(ml_dtypes.finfo(kind).max)
    dense = np.concatenate([np.linspace(0.01, 12, 18), np.geomspace(12, 400, 9)])
    wide = np.geomspace(max(1e-25, float(ml_dtypes.finfo(kind).tiny)), min(1e25, largest / 4), 13)
    knees = np.array([k * (1 + i * float(ml_dtypes.finfo(kind).eps)) for k in KNEES for i in (-4, 0, 1)])
    positive = np.concatenate([dense, wide, knees, [1.0, largest]])
    x = np.concatenate([-positive, [0.0], positive]).astype(kind)
    return np.unique(x[np.isfinite(x)])


def names(library: Library) -> list[str]:
    return [name for name in oracle.CDFS if library.has_erf or name != "erf"]


class Truth(NamedTuple):
    """f(x) at each of the points."""

    value: oracle.Digits
    ulp: np.ndarray
    normal: np.ndarray
    """Which of them are no subnormal numbers."""
    conditioning: np.ndarray
    """With a slope."""


@functools.cache
def between_0_and_1(name: str, dtype: str) -> list[Any]:
    """G at each of the points: f between other bounds, without a slope, is as much wider."""
    return [oracle_of(name, (0.0, 1.0), None)(x) for x in points(dtype).astype(np.float64)]


def oracle_of(name: str, bounds: tuple[float, float], slope: float | None) -> Callable[[Any], Any]:
    if name == "hinge":
        return lambda x: oracle.hinge(x, *bounds, SOFTNESS, slope)
    return lambda x: oracle.soft_clip(x, *bounds, name, slope)


@functools.cache
def truth(name: str, dtype: str, bounds: tuple[float, float], slope: float | None) -> Truth:
    low, high = bounds
    middle, width = (mpf(low) + mpf(high)) / 2, mpf(high) - mpf(low)
    f = oracle_of(name, bounds, slope)
    x_of = points(dtype).astype(np.float64)
    values = [mpf(low) + width * G for G in between_0_and_1(name, dtype)] if slope is None else [f(x) for x in x_of]
    conditionings = []
    for x, y in zip(x_of, values, strict=True):
        if name == "hinge":
            conditioning = abs(mpf(x)) / mpf(SOFTNESS) if abs(x) < 1e6 and y not in bounds else mpf(0)
            conditioning = min(conditioning, width * 1000)
        else:
            near = low if x < middle else high
            # Beyond a knee, as with a slope, the argument of g is a rounded number.
            relative = (slope is not None or name.startswith("knee")) and x != middle
            conditioning = oracle.conditioning(f, x, middle, near) if relative else mpf(0)
            if near != 0:  # the error of u moves f by this much of the distance to the near bound, not of f
                conditioning *= abs(y - near) / max(abs(mpf(low)), abs(mpf(high)))
        conditionings.append(conditioning)
    return Truth(
        oracle.Digits(values),
        np.array([float(oracle.ulp(y, dtype)) for y in values]),
        np.array([oracle.is_normal(y, dtype) for y in values]),
        np.array(conditionings, float),
    )


def allowed(library: Library, dtype: str, name: str, bounds: tuple[float, float], true: Truth) -> np.ndarray:
    """How far from the true values results may be."""
    low, high = bounds
    larger = max(abs(low), abs(high))
    factor = 2 if library.xla else 1
    relative = 0.0 in bounds or low == -high
    if dtype in ("float16", "bfloat16"):
        # A float32 beside a boundary between two numbers of the dtype may be rounded to either: 1/2 ulp and a little.
        return true.ulp + (0.0 if relative else 4 * factor * float(oracle.ulp(larger, "float32")))
    if relative:
        # erf's tail is the library's own: SciPy's and XLA's erfc(22.7) are 118 ulp off in float64.
        tail = 128 if name == "erf" and library.name != "torch" else 8 * factor
        return (tail + 4 * true.conditioning) * true.ulp
    return (4 * factor + 4 * true.conditioning) * float(oracle.ulp(larger, dtype))


@cases_of_digits(DTYPES)
def test_values_are_exact_to_the_ulp(library: Library, name: str, dtype: str, slope: float | None) -> None:
    x = points(dtype)
    g = g_of(name, SOFTNESS)
    worst: list[str] = []
    for given in BOUNDS if np.dtype(x.dtype).itemsize > 2 else BOUNDS_OF_16_BITS:
        bounds = (oracle.rounded(given[0], dtype), oracle.rounded(given[1], dtype))
        y = soft_clip(library.asarray(x), *given, g, slope=slope)
        result = library.to_numpy(y).astype(np.float64)
        assert ((bounds[0] <= result) & (result <= bounds[1])).all(), f"outside {bounds}"
        true = truth(name, dtype, bounds, slope)
        error = true.value.distance(result)
        wrong = true.normal & ~(error <= allowed(library, dtype, name, bounds, true))
        for i in np.flatnonzero(wrong):
            ulps = error[i] / true.ulp[i]
            shown = f"{float(result[i])!r}, not {float(true.value.high[i])!r}"
            worst.append(f"x={float(x[i])!r} bounds={bounds}: {shown}: {ulps:.1f} ulp")
    assert not worst, f"{len(worst)}: " + "\n".join(worst[:10])


@computing
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("arrays", [False, True])
def test_a_steep_slope_in_a_middle_between_two_numbers(library: Library, dtype: str, arrays: bool) -> None:
    """x - m is found to the last bit although m itself is no number of the dtype: a slope of 1000 shows what is lost."""
    low, high = (oracle.rounded(bound, dtype) for bound in (0.1, 0.7))
    middle = (mpf(low) + mpf(high)) / 2
    assert oracle.rounded(float(middle), "float32") != middle
    near = np.full(9, float(middle), dtype)
    x = near + np.arange(-4, 5).astype(dtype) * np.spacing(near)
    bounds = [library.asarray(np.array(b, dtype)) for b in (low, high)] if arrays else [low, high]
    y = library.to_numpy(soft_clip(library.asarray(x), *bounds, "tanh", slope=1000.0)).astype(np.float64)
    true = [oracle.soft_clip(v, low, high, "tanh", 1000.0) for v in x.astype(float)]
    worst = max(abs(mpf(float(a)) - b) for a, b in zip(y, true, strict=True))
    assert worst <= (8 if library.xla else 4) * oracle.ulp(high, dtype)
