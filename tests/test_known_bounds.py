"""Bounds that are NumPy arrays, against the same call with numbers, pair by pair; and how they are run: layouts, axes, caches."""

from __future__ import annotations

import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from libraries import ALL, DTYPES, FUNCTIONS, alternating, name_of

from softclip import (
    Squash,
    hinge,
    soft_clip,
    soft_clip_derivative,
    soft_clip_inverse,
    soft_clip_log_derivative,
)

pytestmark = pytest.mark.needs("numpy")
DECLARED = Squash(
    lambda z: 3 / (1 + np.exp(1.0 - z)) - 1,
    -1.0,
    2.0,
    center=1.0,
    slope=0.75,
    inverse=lambda p: 1.0 - np.log(3 / (p + 1) - 1),
    derivative=lambda z: 3 * np.exp(1.0 - z) / (1 + np.exp(1.0 - z)) ** 2,
    name="declared",
)


def kind_of(dtype: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, dtype, dtype))


def pairs(dtype: str) -> np.ndarray:
    """Of every kind: -b to b, from 0, to 0, neither, narrow, next to each other, subnormal, as wide as numbers go."""
    info = ml_dtypes.finfo(kind_of(dtype))
    big, tiny, least, eps = (float(v) for v in (info.max, info.tiny, info.smallest_subnormal, info.eps))
    usual = [(-2, 2), (0, 6), (-2.5, 0), (0, 0.3), (-1, 3), (100, 101), (0.1, 0.7), (-2e4, 2e4), (0, 2e4), (-7e3, 2e4)]
    narrow = [(0, 1e-12), (-1e-12, 1e-12), (1, 1 + eps), (-tiny, 9 * tiny), (0, 3 * least), (-5 * least, 5 * least)]
    wide = [(0, 1e30), (-1e-30, 1e30), (-big, big), (0, big), (-big, big / 3), (-least, 2 * least)]
    with np.errstate(over="ignore"):
        rounded = np.array(usual + narrow + wide).astype(kind_of(dtype))
    return rounded[np.isfinite(rounded).all(axis=1) & (rounded[:, 0] < rounded[:, 1])]


def points(low: Any, high: Any, slope: Any, f: Any) -> np.ndarray:
    """What to look at between each pair: a column for each."""
    dtype, low, high = low.dtype, low.astype(float), high.astype(float)
    middle, half = low / 2 + high / 2, high / 2 - low / 2
    with np.errstate(all="ignore"):
        if f is soft_clip_inverse:
            share = np.array([0, 1e-30, 1e-9, 0.01, 0.3, 0.5])[:, None]
            x = np.concatenate([low + 2 * half * share, high - 2 * half * share, np.full((1, low.size), np.nan)])
        else:
            z = np.array([-300, -20, -3, -0.7, -1e-3, 0, 1e-20, 0.4, 1, 5, 90])[:, None]
            x = np.concatenate([0 * low + z, middle + np.clip(half * z / (slope or 1), -1e308, 1e308)])
            x = np.concatenate([x, np.repeat([[-0.0], [np.inf], [-np.inf], [np.nan]], low.size, axis=1)])
        return x.astype(dtype)


def allowed(y: np.ndarray, f: Any, dtype: str, bounds: Any) -> np.ndarray:
    """4 ulp, and so much more: a tail beside a wider one may be computed boosted, a logarithm in another way.

    Without a boost what is subnormal may be 0.
    """
    size = np.abs(y)
    if f is soft_clip_log_derivative:
        size = 2 * np.maximum(size, 1)
    if f is soft_clip_inverse:
        size = np.maximum(size, abs(bounds[0] / 2 + bounds[1] / 2))
    info = ml_dtypes.finfo(kind_of(dtype))
    ulp = np.maximum(size * float(info.eps), float(info.smallest_subnormal))
    return np.where(size < float(info.tiny), float(info.tiny), 4 * ulp)


@pytest.mark.parametrize(
    ("g", "dtype", "steep"),
    alternating([*ALL, hinge(1e-6), hinge(1e6), DECLARED], DTYPES, [None, 0.7, "each its own"]),
    ids=name_of,
)
def test_arrays_give_what_numbers_give(g: Any, dtype: str, steep: Any) -> None:
    """All kinds of bounds beside each other, and each of them alone."""
    low, high = pairs(dtype).T
    slopes: Any = [steep] * low.size
    if steep == "each its own":
        slopes = np.resize(np.array([0.4, 1.0, 2.5, 1e-4, 1e4]), low.size).astype(low.dtype)
        slopes[-3:] = np.array([1e-30, 1e30, 1e-3]).astype(low.dtype) if dtype in ("float32", "float64") else 2.0

    for f in FUNCTIONS:
        x = points(low, high, steep if isinstance(steep, float) else None, f)
        together = f(x, low, high, g, slope=slopes if isinstance(slopes, np.ndarray) else steep)
        assert together.dtype == x.dtype
        for i, slope in enumerate(slopes):
            bounds = float(low[i]), float(high[i])
            slope = None if slope is None else float(slope)
            expected = f(np.ascontiguousarray(x[:, i]), *bounds, g, slope=slope)
            alone = f(x[:, i], low[i : i + 1], high[i : i + 1], g, slope=slope)
            at, expected = x[:, i].astype(float), expected.astype(float)
            for y in (together[:, i].astype(float), alone.astype(float)):
                if f is soft_clip:
                    assert ((y >= bounds[0]) & (y <= bounds[1]) | np.isnan(at)).all(), (bounds, y)
                with np.errstate(all="ignore"):
                    near = np.abs(y - expected) <= allowed(expected, f, dtype, bounds)
                wrong = ~(near | (y == expected) | (np.isnan(y) & np.isnan(expected)))
                assert not wrong.any(), (f, bounds, slope, at[wrong], y[wrong], expected[wrong])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("f", FUNCTIONS)
def test_one_bound_for_each_column(f: Any, dtype: str) -> None:
    info = ml_dtypes.finfo(kind_of(dtype))
    bounds = np.array([0.0, -2.5, 1e-4, float(info.smallest_subnormal), -float(info.max)]).astype(kind_of(dtype))
    x = np.array([-np.inf, -30.0, -2.5, -0.1, 0.0, 1e-4, 0.7, 40.0, np.inf, np.nan]).astype(bounds.dtype)
    for g in (hinge(0.1), hinge(1e-300), hinge(1e30)):
        for sides in ((0, 1), (1, 0)):
            given = [bounds if side else None for side in sides]
            y = f(x[:, None], *given, g)
            for i, bound in enumerate(bounds):
                expected = f(x, *(float(bound) if side else None for side in sides), g)
                np.testing.assert_array_equal(
                    y[:, i].astype(float), expected.astype(float), err_msg=f"{g} {sides} {bound}"
                )


# How they are run.

SHAPES = [  # of x, and of the bounds
    ((6000, 7), (7,)),
    ((6000, 7), (6000, 1)),
    ((6000, 7), (6000, 7)),
    ((3, 20_001), (3, 1)),
    ((3, 20_001), (20_001,)),
    ((20_001, 3), (3,)),
    ((45_001,), (1,)),
    ((5, 4, 3000), (4, 1)),  # channels in the middle
    ((5, 3000, 4), (3000, 1)),
    ((30, 3, 40, 7, 2), (3, 1, 7, 1)),  # not beside each other
    ((37, 1), (1, 1201)),
    ((1, 3), (15_000, 1)),
    ((2, 1, 9000), (3, 1)),
    ((3,), (2, 5, 3)),
    ((), (4,)),
]


def _every_other(a: np.ndarray) -> np.ndarray:
    held = np.zeros([2 * n for n in a.shape], a.dtype)
    part = held[(..., *[slice(None, None, 2)] * a.ndim)]
    part[...] = a
    return part


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda a: a,
    "Fortran": np.asfortranarray,
    "reversed": lambda a: np.ascontiguousarray(a[(slice(None, None, -1),) * a.ndim])[(slice(None, None, -1),) * a.ndim],
    "every other": _every_other,
    "last axis first": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, -1, 0)), 0, -1) if a.ndim else a,
    "byte-swapped": lambda a: a.astype(">f8"),
    "unaligned": lambda a: np.ndarray(a.shape, a.dtype, b"\0" + a.tobytes(), offset=1),
}


def by_numbers(f: Any, x: Any, low: np.ndarray, high: np.ndarray, g: Any) -> np.ndarray:
    """The call with numbers for each pair."""
    x, low, high = (np.ascontiguousarray(v) for v in np.broadcast_arrays(x, low, high))
    y = np.full(x.shape, np.nan)
    for pair in set(zip(low.ravel().tolist(), high.ravel().tolist(), strict=True)):
        mine = (low == pair[0]) & (high == pair[1])
        y[mine] = f(x[mine], *pair, g, slope=1.0)
    return y


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("shape", "of_bounds"), SHAPES, ids=str)
def test_any_layout_and_broadcasting(shape: Any, of_bounds: Any, layout: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    several = np.array([(-1.0, 3.0), (0.0, 2.0), (-2.0, 2.0), (0.0, 1e300)])
    low, high = np.moveaxis(several[rng.integers(0, 4, of_bounds)], -1, 0)
    x = rng.normal(0, 3, shape)
    given = LAYOUTS[layout](x)
    given.flags.writeable = False
    before = low.copy()
    for g in ("algebraic", hinge(0.2)):
        y = soft_clip(given, LAYOUTS[layout](low), high, g, slope=1.0)
        assert (type(y), y.dtype) == (np.ndarray, given.dtype.newbyteorder("="))
        np.testing.assert_allclose(y, by_numbers(soft_clip, x, low, high, g), rtol=1e-15, atol=0)
    np.testing.assert_array_equal(low, before)
    if x.ndim:
        (tmp_path / "x").write_bytes(x.tobytes())
        mapped = np.memmap(tmp_path / "x", x.dtype, "r", shape=x.shape)
        np.testing.assert_array_equal(soft_clip(mapped, low, high, g, slope=1.0), y)
        del mapped


def test_a_large_array_keeps_its_layout() -> None:
    x = np.asfortranarray(np.ones((300, 400)))
    assert soft_clip(x, np.full(400, -1.0), 2.0).flags.f_contiguous


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_integers_and_wider_bounds(dtype: str) -> None:
    """Bounds are rounded to the dtype of x, and then they are what numbers are."""
    low, high = np.array([-0.1, -1 / 3, 0]), np.array([0.1, 0.7, 1 / 3])
    x = np.linspace(-3, 3, 41, dtype=dtype)
    for given in (low, low.tolist(), low.astype(">f8")):
        y = soft_clip(x[:, None], given, high, "tanh", slope=1.0)
        for i in range(3):
            np.testing.assert_array_equal(y[:, i], soft_clip(x, float(low[i]), float(high[i]), "tanh", slope=1.0))
    y = soft_clip(np.arange(-3, 4)[:, None], np.array([-2, 0], np.int8), np.array([5, 9]))
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y[:, 1], soft_clip(np.arange(-3, 4), 0, 9))


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("rows", [2, 20_000])
def test_a_matrix(rows: int) -> None:
    x, low = np.linspace(-3, 3, 3 * rows).reshape(rows, 3), np.array([-9.0, -1.0, 0.0])
    y = soft_clip(np.matrix(x), low, 1.0)
    assert type(y) is np.ndarray
    np.testing.assert_array_equal(y, soft_clip(x, low, 1.0))
    np.testing.assert_array_equal(soft_clip(x, np.matrix(low), 1.0), y)


@pytest.mark.parametrize("axes", [32, 33, 64])
def test_as_many_axes_as_an_array_can_have(axes: int) -> None:
    low, high = (np.resize(v, (1, 2) * 8 + (1,) * (axes - 16)) for v in ([-1.0, -1e-310], [2.0, 1e300]))
    x = np.linspace(-2, 2, 2**16).reshape((2,) * 16 + (1,) * (axes - 16))
    for given in (x, x[::-1], x.transpose(range(axes - 1, -1, -1)).copy().transpose(range(axes - 1, -1, -1))):
        y = soft_clip(given, low, high, slope=1.0)
        assert y.shape == x.shape
        flat = (v.reshape(v.shape[:16]) for v in (given, low, high))
        np.testing.assert_array_equal(y.ravel(), np.ascontiguousarray(soft_clip(*flat, slope=1.0)).ravel())


@pytest.mark.parametrize(
    ("shape", "of_bounds", "result"),
    [((0, 3), (3,), (0, 3)), ((3, 1), (1, 0), (3, 0)), ((), (0,), (0,)), ((2, 1, 0), (5, 1), (2, 5, 0))],
)
def test_nothing_at_all(shape: Any, of_bounds: Any, result: Any) -> None:
    for f in FUNCTIONS:
        assert f(np.zeros(shape), np.full(of_bounds, -1.0), 2.0).shape == result


@pytest.mark.parametrize(("x", "low", "high", "slope"), [(4, 3, 1, 1), (0, 3, 1, 1), (1, 3, 1, 4), (40_000, 3, 1, 1)])
def test_shapes_that_do_not_fit(x: int, low: int, high: int, slope: int) -> None:
    with pytest.raises(ValueError, match=r"x, bounds and slope could not be broadcast together"):
        soft_clip(np.zeros(x), np.full(low, -1.0), np.full(high, 1.0), slope=np.ones(slope))


# What is kept for the next call.


def test_bounds_that_the_caller_changes_afterwards() -> None:
    low, x = np.array([-1.0, -2.0]), np.linspace(-3, 3, 12).reshape(6, 2)
    first = soft_clip(x, low, 3.0)
    kept = first.copy()
    low[:] = -2.0, -1.0
    np.testing.assert_array_equal(soft_clip(x[:, ::-1], low, 3.0)[:, ::-1], kept)
    np.testing.assert_array_equal(first, kept)
    first[...] = 9.0
    before = np.array([-1.0, -2.0])
    np.testing.assert_array_equal(soft_clip(x, before, 3.0), kept)
    np.testing.assert_allclose(
        soft_clip_derivative(x, before, 3.0)[:, 0], soft_clip_derivative(x[:, 0].copy(), -1.0, 3.0), rtol=1e-15
    )


@pytest.mark.thread_unsafe(reason="it sets how often threads take turns")
@pytest.mark.parametrize("rows", [30, 3000])
def test_threads_do_not_share_what_they_work_on(rows: int) -> None:
    low, high = np.linspace(-3, -1, 20), np.linspace(0, 4, 20)
    xs = np.random.default_rng(3).normal(size=(6, rows, 20))
    expected = [soft_clip(x, low, high, "sigmoid", slope=1.0) for x in xs]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(40):
            if not np.array_equal(soft_clip(xs[i], low, high, "sigmoid", slope=1.0), expected[i]):
                wrong.append(i)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


@pytest.mark.thread_unsafe(reason="tracemalloc counts what other threads take")
def test_little_memory_is_taken_and_kept() -> None:
    low, high = np.linspace(-3, -1, 20), np.linspace(1, 4, 20)
    x = np.zeros((100_000, 20))
    soft_clip(x[:3], low, high, hinge(0.1), slope=1.0)
    tracemalloc.start()
    try:
        y = soft_clip(x, low, high, hinge(0.1), slope=1.0)
        assert tracemalloc.get_traced_memory()[1] - y.nbytes < 4 * 2**20
        del y
        for n in range(700, 800):
            soft_clip(x[:n], low, high, hinge(0.1), slope=1.0)
        assert tracemalloc.get_traced_memory()[0] < 24 * 2**20
    finally:
        tracemalloc.stop()
