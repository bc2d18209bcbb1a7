"""The embedded default: blocks, memory layouts, no warnings, no waste."""

from __future__ import annotations

import tracemalloc
import warnings
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from softclip import NAMES, Squash, hinge, soft_clip

GS = [*NAMES, hinge(0.1), Squash(np.arcsinh, -1000.0, 1000.0), np.tanh]
pytestmark = pytest.mark.needs("numpy")


def long(dtype: Any = np.float32) -> np.ndarray:
    return np.linspace(-30, 30, 100_003).astype(dtype)


@pytest.mark.parametrize("g", GS, ids=str)
def test_blocks_change_nothing(g: Any) -> None:
    """A long array, in blocks, against its pieces that are done at once; with array bounds too."""
    x = long()
    lows = np.linspace(-4, 0, x.size).astype(np.float32)
    for bounds in ((-1.0, 1.0), (0.0, 6.0), (-1.0, 3.0), (lows, 5.0), (-4.0, lows + 5)):
        whole = soft_clip(x, *bounds, g)
        for start in (0, 16_300, 50_000, 99_000):
            part = slice(start, start + 500)
            pieces = [b[part] if isinstance(b, np.ndarray) else b for b in bounds]
            np.testing.assert_allclose(whole[part], soft_clip(x[part], *pieces, g), rtol=0, atol=5e-7)


@pytest.mark.parametrize(
    "layout",
    [
        lambda x: x[::-1],
        lambda x: x[::3],
        lambda x: x.reshape(-1, 100, order="F"),
        lambda x: x.reshape(100, -1).T,
        lambda x: x.reshape(50, 20, -1).transpose(1, 2, 0)[:, ::2],
        lambda x: np.broadcast_to(x[:, np.newaxis], (x.size, 3)),
        lambda x: x.astype(">f4"),
        lambda x: x[1:-1:2],
        lambda x: np.ndarray(x.shape, np.float32, b"\0" + x.tobytes(), offset=1),
    ],
    ids=["reversed", "strided", "fortran", "transposed", "permuted", "broadcast", "byte-swapped", "inner", "unaligned"],
)
def test_any_memory_layout(layout: Any) -> None:
    x = layout(np.linspace(-5, 5, 100_000).astype(np.float32))
    y = soft_clip(x, 0.0, 6.0, "tanh")
    assert y.shape == x.shape
    assert y.dtype == np.float32
    expected = soft_clip(np.ascontiguousarray(x, dtype=np.float32).ravel(), 0.0, 6.0, "tanh").reshape(x.shape)
    np.testing.assert_allclose(y, expected, rtol=0, atol=5e-7)


def test_the_layout_is_kept() -> None:
    x = np.asfortranarray(np.zeros((300, 400)))
    assert soft_clip(x).flags.f_contiguous


@pytest.mark.parametrize("size", [9, 50_000])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("g", GS, ids=str)
def test_no_floating_point_warning(g: Any, dtype: str, size: int) -> None:
    kind = np.dtype(getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype)
    info = ml_dtypes.finfo(kind)
    x = np.array([np.nan, -np.inf, np.inf, info.max, -info.max, info.tiny, -info.smallest_subnormal, 0.0, -0.0], kind)
    x = np.resize(x, size)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for bounds in ((-1.0, 1.0), (0.0, 2.0), (-1.0, 3.0), (np.array(-1.0), np.array([2.0]))):
            for slope in (None, 1.0) if not callable(g) and not (type(g) is Squash) else (None,):
                soft_clip(x, *bounds, g, slope=slope)
        largest, tiny = float(info.max), float(info.tiny)
        lows, highs = (
            np.array([[-largest], [0.0], [-tiny]], kind),
            np.array([[largest / 2], [largest], [2 * tiny]], kind),
        )
        soft_clip(x, -largest, largest, g)
        soft_clip(x, lows, highs, g)
        if type(g) is not Squash and not callable(g):
            soft_clip(x, -largest, largest / 2, g, slope=1.0)
            soft_clip(x, lows, highs, g, slope=1.0)


def test_errstate_of_the_caller_is_untouched() -> None:
    with np.errstate(all="raise"):
        soft_clip(long())
        assert set(np.geterr().values()) == {"raise"}


@pytest.mark.thread_unsafe(reason="tracemalloc counts what other threads take")
@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0.0, 6.0), (-1.0, 3.0)])
@pytest.mark.parametrize("g", [*NAMES, hinge(0.1)], ids=str)
def test_scratch_memory_stays_under_4_mib(g: Any, bounds: tuple[float, float]) -> None:
    x = np.zeros(4_000_000, np.float32)
    soft_clip(x[:10], *bounds, g)
    tracemalloc.start()
    try:
        y = soft_clip(x, *bounds, g)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak - y.nbytes < 4 * 2**20


def test_0_d_and_empty() -> None:
    assert soft_clip(np.array(0.5)).shape == ()
    assert soft_clip(np.zeros((0, 3)), np.zeros(3), 1.0).shape == (0, 3)
    assert soft_clip(np.zeros(()), np.zeros(3), 1.0).shape == (3,)


@pytest.mark.thread_unsafe(reason="tracemalloc counts what other threads take")
def test_a_large_result_of_small_arrays_is_made_in_blocks() -> None:
    x, lows = np.zeros((2000, 1), np.float32), np.full(2000, -1.0, np.float32)
    tracemalloc.start()
    try:
        y = soft_clip(x, lows, 2.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert y.shape == (2000, 2000)
    assert peak - y.nbytes < 4 * 2**20
    assert soft_clip(np.zeros((0, 1)), np.zeros(30_000), 1.0).shape == (0, 30_000)


def test_a_subclass_gives_an_array() -> None:
    class Tagged(np.ndarray):
        pass

    assert type(soft_clip(np.zeros(3).view(Tagged))) is np.ndarray
    assert type(soft_clip(np.zeros(30_000).view(Tagged))) is np.ndarray
