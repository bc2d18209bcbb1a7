"""Derivative, its logarithm and the inverse: against many-digit arithmetic, autodiff and each other. DESIGN 2, 4 and 5."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import oracle
import pytest
from libraries import EXACT, Library, alternating, cases_of_digits, computing, g_of
from mpmath import mp, mpf
from test_values import BOUNDS, SOFTNESS, names, points

from softclip import (
    hinge,
    soft_clip,
    soft_clip_derivative,
    soft_clip_inverse,
    soft_clip_log_derivative,
)

DTYPES = ("bfloat16", "float32", "float64")  # float16's range is inside bfloat16's and its digits inside float32's
WIDE = [*BOUNDS, (0.0, 1e28), (0.0, 3e38)]
WIDE_OF_16_BITS = [(-30.0, 30.0), (-2.5, 0.0), (0.1, 0.7), (0.0, 3e38)]
FAR = 1e6
"""Beyond it the differences of the oracle run out of digits; there are tests with closed forms."""
QUANTITIES = (soft_clip_derivative, soft_clip_log_derivative, soft_clip_inverse)


def usable(library: Library, dtype: str, name: str) -> None:
    if dtype not in library.dtypes:
        pytest.skip(f"{library} has no {dtype}")
    if name not in names(library) and name != "hinge":
        pytest.skip("the standard has no erf")


def squash(name: str) -> Any:
    return g_of(name, SOFTNESS)


def near_points(dtype: str) -> np.ndarray:
    x = points(dtype)
    return x[np.abs(x.astype(float)) <= FAR]


class Slopes(NamedTuple):
    """f'(x) and log f'(x) at each of the points."""

    first: oracle.Digits
    ulp: np.ndarray
    normal: np.ndarray
    """Which f' are no subnormal numbers."""
    zero: np.ndarray
    log: oracle.Digits
    """0 where f' is 0, and its logarithm minus infinity."""
    log_ulp: np.ndarray
    """Of the logarithm or of 1, whatever is larger."""
    conditioning: np.ndarray
    """abs(u f''/f'): how much of f' an error in the last digit of u moves."""


@functools.cache
def between_0_and_1(name: str, dtype: str) -> list[tuple[Any, Any]]:
    """G' and G'' at each of the points: f between other bounds, without a slope, is as much wider."""
    return [oracle.derivatives(x, 0.0, 1.0, name, None, SOFTNESS) for x in near_points(dtype).astype(np.float64)]


@functools.cache
def slopes(name: str, dtype: str, bounds: tuple[float, float], slope: float | None) -> Slopes:
    x_of, width = near_points(dtype).astype(np.float64), mpf(bounds[1]) - mpf(bounds[0])
    if slope is None:
        both = [(width * d, width * second) for d, second in between_0_and_1(name, dtype)]
    else:
        both = [oracle.derivatives(x, *bounds, name, slope, SOFTNESS) for x in x_of]
    found = []
    for x, (d, second) in zip(x_of, both, strict=True):
        distance = mpf(x) if slope is None else mpf(x) - (mpf(bounds[0]) + mpf(bounds[1])) / 2
        if name == "hinge":  # its u are the distances from the ends, over the softness
            distance = max(abs(mpf(x)), *map(abs, bounds))
        found.append((d, abs(second * distance / d) if d else mpf(0)))
    first, conditionings = zip(*found, strict=True)
    logs = [mp.log(d) if d else mpf(0) for d in first]
    return Slopes(
        oracle.Digits(first),
        np.array([float(oracle.ulp(d, dtype)) for d in first]),
        np.array([oracle.is_normal(d, dtype) for d in first]),
        np.array([d == 0 for d in first]),
        oracle.Digits(logs),
        np.array([float(oracle.ulp(max(mpf(1), abs(v)), dtype)) for v in logs]),
        np.array(conditionings, float),
    )


def allowed(library: Library, dtype: str, name: str, slope: float | None, conditioning: np.ndarray) -> np.ndarray:
    """How far from the truth, in ulp, with what the rounding of u costs; erf and knees cost that without a slope too."""
    costs = slope is not None or name in ("erf", "hinge") or name.startswith("knee")
    ulps = (16 if library.xla else 8) + (4 * conditioning if costs else np.zeros_like(conditioning))
    return 1 + ulps / 2**16 if dtype == "bfloat16" else ulps


@cases_of_digits(DTYPES)
def test_the_derivative_to_the_ulp(library: Library, name: str, dtype: str, slope: float | None) -> None:
    worst = []
    for given in WIDE if dtype != "bfloat16" else WIDE_OF_16_BITS:
        bounds = (oracle.rounded(given[0], dtype), oracle.rounded(given[1], dtype))
        x = near_points(dtype)
        got = library.to_numpy(soft_clip_derivative(library.asarray(x), *given, squash(name), slope=slope))
        assert got.dtype == x.dtype
        found, true = got.astype(float), slopes(name, dtype, bounds, slope)
        small = found[~true.normal]
        assert ((small >= 0) & (small <= 2 * float(mpf(2) ** oracle._spacing(dtype)[1]))).all()
        ulps = true.first.distance(found) / true.ulp
        wrong = true.normal & ~(ulps <= allowed(library, dtype, name, slope, true.conditioning))
        for i in np.flatnonzero(wrong):
            expected = float(true.first.high[i])
            worst.append(f"{bounds} x={float(x[i])!r}: {float(found[i])!r} not {expected!r}: {ulps[i]:.1f} ulp")
    assert not worst, f"{len(worst)}: " + "\n".join(worst[:10])


@cases_of_digits(DTYPES)
def test_the_log_derivative_to_the_ulp(library: Library, name: str, dtype: str, slope: float | None) -> None:
    worst = []
    for given in WIDE if dtype != "bfloat16" else WIDE_OF_16_BITS:
        bounds = (oracle.rounded(given[0], dtype), oracle.rounded(given[1], dtype))
        x = near_points(dtype)
        got = library.to_numpy(soft_clip_log_derivative(library.asarray(x), *given, squash(name), slope=slope))
        found, true = got.astype(float), slopes(name, dtype, bounds, slope)
        assert (found[true.zero] == -math.inf).all()
        ulps = true.log.distance(found) / true.log_ulp
        size = np.maximum(1.0, np.abs(true.log.high))
        wrong = ~true.zero & ~(ulps <= allowed(library, dtype, name, slope, true.conditioning / size))
        for i in np.flatnonzero(wrong):
            expected = float(true.log.high[i])
            worst.append(f"{bounds} x={float(x[i])!r}: {float(found[i])!r} not {expected!r}: {ulps[i]:.1f} ulp")
    assert not worst, f"{len(worst)}: " + "\n".join(worst[:10])


@functools.cache
def where_parts_cancel(name: str) -> tuple[np.ndarray, list[float]]:
    """The x beside which f' passes 1, and log f' at each."""
    near = 2.0 ** np.linspace(0, 50, 2_000_000)
    first = soft_clip_derivative(near, 0.0, 1e28, name)
    x = near[np.argsort(np.abs(first - 1))[:200]].astype(np.float32)
    assert abs(math.log(float(soft_clip_derivative(x.astype(float), 0.0, 1e28, name)[0]))) < 0.01
    high = oracle.rounded(1e28, "float32")
    return x, [float(mp.log(oracle.derivatives(v, 0.0, high, name, None, SOFTNESS)[0])) for v in x.astype(float)]


@computing
@pytest.mark.parametrize("name", ["sigmoid", "tanh", "arctan", "softsign", "algebraic", "gudermannian", "exponential"])
def test_the_log_derivative_where_its_parts_cancel(library: Library, name: str) -> None:
    """Between bounds 1e28 apart, where f' passes 1: log h is 64 and log sigma' is -64, each with half an ulp of 64."""
    x, true = where_parts_cancel(name)
    got = library.to_numpy(soft_clip_log_derivative(library.asarray(x), 0.0, 1e28, name)).astype(float)
    np.testing.assert_allclose(got, true, rtol=0, atol=(16 if library.xla else 8) * float(np.finfo(np.float32).eps))


# sigma'(u) of those that fall as a power of u.
FAR_DENSITIES = {
    "arctan": lambda u: 2 / mp.pi / (1 + u * u),
    "softsign": lambda u: (1 + abs(u)) ** -2,
    "algebraic": lambda u: (1 + u * u) ** mpf("-1.5"),
}


@computing
@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0.0, 2.0**100), (0.0, 2.0**127)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FAR_DENSITIES)
def test_derivatives_as_far_out_as_numbers_go(
    library: Library, name: str, dtype: str, bounds: tuple[float, float]
) -> None:
    far = np.geomspace(1e7, float(np.finfo(dtype).max) / 4, 40).astype(dtype)
    x = np.concatenate([-far, far, 2.0**60 * np.array([1 - 2.0**-20, 1, 1 + 2.0**-20])]).astype(dtype)
    first = library.to_numpy(soft_clip_derivative(library.asarray(x), *bounds, name)).astype(float)
    log = library.to_numpy(soft_clip_log_derivative(library.asarray(x), *bounds, name)).astype(float)
    allowed = 16 if library.xla else 8
    for xi, d, logarithm in zip(x.astype(float), first, log, strict=True):
        true = (mpf(bounds[1]) - mpf(bounds[0])) / 2 * FAR_DENSITIES[name](mpf(xi))
        if oracle.is_normal(true, dtype):
            assert abs(mpf(d) - true) <= allowed * oracle.ulp(true, dtype), xi
        else:
            assert 0 <= d <= 2 * float(mpf(2) ** oracle._spacing(dtype)[1])
        assert abs(mpf(logarithm) - mp.log(true)) <= allowed * oracle.ulp(max(mpf(1), abs(mp.log(true))), dtype), xi


@computing
@pytest.mark.parametrize(("name", "slope", "arrays"), alternating(EXACT, [None, 1.0], [False, True]))
def test_the_widest_bounds(library: Library, name: str, slope: float | None, arrays: bool) -> None:
    """As far apart as numbers go, where 1 over the width is subnormal: what one takes for "no bounds"."""
    usable(library, "float32", name)
    high = float(np.finfo(np.float32).max)
    x = np.array([-0.4, 0.01, 0.7], np.float32) * np.float32(high if slope else 1)
    bounds = tuple(library.asarray(np.full(1, b, np.float32)) if arrays else b for b in (-high, high))
    value, first, log = (
        library.to_numpy(f(library.asarray(x), *bounds, squash(name), slope=slope)).astype(float)
        for f in (soft_clip, soft_clip_derivative, soft_clip_log_derivative)
    )
    true = [
        oracle.hinge(v, -high, high, SOFTNESS, slope)
        if name == "hinge"
        else oracle.soft_clip(v, -high, high, name, slope)
        for v in x.astype(float)
    ]
    true_first = [oracle.derivatives(v, -high, high, name, slope, SOFTNESS)[0] for v in x.astype(float)]
    np.testing.assert_allclose(value, np.array(true, float), rtol=4e-6)
    with np.errstate(over="ignore"):  # f' may be beyond the largest number itself
        np.testing.assert_allclose(first, np.array(true_first, np.float32), rtol=4e-6)
    np.testing.assert_allclose(log, [float(mp.log(d)) for d in true_first], rtol=1e-6, atol=4e-6)
    y = library.asarray(value.astype(np.float32))
    back = library.to_numpy(soft_clip_inverse(y, *bounds, squash(name), slope=slope))
    worth = float(oracle.ulp(high, "float32")) / np.array(true_first, float)  # what an ulp of y is worth in x
    assert (np.abs(back.astype(float) - x) <= 2e-6 * np.abs(x) + 2 * worth).all(), back


def bounds_in(library: Library, dtype: str, arrays: bool) -> tuple[Any, Any]:
    numbers = (-1.0, 3.0)
    return tuple(library.asarray(np.full(1, b, dtype)) for b in numbers) if arrays else numbers


@computing
@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("slope", [None, 1.0])
@pytest.mark.parametrize("name", EXACT)
def test_derivatives_at_infinity_and_nan(library: Library, name: str, slope: float | None, arrays: bool) -> None:
    usable(library, "float64", name)
    x = np.array([-np.inf, np.inf, np.nan, 0.0, 1e300, -1e300])
    bounds = bounds_in(library, "float64", arrays)
    first = library.to_numpy(soft_clip_derivative(library.asarray(x), *bounds, squash(name), slope=slope))
    log = library.to_numpy(soft_clip_log_derivative(library.asarray(x), *bounds, squash(name), slope=slope))
    assert first[:2].tolist() == [0.0, 0.0]
    assert log[:2].tolist() == [-math.inf, -math.inf]
    assert np.isnan([first[2], log[2]]).all()
    assert (first[3:] >= 0).all()
    assert not np.isnan(log[3:]).any()


@computing
@pytest.mark.parametrize(("name", "f", "slope"), alternating(EXACT, QUANTITIES, [None, 1.0]))
def test_array_bounds_give_what_numbers_give(library: Library, name: str, slope: float | None, f: Any) -> None:
    """A symmetric pair, a bound of 0, unlike bounds and wide ones beside each other."""
    usable(library, "float64", name)
    lows, highs = np.array([-2.0, 0.0, -1.0, -3.0, 0.0]), np.array([2.0, 6.0, 3.0, 0.0, 1e30])
    x = np.array([-50.0, -5.0, -1e-3, 0.0, 0.7, 1.4, 9.0])[:, np.newaxis]
    x = np.array([0.01, 0.3, 0.9, 0.999])[:, np.newaxis] * (highs - lows) + lows if f is soft_clip_inverse else x
    arguments = [library.asarray(v) for v in (x, lows, highs)]
    got = library.to_numpy(f(*arguments, squash(name), slope=slope))
    assert got.shape == (len(x), 5)
    for column, (low, high) in enumerate(zip(lows, highs, strict=True)):
        at = library.asarray(np.ascontiguousarray(np.broadcast_to(x, got.shape)[:, column]))
        expected = library.to_numpy(f(at, low, high, squash(name), slope=slope))
        scale = float(high if slope else 1) if low != -high else 0.0
        np.testing.assert_allclose(
            got[:, column], expected, rtol=1e-12, atol=1e-14 * scale if f is soft_clip_inverse else 3e-15
        )


@pytest.mark.parametrize("f", QUANTITIES)
def test_shape_dtype_and_namespace(library: Library, f: Any) -> None:
    for dtype in library.dtypes:
        for shape in ((), (0,), (2, 0, 4), (2, 3)):
            x = library.asarray(np.full(shape, 0.5).astype(points(dtype).dtype))
            y = f(x, library.asarray(np.zeros(1)), 6.0)
            assert type(y) is type(x)
            assert y.dtype == x.dtype
            assert tuple(y.shape) == np.broadcast_shapes(shape, (1,))
    integers = f(library.asarray(np.arange(1, 4)), 0.0, 6.0)
    assert str(integers.dtype).rpartition(".")[-1] == ("float32" if library.name == "torch" else "float64")


@pytest.mark.parametrize("f", QUANTITIES)
def test_errors_are_those_of_soft_clip(f: Any) -> None:
    name = "y" if f is soft_clip_inverse else "x"
    with pytest.raises(TypeError, match=f"{name} must be an array"):
        f("text")
    with pytest.raises(TypeError, match=f"{name} must not be a masked array"):
        f(np.ma.masked_less(np.zeros(2), 1))
    with pytest.raises(TypeError, match=f"{name} must be an array of float16.*got bool"):
        f(np.zeros(2, bool))
    with pytest.raises(ValueError, match="less than"):
        f(0.5, 1.0, -1.0)
    with pytest.raises(ValueError, match="both None"):
        f(0.5, None, None, hinge(1.0))


# The hinge with one bound.


def test_one_bound(library: Library) -> None:
    for s in (0.1, 1.0):
        x = np.array([-60.0, -3.0, 0.0, 0.5, 2.0, 40.0]) * s
        for sign, bounds in ((1.0, (0.5, None)), (-1.0, (None, -0.5))):
            for given in (bounds, tuple(None if b is None else library.asarray(np.array([b])) for b in bounds)):
                a = (sign * x - 0.5) / s  # softplus' is the logistic function
                first = library.to_numpy(soft_clip_derivative(library.asarray(x), *given, hinge(s)))
                np.testing.assert_allclose(first, [float(1 / (1 + mp.exp(-v))) for v in a], rtol=3e-14)
                log = library.to_numpy(soft_clip_log_derivative(library.asarray(x), *given, hinge(s)))
                np.testing.assert_allclose(log, [float(-mp.log1p(mp.exp(-v))) for v in a], rtol=1e-14, atol=1e-15)
    y = np.array([0.4, 0.5, np.inf, np.nan])
    x = library.to_numpy(soft_clip_inverse(library.asarray(y), 0.5, None, hinge(0.1)))
    np.testing.assert_array_equal(x, [np.nan, -np.inf, np.inf, np.nan])
    y = np.geomspace(1e-300, 1e3, 60)
    x = library.to_numpy(soft_clip_inverse(library.asarray(y), 0.0, None, hinge(2.0)))
    true = [float(2 * mp.log(mp.expm1(mpf(v) / 2))) for v in y]
    np.testing.assert_allclose(x, true, rtol=4e-15, atol=1e-14)
    mirrored = library.to_numpy(soft_clip_inverse(library.asarray(-y), None, 0.0, hinge(2.0), slope=1.0))
    np.testing.assert_array_equal(mirrored, -x)


@pytest.mark.parametrize("arrays", [False, True])
def test_one_bound_as_far_out_as_numbers_go(arrays: bool) -> None:
    """The distance from the bound overflows; the corner, as wide, does not."""
    x = np.array([-1.7e308, -1e307, 0.0, 1e308, 1.7e308])
    s = 2.0**1020
    for sign in (1.0, -1.0):
        bound = np.array([sign * -1.5e308]) if arrays else sign * -1.5e308
        bounds = (bound, None) if sign > 0 else (None, bound)
        a = [(mpf(v) + mpf(1.5e308)) / s for v in sign * x]
        y = soft_clip(x, *bounds, hinge(s))
        np.testing.assert_allclose(y, [float(sign * (s * mp.log1p(mp.exp(v)) - mpf(1.5e308))) for v in a], rtol=3e-15)
        first = soft_clip_derivative(x, *bounds, hinge(s))
        np.testing.assert_allclose(first, [float(1 / (1 + mp.exp(-v))) for v in a], rtol=1e-14)
