"""The Equinox layer: a module as Equinox's own are, over the function."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from libraries import name_of

from softclip import NAMES, Squash, hinge, knee, soft_clip, soft_clip_derivative

pytestmark = pytest.mark.needs("jax")
jax = pytest.importorskip("jax")
eqx = pytest.importorskip("equinox", reason="of the tests' group for JAX")

import jax.numpy as jnp

from softclip.equinox import SoftClipping

X = np.concatenate([np.linspace(-9.0, 9.0, 61), [0.0, np.inf, -np.inf]]).astype(np.float32)


@pytest.mark.parametrize("g", [*NAMES, hinge(0.25), knee("tanh", 0.6), jnp.tanh], ids=name_of)
@pytest.mark.parametrize("slope", [None, 1.0])
@pytest.mark.parametrize("learnable", [False, True])
def test_values_are_those_of_numpy(g: Any, slope: float | None, learnable: bool) -> None:
    """The other library's result, to 8 ulp of the larger bound, in and out of a filtered jit."""
    layer = SoftClipping(-1.0, 3.0, g, slope=slope, learnable=learnable)
    want = soft_clip(X.astype(np.float64), -1.0, 3.0, "tanh" if g is jnp.tanh else g, slope=slope)
    for call in (layer, eqx.filter_jit(layer)):
        y = call(jnp.asarray(X))
        assert y.dtype == jnp.float32
        np.testing.assert_allclose(y, want, rtol=0, atol=8 * 2.0**-22)
        assert (float(y.min()), float(y.max())) == (-1.0, 3.0)


def test_it_is_a_module() -> None:
    """Numbers are constants of a filtered jit, arrays are its arguments; g is part of the structure."""
    layer = SoftClipping(-1.0, 3.0, "tanh")
    assert jax.tree.leaves(eqx.filter(layer, eqx.is_array)) == []
    assert jax.tree.leaves(layer) == [-1.0, 3.0]
    other = SoftClipping(-1.0, 3.0, "arctan")
    assert jax.tree.structure(layer) != jax.tree.structure(other)
    assert pickle.loads(pickle.dumps(layer)) == layer
    moved = eqx.tree_at(lambda m: m.x_max, layer, 5.0)
    assert float(moved(jnp.inf)) == 5.0


def test_learned_bounds_are_found_by_filter_grad() -> None:
    layer = SoftClipping(-1.0, [1.0, 2.0, 3.0], "tanh", learnable=True)
    x = jnp.asarray(np.random.default_rng(0).standard_normal((50, 3)))
    found = eqx.filter_grad(lambda m: m(x).sum())(layer)
    share = 1 / (1 + np.exp(-2 * np.asarray(x)))
    np.testing.assert_allclose(found.x_max, share.sum(0), rtol=1e-6)
    np.testing.assert_allclose(found.x_min, (1 - share).sum(), rtol=1e-6)
    assert found.slope is None


def test_other_bounds_get_no_gradient_and_x_does() -> None:
    layer = SoftClipping([-1.0, -2.0], [1.0, 2.0], "tanh")
    x = jnp.asarray([0.3, -0.7])
    found = eqx.filter_grad(lambda m: m(x).sum())(layer)
    np.testing.assert_array_equal(found.x_min, [0, 0])
    of_x = jax.grad(lambda v: layer(v).sum())(x)
    want = soft_clip_derivative(np.asarray(x, np.float64), np.array([-1.0, -2.0]), np.array([1.0, 2.0]), "tanh")
    np.testing.assert_allclose(of_x, want, rtol=1e-6)


def test_it_trains_in_a_sequential() -> None:
    """Bounds that are learned go to where the data are: nearly, as the corners are soft."""
    layer = SoftClipping(-0.5, 0.5, "algebraic", slope=1.0, learnable=True)
    net = eqx.nn.Sequential([eqx.nn.Identity(), layer])
    x = jnp.linspace(-8.0, 8.0, 64)[:, None]
    target = jnp.clip(x, -1.0, 2.0)

    @eqx.filter_jit
    def step(net: Any) -> Any:
        gradients = eqx.filter_grad(lambda n: jnp.mean((jax.vmap(n)(x) - target) ** 2))(net)
        return eqx.apply_updates(net, jax.tree.map(lambda gradient: -0.1 * gradient, gradients))

    for _ in range(1000):
        net = step(net)
    assert float(net[1].x_min) == pytest.approx(-1.0, abs=0.2)
    assert float(net[1].x_max) == pytest.approx(2.0, abs=0.2)


def test_saved_and_loaded(tmp_path: Path) -> None:
    layer = SoftClipping(-1.0, [1.0, 2.0], hinge(0.1), slope=1.0, learnable=True)
    eqx.tree_serialise_leaves(tmp_path / "layer.eqx", layer)
    like = SoftClipping(0.0, [5.0, 5.0], hinge(0.1), slope=1.0, learnable=True)
    loaded = eqx.tree_deserialise_leaves(tmp_path / "layer.eqx", like)
    x = jnp.linspace(-3, 3, 8).reshape(4, 2)
    np.testing.assert_array_equal(loaded(x), layer(x))


def test_vmap_over_an_ensemble() -> None:
    layers = eqx.filter_vmap(lambda high: SoftClipping(0.0, high, "tanh", learnable=True))(jnp.array([1.0, 2.0, 3.0]))
    y = eqx.filter_vmap(lambda layer: layer(jnp.inf))(layers)
    np.testing.assert_array_equal(y, [1, 2, 3])


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((1.0, 1.0), ValueError, "x_min must be less than x_max"),
        ((0.0, [1.0, -1.0]), ValueError, "x_min must be less than x_max"),
        ((0.0, "1"), TypeError, "x_max"),
        ((0.0, 1.0, "tahn"), ValueError, "tahn"),
        ((0.0, None, "tanh"), ValueError, "hinge"),
    ],
)
def test_errors_come_when_it_is_made(arguments: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        SoftClipping(*arguments)


def test_inputs_that_are_no_arrays_of_jax() -> None:
    layer = SoftClipping(0.0, 6.0, "tanh")
    for x in ([1.0, 2.0], np.array([1.0, 2.0], np.float32), 1.5, np.float32(1.5), [1, 2]):
        assert isinstance(layer(x), jax.Array)
    with pytest.raises(TypeError, match="x must"):
        layer(np.array([True]))
    own = Squash(jnp.tanh, -1.0, 1.0)
    np.testing.assert_allclose(SoftClipping(0.0, 2.0, own)(jnp.asarray(X)), 1 + np.tanh(X), rtol=1e-5, atol=1e-6)
