"""The optax transformation: the closed form, pytrees, schedules, and where it may stand in a chain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax", reason="optax is JAX's")
optax = pytest.importorskip("optax", reason="of the tests' group for JAX")
import jax.numpy as jnp
from libraries import name_of

from softclip import NAMES, hinge
from softclip.optax import soft_clip

pytestmark = pytest.mark.needs("jax")


def softsign(v: Any, bound: float) -> np.ndarray:
    v = np.asarray(v, np.float64)
    return v / (1 + np.abs(v) / bound)


def apply(transformation: Any, updates: Any, state: Any = None) -> Any:
    return transformation.update(updates, transformation.init(updates) if state is None else state)


class TestValues:
    def test_each_element_becomes_its_soft_clip(self) -> None:
        v = jnp.array([0.0, 1e-9, -0.3, 2.0, -50.0, 1e30], jnp.float32)
        y, _ = apply(soft_clip(0.5), v)
        np.testing.assert_allclose(y, softsign(v, 0.5), rtol=1e-6)

    @pytest.mark.parametrize("g", [*NAMES, jnp.tanh, hinge(0.01)], ids=name_of)
    def test_any_function(self, g: Any) -> None:
        """Slope 1 at 0, odd, never past optax's hard clip."""
        v = 0.08 * jnp.arange(-100, 101, dtype=jnp.float32)
        y, _ = apply(soft_clip(1.5, g), v)
        hard, _ = apply(optax.clip(1.5), v)
        assert (jnp.abs(y) <= jnp.abs(hard) * (1 + 2e-6)).all()
        np.testing.assert_allclose(y, -y[::-1], rtol=1e-6, atol=1e-7)
        small, _ = apply(soft_clip(1.5, g), 1e-4 * v)
        np.testing.assert_allclose(small, 1e-4 * v, rtol=2e-3)

    def test_infinities_and_nan(self) -> None:
        y, _ = apply(soft_clip(2.0), jnp.array([np.inf, -np.inf, np.nan]))
        np.testing.assert_array_equal(y, [2.0, -2.0, np.nan])


class TestTrees:
    def test_dtypes_and_none_are_kept(self) -> None:
        updates = {
            "a": [jnp.full(2, 4.0, dtype) for dtype in (jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64)],
            "b": (None, {"c": jnp.zeros(())}),
            "d": optax.MaskedNode(),
        }
        y, _ = apply(soft_clip(1.0), updates)
        assert jax.tree.structure(y) == jax.tree.structure(updates)
        assert [leaf.dtype for leaf in y["a"]] == [leaf.dtype for leaf in updates["a"]]
        for leaf in y["a"]:
            np.testing.assert_allclose(np.asarray(leaf, np.float64), 0.8, rtol=2.0**-8)

    def test_jitted_with_strict_promotion(self) -> None:
        for bound in (1.0, lambda count: 1.0 / (1 + count), lambda count: jnp.asarray(1.0, jnp.float32)):
            transformation = soft_clip(bound)
            updates = {"w": jnp.array([4.0, -4.0], jnp.bfloat16)}
            with jax.numpy_dtype_promotion("standard"):  # of the schedule
                y, _ = jax.jit(transformation.update)(updates, transformation.init(updates))
            np.testing.assert_allclose(np.asarray(y["w"], np.float64), [0.8, -0.8], rtol=2.0**-8)


class TestSchedules:
    def test_the_bound_follows_the_count(self) -> None:
        transformation = soft_clip(optax.piecewise_constant_schedule(1.0, {2: 0.1}))
        state = transformation.init(jnp.zeros(()))
        found = []
        for _ in range(4):
            with jax.numpy_dtype_promotion("standard"):  # of optax's schedules
                y, state = transformation.update(jnp.asarray(np.inf), state)
            found.append(float(y))
        np.testing.assert_allclose(found, [1.0, 1.0, 0.1, 0.1], rtol=1e-6)
        assert int(state.count) == 4

    def test_a_number_has_no_state(self) -> None:
        assert not jax.tree.leaves(soft_clip(1.0).init({"w": jnp.ones(3)}))

    def test_injected_hyperparameters(self) -> None:
        """A traced bound, which optax.inject_hyperparams hands over, and which can be set between steps."""
        with jax.numpy_dtype_promotion("standard"):
            transformation = optax.inject_hyperparams(soft_clip, static_args=("g",))(bound=1.0)
            updates = jnp.array([1e9, 4.0])
            state = transformation.init(updates)
            y, state = jax.jit(transformation.update)(updates, state)
            np.testing.assert_allclose(y, [1.0, 0.8], rtol=1e-6)
            state.hyperparams["bound"] = jnp.asarray(2.0)
            y, state = jax.jit(transformation.update)(updates, state)
        np.testing.assert_allclose(y, softsign(updates, 2.0), rtol=1e-6)


class TestInAChain:
    def test_in_front_of_the_optimizer_gradients_are_clipped(self) -> None:
        chain = optax.chain(soft_clip(0.5), optax.sgd(0.1))
        g = jnp.array([0.2, -7.0])
        np.testing.assert_allclose(apply(chain, g)[0], -0.1 * softsign(g, 0.5), rtol=1e-6)

    @pytest.mark.parametrize("g", ["softsign", "arctan", "tanh"])
    def test_after_the_learning_rate_it_is_the_scheme_of_the_paper(self, g: str) -> None:
        """arXiv:2406.16640: w - a g(x, a), which with softsign is gamma a x / (gamma + a abs(x)), the tamed rational clip."""
        rate, gamma = 0.3, 0.05
        x = np.array([0.01, -0.2, 4.0, -900.0])
        chain = optax.chain(optax.sgd(rate), soft_clip(gamma, g))
        step = rate * x / gamma
        want = {
            "softsign": gamma * rate * x / (gamma + rate * np.abs(x)),
            "arctan": gamma * 2 / np.pi * np.arctan(np.pi / 2 * step),
            "tanh": gamma * np.tanh(step),
        }
        np.testing.assert_allclose(apply(chain, jnp.asarray(x))[0], -want[g], rtol=1e-12)

    def test_other_leaves_have_no_part_in_it(self) -> None:
        """Per element: leaves that are sharded over devices are clipped where they lie (tests of JAX)."""
        a, b = (
            apply(soft_clip(1.0), tree)[0] for tree in ({"w": jnp.ones(3)}, {"w": jnp.ones(3), "v": jnp.full(2, 9.0)})
        )
        np.testing.assert_array_equal(a["w"], b["w"])

    def test_a_network_learns(self) -> None:
        x = jnp.linspace(-1, 1, 64)[:, None]
        y = 3 * x - 1
        loss = lambda p: jnp.mean((x @ p["w"] + p["b"] - y) ** 2)
        params = {"w": jnp.zeros((1, 1)), "b": jnp.zeros(1)}
        scheme = optax.chain(optax.sgd(0.5), soft_clip(0.1))
        state = scheme.init(params)
        for _ in range(200):
            updates, state = scheme.update(jax.grad(loss)(params), state)
            params = optax.apply_updates(params, updates)
        np.testing.assert_allclose([params["w"].item(), params["b"].item()], [3.0, -1.0], rtol=1e-4)


class TestShapesAndDtypes:
    """No leaf of an update changes its shape or its dtype."""

    @pytest.mark.parametrize("shape", [(1,), (), (2, 1), (3,)])
    @pytest.mark.parametrize("jit", [False, True])
    @pytest.mark.parametrize("schedule", [False, True])
    def test_a_bound_that_would_widen_a_leaf_is_refused(self, shape: Any, jit: bool, schedule: bool) -> None:
        bound = jnp.array([1.0, 2.0])
        transformation = soft_clip((lambda count: bound) if schedule else bound)
        updates = {"layer": [jnp.ones(2), jnp.ones(shape)]}
        update = jax.jit(transformation.update) if jit else transformation.update
        with pytest.raises(ValueError, match=r"bound must broadcast to the shape of every leaf; .* \(2,\)") as caught:
            update(updates, transformation.init(updates))
        assert "['layer'][1]" in str(caught.value)

    @pytest.mark.parametrize(
        "make", [jnp.array, np.array, lambda v: lambda count: jnp.array(v)], ids=["jax", "numpy", "f"]
    )
    def test_a_bound_for_each_column(self, make: Any) -> None:
        updates = jnp.array([[4.0, 4.0], [-4.0, -4.0]])
        y, _ = apply(soft_clip(make([1.0, 2.0])), updates)
        np.testing.assert_allclose(y, softsign(updates, np.array([1.0, 2.0])), rtol=1e-6)

    @pytest.mark.parametrize("bound", [2.0, jnp.asarray(2.0), lambda count: 2.0], ids=["number", "array", "schedule"])
    @pytest.mark.parametrize("dtype", [jnp.int8, jnp.int32, jnp.int64, jnp.uint8])
    def test_leaves_of_integers_stay_integers(self, bound: Any, dtype: Any) -> None:
        """v / (1 + v / 2) of 0, 2, 6, 100 is 0, 1, 1.5, 1.96."""
        y, _ = apply(soft_clip(bound), {"w": jnp.ones(2), "n": jnp.array([0, 2, 6, 100], dtype)})
        assert y["n"].dtype == dtype
        assert y["n"].tolist() == [0, 1, 1, 1]

    @pytest.mark.parametrize("bound", [1.0, jnp.asarray(1.0), lambda count: 1.0], ids=["number", "array", "schedule"])
    @pytest.mark.parametrize("dtype", [jnp.bool_, jnp.complex64])
    def test_leaves_that_hold_no_real_numbers_are_refused(self, bound: Any, dtype: Any) -> None:
        transformation = soft_clip(bound)
        updates = {"w": jnp.ones(2), "n": jnp.ones(2, dtype)}
        with pytest.raises(TypeError, match=rf"updates\['n'\] must be of floats.*{jnp.dtype(dtype).name}"):
            transformation.update(updates, transformation.init(updates))

    @pytest.mark.parametrize(
        "bound", [1.0, jnp.asarray(1.0), lambda count: np.float32(1.0)], ids=["number", "array", "f"]
    )
    def test_leaves_without_a_gradient_pass(self, bound: Any) -> None:
        """`jax.grad(..., allow_int=True)` gives float0 for integers, which holds no numbers to clip."""
        parameters = {"w": jnp.full(2, 4.0), "n": jnp.ones(2, jnp.int32)}
        updates = jax.grad(lambda p: (2 * p["w"] ** 2).sum() / 4, allow_int=True)(parameters)
        y, _ = apply(soft_clip(bound), updates)
        np.testing.assert_allclose(y["w"], [0.8, 0.8], rtol=1e-6)
        assert y["n"].dtype == jax.dtypes.float0

    def test_a_bound_of_unsigned_integers(self) -> None:
        y, _ = apply(soft_clip(jnp.array([1, 2], jnp.uint8)), jnp.array([4.0, -4.0]))
        np.testing.assert_allclose(y, [0.8, -4 / 3], rtol=1e-6)

    def test_a_stack_of_bounds_under_vmap(self) -> None:
        """Each sees a scalar."""
        y = jax.vmap(lambda bound, u: apply(soft_clip(bound), u)[0])(jnp.array([1.0, 2.0]), jnp.full((2, 1), 4.0))
        np.testing.assert_allclose(y, [[0.8], [4 / 3]], rtol=1e-6)


@pytest.mark.parametrize(
    "bound",
    [1.0, np.float64(1.0), jnp.asarray(1.0), np.array(1.0), lambda count: 1.0],
    ids=["float", "np.float64", "array of JAX", "array of NumPy", "schedule"],
)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_updates_of_numpy_become_arrays_of_jax(bound: Any, dtype: Any) -> None:
    y, _ = apply(soft_clip(bound), {"w": np.full(3, 4.0, dtype), "s": np.float32(4.0)})
    assert isinstance(y["w"], jax.Array)
    assert isinstance(y["s"], jax.Array)
    assert y["w"].dtype == dtype
    np.testing.assert_allclose(y["w"], np.full(3, 0.8), rtol=2 * np.finfo(dtype).eps)


@pytest.mark.parametrize("bound", [0.0, -1.0, float("inf"), float("nan")])
def test_bounds_that_are_refused(bound: float) -> None:
    with pytest.raises(ValueError, match="bound must be positive and finite"):
        soft_clip(bound)


def test_arguments_that_are_refused() -> None:
    with pytest.raises(TypeError, match="bound must be a real number"):
        soft_clip("1")
    with pytest.raises(ValueError, match="Did you mean 'softsign'"):
        soft_clip(1.0, "softsing")
    for bound in (np.array([1.0, -1.0]), [1.0, np.nan], np.array(np.inf)):
        with pytest.raises(ValueError, match="bound must be positive and finite"):
            soft_clip(bound)
    for bound in (np.array([True]), ["a"], jnp.array([1j])):
        with pytest.raises(TypeError, match="bound must hold real numbers"):
            soft_clip(bound)


def test_a_ragged_bound() -> None:
    with pytest.raises(ValueError, match="bound must have as many numbers in each row"):
        soft_clip([[1.0], [1.0, 2.0]])


def test_a_bound_that_a_dtype_cannot_hold_is_refused_by_its_name() -> None:
    for bound in (1e6, 1e-9):
        with pytest.raises(ValueError, match="bound must be positive and finite once rounded to float16; got"):
            apply(soft_clip(bound), {"w": jnp.ones(2, jnp.float16)})
        with pytest.raises(ValueError, match="bound must be positive and finite once rounded to float16; got"):
            apply(soft_clip(lambda count, bound=bound: bound), {"w": jnp.ones(2, jnp.float16)})


def test_a_schedule_whose_value_is_no_bound() -> None:
    with pytest.raises(ValueError, match=r"bound must be positive and finite; got -1\.0"):
        apply(soft_clip(lambda count: -1.0), jnp.ones(2))
    with pytest.raises(TypeError, match="bound must be a real number"):
        apply(soft_clip(lambda count: "1"), jnp.ones(2))
