"""Other slopes than 1, and bounds at the ends of the format: the function, its derivative, and their way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from libraries import EXACT, Library, g_of
from mpmath import mp, mpf

from softclip import (
    NAMES,
    Squash,
    algebraic,
    hinge,
    knee,
    soft_clip,
    soft_clip_derivative,
    soft_clip_inverse,
    soft_clip_log_derivative,
)

pytestmark = pytest.mark.needs("numpy")


def as_given(bounds: tuple[float, float], slope: float, how: str) -> tuple[Any, ...]:
    if how == "numbers":
        return *bounds, slope
    low, high = (np.array([b]) for b in bounds)
    return low, high, slope if how == "array bounds" else np.array([slope])


@pytest.mark.parametrize("how", ["numbers", "array bounds", "array slope"])
@pytest.mark.parametrize("slope", [0.3, 7.0])
@pytest.mark.parametrize("name", EXACT)
def test_any_slope(name: str, slope: float, how: str) -> None:
    """The function, its derivative, and their way back, at slopes other than 1."""
    g = g_of(name, 0.25)
    for bounds in ((-2.0, 2.0), (-1.0, 3.0), (0.0, 6.0), (1000.0, 1000.5)):
        middle, half = sum(bounds) / 2, (bounds[1] - bounds[0]) / 2
        x = middle + np.array([-0.6, -0.2, 1e-3, 0.4, 0.75]) * half / slope
        *given, steepness = as_given(bounds, slope, how)
        if name == "hinge":
            true = [oracle.hinge(v, *bounds, 0.25, slope) for v in x]
        else:
            true = [oracle.soft_clip(v, *bounds, name, slope) for v in x]
        y = soft_clip(x, *given, g, slope=steepness)
        ulp = float(oracle.ulp(max(map(abs, bounds)), "float64"))
        np.testing.assert_allclose(y, np.array(true, float), rtol=0, atol=8 * ulp)
        first = [float(oracle.derivatives(v, *bounds, name, slope, 0.25)[0]) for v in x]
        rtol = 1e-13 * (10 + slope * middle / half)  # x is known no better
        np.testing.assert_allclose(soft_clip_derivative(x, *given, g, slope=steepness), first, rtol=rtol)
        log = soft_clip_log_derivative(x, *given, g, slope=steepness)
        np.testing.assert_allclose(log, np.log(first), rtol=0, atol=rtol)
        back = soft_clip_inverse(y, *given, g, slope=steepness)
        np.testing.assert_allclose(back, x, rtol=0, atol=100 * ulp / slope)


ENDS = [
    ((-1.7e308, -2e307), 1.0, [-1.7e308, 1e308, 1.7e308]),  # the distance from the middle overflows
    ((2e307, 1.7e308), 0.5, [-1.7e308, -1e308, 1.7e308]),
    ((-1e-300, 1e-300), 1e20, [-1e-321, 3e-321, 1e-319]),  # 1e320 times x
    ((-1e308, 1e308), 1e-10, [-1e300, 1e-5, 1e308]),  # 1e-318 times x
    ((-1e-310, 1e-310), 3.0, [-1e-310, 2e-311, 1e-309]),
]


@pytest.mark.parametrize("how", ["numbers", "array bounds", "array slope"])
@pytest.mark.parametrize(("bounds", "slope", "x"), ENDS, ids=[str(row[0]) for row in ENDS])
@pytest.mark.parametrize("name", ["sigmoid", "algebraic", "hinge"])
def test_bounds_at_the_ends_of_the_format(
    name: str, bounds: tuple[float, float], slope: float, x: list[float], how: str
) -> None:
    softness = max(map(abs, bounds)) / 64
    g = g_of(name, softness)
    *given, steepness = as_given(bounds, slope, how)
    y = soft_clip(np.array(x), *given, g, slope=steepness)
    if name == "hinge":
        # In units of the larger bound: as far as the oracle goes.
        scale = mpf(max(map(abs, bounds)))
        ends = [mpf(b) / scale for b in bounds]
        true = [scale * oracle.hinge(mpf(v) / scale, *ends, mpf(softness) / scale, slope) for v in x]
    else:
        true = [oracle.soft_clip(v, *bounds, name, slope) for v in x]
    ulp = float(oracle.ulp(max(map(abs, bounds)), "float64"))
    np.testing.assert_allclose(y, np.array(true, float), rtol=0, atol=8 * ulp)


def test_the_inverse_between_neighbouring_numbers() -> None:
    """The middle is one of the bounds: that one is infinite that is not, and neither is NaN."""
    np.testing.assert_array_equal(soft_clip_inverse(np.array([0.0, 5e-324]), 0.0, 5e-324), [0.0, np.inf])


@pytest.mark.parametrize("slope", [None, 0.5])
def test_a_declared_function_beside_a_named_one(slope: float | None) -> None:
    """The same function with other limits, elsewhere, and 3 sigmoid - 1 is not odd."""
    g = Squash(
        lambda z: 3 / (1 + np.exp(1.0 - z)) - 1,
        -1.0,
        2.0,
        center=1.0,
        slope=0.75,
        inverse=lambda p: 1.0 - np.log(3 / (p + 1) - 1),
        derivative=lambda z: 3 * np.exp(1.0 - z) / (1 + np.exp(1.0 - z)) ** 2,
    )
    x = np.array([-9.0, -1.0, 0.0, 0.5, 1.3, 8.0])
    shift = 0.0 if slope else 1.0  # without a slope it is centred at 1
    for bounds in ((-2.0, 6.0), (-3.0, 3.0)):
        for how in ("numbers", "array bounds"):
            given = as_given(bounds, 1.0, how)[:2]
            for f in (soft_clip, soft_clip_derivative, soft_clip_log_derivative):
                expected = f(x - shift, *bounds, "sigmoid", slope=slope)
                np.testing.assert_allclose(f(x, *given, g, slope=slope), expected, rtol=1e-13, atol=1e-14)
            y = soft_clip(x, *bounds, "tanh", slope=0.4)
            expected = soft_clip_inverse(y, *bounds, "sigmoid", slope=slope) + shift
            np.testing.assert_allclose(soft_clip_inverse(y, *given, g, slope=slope), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_some_array_bounds_symmetric_some_not(name: str) -> None:
    """Around 0 accurate relative to the result where they are."""
    x = np.array([-1e-20, 1e-9, 0.3, -4.0])[:, None]
    low, high = np.array([-2.0, -1.0, 0.0]), np.array([2.0, 3.0, 6.0])
    y = soft_clip(x, low, high, name)
    for column, bounds in enumerate(zip(low, high, strict=True)):
        true = [float(oracle.soft_clip(v, *bounds, name)) for v in x[:, 0]]
        atol = 0.0 if column != 1 else 1e-15
        np.testing.assert_allclose(y[:, column], true, rtol=4e-15, atol=atol)


@pytest.mark.parametrize("how", ["numbers", "array bounds"])
@pytest.mark.parametrize("g", [*NAMES, algebraic(3.0), knee("tanh", 0.6), hinge(0.01)], ids=str)
def test_the_inverse_about_a_middle_between_two_numbers(g: Any, how: str) -> None:
    """With a slope as flat as this, what a double cannot hold of the middle is far away in x."""
    low, high, y, slope = 1 + 2.0**-52, 2.0, 1.5, 1e-12
    *given, _ = as_given((low, high), slope, how)
    middle = (mpf(low) + mpf(high)) / 2
    expected = float(middle + (y - middle) / mpf(slope))  # f is straight that near the middle
    np.testing.assert_allclose(soft_clip_inverse(np.array([y]), *given, g, slope=slope), expected, rtol=1e-13)


@pytest.mark.parametrize(
    ("dtype", "large", "z"), [("float32", 1e30, -150.0), ("float64", 1e250, -1000.0)], ids=["float32", "float64"]
)
def test_a_large_factor_saves_a_tail_below_the_smallest_number(dtype: str, large: float, z: float) -> None:
    """With array bounds too: e^z is 0, and a width or a slope times it is not."""
    tail = mp.exp(mpf(z))
    x, low, high = (np.array([v], dtype) for v in (z, 0.0, large))
    for f in (soft_clip, soft_clip_derivative):
        np.testing.assert_allclose(f(x, low, high), [float(large * tail)], rtol=3e-5 if dtype == "float32" else 1e-12)
    x, low, high = (np.array([v], dtype) for v in (z / 2 / large, -1.0, 1.0))
    z = 2 * float(x[0]) * large  # as x is rounded
    for slope in (large, np.array([large], dtype)):
        found = soft_clip_derivative(x, low, high, slope=slope)
        np.testing.assert_allclose(found, [float(4 * large * mp.exp(z))], rtol=3e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("how", ["numbers", "array bounds"])
@pytest.mark.parametrize("slope", [None, 1.0, 3.0])
@pytest.mark.parametrize("softness", [1e-3, 0.02, 0.3, 1.0, 20.0, 1e4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_hinge_of_any_softness_around_0(
    library: Library, dtype: str, softness: float, slope: float | None, how: str
) -> None:
    """DESIGN 2.2: between -b and b accurate relative to the result. A soft hinge crosses 0 far from its corners too."""
    numpy = np.dtype(dtype)
    bound, g = 1.5, hinge(softness)
    middle = 0.0 if slope else 0.5
    scale = bound / (slope or 1.0)
    steps = np.array([1e-6, 1e-3, 0.1, 0.3, 0.45, 0.55, 0.9, 1.1, 2.0, 7.0]) * max(scale, softness)
    x = (middle + np.concatenate([-steps, steps])).astype(numpy)
    low, high = (np.full(len(x), b, numpy) if how == "array bounds" else b for b in (-bound, bound))
    low, high = (library.asarray(v) if how == "array bounds" else v for v in (low, high))
    y = library.to_numpy(soft_clip(library.asarray(x), low, high, g, slope=slope)).astype(np.float64)
    true = [oracle.hinge(float(v), -bound, bound, softness, slope) for v in x]
    # Near the crossing x is exact, and further away it is known to half an ulp, of x or of the ends.
    known_to = np.array([abs(v) for v in x]) + (1.0 if slope is None else scale)
    spacing = np.finfo(numpy).eps
    slopes = [float(oracle.derivatives(float(v), -bound, bound, "hinge", slope, softness)[0]) for v in x]
    for v, found, expected, distance, steep in zip(x, y, true, known_to, slopes, strict=True):
        near_the_middle = abs(float(v) - middle) < 0.4 * max(scale, softness)
        rounding = 0.0 if near_the_middle and slope else 4 * spacing * distance * steep
        allowed = (16 if library.xla else 8) * spacing * abs(float(expected)) + rounding
        assert abs(found - float(expected)) <= allowed, (v, found, float(expected))
