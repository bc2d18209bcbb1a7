"""The knee: the identity in the middle bit for bit, and what is known of it elsewhere."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from libraries import COMPUTING, DTYPES, LIBRARIES, Library

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

BOUNDS = [(-1.0, 1.0), (0.0, 6.0), (-1.0, 3.0), (100.0, 101.0), (-7.3, -0.2)]
SHAPES = [*NAMES, algebraic(1.2), algebraic(7.0)]


def middle(dtype: Any, low: float, high: float, at: float) -> np.ndarray:
    """Numbers of the dtype between the knees, and the last of them."""
    m, half = 0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low
    rng = np.random.default_rng(0)
    x = np.concatenate([m + half * at * rng.uniform(-1, 1, 1000), m + half * at * np.array([-1, 1]) * (1 - 1e-7), [m]])
    x = np.concatenate([x, 1e-9 * x]).astype(dtype).astype(np.float64)
    x = x[np.abs(x - m) <= at * half]
    return x.astype(dtype)


@pytest.mark.parametrize("how", ["numbers", "array bounds"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("library", LIBRARIES, ids=str, indirect=True)
def test_the_middle_comes_back_bit_for_bit(library: Library, dtype: str, how: str) -> None:
    import ml_dtypes

    if dtype not in library.dtypes:
        pytest.skip(f"{library} has no {dtype}")
    kind = np.dtype(getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype)
    for number, (low, high) in enumerate(BOUNDS):
        shape = SHAPES[number % len(SHAPES)]
        if shape == "erf" and not library.has_erf:
            continue
        g = knee(shape, 0.8)
        x = middle(kind, *(float(np.asarray(b).astype(kind)) for b in (low, high)), 0.8)
        bounds = [library.asarray(np.full(1, b, kind)) if how == "array bounds" else b for b in (low, high)]
        for f in (soft_clip, soft_clip_inverse):
            y = library.to_numpy(f(library.asarray(x), *bounds, g, slope=1.0))
            np.testing.assert_array_equal(y.view(f"u{kind.itemsize}"), x.view(f"u{kind.itemsize}"))


@pytest.mark.parametrize("library", COMPUTING, ids=str, indirect=True)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_slope_of_the_middle_is_1(library: Library, shape: Any) -> None:
    if shape == "erf" and not library.has_erf:
        pytest.skip(f"{library} has no erf")
    x = middle(np.float32, -1.0, 3.0, 0.5)
    for factor in (1.0, 3.0):
        # Divided, what lies on the knee may come to lie beyond it by the rounding.
        given = x if factor == 1 else np.float32(1.0) + np.float32(0.99 / factor) * (x - np.float32(1.0))
        given = library.asarray(given)
        slope = library.to_numpy(soft_clip_derivative(given, -1.0, 3.0, knee(shape, 0.5), slope=factor))
        np.testing.assert_array_max_ulp(slope, np.full_like(slope, factor), 0 if factor == 1 else 1)
        log = library.to_numpy(soft_clip_log_derivative(given, -1.0, 3.0, knee(shape, 0.5), slope=factor))
        np.testing.assert_allclose(log, np.log(factor), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_knee_at_0_is_the_function_itself(shape: Any) -> None:
    x = np.linspace(-9.0, 9.0, 401)
    for bounds in BOUNDS:
        np.testing.assert_allclose(
            soft_clip(x, *bounds, knee(shape, 0), slope=1.0),
            soft_clip(x, *bounds, shape, slope=1.0),
            rtol=1e-13,
            atol=1e-14,
        )


@pytest.mark.parametrize("at", [0.1, 0.6, 0.95])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_beyond_the_knee_it_is_the_function_of_what_is_left(shape: Any, at: float) -> None:
    """Between the knee and the bound stands the upper half of the function itself, between bounds about the knee."""
    beyond = np.geomspace(1e-3, 30.0, 50)
    y = soft_clip(at + beyond, -1.0, 1.0, knee(shape, at), slope=1.0)
    np.testing.assert_allclose(y, soft_clip(at + beyond, 2 * at - 1, 1.0, shape, slope=1.0), rtol=4e-15)
    np.testing.assert_allclose(-soft_clip(-at - beyond, -1.0, 1.0, knee(shape, at), slope=1.0), y, rtol=1e-15)


def test_strict() -> None:
    assert knee("tanh", 0.5).strict
    assert not knee("cubic", 0.5).strict
    assert soft_clip(0.5 + 0.5 * 1.5, -1.0, 1.0, knee("cubic", 0.5)) == 1


def test_it_is_equal_hashed_pickled_and_shown_by_its_arguments() -> None:
    for g in (knee("tanh", 0.5), knee(algebraic(1.2), 0.25), knee(knee("erf", 0.1), 0.3)):
        again = pickle.loads(pickle.dumps(g))
        assert again == g == copy.deepcopy(g) == eval(repr(g), {"knee": knee, "algebraic": algebraic})  # noqa: S307
        assert hash(again) == hash(g)
    assert knee("tanh", 0.5) != knee("tanh", 0.25)
    assert knee("tanh", 0.5) != knee("sigmoid", 0.5)
    assert repr(knee("tanh", np.float32(0.5))) == "knee('tanh', 0.5)"


@pytest.mark.parametrize(
    ("g", "at", "error", "words"),
    [
        ("tanh", -0.1, ValueError, r"at must be from 0 to less than 1, by 2\^-20 at least; got -0.1"),
        ("tanh", 1.0, ValueError, "at must be from 0 to less than 1"),
        ("tanh", 1 - 2.0**-30, ValueError, "at must be from 0 to less than 1"),
        ("tanh", float("nan"), ValueError, "at must be from 0 to less than 1"),
        ("tanh", "0.5", TypeError, "at must be a real number"),
        ("tahn", 0.5, ValueError, "g must be one of sigmoid, .*; got 'tahn'"),
        (np.tanh, 0.5, TypeError, r"g must be a name such as 'tanh', or algebraic\(p\); got <ufunc 'tanh'>"),
        (hinge(0.1), 0.5, TypeError, r"g must be a name such as 'tanh', or algebraic\(p\); got hinge\(0\.1\)"),
        (Squash(np.tanh, -1.0, 1.0), 0.5, TypeError, "g must be a name such as 'tanh'"),
    ],
)
def test_what_is_refused(g: Any, at: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        knee(g, at)


# The ACES Reference Gamut Compression 1.3 (Academy S-2022-001), on distances from the achromatic axis.
ACES = [(0.815, 1.147), (0.803, 1.264), (0.880, 1.312)]
POWER = 1.2


def aces(distance: np.ndarray, threshold: float, limit: float) -> np.ndarray:
    """Its formula as published: the limit comes to lie on 1."""
    scale = (limit - threshold) / (((1 - threshold) / (limit - threshold)) ** -POWER - 1) ** (1 / POWER)
    part = np.maximum(distance - threshold, 0) / scale
    return np.where(distance < threshold, distance, threshold + scale * part / (1 + part**POWER) ** (1 / POWER))


@pytest.mark.parametrize(("threshold", "limit"), ACES)
def test_the_gamut_compression_of_aces(threshold: float, limit: float) -> None:
    """Its curve tends to threshold + scale, so that is the upper bound; the lower lies as far below 0."""
    scale = (limit - threshold) / (((1 - threshold) / (limit - threshold)) ** -POWER - 1) ** (1 / POWER)
    bound = threshold + scale
    distance = np.linspace(0.0, 3.0, 3001)
    g = knee(algebraic(POWER), threshold / bound)
    y = soft_clip(distance, -bound, bound, g, slope=1.0)
    np.testing.assert_allclose(y, aces(distance, threshold, limit), rtol=3e-15)
    assert soft_clip(limit, -bound, bound, g, slope=1.0) == pytest.approx(1.0, abs=2e-15)
    np.testing.assert_allclose(soft_clip_inverse(y, -bound, bound, g, slope=1.0), distance, rtol=1e-12)
    inside = distance < threshold
    np.testing.assert_array_equal(y[inside], distance[inside])


def test_it_is_that_of_opencolorio() -> None:
    ocio = pytest.importorskip("PyOpenColorIO", reason="the peer: pip install opencolorio")
    rgb = np.random.default_rng(0).uniform(-0.1, 1.0, (20_000, 3)).astype(np.float32)
    rgb = rgb[rgb.max(axis=1) > 0.2]
    parameters = [*(limit for _, limit in ACES), *(threshold for threshold, _ in ACES), POWER]

    def theirs(values: np.ndarray, direction: Any) -> np.ndarray:
        transform = ocio.FixedFunctionTransform(ocio.FIXED_FUNCTION_ACES_GAMUT_COMP_13, parameters, direction)
        out = values.copy()
        ocio.Config.CreateRaw().getProcessor(transform).getDefaultCPUProcessor().applyRGB(out)
        return out

    def ours(values: np.ndarray, f: Any) -> np.ndarray:
        largest = values.max(axis=1).astype(float)
        columns = []
        for column, (threshold, limit) in zip(values.T.astype(float), ACES, strict=True):
            bound = threshold + (limit - threshold) / (((1 - threshold) / (limit - threshold)) ** -POWER - 1) ** (
                1 / POWER
            )
            distance = f(
                (largest - column) / largest, -bound, bound, knee(algebraic(POWER), threshold / bound), slope=1
            )
            columns.append(largest - distance * largest)
        return np.array(columns).T

    forward = theirs(rgb, ocio.TRANSFORM_DIR_FORWARD)
    assert np.abs(forward - rgb).max() > 0.02  # something is bent
    np.testing.assert_allclose(ours(rgb, soft_clip), forward, rtol=0, atol=1e-6)
    back = theirs(forward, ocio.TRANSFORM_DIR_INVERSE)
    # Where the curve is flat an ulp of what it gave is worth more.
    np.testing.assert_allclose(ours(forward, soft_clip_inverse), back, rtol=0, atol=2e-5)
