"""Arrays that are not quite those of a library: subclasses, masks, units, constants of NumPy, libraries without devices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from libraries import Library

from softclip import NAMES, hinge, soft_clip, soft_clip_inverse

X = np.linspace(-1.0, 1.0, 3)
LOWS, HIGHS = np.array([-1.0, -2.0, -3.0]), np.array([2.0, 0.5, 4.0])


# NumPy's subclasses.


def test_arrays_with_units_are_refused() -> None:
    units = pytest.importorskip("astropy.units")
    metres, kilometres = X * units.m, np.array([1.0, 2.0, 3.0]) * units.km
    for arguments in ((metres, -kilometres, kilometres), (X, -kilometres, kilometres), (X, -2.0, kilometres)):
        with pytest.raises(TypeError, match=r"must not be of the class astropy.*Quantity, whose unit would be lost"):
            soft_clip(*arguments)
    with pytest.raises(TypeError, match=r"y must not be of the class .*Quantity"):
        soft_clip_inverse(metres)


def test_masks_of_astropy_are_refused() -> None:
    masked = pytest.importorskip("astropy.utils.masked").Masked
    with pytest.raises(TypeError, match=r"x must not be of the class .*, whose mask would be lost"):
        soft_clip(masked(X, mask=[True, False, False]))


class Tagged(np.ndarray):
    """A class that says for itself what functions do to it."""

    def __array_ufunc__(self, *arguments: Any, **keywords: Any) -> Any:
        return NotImplemented


class Plain(np.ndarray):
    """A class that does not."""


def test_other_subclasses_that_have_a_meaning_are_refused() -> None:
    with pytest.raises(
        TypeError, match=r"x must not be of the class .*Tagged, whose meaning would be lost. Pass numpy"
    ):
        soft_clip(X.view(Tagged))
    with pytest.raises(TypeError, match=r"slope must not be of the class .*Tagged"):
        soft_clip(X, slope=(X + 2).view(Tagged))


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_plain_views_and_files_in_memory_work(tmp_path: Path) -> None:
    file = np.memmap(tmp_path / "x", dtype=float, mode="w+", shape=3)
    file[:] = X
    for x in (X.view(Plain), np.matrix(X), file):
        y = soft_clip(x, -2.0, 2.0)
        assert type(y) is np.ndarray
        np.testing.assert_array_equal(y.ravel(), soft_clip(X, -2.0, 2.0))
    np.testing.assert_array_equal(soft_clip(X, file - 4.0, file + 4.0), soft_clip(X, X - 4.0, X + 4.0))


@pytest.mark.needs("dask")
def test_masked_chunks_are_refused() -> None:
    import dask.array as da

    masked = da.ma.masked_greater(da.from_array(X, chunks=2), 0.0)
    with pytest.raises(TypeError, match=r"x must not be a masked array, whose mask would be lost"):
        soft_clip(masked)
    with pytest.raises(TypeError, match=r"x_min must not be a masked array"):
        soft_clip(da.from_array(X), masked - 3.0, 2.0)


# NumPy's arrays beside arrays of any library.


@pytest.mark.parametrize("g", ["tanh", hinge(0.25)], ids=str)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_numpy_arrays_are_constants_beside_any_library(library: Library, dtype: str, g: Any) -> None:
    if dtype not in library.dtypes:
        pytest.skip(f"{library} has no {dtype}")
    kind = np.dtype(dtype) if dtype != "bfloat16" else pytest.importorskip("ml_dtypes").bfloat16
    x = X.astype(kind)
    slope = np.array([1, 2, 3], np.int8)
    y = soft_clip(library.asarray(x), LOWS, HIGHS, g, slope=slope)
    assert type(y) is type(library.asarray(x))
    # One number after the other is the same: the constants are rounded as numbers are.
    one_by_one = [soft_clip(x[i : i + 1], float(LOWS[i]), float(HIGHS[i]), g, slope=float(slope[i])) for i in range(3)]
    ulp = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-20, "float64": 2.0**-49}[dtype]
    np.testing.assert_allclose(
        library.to_numpy(y).astype(float), np.concatenate(one_by_one).astype(float), rtol=0, atol=4 * ulp
    )
    assert library.to_numpy(y).dtype == kind


def test_numpy_arrays_beside_any_library_are_checked(library: Library) -> None:
    x = library.asarray(X)
    with pytest.raises(ValueError, match=r"x_min must be less than x_max .*; got x_min=0.5 and x_max=0.5"):
        soft_clip(x, np.array([0.0, 0.5, 0.0]), HIGHS)
    with pytest.raises(ValueError, match="NaN"):
        soft_clip(x, -3.0, np.array([1.0, np.nan, 1.0]))
    with pytest.raises(ValueError, match="slope must be positive"):
        soft_clip(x, slope=np.array([1.0, 0.0, 1.0]))
    with pytest.raises(TypeError, match=r"x_min must be an array of float16, .* got complex128"):
        soft_clip(x, np.array([1j]), 1.0)
    with pytest.raises(TypeError, match=r"x_min must not be a masked array"):
        soft_clip(x, np.ma.masked_less(X, 0) - 3, 1.0)


def test_an_array_without_axes_is_a_number(library: Library) -> None:
    x = library.asarray(X)
    y, expected = soft_clip(x, np.array(-2), np.array(2.0), slope=np.array(1.0)), soft_clip(x, -2.0, 2.0, slope=1.0)
    np.testing.assert_array_equal(library.to_numpy(y), library.to_numpy(expected))


# Numbers and lists beside arrays.


def test_numbers_and_lists_beside_arrays_are_of_their_library(library: Library) -> None:
    bound = library.asarray(np.array([1.0, 2.0, 3.0], np.float32))
    for x in (0.25, [0.25, 0.25, 0.25]):
        y = soft_clip(x, -4.0, bound)
        if library.package == "numpy":
            assert y.dtype == np.float64  # as numpy.asarray(x)
            continue
        assert type(y) is type(bound)
        assert y.dtype == bound.dtype
        expected = [soft_clip(np.float32(0.25), -4.0, high) for high in (1.0, 2.0, 3.0)]
        np.testing.assert_allclose(library.to_numpy(y), expected, rtol=0, atol=2e-6)  # 4 ulp of 4
    with pytest.raises(TypeError, match=r"x must be an array of float16, .* got bool"):
        soft_clip(True, -4.0, bound)


@pytest.mark.needs("jax")
def test_a_number_beside_a_traced_bound() -> None:
    import jax

    value, slope = jax.value_and_grad(lambda b: soft_clip(0.3, -b, b, "softsign"))(2.0)
    assert float(value) == pytest.approx(2 * 0.3 / 1.3, rel=1e-6)  # b x / (1 + x)
    assert float(slope) == pytest.approx(0.3 / 1.3, rel=1e-6)
    assert jax.jit(lambda b: soft_clip(0.3, -b, b))(1.0).weak_type


@pytest.mark.needs("jax")
def test_weak_types_are_kept_as_tanh_keeps_them() -> None:
    import jax
    import jax.numpy as jnp

    half = jnp.ones(2, jnp.bfloat16)
    for x in (jnp.asarray(1.0), jnp.asarray(1), jnp.float32(1.0), jnp.ones(3)):
        for g, slope in (("tanh", None), (hinge(0.5), 1.0)):
            y = soft_clip(x, -1.0, 2.0, g, slope=slope)
            assert (y.dtype, y.weak_type) == (jnp.tanh(x).dtype, jnp.tanh(x).weak_type)
        assert jax.jit(soft_clip)(x).weak_type == jnp.tanh(x).weak_type
    weak = soft_clip(jnp.asarray(1.0))
    with jax.numpy_dtype_promotion("standard"):
        assert (weak * half).dtype == jnp.bfloat16
    assert not soft_clip(jnp.asarray(1.0), jnp.zeros(2), 3.0).weak_type  # as jnp.clip
    assert jax.grad(soft_clip)(1.0) == pytest.approx(0.39322387)


# Libraries that nobody here knows by name.


@pytest.mark.needs("strict")
@pytest.mark.parametrize("g", [g for g in (*NAMES, hinge(0.25)) if g != "erf"], ids=str)
@pytest.mark.parametrize("package", ["mlx.core", "ndonnx"])
def test_libraries_without_an_entry_of_their_own(package: str, g: Any) -> None:
    xp = pytest.importorskip(package, reason="not made for this platform")
    x = np.array([-np.inf, -20.0, -0.5, 0.0, 0.25, 3.0, np.inf], np.float32)
    for low, high in ((-2.0, 2.0), (0.0, 6.0), (-1.0, 3.0)):
        for slope in (None, 1.0):
            y = soft_clip(xp.asarray(x), low, high, g, slope=slope)
            assert type(y) is type(xp.asarray(x))
            found = np.asarray(y if package == "mlx.core" else y.unwrap_numpy())
            # MLX has its own elementary functions, of some ulp.
            np.testing.assert_allclose(found, soft_clip(x, low, high, g, slope=slope), rtol=0, atol=2e-6)
            assert (low <= found).all()
            assert (found <= high).all()
    lows = np.linspace(-3.0, -1.0, 7, dtype=np.float32)
    found = soft_clip(xp.asarray(x), lows, xp.asarray(-lows), g)
    found = np.asarray(found if package == "mlx.core" else found.unwrap_numpy())
    np.testing.assert_allclose(found, soft_clip(x, lows, -lows, g), rtol=0, atol=2e-6)
