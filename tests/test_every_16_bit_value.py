"""All 65536 values of float16 and of bfloat16, of every function and library: in bounds, monotone, within an ulp.

They are held against NumPy's float64, which the tests of values, of derivatives and of the inverse hold against the truth.
"""

from __future__ import annotations

import functools
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from libraries import Library, computing

from softclip import (
    NAMES,
    algebraic,
    hinge,
    knee,
    soft_clip,
    soft_clip_derivative,
    soft_clip_inverse,
    soft_clip_log_derivative,
)

BOUNDS = [(-2.0, 2.0), (0.0, 8.0), (-1.0, 3.0)]
SMALLEST_FLOAT32 = 2.0**-126


def kind(dtype: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype)


@functools.cache
def every_value(dtype: str) -> np.ndarray:
    """In ascending order, the infinities at the ends, one NaN last."""
    x = np.arange(2**16, dtype=np.uint16).view(kind(dtype))
    with np.errstate(invalid="ignore"):  # signalling NaNs
        number = x[~np.isnan(x.astype(np.float32))]
    number = number[np.argsort(number.astype(np.float64), kind="stable")]
    return np.concatenate([number, np.array([np.nan], kind(dtype))])


def ulp(value: np.ndarray, dtype: str) -> np.ndarray:
    info = ml_dtypes.finfo(kind(dtype))
    return np.ldexp(float(info.eps), np.maximum(np.frexp(value)[1] - 1, info.minexp))


@computing
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("g", [*NAMES, algebraic(3.0), knee("tanh", 0.6), hinge(0.5)], ids=str)
def test_every_value(library: Library, g: Any, dtype: str) -> None:
    if dtype not in library.dtypes:
        pytest.skip(f"{library} has no {dtype}")
    x = every_value(dtype)
    for bounds in BOUNDS:
        larger = max(map(abs, bounds))
        for slope in (None, 1.0):
            y = library.to_numpy(soft_clip(library.asarray(x), *bounds, g, slope=slope)).astype(np.float64)
            assert np.isnan(y[-1])
            y = y[:-1]
            assert ((bounds[0] <= y) & (y <= bounds[1])).all()
            assert (y[0], y[-1]) == bounds
            true = soft_clip(x[:-1].astype(np.float64), *bounds, g, slope=slope)
            unlike = bounds == (-1.0, 3.0)
            # Beside the zero crossing of unlike bounds a float32 ulp of 3 is many of the result.
            slack = (8 if library.xla else 4) * float(np.spacing(np.float32(larger))) if unlike else 0.0
            fall = (np.maximum.accumulate(y) - y).max()
            assert fall <= (2 * ulp(np.array(larger), dtype) if unlike else 0.0)
            # float32's subnormal numbers are those of bfloat16, and excepted; XLA flushes them on the way, before h is applied.
            normal = np.abs(true) >= (4 if library.xla else 1) * SMALLEST_FLOAT32
            assert (np.abs(y - true) <= ulp(true, dtype) + slack)[normal].all()


@computing
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("g", [*NAMES, algebraic(3.0), knee("tanh", 0.6), hinge(0.5)], ids=str)
def test_every_derivative_and_inverse(library: Library, g: Any, dtype: str) -> None:
    if dtype not in library.dtypes:
        pytest.skip(f"{library} has no {dtype}")
    x = every_value(dtype)
    largest = float(ml_dtypes.finfo(kind(dtype)).max)
    for bounds in BOUNDS:
        for f in (soft_clip_derivative, soft_clip_log_derivative, soft_clip_inverse):
            got = library.to_numpy(f(library.asarray(x), *bounds, g)).astype(np.float64)
            true = f(x.astype(np.float64), *bounds, g)
            at = x.astype(np.float64)
            # float32, in which this is computed, has ends of its own: subnormal numbers, and where u^2 is beyond it.
            ordinary = (np.abs(at) >= 4 * SMALLEST_FLOAT32) & (np.abs(at) < 2.0**60) | (at == 0)
            if f is soft_clip_inverse and str(g) in ("erf", "hinge(0.5)"):
                near = np.minimum(at - bounds[0], bounds[1] - at)
                ordinary &= (near == 0) | (near > (bounds[1] - bounds[0]) * SMALLEST_FLOAT32)
            assert (np.isnan(got) == np.isnan(true))[ordinary].all(), f.__name__
            kept = ordinary & (np.abs(true) >= 4 * SMALLEST_FLOAT32) & (np.abs(true) <= largest)
            scale = np.abs(true[kept])
            if f is soft_clip_log_derivative:
                scale = np.maximum(scale, 1.0)
            slack: Any = 0.0
            if f is soft_clip_inverse:  # where the preimage crosses 0, a float32 ulp of y is many of it
                slopes = np.maximum(soft_clip_derivative(true[kept], *bounds, g), 0.01)
                slack = 0.0 if bounds == (-2.0, 2.0) else 8 * float(np.spacing(np.float32(8.0))) / slopes
            wrong = np.abs(got[kept] - true[kept]) > ulp(scale, dtype) + slack
            shown = [(float(at[kept][i]), float(got[kept][i]), float(true[kept][i])) for i in np.flatnonzero(wrong)[:5]]
            assert not wrong.any(), (f.__name__, bounds, int(wrong.sum()), shown)
