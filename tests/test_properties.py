"""What holds for every input: in bounds with no tolerance, monotone, NaN and infinities, shape, dtype, device, laziness."""

from __future__ import annotations

import os
import warnings
from typing import Any

import ml_dtypes
import numpy as np
import oracle
import pytest
from array_api_extra.testing import assert_close, lazy_xp_function, patch_lazy_xp_functions
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from libraries import EXACT, Library, g_of

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

GS = [*NAMES, algebraic(3.0), knee("tanh", 0.6), hinge(0.05), hinge(3.0)]
settings.register_profile(
    "softclip",
    deadline=None,
    max_examples=15,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize="CI" in os.environ,  # the same examples for the same commit; elsewhere new ones every time
)
settings.load_profile("softclip")


def usable(library: Library, g: Any) -> Any:
    if g == "erf" and not library.has_erf:
        pytest.skip("the standard has no erf")
    return g


def numpy_dtype(dtype: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, dtype) if dtype == "bfloat16" else dtype)


def wide_range(dtype: str) -> np.ndarray:
    """Sorted values over the whole range of the dtype, infinities included."""
    info = ml_dtypes.finfo(numpy_dtype(dtype))
    positive = np.exp2(np.linspace(info.minexp, info.maxexp - 0.01, 150))
    positive = np.concatenate([positive, np.linspace(0.01, 20, 150), [float(info.max), np.inf]])
    with np.errstate(over="ignore"):
        return np.sort(np.concatenate([-positive, [0.0], positive]).astype(numpy_dtype(dtype)))


@st.composite
def numbers(draw: st.DrawFn, dtype: str = "float32") -> float:
    """Bounds from subnormal to the largest number, beside small and round ones."""
    largest = float(ml_dtypes.finfo(numpy_dtype(dtype)).max)
    return draw(
        st.one_of(
            st.floats(-10, 10), st.floats(-largest, largest), st.sampled_from([0.0, 1.0, -1.0, 1e-40, -1e-40, largest])
        )
    )


@pytest.mark.parametrize("g", GS, ids=str)
@given(data=st.data())
def test_never_leaves_the_bounds(library: Library, g: Any, data: st.DataObject) -> None:
    usable(library, g)
    slope = data.draw(st.sampled_from([None, 1.0, 0.3]))
    dtype = data.draw(st.sampled_from(library.dtypes))
    low, high = sorted(oracle.rounded(data.draw(numbers("float16")), dtype) for _ in range(2))
    assume(low < high)
    # XLA flushes subnormals to 0, and with bounds so close the result is a subnormal.
    smallest = 8 * float(ml_dtypes.finfo(numpy_dtype(dtype)).tiny)
    normal = high - low >= smallest and all(bound == 0 or abs(bound) >= smallest for bound in (low, high))
    assume(normal or not library.xla)
    x = wide_range(dtype)
    y = library.to_numpy(soft_clip(library.asarray(x), low, high, g, slope=slope))
    assert y.dtype == x.dtype
    y = y.astype(float)
    assert ((low <= y) & (y <= high)).all()
    assert (y[0], y[-1]) == (low, high)
    fall = np.max(np.maximum.accumulate(y) - y)
    assert not normal or fall <= 2 * oracle.ulp(max(abs(low), abs(high)), dtype)


@st.composite
def any_bounds(draw: st.DrawFn, dtype: str) -> tuple[float, float]:
    """From subnormal to the largest, up to three numbers apart, or in a narrow range far from zero."""
    with np.errstate(over="ignore"):
        first = draw(numbers(dtype).map(lambda bound: oracle.rounded(bound, dtype)))
        ulp = float(oracle.ulp(abs(first), dtype))
        second = draw(
            st.one_of(
                numbers(dtype),
                st.integers(1, 3).map(lambda n: first + n * ulp),
                st.floats(1e-5, 1e-2).map(lambda share: first * (1 + share)),
            )
        )
        low, high = sorted([first, oracle.rounded(second, dtype)])
    assume(np.isfinite([low, high]).all())
    assume(low < high)
    return low, high


@pytest.mark.parametrize("g", GS, ids=str)
@settings(max_examples=100)
@given(
    dtype_and_bounds=st.sampled_from(["float32", "float64"]).flatmap(
        lambda dtype: st.tuples(st.just(dtype), any_bounds(dtype))
    ),
    slope=st.sampled_from([None, 1.0, 1e-3, 1e3]),
    arrays=st.booleans(),
)
@example(  # a width below the normal numbers
    dtype_and_bounds=("float64", (0.0, 2.2854715339092936e-308)), slope=1.0, arrays=False
)
def test_any_bounds_from_subnormal_to_the_largest(
    g: Any, dtype_and_bounds: tuple[str, tuple[float, float]], slope: float | None, arrays: bool
) -> None:
    dtype, (low, high) = dtype_and_bounds
    bounds: Any = tuple(np.array([v], dtype) for v in (low, high)) if arrays else (low, high)
    x = wide_range(dtype)
    y = soft_clip(x, *bounds, g, slope=slope)
    assert ((low <= y) & (y <= high)).all()
    assert (y[0], y[-1]) == (low, high)
    larger = float(oracle.ulp(max(abs(low), abs(high)), dtype))
    assert np.max(np.maximum.accumulate(y.astype(float)) - y.astype(float)) <= 2 * larger
    first = soft_clip_derivative(x, *bounds, g, slope=slope)
    assert (first >= 0).all()
    assert first[[0, -1]].tolist() == [0.0, 0.0]
    log = soft_clip_log_derivative(x, *bounds, g, slope=slope)
    assert not np.isnan(log).any()
    if high - low < 4 * float(np.finfo(dtype).smallest_subnormal):
        return  # the middle is one of the bounds
    back = soft_clip_inverse(y, *bounds, g, slope=slope)
    assert not np.isnan(back).any()
    assert (back[y == low] == -np.inf).all()
    assert (back[y == high] == np.inf).all()
    width = (high - low) / (slope or 1)
    if not isinstance(g, str) and not 4 * float(np.finfo(dtype).tiny) < width < float(np.finfo(dtype).max) / 8:
        return  # the ends between which a hinge is straight are subnormal, or beyond the largest number
    inside = (y > low) & (y < high) & (np.abs(back) < float(np.finfo(dtype).max) / 4)
    again = soft_clip(back[inside], *bounds, g, slope=slope)
    # Where x is rounded, f moves by at most its slope there, and that is at most the slope in the middle.
    size = np.maximum(np.abs(back[inside]), abs(low / 2 + high / 2) if slope else 1e-30).astype(dtype)
    step = np.spacing(size) * soft_clip_derivative(back[inside], *bounds, g, slope=slope)
    assert (np.abs(again.astype(float) - y[inside]) <= 16 * step.astype(float) + 8 * larger).all()


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=60)
@given(data=st.data())
def test_any_bounds_against_the_truth(name: str, data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(["float32", "float64"]))
    low, high = data.draw(any_bounds(dtype))
    x = oracle.rounded(data.draw(st.one_of(st.floats(-20, 20), st.floats(-1e6, 1e6))), dtype)
    g = g_of(name, 0.5)
    true = oracle.hinge(x, low, high, 0.5) if name == "hinge" else oracle.soft_clip(x, low, high, name)
    arrays = np.array([low, -1.0], dtype), np.array([high, 3.0], dtype)
    for y in (
        soft_clip(numpy_dtype(dtype).type(x), low, high, g),
        soft_clip(numpy_dtype(dtype).type(x), *arrays, g)[0],
    ):
        assert abs(oracle.mpf(float(y)) - true) <= 4 * oracle.ulp(max(abs(low), abs(high)), dtype)


@pytest.mark.parametrize("g", GS, ids=str)
def test_nan_stays_and_touches_no_neighbour(library: Library, g: Any) -> None:
    usable(library, g)
    x = np.array([np.nan, 0.5, -np.inf, np.inf, np.nan], dtype=np.float32)
    for bounds in ((-1.0, 1.0), (0.0, 6.0), (-1.0, 3.0)):
        y = library.to_numpy(soft_clip(library.asarray(x), *bounds, g))
        assert np.isnan(y[[0, 4]]).all()
        assert (y[2], y[3]) == bounds
        alone = library.to_numpy(soft_clip(library.asarray(x[1:2]), *bounds, g))
        np.testing.assert_allclose(y[1:2], alone, rtol=1e-6)


@pytest.mark.parametrize("g", GS, ids=str)
def test_the_sign_of_zero_does_not_matter(library: Library, g: Any) -> None:
    """1 / -0.0 once made a tail of -1 of it, and 12 of a value between 0 and 8."""
    usable(library, g)
    zeros = [library.asarray(np.array([zero], np.float32)) for zero in (0.0, -0.0)]
    arrays = tuple(library.asarray(np.array([bound], np.float32)) for bound in (0.0, 8.0))
    for bounds in ((-2.0, 2.0), (0.0, 8.0), (-1.0, 3.0), arrays):
        for f in (soft_clip, soft_clip_derivative, soft_clip_log_derivative, soft_clip_inverse):
            plus, minus = (library.to_numpy(f(zero, *bounds, g)) for zero in zeros)
            np.testing.assert_allclose(plus, minus, rtol=1.2e-7)  # either side of the middle may round its own way


@pytest.mark.parametrize("bounds", [(-2.0, 2.0), (0.0, 6.0), (-1.0, 3.0)])
@pytest.mark.parametrize("slope", [None, 1.0])
@pytest.mark.parametrize("g", GS, ids=str)
def test_libraries_agree_with_numpy(library: Library, g: Any, slope: float | None, bounds: tuple[float, float]) -> None:
    usable(library, g)
    x = np.linspace(-9, 9, 181, dtype=np.float32).reshape(181, 1)
    expected = soft_clip(x, *bounds, g, slope=slope).astype(float)
    ulp = float(oracle.ulp(max(map(abs, bounds)), "float32"))
    tolerance = 4 * ulp + (8 if library.xla else 4) * ulp
    y = library.to_numpy(soft_clip(library.asarray(x), *bounds, g, slope=slope))
    np.testing.assert_allclose(y, expected, rtol=0, atol=tolerance)
    # The same bounds as arrays: one of them one per column, to be broadcast.
    low, high = np.full((1, 3), bounds[0], np.float32), np.asarray(bounds[1], np.float32)
    y = library.to_numpy(soft_clip(library.asarray(x), library.asarray(low), library.asarray(high), g, slope=slope))
    assert y.shape == (181, 3)
    assert ((bounds[0] <= y) & (y <= bounds[1])).all()
    np.testing.assert_allclose(y, np.repeat(expected, 3, axis=1), rtol=0, atol=tolerance)


@pytest.mark.parametrize("g", GS, ids=str)
def test_bounds_beside_each_other_are_each_right(library: Library, g: Any) -> None:
    """A symmetric pair, a bound of 0 and unlike bounds in one array, against the calls with numbers."""
    usable(library, g)
    lows, highs = np.array([-2.0, 0.0, -1.0, -3.0]), np.array([2.0, 6.0, 3.0, 0.0])
    x = np.array([-5.0, -1e-3, 0.0, 1e-6, 0.7, 5.0])[:, np.newaxis]
    for slope in (None, 1.0):
        y = soft_clip(library.asarray(x), library.asarray(lows), library.asarray(highs), g, slope=slope)
        y = library.to_numpy(y)
        for column, (low, high) in enumerate(zip(lows, highs, strict=True)):
            expected = library.to_numpy(soft_clip(library.asarray(x), low, high, g, slope=slope))[:, 0]
            relative = 0 in (low, high) or low == -high
            np.testing.assert_allclose(y[:, column], expected, rtol=2e-14, atol=0 if relative else 4e-15)


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3, 4)])
def test_shape_dtype_and_namespace(library: Library, shape: tuple[int, ...]) -> None:
    for dtype in library.dtypes:
        x = library.asarray(np.ones(shape, numpy_dtype(dtype)))
        y = soft_clip(x, 0.0, 6.0)
        assert type(y) is type(x)
        assert y.dtype == x.dtype
        assert tuple(y.shape) == shape


def test_bounds_do_not_promote(library: Library) -> None:
    x = library.asarray(np.ones((2, 1), np.float32))
    bound = library.asarray(np.full(3, 5.0, np.float64))
    y = soft_clip(x, -1.0, bound)
    assert y.dtype == x.dtype
    assert tuple(y.shape) == (2, 3)
    assert soft_clip(x, np.float64(-1.0), np.int64(2)).dtype == x.dtype


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint8", "int64"])
def test_integers_become_the_default_float(library: Library, dtype: str) -> None:
    y = soft_clip(library.asarray(np.arange(5).astype(dtype)), 0.0, 6.0)
    default = soft_clip(library.asarray(np.arange(5).astype(np.float64)), 0.0, 6.0)
    expected = "float32" if library.name == "torch" else "float64"
    assert str(y.dtype).rpartition(".")[-1] == expected
    np.testing.assert_allclose(library.to_numpy(y), library.to_numpy(default), rtol=1e-6)


def test_the_input_is_not_written_to(library: Library) -> None:
    original = np.linspace(-3, 3, 40_000)
    x, low = library.asarray(original), library.asarray(np.full(1, -1.0))
    for g in GS[:-2] if library.has_erf else GS[:5]:
        y = soft_clip(x, low, 2.0, g)
        assert y is not x
        assert (library.to_numpy(x) == original).all()
    assert library.to_numpy(low) == [-1.0]


def test_one_bound(library: Library) -> None:
    x = np.array([-np.inf, -700.0, -3.0, 0.0, 0.5, 2.0, 40.0, 1e300, np.inf, np.nan])
    for s in (0.1, 1.0):
        g = hinge(s)
        above = library.to_numpy(soft_clip(library.asarray(x), 0.5, None, g))
        below = library.to_numpy(soft_clip(library.asarray(-x), None, -0.5, g, slope=1.0))
        np.testing.assert_array_equal(above, -below)
        assert (above[:-1] >= 0.5).all()
        assert (above[0], above[-2]) == (0.5, np.inf)
        true = [float(oracle.hinge(v, 0.5, None, s)) for v in x[1:-2]]
        np.testing.assert_allclose(above[1:-2], true, rtol=2e-15)
        arrays = soft_clip(library.asarray(x), library.asarray(np.array([0.5])), None, g)
        np.testing.assert_allclose(library.to_numpy(arrays), above, rtol=1e-15)


# array-api-extra's helpers: its assertion looks at namespace, dtype, shape and device, and the marker below makes its
# fixture run the function under jax.jit and see that dask computes nothing.


def bounded(x: Any) -> Any:
    return soft_clip(x, -2.0, 2.0, "tanh", slope=1.0)


def bounded_by_arrays(x: Any, low: Any, high: Any) -> Any:
    return soft_clip(x, low, high, hinge(0.1), slope=1.0)


def bounded_by_a_function(x: Any) -> Any:
    return soft_clip(x, -2.0, 2.0, Squash(lambda z: z / (1 + abs(z)), -1.0, 1.0))


for function in (bounded, bounded_by_arrays, bounded_by_a_function):
    lazy_xp_function(function)


@pytest.mark.parametrize("name", ["bounded", "bounded_by_arrays", "bounded_by_a_function"])
def test_compiled_lazy_and_on_its_device(library: Library, name: str, request: pytest.FixtureRequest) -> None:
    from array_api_compat import array_namespace

    if library.name in ("strict-2021.12", "strict-2022.12"):
        pytest.skip("array-api-extra's assertion uses the DLPack of the standard of 2023")
    values = [np.linspace(-4, 4, 12).reshape(3, 4), np.full(4, -1.0), np.full((3, 1), 2.0)]
    values = values if name == "bounded_by_arrays" else values[:1]
    expected = library.asarray(globals()[name](*values))
    arguments = [library.asarray(v) for v in values]
    with patch_lazy_xp_functions(request, xp=array_namespace(*arguments)):
        result = globals()[name](*arguments)  # looked up now, as the wrapped one
    assert_close(result, expected)


@pytest.mark.needs("strict")
def test_result_on_the_device_of_x() -> None:
    import array_api_strict as xp

    device = xp.Device("device1")
    x = xp.asarray([1.0, 2.0], device=device)
    for g in ("tanh", "sine", "cubic", hinge(1.0), lambda z: z / (1 + abs(z))):
        y = soft_clip(x, -1.0, xp.asarray(3.0, device=device), g if not callable(g) else Squash(g, -1.0, 1.0))
        assert y.device == device


@pytest.mark.needs("torch")
def test_a_tensor_without_data() -> None:
    import torch

    y = soft_clip(torch.empty((2, 3), device="meta", dtype=torch.float16), 0.0, 6.0, "tanh", slope=1.0)
    assert (y.device.type, tuple(y.shape), y.dtype) == ("meta", (2, 3), torch.float16)


@pytest.mark.parametrize("slope", [5e-324, 1e-308, 1e-30, 1e30, 1e308])
@pytest.mark.parametrize("g", [*GS, hinge(1e-300), hinge(1e300)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_slopes_with_arrays_as_bounds(g: Any, dtype: str, slope: float) -> None:
    """No NaN, and what numbers give."""
    x = np.array([-np.inf, -1e30, -1.0, -1e-30, 0.0, 0.5, 1.0, 3.0, np.finfo(dtype).max, np.inf], dtype)
    arrays = np.array([-1.0], dtype), np.array([3.0], dtype)
    for f in (soft_clip, soft_clip_derivative, soft_clip_log_derivative):
        found = f(x, *arrays, g, slope=slope)
        assert not np.isnan(found).any(), f
        np.testing.assert_allclose(found, f(x, -1.0, 3.0, g, slope=slope), rtol=4 * np.finfo(dtype).eps, atol=0)
    if "hinge" not in str(g):
        declared = Squash(np.tanh, -1.0, 1.0, slope=1.0, derivative=lambda z: np.cosh(np.minimum(abs(z), 500.0)) ** -2)
        assert not np.isnan(soft_clip_log_derivative(x, *arrays, declared, slope=slope)).any()
    y = np.array([-1.0, -0.5, 1.0, 3.0], dtype)
    back = soft_clip_inverse(y, *arrays, g, slope=slope)
    assert (back[0], back[-1]) == (-np.inf, np.inf)
    expected = soft_clip_inverse(y, -1.0, 3.0, g, slope=slope)
    np.testing.assert_allclose(back, expected, rtol=4 * np.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("arrays", [False, True])
def test_one_bound_with_a_softness_below_the_format(dtype: str, arrays: bool) -> None:
    """The hard clip, but for what rounds to less than the smallest normal number."""
    x = np.array([-np.inf, -1.0, 0.0, 1.0, np.inf], dtype)
    low, g = np.zeros(1, dtype) if arrays else 0.0, hinge(5e-324)
    np.testing.assert_allclose(soft_clip(x, low, None, g), np.maximum(x, 0), rtol=0, atol=np.finfo(dtype).tiny)
    np.testing.assert_array_equal(soft_clip_inverse(x, low, None, g), [np.nan, np.nan, -np.inf, 1.0, np.inf])


@pytest.mark.needs("jax")
@pytest.mark.parametrize("slope", [5e-324, 1e-39, 1.7976931348623157e308])
def test_slopes_beyond_float32_with_arrays_of_jax(slope: float) -> None:
    """Without a warning, and infinity on the bounds."""
    import jax.numpy as jnp

    x = jnp.asarray([-np.inf, 0.5, np.inf], jnp.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = soft_clip(x, 0.0, jnp.ones((), jnp.float32), slope=slope)
    np.testing.assert_array_equal(y, [0.0, 0.5, 1.0])
