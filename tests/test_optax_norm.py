"""The optax transformations that clip a norm: the closed form, optax's own hard ones, and what training does with them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="optax is JAX's")
optax = pytest.importorskip("optax", reason="of the tests' group for JAX")
import jax.numpy as jnp
from libraries import name_of
from test_optax import apply

from softclip import NAMES, hinge
from softclip.optax import SoftClipState, per_example_soft_clip, soft_clip_by_block_rms, soft_clip_by_global_norm

pytestmark = pytest.mark.needs("jax")

DTYPES = (jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64)
OF_ALL = [soft_clip_by_global_norm, soft_clip_by_block_rms, per_example_soft_clip]


def tree(scale: float = 1.0, dtype: Any = jnp.float32) -> Any:
    rng = np.random.default_rng(0)
    return {
        "w": jnp.asarray(rng.normal(size=(5, 3)) * scale, dtype),
        "b": (None, jnp.asarray(rng.normal(size=5) * scale, dtype)),
    }


def norm_of(updates: Any) -> float:
    return math.sqrt(sum(float(np.sum(np.asarray(v, np.float64) ** 2)) for v in jax.tree.leaves(updates)))


@pytest.mark.parametrize("scale", [1e-7, 0.3, 20.0, 1e10])
def test_the_norm_of_all(scale: float) -> None:
    updates = tree(scale)
    y, state = apply(soft_clip_by_global_norm(2.0), updates)
    assert state == optax.EmptyState()
    assert jax.tree.structure(y) == jax.tree.structure(updates)
    for found, given in zip(jax.tree.leaves(y), jax.tree.leaves(updates), strict=True):
        np.testing.assert_allclose(found, np.asarray(given, np.float64) / (1 + norm_of(updates) / 2), rtol=1e-6)
    hard, _ = apply(optax.clip_by_global_norm(2.0), updates)
    assert norm_of(y) <= norm_of(hard) * (1 + 1e-6)


@pytest.mark.parametrize("scale", [1e-7, 0.3, 20.0])
def test_the_root_mean_square_of_each(scale: float) -> None:
    updates = tree(scale)
    y, _ = apply(soft_clip_by_block_rms(0.5), updates)
    for found, given in zip(jax.tree.leaves(y), jax.tree.leaves(updates), strict=True):
        given = np.asarray(given, np.float64)
        np.testing.assert_allclose(found, given / (1 + np.sqrt(np.mean(given**2)) / 0.5), rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-7, 0.3, 20.0])
def test_each_example(scale: float) -> None:
    updates = tree(scale)
    y, _ = apply(per_example_soft_clip(0.5), updates)
    w, b = (np.asarray(v, np.float64) for v in (updates["w"], updates["b"][1]))
    rates = 1 / (1 + np.sqrt((w**2).sum(1) + b**2) / 0.5)
    np.testing.assert_allclose(y["w"], rates @ w, rtol=2e-6, atol=2e-7 * scale)
    np.testing.assert_allclose(y["b"][1], rates @ b, rtol=2e-6, atol=2e-7 * scale)
    summed, _ = optax.per_example_global_norm_clip(updates, math.inf)
    if scale == 1e-7:  # nothing is clipped, by neither
        np.testing.assert_allclose(y["w"], summed["w"], rtol=1e-5)


@pytest.mark.parametrize("g", [*NAMES, jnp.tanh, hinge(0.01)], ids=name_of)
def test_any_function(g: Any) -> None:
    """A small norm passes, a large one stays under the bound, and all g's keep the direction."""
    for scale in (1e-6, 0.1, 1.0, 7.0, 1e6):
        updates = tree(scale)
        y, _ = apply(soft_clip_by_global_norm(1.5, g), updates)
        hard, _ = apply(optax.clip_by_global_norm(1.5), updates)
        assert norm_of(y) <= norm_of(hard) * (1 + 1e-5)
        np.testing.assert_allclose(y["w"] / norm_of(y), updates["w"] / norm_of(updates), rtol=1e-5)
    small, _ = apply(soft_clip_by_global_norm(1.5, g), tree(1e-6))
    np.testing.assert_allclose(small["w"], tree(1e-6)["w"], rtol=2e-5)


@pytest.mark.parametrize("make", OF_ALL)
class TestEach:
    def test_zero(self, make: Any) -> None:
        y, _ = apply(make(1.0), {"w": jnp.zeros((2, 3)), "b": jnp.zeros(2, jnp.bfloat16)})
        assert not any(jnp.any(v != 0) for v in jax.tree.leaves(y))

    def test_infinite_and_nan(self, make: Any) -> None:
        y, _ = apply(make(1.0), {"w": jnp.array([[1.0, np.inf], [1.0, np.inf]])})
        y = y["w"] if y["w"].ndim == 2 else y["w"][None]
        np.testing.assert_array_equal(y[:, 0], 0.0)
        assert jnp.isnan(y[:, 1]).all()
        y, _ = apply(make(1.0), {"w": jnp.array([[1.0, np.nan]])})
        assert jnp.isnan(y["w"]).all()

    @pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.__name__)
    def test_the_norm_is_that_of_more_digits(self, make: Any, dtype: Any) -> None:
        """In 16 bits the sum of 10,000 squares of 1 stops growing at 2048, or at 256."""
        y, _ = apply(make(1.0 if make is soft_clip_by_block_rms else 100.0), jnp.ones((1, 10_000), dtype))
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, 0.5)

    def test_a_schedule(self, make: Any) -> None:
        transformation = make(optax.piecewise_constant_schedule(1.0, {2: 0.1}))
        state = transformation.init(None)
        assert state == SoftClipState(0)
        found = []
        for _ in range(4):
            with jax.numpy_dtype_promotion("standard"):  # of optax's schedules
                y, state = transformation.update(jnp.array([[4.0]]), state)
            found.append(y.item())
        np.testing.assert_allclose(found, [0.8, 0.8, 0.4 / 4.1, 0.4 / 4.1], rtol=1e-6)

    def test_jitted_injected_and_differentiated(self, make: Any) -> None:
        injected = optax.inject_hyperparams(make)(1.0)
        updates = {"w": jnp.array([[3.0, 4.0]])}
        plain, _ = apply(make(1.0), updates)
        y, _ = jax.jit(injected.update)(updates, injected.init(updates))
        np.testing.assert_allclose(y["w"], plain["w"], rtol=1e-6)
        gradient = jax.grad(lambda v: apply(make(1.0), v)[0].sum())(jnp.zeros((1, 3)))
        np.testing.assert_array_equal(gradient, 1.0)  # of the identity: nothing is 0 / 0

    def test_numbers_that_are_no_gradients(self, make: Any) -> None:
        updates = {"w": jnp.array([[3.0, 4.0]]), "n": np.zeros((1, 2), jax.dtypes.float0), "none": None}
        y, _ = apply(make(1.0), updates)
        assert y["n"] is updates["n"]
        assert y["none"] is None
        y, _ = apply(make(1.0), {"none": None})
        assert y == {"none": None}

    @pytest.mark.parametrize(
        ("bound", "error", "words"),
        [
            (0.0, ValueError, "must be positive and finite; got 0.0"),
            ("1", TypeError, "must be"),
            (np.ones(2), ValueError, r"must be a single number; got an array of shape \(2,\)"),
            (jnp.ones(2), ValueError, r"must be a single number; got an array of shape \(2,\)"),
        ],
    )
    def test_bounds_that_are_refused(self, make: Any, bound: Any, error: type[Exception], words: str) -> None:
        name = "threshold" if make is soft_clip_by_block_rms else "max_norm"
        with pytest.raises(error, match=f"{name} {words}"):
            make(bound)

    def test_g_and_leaves_that_are_refused(self, make: Any) -> None:
        with pytest.raises(ValueError, match="Did you mean 'softsign'"):
            make(1.0, "softsing")
        for leaf in (jnp.ones((2, 2), jnp.int32), jnp.ones((2, 2), jnp.complex64)):
            with pytest.raises(TypeError, match=rf"updates\['w'\] must be of floats; got {leaf.dtype}"):
                apply(make(1.0), {"w": leaf})


@pytest.mark.parametrize("shapes", [((2, 3), (3, 3)), ((2, 3), ())])
def test_examples_that_cannot_be_counted(shapes: Any) -> None:
    updates = [jnp.ones(shape) for shape in shapes]
    with pytest.raises(ValueError, match="the first axis of every leaf must count the examples"):
        apply(per_example_soft_clip(1.0), updates)


def test_private_training_takes_it() -> None:
    """Gradients of each example, clipped and summed, in a chain with an optimizer."""
    x = jnp.asarray(np.random.default_rng(1).normal(size=(8, 3)))
    target = x @ jnp.array([1.0, -2.0, 0.5])
    x = x.at[0].mul(1e3)  # an outlier, which would lead the sum
    scheme = optax.chain(per_example_soft_clip(0.5), optax.sgd(0.05))
    w = jnp.zeros(3)
    state = scheme.init(w)
    before = float(jnp.abs(x[1:] @ w - target[1:]).mean())
    of_each = jax.vmap(jax.grad(lambda w, x, t: jnp.square(x @ w - t)), (None, 0, 0))
    for _ in range(50):
        updates, state = scheme.update(of_each(w, x, target), state)
        assert float(jnp.linalg.norm(updates)) <= 0.05 * 8 * 0.5 * (1 + 1e-6)
        w = optax.apply_updates(w, updates)
    assert float(jnp.abs(x[1:] @ w - target[1:]).mean()) < before / 2
