"""f between bounds that are JAX's arrays: its value for bounds of every kind, and its derivatives in them."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle
import pytest
from libraries import ALL, EXACT, g_of, name_of
from test_partials import BOUNDS, SOFTNESS, points, truth

from softclip import NAMES, algebraic, hinge, soft_clip

jax = pytest.importorskip("jax", reason="JAX's own ways of running a function")
import jax.numpy as jnp

pytestmark = pytest.mark.needs("jax")

SLOPES = pytest.mark.parametrize("slope", [None, 0.7])


def f(g: Any, x: Any, low: Any, high: Any, *slope: Any) -> Any:
    return soft_clip(x, low, high, g, slope=slope[0] if slope else None)


def given(low: float, high: float, slope: float | None, dtype: Any = jnp.float64) -> list[Any]:
    return [jnp.asarray(v, dtype) for v in (low, high, slope) if v is not None]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_columns_of_every_kind(name: str, dtype: str) -> None:
    """Relative to the result around 0 between bounds +-b, and in the tail at a bound of 0; on both sides of the reach."""
    x = np.array(
        [-30.0, -4.0, -1.1, -0.81, -0.79, -0.46, -0.41, -0.39, -1e-9, 1e-20, 0.3, 0.44, 0.52, 0.99, 2.0], dtype
    )
    low, high = (jnp.asarray([v], dtype) for v in ([-2.0, -1.0, 0.0, 0.0], [2.0, 3.0, 6.0, 500.0]))
    y = np.asarray(jax.jit(lambda x, low, high: soft_clip(x, low, high, name))(x[:, None], low, high), np.float64)
    eps = float(jnp.finfo(dtype).eps)
    for column, bounds in enumerate([(-2.0, 2.0), (-1.0, 3.0), (0.0, 6.0), (0.0, 500.0)]):
        true = np.array([float(oracle.soft_clip(float(v), *bounds, name)) for v in x])
        rtol = 58 * eps if name == "erf" else 16 * eps  # erf's tail is XLA's own
        np.testing.assert_allclose(y[:, column], true, rtol=0 if column == 1 else rtol, atol=24 * eps * (column == 1))


@pytest.mark.parametrize("slope", [None, 1.0, 0.3])
@pytest.mark.parametrize("name", EXACT)
def test_gradients_of_all_arguments(name: str, slope: float | None) -> None:
    """Relative to their value in the tails, to their scale about the middle."""
    for low, high in BOUNDS:
        x = points(name, low, high, slope)
        half, arguments = (high - low) / 2, given(low, high, slope)
        scales = (slope or half, 1.0, 1.0, half / (slope or 1.0))
        gradient = jax.grad(lambda *a: f(g_of(name, SOFTNESS), *a), tuple(range(1 + len(arguments))))
        got = jax.jit(jax.vmap(gradient, (0, *[None] * len(arguments))))(jnp.asarray(x), *arguments)
        for i, v in enumerate(x):
            near = slope and abs(v - (low + high) / 2) < 3 * half / slope
            for of, true, scale in zip(got, truth(v, low, high, name, slope), scales, strict=False):
                atol = 8e-15 * scale if near else 1e-290
                rtol = 1e-10 if name == "erf" else 1e-12
                np.testing.assert_allclose(of[i], float(true), rtol=rtol, atol=atol, err_msg=f"{low} {high} {v}")


@SLOPES
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("g", ALL, ids=name_of)
def test_gradients_at_infinity(g: Any, dtype: str, slope: float | None) -> None:
    """f is a bound there and moves with that bound alone. So it does at the largest number, but for a far tail."""
    arguments = given(-1.0, 3.0, slope, dtype)
    largest = float(jnp.finfo(dtype).max)
    x = jnp.asarray([-np.inf, -largest, largest, np.inf], dtype)[:, None]
    arguments = [jnp.broadcast_to(v, x.shape) for v in arguments]
    gradient = jax.jit(jax.grad(lambda *a: f(g, *a).sum(), tuple(range(1 + len(arguments)))))
    got = [np.asarray(v[:, 0], np.float64) for v in gradient(x, *arguments)]
    for of, expected in zip(got, ([0, 0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]), strict=False):
        np.testing.assert_array_equal(of[[0, 3]], expected[::3])
        np.testing.assert_allclose(of, expected, rtol=0, atol=2e-4 if dtype == "float16" else 1e-30)


@SLOPES
@pytest.mark.parametrize("g", ALL, ids=name_of)
def test_second_derivatives(g: Any, slope: float | None) -> None:
    """In every pair of arguments, by each pair of modes, against differences of the first; finite at finite x."""
    arguments = [jnp.asarray(0.45), *given(-1.0, 3.0, slope)]
    every = tuple(range(len(arguments)))
    first = jax.jit(jax.grad(lambda *a: f(g, *a), every))
    hessians = [
        jax.jit(outer(inner(lambda *a: f(g, *a), every), every))(*arguments)
        for outer in (jax.jacfwd, jax.jacrev)
        for inner in (jax.jacfwd, jax.jacrev)
    ]
    step = 1e-4
    for i in every:
        at = lambda k, i=i: np.array(first(*(v + k * step * (i == j) for j, v in enumerate(arguments))))
        true = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)
        for hessian in hessians:
            np.testing.assert_allclose([row[i] for row in hessian], true, rtol=1e-8, atol=1e-9)
    for x in (-1e30, -9.0, 0.0, 1.0, 1.25, 1.5, 60.0, 1e30):
        at = (jnp.asarray(v, jnp.float32) for v in (x, *arguments[1:]))
        hessian = jax.jit(jax.hessian(lambda *a: f(g, *a), every))(*at)
        assert np.isfinite(np.array(hessian)).all(), x


@pytest.mark.parametrize("g", ["sigmoid", "algebraic", algebraic(3.0), hinge(0.25)], ids=name_of)
def test_mapped_over_bounds(g: Any) -> None:
    """Values and gradients of a batch of bounds, with x in the batch and without, and one bound a number."""
    x, low, high = jnp.linspace(-3.0, 4.0, 5), -jnp.arange(1.0, 6.0), jnp.arange(1.0, 6.0) / 2
    both = jax.vmap(jax.value_and_grad(lambda *a: f(g, *a), (0, 1, 2)))(x, low, high)
    for i in range(5):
        alone = jax.value_and_grad(lambda *a: f(g, *a), (0, 1, 2))(x[i], low[i], high[i])
        for found, expected in zip(jax.tree.leaves(both), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(found[i], expected, rtol=1e-13, atol=1e-15)
    table = jax.vmap(jax.grad(lambda low: f(g, x, low, 3.0).sum()))(low)
    for i in range(5):
        np.testing.assert_allclose(table[i], jax.grad(lambda low: f(g, x, low, 3.0).sum())(low[i]), rtol=1e-13)


@pytest.mark.parametrize("side", ["lower", "upper"])
def test_one_bound(side: str) -> None:
    g = hinge(SOFTNESS)
    call = (lambda x, b: soft_clip(x, b, None, g)) if side == "lower" else (lambda x, b: soft_clip(x, None, b, g))
    x = jnp.asarray([-np.inf, -90.0, -2.0, 0.5, 0.6, 3.0, 90.0, np.inf])
    of_x, of_bound = jax.jit(jax.vmap(jax.grad(call, (0, 1)), (0, None)))(x, jnp.asarray(0.5))
    low, high = (0.5, None) if side == "lower" else (None, 0.5)
    true = [truth(float(v), low, high, "hinge", None) for v in x[1:-1]]
    np.testing.assert_allclose(of_x[1:-1], [float(t[0]) for t in true], rtol=1e-13)
    np.testing.assert_allclose(of_bound[1:-1], [float(t[1] if side == "lower" else t[2]) for t in true], rtol=1e-13)
    np.testing.assert_array_equal(of_x[jnp.asarray([0, -1])], [0, 1] if side == "lower" else [1, 0])
    np.testing.assert_array_equal(of_bound[jnp.asarray([0, -1])], [1, 0] if side == "lower" else [0, 1])


@SLOPES
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_gradients_in_16_bits_are_summed_in_32(dtype: str, slope: float | None) -> None:
    """A column of 5000, whose sum in 16 bits would stand still long before; the value's dtype is that of x."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(5000, 2)), dtype)
    low, high = (jnp.asarray([v], dtype) for v in ([-1.0, -0.5], [1.0, 3.0]))
    arguments = [low, high] if slope is None else [low, high, jnp.asarray(slope, dtype)]
    assert soft_clip(x, low, high).dtype == dtype
    gradient = jax.jit(jax.grad(lambda *a: f("tanh", *a).astype("float32").sum(), tuple(range(1, 1 + len(arguments)))))
    exact = gradient(*(v.astype("float64") for v in (x, *arguments)))
    for found, expected in zip(gradient(x, *arguments), exact, strict=True):
        assert found.dtype == dtype
        np.testing.assert_allclose(
            np.asarray(found, np.float64), expected, rtol=2 * float(jnp.finfo(dtype).eps), atol=1
        )


def test_only_what_is_asked_for_is_computed() -> None:
    """With numbers for bounds that are traced, the derivative in x alone has one exp and no sum."""
    x, low, high = jnp.zeros((64, 4)), jnp.zeros((1, 4)), jnp.ones((1, 4))
    derivative = jax.jit(lambda x, low, high: jax.jvp(lambda v: soft_clip(v, low, high), (x,), (x,))[1])
    text = derivative.lower(x, low, high).compile().as_text()
    assert text.count(" exponential(") == 1
    gradient = jax.jit(jax.grad(lambda x, low, high: soft_clip(x, low, high).sum()))
    assert " reduce(" not in gradient.lower(x, low, high).compile().as_text()
