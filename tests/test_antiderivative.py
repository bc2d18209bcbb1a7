"""The antiderivative, against mpmath's quadrature of f, the losses of the literature, and autodiff."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import oracle
import pytest
from libraries import CALLS, Library, computing, g_of, in_turn
from mpmath import mp, mpf
from scipy import special

from softclip import (
    NAMES,
    Squash,
    algebraic,
    hinge,
    knee,
    soft_clip,
    soft_clip_antiderivative,
    soft_clip_derivative,
)
from softclip._functions.named import NAMED

CLOSED = tuple(name for name in NAMES if NAMED[name].bend)
"""Those whose integral has a closed form."""
GS = (*CLOSED, "knee('tanh', 0.6)", "knee('cubic', 0.5)")
X = [-50.0, -7.3, -2.1, -1.3, -0.9, -0.3, -1e-3, -1e-6, 0.0, 1e-6, 0.01, 0.5, 0.95, 1.1, 1.7, 3.3, 20.0]
CORNERS = [0.25, 0.5, 0.6, 1.0, 1.25, 1.5, float(np.pi / 2), 2.0, 4.0, 8.0, 16.0, 32.0]
"""Where functions have knees, or bend: quadrature needs pieces without either."""


def points(dtype: str) -> np.ndarray:
    import ml_dtypes

    return np.array(X).astype(getattr(ml_dtypes, dtype, dtype))


@functools.cache
def truth(name: str, call: str, dtype: str) -> np.ndarray:
    (low, high), slope = CALLS[call]
    _, slope_of_g = oracle.CDFS[name]
    middle = mpf(low + high) / 2
    start, unit = (mpf(0), mpf(1)) if slope is None else (middle, (high - low) * slope_of_g / slope)
    found = []
    with mp.workdps(25):
        for x in points(dtype).astype(float):
            side = mp.sign(x - start)
            inner = [start + side * z * unit for z in CORNERS if z * unit < abs(x - start)]
            found.append(mp.quad(lambda t: oracle.soft_clip(t, low, high, name, slope), [start, *inner, mpf(x)]))
    return np.array([float(v) for v in found])


@computing
@pytest.mark.parametrize(("name", "call"), [(g, call) for g in GS for call in CALLS])
def test_values_are_those_of_quadrature(library: Library, name: str, call: str) -> None:
    """Within 8 ulp of the result between -b and b and next to a bound of 0, else of the larger bound times abs(x)."""
    if name == "erf" and not library.has_erf:
        pytest.skip(f"{library} has no erf")
    (low, high), slope = CALLS[call]
    for dtype in library.dtypes:
        x, exact = points(dtype), truth(name, call, dtype)
        y = library.to_numpy(soft_clip_antiderivative(library.asarray(x), low, high, g_of(name, 1.0), slope=slope))
        import ml_dtypes

        info = ml_dtypes.finfo(dtype)
        start = 0.0 if slope is None else (low + high) / 2
        around = (
            0.0 if slope is None and call != "between" else max(abs(low), abs(high)) * np.abs(x.astype(float) - start)
        )
        ulp = {"float32": 8, "float64": 8}.get(dtype, 0.51)
        tolerance = ulp * float(info.eps) * np.maximum(np.abs(exact), around) + float(info.tiny)
        wrong = np.abs(y.astype(float) - exact) > tolerance
        assert not wrong.any(), (dtype, x[wrong], y[wrong], exact[wrong])


@computing
@pytest.mark.parametrize(("name", "slope"), in_turn(GS, [None, 1.0]))
def test_between_arrays_it_is_what_it_is_between_numbers(library: Library, name: str, slope: float | None) -> None:
    if name == "erf" and not library.has_erf:
        pytest.skip(f"{library} has no erf")
    x, g = np.array(X), g_of(name, 1.0)
    low, high = np.resize([-2.0, 0.0, -1.0], x.size), np.resize([2.0, 6.0, 3.0], x.size)
    found = library.to_numpy(soft_clip_antiderivative(*(library.asarray(v) for v in (x, low, high)), g, slope=slope))
    expected = [soft_clip_antiderivative(*v, g, slope=slope) for v in zip(X, low.tolist(), high.tolist(), strict=True)]
    scale = np.maximum(np.abs(low), np.abs(high)) * np.abs(x - 1)
    assert np.all(np.abs(found - expected) <= 16 * np.finfo(float).eps * np.maximum(scale, np.abs(expected)))


LOSSES = {
    "tanh": lambda x: np.logaddexp(x, -x) - np.log(2),  # log cosh
    "algebraic": lambda x: special.pseudo_huber(1.0, x),
    "softsign": lambda x: np.abs(x) - np.log1p(np.abs(x)),  # Fair, 1974
    "sigmoid": lambda x: 2 * (np.logaddexp(x / 2, -x / 2) - np.log(2)),
    "exponential": lambda x: np.abs(x) + np.expm1(-np.abs(x)),
    "arctan": lambda x: (2 * x * np.arctan(x) - np.log1p(x * x)) / np.pi,
}


@pytest.mark.needs("numpy")
@pytest.mark.parametrize("name", LOSSES)
def test_losses_of_the_literature(name: str) -> None:
    x = np.concatenate([np.linspace(-30, 30, 601), [1e5, -1e7]])
    np.testing.assert_allclose(soft_clip_antiderivative(x, g=name), LOSSES[name](x), rtol=1e-13, atol=1e-15)
    tiny = 1e-9  # where those, as they are written, have lost all
    slope = float(soft_clip_derivative(0.0, g=name))
    assert soft_clip_antiderivative(tiny, g=name) == pytest.approx(0.5 * slope * tiny * tiny, rel=1e-8, abs=0)


@computing
@pytest.mark.parametrize("name", CLOSED)
def test_the_largest_numbers_and_infinity(library: Library, name: str) -> None:
    if name == "erf" and not library.has_erf:
        pytest.skip(f"{library} has no erf")
    for dtype in ("float32", "float64"):
        largest = float(np.finfo(dtype).max)
        x = np.array([-np.inf, -0.5 * largest, 0.5 * largest, np.inf, np.nan], dtype)
        f = lambda *bounds, x=x, **k: library.to_numpy(soft_clip_antiderivative(library.asarray(x), *bounds, name, **k))
        around = f(-1.0, 1.0)
        assert np.array_equal(around, [np.inf, 0.5 * largest, 0.5 * largest, np.inf, np.nan], equal_nan=True)
        assert np.array_equal(f(1.0, 3.0)[[0, 3]], [-np.inf, np.inf])
        assert np.array_equal(f(-1.0, 3.0, slope=1.0)[[0, 3]], [np.inf, np.inf])
        low, high = f(0.0, 2.0), f(-2.0, 0.0)
        assert (low[3], high[0]) == (np.inf, np.inf)
        if name not in ("arctan", "softsign"):  # of which the tail has no integral
            assert np.isfinite(low[:2]).all()
            assert np.isfinite(high[2:4]).all()
            assert low[0] == low[1] < 0


@pytest.mark.needs("numpy")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", GS)
def test_every_number_of_16_bits(name: str, dtype: str) -> None:
    """Computed in float32: the nearest number of 16 bits to what float64 gives, or one beside it."""
    import ml_dtypes

    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    x = np.arange(2**16, dtype=np.uint16).view(kind)
    with np.errstate(invalid="ignore"):  # of signalling NaN
        x = x[np.isfinite(x.astype(float))]
    for bounds in ((-2.0, 2.0), (0.0, 6.0)):
        y = soft_clip_antiderivative(x, *bounds, g_of(name, 1.0))
        assert y.dtype == kind
        with np.errstate(over="ignore", invalid="ignore"):
            exact = soft_clip_antiderivative(x.astype(float), *bounds, g_of(name, 1.0))
            nearest = exact.astype(kind).astype(float)
        info = ml_dtypes.finfo(dtype)
        tolerance = float(info.eps) * np.abs(exact) + float(info.tiny)
        near = (np.abs(y.astype(float) - exact) <= tolerance) | (y.astype(float) == nearest)
        assert near.all()


@pytest.mark.needs("torch")
@pytest.mark.parametrize(("name", "slope"), in_turn(GS, [None, 0.7]))
def test_derivatives_in_torch(name: str, slope: float | None) -> None:
    """F' is f, also forward, and F'' is f'; in the bounds it is that of finite differences."""
    torch = pytest.importorskip("torch")
    g = g_of(name, 1.0)
    x = torch.tensor([v for v in X if abs(v) not in (0.5, 1.25)], dtype=torch.float64, requires_grad=True)
    f = lambda t: soft_clip_antiderivative(t, -1.0, 3.0, g, slope=slope)
    (first,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    value = soft_clip(x.detach(), -1.0, 3.0, g, slope=slope)
    torch.testing.assert_close(first.detach(), value, rtol=1e-13, atol=1e-13)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(
        second, soft_clip_derivative(x.detach(), -1.0, 3.0, g, slope=slope), rtol=1e-11, atol=1e-13
    )
    _, tangent = torch.func.jvp(f, (x.detach(),), (torch.ones_like(x.detach()),))
    torch.testing.assert_close(tangent, value, rtol=1e-13, atol=1e-13)
    bounds = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (-1.1, 2.9)]
    near = torch.tensor([-3.3, -0.7, 0.1, 1.3, 2.2, 7.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *v: soft_clip_antiderivative(*v, g, slope=slope), (near, *bounds))
    edge = torch.tensor([-math.inf, 0.0, math.inf], dtype=torch.float64, requires_grad=True)
    f(edge).sum().backward()
    assert edge.grad.tolist() == pytest.approx(soft_clip(edge.detach(), -1.0, 3.0, g, slope=slope).tolist(), rel=1e-14)


@pytest.mark.needs("jax")
@pytest.mark.parametrize(("name", "slope"), in_turn(GS, [None, 0.7]))
def test_derivatives_in_jax(name: str, slope: float | None) -> None:
    jax = pytest.importorskip("jax")
    g = g_of(name, 1.0)
    x = jax.numpy.asarray([v for v in X if abs(v) not in (0.5, 1.25)])
    f = lambda t: soft_clip_antiderivative(t, -1.0, 3.0, g, slope=slope)
    first = jax.jit(jax.vmap(jax.grad(f)))(x)
    np.testing.assert_allclose(first, soft_clip(np.asarray(x), -1.0, 3.0, g, slope=slope), rtol=1e-13, atol=1e-13)
    second = jax.vmap(jax.grad(jax.grad(f)))(x)
    exact = soft_clip_derivative(np.asarray(x), -1.0, 3.0, g, slope=slope)
    np.testing.assert_allclose(second, exact, rtol=1e-11, atol=1e-13)
    edge = jax.numpy.asarray([-math.inf, 0.0, math.inf])
    at_edge = soft_clip(np.asarray(edge), -1.0, 3.0, g, slope=slope).tolist()
    assert jax.vmap(jax.grad(f))(edge).tolist() == pytest.approx(at_edge, rel=1e-14)
    low, high = -1.1, 2.9
    step = 1e-6
    of_low, of_high = jax.grad(lambda a, b: soft_clip_antiderivative(x, a, b, g, slope=slope).sum(), (0, 1))(low, high)
    whole = lambda a, b: float(soft_clip_antiderivative(np.asarray(x), a, b, g, slope=slope).sum())
    assert float(of_low) == pytest.approx((whole(low + step, high) - whole(low - step, high)) / (2 * step), rel=1e-6)
    assert float(of_high) == pytest.approx((whole(low, high + step) - whole(low, high - step)) / (2 * step), rel=1e-6)


@pytest.mark.needs("torch")
def test_compiled_and_recorded() -> None:
    torch = pytest.importorskip("torch")
    x = torch.linspace(-4, 4, 41, dtype=torch.float64)
    expected = soft_clip_antiderivative(x.numpy(), -1.0, 3.0, "tanh", slope=1.0)
    f = lambda t: soft_clip_antiderivative(t, -1.0, 3.0, "tanh", slope=1.0)
    np.testing.assert_allclose(torch.compile(f, fullgraph=True)(x).numpy(), expected, rtol=1e-13, atol=1e-14)

    class Loss(torch.nn.Module):
        def forward(self, t: Any) -> Any:
            return f(t)

    np.testing.assert_allclose(torch.fx.symbolic_trace(Loss())(x).numpy(), expected, rtol=1e-13, atol=1e-14)


@pytest.mark.needs("numpy")
def test_out_and_kinds_of_x() -> None:
    out = np.empty(3)
    assert soft_clip_antiderivative([1.0, 2.0, 3.0], out=out) is out
    assert np.array_equal(out, soft_clip_antiderivative(np.array([1, 2, 3])))
    assert isinstance(soft_clip_antiderivative(0.5), np.float64)


@pytest.mark.needs("numpy")
@pytest.mark.parametrize("g", [hinge(0.1), algebraic(3.0), knee(algebraic(3.0), 0.5), Squash(np.tanh, -1.0, 1.0)])
def test_functions_without_a_closed_form(g: Any) -> None:
    with pytest.raises(ValueError, match=r"g must be one of sigmoid, .*, sine or a knee of these"):
        soft_clip_antiderivative(np.zeros(2), -1.0, 1.0, g)
