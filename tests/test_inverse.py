"""The inverse, against the one x that f carries to y. No formula of an inverse says what that x is."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np
import oracle
import pytest
from libraries import EXACT, Library, cases_of_digits, computing
from mpmath import mpf
from test_calculus import WIDE, bounds_in, squash, usable
from test_values import SOFTNESS, points

from softclip import soft_clip_inverse
from softclip._formulas.call import Call
from softclip._formulas.formats import FORMATS
from softclip._formulas.plan import number_plan
from softclip._functions.named import NAMED
from softclip._libraries.numpy import NUMPY

# One of each kind of bounds: the others of WIDE have the same constants in other sizes.
BOUNDS = [bounds for bounds in WIDE if bounds not in ((-30.0, 30.0), (0.0, 50_000.0))]


def inside(name: str, low: float, high: float, dtype: str) -> np.ndarray:
    """Values between the bounds, close to each and to the middle too."""
    kind = points(dtype).dtype
    tiny = 1e-36 if dtype != "float64" else 1e-290
    share = np.concatenate([np.geomspace(1e-7, 0.5, 7), [0.45, 0.499, 0.5001]])
    lowest = [tiny * 10 ** (i / 5 * 30) for i in range(5)]
    y = [low + (high - low) * t for t in share] + [high - (high - low) * t for t in share]
    y += [low + t for t in lowest] if low == 0 else [high - t for t in lowest] if high == 0 else []
    y += [sign * high * t for t in lowest for sign in (-1, 1)] if low == -high else []
    y = np.unique(np.array(y).astype(kind))
    y = y[(y > kind.type(low)) & (y < kind.type(high))]
    # The tails of these two are not boosted: the documentation says so.
    least = (high - low) * float(np.finfo(dtype).tiny) if name in ("erf", "hinge") else 0.0
    return y[np.minimum(y - low, high - y).astype(float) > least]


class Truth(NamedTuple):
    """At each y the x for which f(x) = y."""

    x: oracle.Digits
    """Infinite if it is beyond the largest float64."""
    known_to: np.ndarray
    slope: np.ndarray
    """f'(x)."""


@functools.cache
def truth(name: str, dtype: str, bounds: tuple[float, float], slope: float | None) -> Truth:
    def f(x: Any) -> Any:
        return (
            oracle.hinge(x, *bounds, SOFTNESS, slope) if name == "hinge" else oracle.soft_clip(x, *bounds, name, slope)
        )

    y = inside(name, *bounds, dtype).astype(np.float64)
    guesses = soft_clip_inverse(y, *bounds, squash(name), slope=slope)
    found = [solve(f, yi, guess, dtype) for yi, guess in zip(y.tolist(), guesses.tolist(), strict=True)]
    x, known_to, slopes = zip(*found, strict=True)
    return Truth(oracle.Digits(x), np.array(known_to, float), np.array(slopes, float))


def solve(f: Any, y: float, guess: float, dtype: str) -> tuple[Any, Any, Any]:
    """The x for which f(x) = y, how well it is known, and f'(x). f on both sides of it is the proof, whatever the guess."""
    if math.isinf(guess):
        edge = math.copysign(float(np.finfo(float).max), guess)
        assert f(edge) <= y if guess > 0 else f(edge) >= y
        return mpf(guess), mpf(0), mpf(0)
    x = mpf(guess)
    for _ in range(60):
        near = oracle.ulp(x, dtype) / 128
        below, above = f(x - near), f(x + near)
        if below <= y <= above:
            return x, near, (above - below) / (2 * near)
        x += 2 * near * (y - (below + above) / 2) / (above - below)
    raise AssertionError(f"no x with f(x) = {y!r} from {guess!r}")


@cases_of_digits(["float32", "float64"])
def test_the_inverse_to_the_ulp(library: Library, name: str, dtype: str, slope: float | None) -> None:
    """Within 16 ulp of x; in the middle of bounds that are not +-b, what an ulp of the larger bound is worth in x."""
    worst = []
    for given in BOUNDS:
        low, high = (oracle.rounded(v, dtype) for v in given)
        middle, larger = (low + high) / 2, max(abs(low), abs(high))
        y = inside(name, low, high, dtype)
        got = library.to_numpy(soft_clip_inverse(library.asarray(y), *given, squash(name), slope=slope))
        assert got.dtype == y.dtype
        true = truth(name, dtype, (low, high), slope)
        with np.errstate(invalid="ignore"):
            allowed = 16.0 * np.spacing(np.abs(got)).astype(float)
            far = true.x.distance(got.astype(float)) + true.known_to
        if low != -high:
            centred = np.abs(y - middle) < (high - low) / 4
            with np.errstate(divide="ignore", over="ignore"):
                allowed += np.where(centred, 4 * float(oracle.ulp(larger, dtype)) / true.slope, 0.0)
            if slope is not None or name == "hinge":  # x is the middle, or an end of the hinge, and something
                allowed += 4 * float(oracle.ulp(max(larger if slope else 1, SOFTNESS), dtype))
        wrong = ~(far <= allowed * (2 if library.xla else 1))
        # An infinite x is beyond the largest number of the dtype.
        beyond = np.isinf(got) & (np.sign(got) == np.sign(true.x.high))
        wrong &= ~(beyond & (np.abs(true.x.high) >= float(np.finfo(dtype).max)))
        worst += [
            f"{given} y={float(y[i])!r}: {float(got[i])!r}, not {float(true.x.high[i])!r}"
            for i in np.flatnonzero(wrong)
        ]
    assert not worst, f"{len(worst)}: " + "\n".join(worst[:10])


@computing
@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("slope", [None, 2.0])
@pytest.mark.parametrize("name", EXACT)
def test_the_inverse_on_a_bound_is_infinite_and_outside_nan(
    library: Library, name: str, slope: float | None, arrays: bool
) -> None:
    usable(library, "float32", name)
    below, above = np.nextafter(np.float32([-1, 3]), np.float32([-2, 4]))
    y = np.array([-np.inf, -5, below, -1, 1, 3, above, 80, np.inf, np.nan], np.float32)
    bounds = bounds_in(library, "float32", arrays)
    x = library.to_numpy(soft_clip_inverse(library.asarray(y), *bounds, squash(name), slope=slope))
    middle = 0.5 if name == "hinge" and slope is None else 0.0 if slope is None else 1.0
    np.testing.assert_allclose(x, [math.nan] * 3 + [-math.inf, middle, math.inf] + [math.nan] * 4, atol=1e-6)


@pytest.mark.needs("numpy")
@pytest.mark.parametrize(("zero", "other"), [(0.0, 1.03125), (-0.0, 1.046875)])  # a plan is kept for both zeros
@pytest.mark.parametrize("name", NAMED)
def test_a_bound_of_either_zero(name: str, zero: float, other: float) -> None:
    y = np.array([0.0, -0.0], np.float32)
    np.testing.assert_array_equal(soft_clip_inverse(y, -other, zero, name), np.inf)
    np.testing.assert_array_equal(soft_clip_inverse(y, zero, other, name), -np.inf)


DIRECT = ["sigmoid", "tanh", "arctan", "softsign", "algebraic", "erf", "gudermannian", "exponential", "cubic", "sine"]


@pytest.mark.needs("numpy")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "bounds", [(0.0, 1.0), (-1.0, 0.0), (-1e-5, 0.0), (-1.0, 1.0625), (0.0, 6.0), (0.0, 0.125), (-0.5, 255.0)]
)
@pytest.mark.parametrize("name", DIRECT)
def test_the_direct_inverse_is_that_with_branches(name: str, bounds: tuple[float, float], dtype: str) -> None:
    """Also beside the bounds, down to the smallest number, and around the middle of those that are nearly +-b."""
    (low, high), format_, g = bounds, FORMATS[dtype], NAMED[name]
    middle, half = (low + high) / 2, (high - low) / 2
    share = np.concatenate([np.geomspace(1e-6, 1, 400), [0.0], np.geomspace(float(np.finfo(dtype).tiny), 1e-7, 50)])
    y = np.concatenate([low + half * share, high - half * share, middle - half * share, middle + half * share])
    y = np.concatenate([y.astype(dtype), np.array([format_.subnormal, -1e30, 1e30, np.nan, np.inf, -np.inf], dtype)])
    with np.errstate(all="ignore"):
        got = NUMPY.evaluate(y, Call("inverse", g, format_, low, high, None))
        formula, c = number_plan(Call("inverse", g, format_, low, high, None), True)
        expected = formula(NUMPY, g, y, c)
        near = np.minimum(y - np.asarray(low, dtype), high - y)
        # In the middle what the spacing of y is worth in x, if y has no more digits there than beside a bound.
        worth = np.spacing(np.asarray(max(high, -low), dtype)) / (half * g.slope)
        tolerance = 16 * np.spacing(np.abs(expected)) + np.where((abs(middle) > half / 4) & (near > half / 2), worth, 0)
        close = (np.abs(got - expected) <= tolerance) | (np.abs(near) < 2 * np.finfo(dtype).tiny)
    same = close | (got == expected) | (np.isnan(got) & np.isnan(expected))
    assert same.all(), list(zip(y[~same], got[~same], expected[~same], strict=True))[:5]
    inside = (y > low) & (y < high) & (np.abs(expected) < np.finfo(dtype).max / 2)
    assert np.isfinite(got[inside]).all()
