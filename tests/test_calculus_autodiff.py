"""The closed forms and each library's autodiff: the same derivatives, no NaN anywhere, gradients of bounds and slope."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import oracle
import pytest
from libraries import alternating, in_turn, name_of
from test_transforms import HARD, away_from_knees

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

GS = [*NAMES, algebraic(3.0), knee("tanh", 0.6), hinge(0.5)]
BOUNDS = [(-1.0, 1.0), (0.0, 2.0), (-1.0, 3.0), (0.0, 500.0)]
LIBRARIES = [pytest.param(name, marks=pytest.mark.needs(name)) for name in ("torch", "jax")]
QUANTITIES = (soft_clip_derivative, soft_clip_log_derivative, soft_clip_inverse)


def gradients(library: str, f: Callable[..., Any], *values: Any) -> list[np.ndarray]:
    """The gradients of the sum of f with respect to each of the values, at them."""
    if library == "jax":
        import jax
        import jax.numpy as jnp

        found = jax.jit(jax.grad(lambda *a: f(*a).sum(), tuple(range(len(values)))))(*map(jnp.asarray, values))
        return [np.asarray(g) for g in found]
    import torch

    tensors = [torch.tensor(v, requires_grad=True) for v in values]
    f(*tensors).sum().backward()
    return [t.grad.numpy() for t in tensors]


def evaluate(library: str, f: Callable[..., Any], *values: Any) -> np.ndarray:
    import importlib

    asarray = (
        importlib.import_module("torch").tensor if library == "torch" else importlib.import_module("jax.numpy").asarray
    )
    return np.asarray(f(*map(asarray, values)))


@pytest.mark.parametrize(
    ("g", "bounds", "case"),
    alternating(GS, BOUNDS, list(itertools.product([None, 1.0], ["float32", "float64"]))),
    ids=str,
)
@pytest.mark.parametrize("library", LIBRARIES)
def test_autodiff_gives_the_closed_form(library: str, g: Any, bounds: tuple[float, float], case: Any) -> None:
    """At 0, at the knees, in the tails, at the largest number and at the infinities."""
    slope, dtype = case
    x = HARD.astype(dtype)
    closed = evaluate(library, lambda v: soft_clip_derivative(v, *bounds, g, slope=slope), x)
    (automatic,) = gradients(library, lambda v: soft_clip(v, *bounds, g, slope=slope), x)
    assert np.isfinite(automatic).all()
    eps, tiny = np.finfo(dtype).eps, np.finfo(dtype).tiny
    np.testing.assert_allclose(automatic, closed, rtol=16 * eps, atol=4 * float(tiny))


@pytest.mark.parametrize(("g", "bounds", "slope"), alternating(GS, BOUNDS, [None, 1.0]), ids=str)
@pytest.mark.parametrize("library", LIBRARIES)
def test_second_derivatives(library: str, g: Any, bounds: tuple[float, float], slope: float | None) -> None:
    """Of f twice by autodiff, of f' and of log f' once, against differences in 420 digits, deep in the tails."""
    name = "hinge" if hasattr(g, "softness") else str(g)
    x = away_from_knees(g, np.array([-60.0, -9.0, -2.0, -1.2, -0.3, 0.4, 1.1, 2.2, 8.0, 70.0]), bounds, slope)
    truth = [oracle.derivatives(v, *bounds, name, slope, 0.5) for v in x]
    second = np.array([float(d) for _, d in truth])
    score = np.array([float(dd / d) if d else np.nan for d, dd in truth])
    inside = ~np.isnan(score)
    (of_derivative,) = gradients(library, lambda v: soft_clip_derivative(v, *bounds, g, slope=slope), x)
    np.testing.assert_allclose(of_derivative, second, rtol=1e-11, atol=1e-290)
    (of_log,) = gradients(library, lambda v: soft_clip_log_derivative(v, *bounds, g, slope=slope), x)
    np.testing.assert_allclose(of_log[inside], score[inside], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize(("g", "bounds", "slope"), alternating(GS, BOUNDS, [None, 1.0]), ids=str)
@pytest.mark.parametrize("library", LIBRARIES)
def test_no_gradient_is_nan(library: str, g: Any, bounds: tuple[float, float], slope: float | None) -> None:
    """In float32, at every kind of x, and at every y on the bounds and between."""
    for f in (soft_clip_derivative, soft_clip_log_derivative):
        (found,) = gradients(library, lambda v, f=f: f(v, *bounds, g, slope=slope), HARD)
        assert not np.isnan(found).any(), f.__name__
    low, high = bounds
    y = np.concatenate([low + (high - low) * np.array([1e-30, 1e-6, 0.1, 0.5, 0.7, 1 - 1e-6]), bounds]).astype(
        np.float32
    )
    (found,) = gradients(library, lambda v: soft_clip_inverse(v, *bounds, g, slope=slope), y)
    assert not np.isnan(found).any()
    assert (found > 0).all()


@pytest.mark.parametrize(("g", "bounds", "slope"), alternating(GS, BOUNDS[:3], [None, 0.7]), ids=str)
@pytest.mark.parametrize("library", LIBRARIES)
def test_the_inverse_has_the_inverse_derivative(
    library: str, g: Any, bounds: tuple[float, float], slope: float | None
) -> None:
    low, high = bounds
    y = low + (high - low) * np.array([1e-9, 0.01, 0.2, 0.45, 0.5, 0.52, 0.8, 0.999])
    (found,) = gradients(library, lambda v: soft_clip_inverse(v, *bounds, g, slope=slope), y)
    x = soft_clip_inverse(y, *bounds, g, slope=slope)
    np.testing.assert_allclose(found, 1 / soft_clip_derivative(x, *bounds, g, slope=slope), rtol=1e-7)


@pytest.mark.parametrize(("g", "bounds", "f"), alternating(GS, BOUNDS[:3], QUANTITIES), ids=name_of)
@pytest.mark.parametrize("library", LIBRARIES)
def test_gradients_of_bounds_and_slope(library: str, g: Any, bounds: tuple[float, float], f: Any) -> None:
    """Against differences of fourth order in float64 NumPy."""
    low, high = bounds
    x = np.array([-3.0, -0.6, -0.2, 0.1, 0.9, 1.6])
    x = away_from_knees(g, away_from_knees(g, x, bounds, 0.8), bounds, None)
    if f is soft_clip_inverse:
        x = low + (high - low) * np.array([0.01, 0.2, 0.45, 0.57, 0.8, 0.98])
    elif f is soft_clip_log_derivative:
        x = x[soft_clip_derivative(x, low, high, g, slope=0.8) > 0]
        x = x[soft_clip_derivative(x, low, high, g) > 0]
    for given in ((low, high, 0.8), (low, high)):

        def loss(a: Any, b: Any, *s: Any, wrap: Any = lambda v: v) -> Any:
            return f(wrap(x), a, b, g, slope=s[0] if s else None)

        def wrapped(*arguments: Any) -> Any:
            import importlib

            xp = importlib.import_module("torch" if library == "torch" else "jax.numpy")
            return loss(*arguments, wrap=xp.tensor if library == "torch" else xp.asarray)

        found = gradients(library, wrapped, *map(np.float64, given))
        e = 1e-4
        for i, got in enumerate(found):
            step = np.eye(len(given))[i] * e
            at = lambda k, step=step, given=given: loss(*(np.array(v) for v in np.array(given) + k * step)).sum()
            true = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * e)
            np.testing.assert_allclose(got, true, rtol=1e-7, atol=1e-7)


@pytest.mark.needs("torch")
class TestTorch:
    @pytest.mark.parametrize("f", QUANTITIES, ids=lambda f: f.__name__)
    @pytest.mark.parametrize("g", ["tanh", "quintic", "erf", hinge(0.5)], ids=str)
    def test_func_and_second_order(self, f: Any, g: Any) -> None:
        import torch
        from torch.func import grad, hessian, jacfwd, vmap

        y = torch.tensor([0.1, 0.6, 1.1, 1.2], dtype=torch.float64, requires_grad=True)
        call = lambda v: f(v, 0.0, 2.0, g)
        assert torch.autograd.gradcheck(call, (y,), check_forward_ad=True)
        assert torch.autograd.gradgradcheck(call, (y,))
        (first,) = torch.autograd.grad(call(y).sum(), y, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), y)
        y = y.detach()
        torch.testing.assert_close(vmap(grad(call))(y), first.detach(), rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(vmap(jacfwd(call))(y), first.detach(), rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(vmap(hessian(call))(y), second, rtol=1e-10, atol=1e-14)

    @pytest.mark.parametrize(
        ("g", "f"), in_turn(["tanh", "quintic", "erf", hinge(0.5), "arctan", hinge(0.5)], QUANTITIES), ids=name_of
    )
    @pytest.mark.filterwarnings("ignore")  # Dynamo's and Inductor's own
    def test_compile(self, f: Any, g: Any) -> None:
        import torch

        torch._dynamo.reset()
        call = lambda v: f(v, 0.0, 2.0, g, slope=1.0)
        compiled = torch.compile(call, fullgraph=True, dynamic=True)
        for n in (5, 6):
            y = torch.linspace(0.2, 1.9, n, requires_grad=True)
            other = y.detach().clone().requires_grad_()
            compiled(y).sum().backward()
            call(other).sum().backward()
            torch.testing.assert_close(compiled(y), call(y), rtol=3e-6, atol=2e-6)
            torch.testing.assert_close(y.grad, other.grad, rtol=1e-4, atol=2e-6)


@pytest.mark.needs("jax")
@pytest.mark.parametrize(("g", "f"), in_turn(GS, QUANTITIES), ids=name_of)
def test_jit_vmap_and_hessian(f: Any, g: Any) -> None:
    import jax
    import jax.numpy as jnp

    y = jnp.asarray([0.1, 0.65, 1.1, 1.2])
    call = lambda v: f(v, 0.0, 2.0, g)
    np.testing.assert_allclose(jax.jit(call)(y), call(y), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(jax.jit(lambda v, b: f(v, 0.0, b, g))(y, 2.0), call(y), rtol=1e-13, atol=1e-15)
    second = jax.vmap(jax.hessian(call))(y)
    e = 1e-4
    slopes = lambda v: np.asarray(jax.vmap(jax.grad(call))(jnp.asarray(v)))
    at = np.asarray(y)
    true = (8 * (slopes(at + e) - slopes(at - e)) - (slopes(at + 2 * e) - slopes(at - 2 * e))) / (12 * e)
    np.testing.assert_allclose(second, true, rtol=1e-6, atol=1e-8)


@pytest.mark.needs("dask")
@pytest.mark.parametrize("f", QUANTITIES, ids=lambda f: f.__name__)
def test_dask_stays_lazy_in_one_layer(f: Any) -> None:
    import dask.array as da

    def computed(block: np.ndarray) -> np.ndarray:
        if block.size:
            raise AssertionError("computed")
        return block

    x = da.ones((10, 10), chunks=5).map_blocks(computed, dtype=float)
    y = f(x, -2.0, 2.0, "tanh", slope=1.0)
    assert len(y.dask.layers) == len(x.dask.layers) + 1
    assert y.chunks == x.chunks


def test_saturated_actions_in_float32() -> None:
    """tanh at x = 1000: log(1 - tanh^2) is log 4 - 2000, where computed from the value it is -inf."""
    log = soft_clip_log_derivative(np.float32([20, 1000, 1e38]), g="tanh")
    np.testing.assert_allclose(log, [np.log(4) - 40, np.log(4) - 2000, -2e38], rtol=2e-7)
