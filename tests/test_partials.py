"""The closed forms of the derivatives in x, the bounds and the slope, against the oracle's formulas in 800 digits."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import oracle
import pytest
from libraries import ALL, EXACT, g_of, name_of
from mpmath import mp, mpf

from softclip import hinge
from softclip._arguments.resolve import resolve
from softclip._formulas.call import Call
from softclip._formulas.formats import FORMATS
from softclip._formulas.partials import partials
from softclip._formulas.plan import array_plan, number_plan
from softclip._formulas.program import Recorder
from softclip._libraries.numpy import NUMPY

pytestmark = pytest.mark.needs("numpy")

SOFTNESS = 0.25
BOUNDS = ((-2.0, 2.0), (0.0, 6.0), (-1.0, 3.0), (0.0, 500.0))
# 0, beside the knees, in both tails; in units in which the slope of g at its middle is about 1.
U = np.array([-300.0, -60.0, -9.0, -2.0, -1.49, -1.2, -0.3, -1e-9, 0.0, 0.2, 1.1, 1.56, 2.2, 8.0, 70.0, 300.0])


def points(name: str, low: float, high: float, slope: float | None) -> np.ndarray:
    middle, half = (low + high) / 2, (high - low) / 2
    if slope is None:
        return U
    if name != "hinge":
        return middle + U * (half / slope)
    return middle + np.concatenate([U[4:12] / 2 * half / slope, (half / slope + U / 20), -(half / slope + U / 20)])


@functools.cache
def truth(x: float, low: float | None, high: float | None, name: str, slope: float | None) -> list[Any]:
    """Central differences of the formulas as the literature has them."""
    at = [None if v is None else mpf(v) for v in (x, low, high, slope)]

    def f(i: int, step: Any) -> Any:
        v = [w + step if i == j else w for j, w in enumerate(at)]
        return oracle.hinge(*v[:3], SOFTNESS, v[3]) if name == "hinge" else oracle.soft_clip(*v[:3], name, v[3])

    with mp.workdps(800):
        step = mpf(10) ** -130 * max(1, abs(at[0]))
        return [None if v is None else (f(i, step) - f(i, -step)) / (2 * step) for i, v in enumerate(at)]


def found(x: np.ndarray, g: Any, low: Any, high: Any, slope: Any, how: str) -> list[Any]:
    call = Call("derivative", resolve(g, NUMPY, x), FORMATS["float64"], low, high, slope)
    if how == "numbers":
        c = number_plan(call, True)[1]
    else:
        c = array_plan(call.with_constants(*(None if v is None else np.array([v]) for v in (low, high, slope))), NUMPY)[
            1
        ]
    with np.errstate(all="ignore"):
        if how != "recorded":
            return list(partials(NUMPY, call.g, x, c, slope))
        c = number_plan(call, True)[1]
        recorded = []
        for i in range(4):
            recorder = Recorder(call.format, 1)
            result = partials(recorder, call.g, recorder.inputs[0], c, slope)[i]
            if result is not None:
                steps = recorder.program(result).compiled(NUMPY.function, np.array)
                result = steps.run([*steps.slots], (x,), None)
            recorded.append(result)
        return recorded


@pytest.mark.parametrize("how", ["numbers", "arrays", "recorded"])
@pytest.mark.parametrize("slope", [None, 1.0, 0.3, 7.0])
@pytest.mark.parametrize("name", EXACT)
def test_against_the_oracle(name: str, slope: float | None, how: str) -> None:
    """Relative to the value in the tails, where it is a normal number; to its scale about the middle."""
    for low, high in BOUNDS:
        x = points(name, low, high, slope)
        half = (high - low) / 2
        scales = (slope or half, 1.0, 1.0, half / (slope or 1.0))
        got = found(x, g_of(name, SOFTNESS), low, high, slope, how)
        for i, v in enumerate(x):
            near = slope and abs(v - (low + high) / 2) < 3 * half / slope
            for of, true, scale in zip(got, truth(v, low, high, name, slope), scales, strict=True):
                if true is not None:
                    atol = 4e-15 * scale if near else 1e-290
                    np.testing.assert_allclose(of[i], float(true), rtol=4e-13, atol=atol, err_msg=f"{low} {high} {v}")
                else:
                    assert of is None


@pytest.mark.parametrize(("low", "high"), [(0.5, None), (None, 0.5)])
@pytest.mark.parametrize("how", ["numbers", "arrays", "recorded"])
def test_one_bound(low: float | None, high: float | None, how: str) -> None:
    x = np.array([-np.inf, -1.7e308, -90.0, -2.0, 0.4, 0.5, 0.6, 3.0, 90.0, 1.7e308, np.inf])
    got = found(x, hinge(SOFTNESS), low, high, None, how)
    for of, only in ((0, "x"), (1, low), (2, high)):
        if only is None:
            assert got[of] is None
            continue
        expected = [float(truth(v, low, high, "hinge", None)[of]) for v in x[2:-2]]
        np.testing.assert_allclose(got[of][2:-2], expected, rtol=1e-13)
        rising = (of == 0) == (high is None)
        np.testing.assert_array_equal(got[of][[0, 1, -2, -1]], [0, 0, 1, 1] if rising else [1, 1, 0, 0])


@pytest.mark.parametrize("how", ["numbers", "arrays", "recorded"])
@pytest.mark.parametrize("slope", [None, 1.0, 0.3])
@pytest.mark.parametrize("g", ALL, ids=name_of)
def test_at_infinity_and_the_largest_number(g: Any, slope: float | None, how: str) -> None:
    """f is a bound there, which moves with that bound alone; NaN for NaN."""
    largest = np.finfo(float).max
    for low, high in (*BOUNDS, (-1e-3, 1e-3), (0.0, 1e200)):
        got = found(np.array([-np.inf, -largest, largest, np.inf, np.nan]), g, low, high, slope, how)
        for of, expected in zip(got, ([0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]), strict=True):
            if of is not None:
                np.testing.assert_array_equal(of[[0, 3]], expected[::3])
                assert np.isnan(of[4])
                if high < 1e200:  # of which softsign has 1e92 left there
                    np.testing.assert_allclose(of[1:3], expected[1:3], rtol=1e-15, atol=1e-100)
