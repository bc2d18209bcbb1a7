"""The Flax layers: the function with its bounds as static attributes, as state, or learned."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import scipy.special
from libraries import name_of

from softclip import NAMES, hinge, soft_clip

jax = pytest.importorskip("jax", reason="Flax's layers are JAX's")
flax = pytest.importorskip("flax", reason="of the tests' group for JAX")
import jax.numpy as jnp
import optax
from flax import linen, nnx, serialization

import softclip.flax
from softclip.flax.linen import SoftClipping as LinenClipping
from softclip.flax.nnx import Bound, SoftClipping

pytestmark = pytest.mark.needs("jax")

X = jnp.linspace(-9.0, 9.0, 12, dtype=jnp.float32).reshape(4, 3)
PER_CHANNEL = ([0.0, -1.0, -2.0], [1.0, 2.0, 3.0])


def test_the_one_at_the_top_is_that_of_nnx() -> None:
    assert softclip.flax.SoftClipping is SoftClipping


def loaded_after(statement: str) -> set[str]:
    """What a fresh interpreter has loaded after the statement."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_the_layers_of_linen_do_not_load_nnx() -> None:
    """It takes longer to import than all of the package; flax itself loads it on first use."""
    assert "flax.nnx" not in loaded_after("import softclip.flax.linen; softclip.flax.linen.SoftClipping")
    assert "flax.nnx" in loaded_after("import softclip.flax; softclip.flax.SoftClipping")


def test_the_modules_of_both_are_found_at_the_top() -> None:
    assert softclip.flax.nnx.SoftClipping is SoftClipping
    assert softclip.flax.linen.SoftClipping is LinenClipping
    assert softclip.flax.__getattr__("nnx") is softclip.flax.nnx  # before anything has imported it
    assert "SoftClipping" in dir(softclip.flax)
    with pytest.raises(AttributeError, match=r"module 'softclip\.flax' has no attribute 'SoftClip'"):
        softclip.flax.SoftClip  # noqa: B018


def of_nnx(*call: Any, **options: Any) -> Any:
    return SoftClipping(*call, **options)


def of_linen(*call: Any, **options: Any) -> Any:
    layer = LinenClipping(*call, **options)
    return lambda x: layer.apply(layer.init(jax.random.key(0), x), x)


@pytest.mark.parametrize("make", [of_nnx, of_linen])
class TestBoth:
    @pytest.mark.parametrize("g", [*NAMES, jnp.tanh, jax.nn.sigmoid, hinge(0.25)], ids=name_of)
    @pytest.mark.parametrize("slope", [None, 1.0])
    @pytest.mark.parametrize("learnable", [False, True])
    def test_values_are_those_of_numpy(self, make: Any, g: Any, slope: float | None, learnable: bool) -> None:
        """The other library's result, to 8 ulp of the larger bound."""
        name = {jnp.tanh: "tanh", jax.nn.sigmoid: "sigmoid"}.get(g, g)
        y = make(-1.0, 3.0, g, slope=slope, learnable=learnable)(X)
        want = soft_clip(np.asarray(X, np.float64), -1.0, 3.0, name, slope=slope)
        np.testing.assert_allclose(y, want, rtol=0, atol=8 * 2.0**-22)
        assert y.dtype == jnp.float32

    def test_sigmoid_by_default(self, make: Any) -> None:
        np.testing.assert_allclose(make()(X), 2 * scipy.special.expit(np.asarray(X)) - 1, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("kind", [jnp.array, np.array, list], ids=["jax", "numpy", "list"])
    @pytest.mark.parametrize("learnable", [False, True])
    def test_bounds_per_channel(self, make: Any, kind: Any, learnable: bool) -> None:
        y = make(*map(kind, PER_CHANNEL), "tanh", learnable=learnable)(
            jnp.array([[np.inf] * 3, [-np.inf] * 3], jnp.float32)
        )
        np.testing.assert_array_equal(y, PER_CHANNEL[::-1])
        assert y.dtype == jnp.float32

    @pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64])
    @pytest.mark.parametrize("learnable", [False, True])
    def test_the_dtype_of_x_comes_back(self, make: Any, dtype: Any, learnable: bool) -> None:
        assert make(0.0, 6.0, learnable=learnable)(X.astype(dtype)).dtype == dtype

    @pytest.mark.parametrize("bounds", [(0.0, 6.0), PER_CHANNEL, tuple(map(jnp.array, PER_CHANNEL))])
    @pytest.mark.parametrize("learnable", [False, True])
    @pytest.mark.parametrize(
        "x",
        [
            np.asarray(X),
            np.asarray(X, np.float64),
            np.asarray(X, jnp.bfloat16),
            np.arange(12).reshape(4, 3),
            np.float32(1.5),
            [[0.5, -1.0, 2.0]],
            [[0, 1, -2]],
            2,
        ],
        ids=lambda x: f"{type(x).__name__}-{np.asarray(x).dtype}",
    )
    def test_what_is_no_array_of_jax_becomes_one(self, make: Any, bounds: Any, learnable: bool, x: Any) -> None:
        """As in `flax.nnx.Linear`, and with the values that soft_clip gives on NumPy."""
        layer = make(*bounds, "tanh", learnable=learnable)
        values = np.asarray(x)
        dtype = values.dtype if values.dtype.kind in "fV" else np.dtype(float)
        want = soft_clip(values.astype(np.float64), *(np.asarray(b, np.float64).tolist() for b in bounds), "tanh")
        for y in (layer(x), jax.jit(lambda: layer(x))()):
            assert isinstance(y, jax.Array)
            assert y.dtype == dtype
            np.testing.assert_allclose(np.asarray(y, np.float64), want, rtol=0, atol=16 * float(jnp.finfo(dtype).eps))

    def test_a_masked_array_is_refused(self, make: Any) -> None:
        """NumPy's would lose its mask; a boolean or complex x has no soft clip."""
        for x in (np.ma.masked_array([1.0, 2.0], [True, False]), np.array([True]), np.array([1j])):
            with pytest.raises(TypeError, match="x must"):
                make()(x)

    @pytest.mark.parametrize("kind", [jnp.array, np.array, list], ids=["jax", "numpy", "list"])
    @pytest.mark.parametrize("learnable", [False, True])
    def test_bounds_of_integers(self, make: Any, kind: Any, learnable: bool) -> None:
        y = make(kind([0, -1, -2]), kind([1, 2, 3]), learnable=learnable)(jnp.array([[np.inf] * 3, [-np.inf] * 3]))
        np.testing.assert_array_equal(y, [[1, 2, 3], [0, -1, -2]])

    def test_one_bound(self, make: Any) -> None:
        for learnable in (False, True):
            y = make(0.0, None, hinge(1.0), learnable=learnable)(X)
            np.testing.assert_allclose(y, np.logaddexp(0.0, np.asarray(X, np.float64)), rtol=1e-5)

    def test_a_function_of_the_users(self, make: Any) -> None:
        y = make(0.0, 1.0, lambda z: jnp.tanh(z) ** 3)(jnp.array([-np.inf, 0.0, np.inf]))
        np.testing.assert_array_equal(y, [0.0, 0.5, 1.0])

    @pytest.mark.parametrize(
        ("call", "error", "words"),
        [
            ((1.0, 1.0), ValueError, "x_min must be less than x_max"),
            ((0.0, [1.0, -1.0]), ValueError, "x_min=0.0 and x_max=-1.0"),
            ((jnp.array([np.nan, 0.0]), 1.0), ValueError, "must not be NaN"),
            ((0.0, np.inf), ValueError, "must be finite"),
            ((0.0, None), ValueError, "needs two bounds"),
            (("0", 1.0), TypeError, "x_min must be a real number"),
            ((0.0, 1.0, "sigmiod"), ValueError, "Did you mean 'sigmoid'"),
            ((0.0, 1.0, jax.nn.relu), ValueError, "finite limits"),
        ],
    )
    def test_what_is_refused_when_it_is_made(self, make: Any, call: tuple[Any, ...], error: Any, words: str) -> None:
        with pytest.raises(error, match=words):
            make(*call)
        with pytest.raises(ValueError, match="slope must be positive"):
            make(slope=-1.0)


class TestNnx:
    def test_in_a_sequence_jitted_and_trained(self) -> None:
        """The bounds of the data are found: those of 1 + 2.5 tanh."""
        x = jnp.linspace(-3.0, 3.0, 101)
        target = 1.0 + 2.5 * jnp.tanh(x)
        net = nnx.Sequential(lambda v: v, SoftClipping(-1.0, 1.0, "tanh", learnable=True))
        optimizer = nnx.Optimizer(net, optax.adam(0.1), wrt=nnx.Param)

        @nnx.jit
        def step(net: Any, optimizer: Any) -> Any:
            loss, gradients = nnx.value_and_grad(lambda net: jnp.mean((net(x) - target) ** 2))(net)
            optimizer.update(net, gradients)
            return loss

        with jax.numpy_dtype_promotion("standard"):  # optax mixes dtypes
            for _ in range(300):
                step(net, optimizer)
        layer = net.layers[1]
        assert abs(float(layer.x_min[...]) + 1.5) < 0.01
        assert abs(float(layer.x_max[...]) - 3.5) < 0.01

    def test_what_is_state(self) -> None:
        assert not jax.tree.leaves(nnx.state(SoftClipping(0.0, 6.0)))
        fixed = SoftClipping(*PER_CHANNEL)
        assert sorted(nnx.state(fixed, Bound)) == ["x_max", "x_min"]
        assert not jax.tree.leaves(nnx.state(fixed, nnx.Param))
        learned = SoftClipping(0.0, PER_CHANNEL[1], slope=1.0, learnable=True)
        assert sorted(nnx.state(learned, nnx.Param)) == ["x_max", "x_min"]
        assert nnx.state(learned, nnx.Param)["x_min"][...].dtype == jnp.float32

    @pytest.mark.parametrize("kind", [jnp.array, np.array, list], ids=["jax", "numpy", "list"])
    def test_bounds_of_integers_can_be_learned(self, kind: Any) -> None:
        layer = SoftClipping(kind([-1, -2, -3]), 9, learnable=True)
        gradients = nnx.grad(lambda layer: layer(X).sum())(layer)
        assert nnx.state(layer, nnx.Param)["x_min"][...].dtype == jnp.result_type(float)
        # df/dhi + df/dlo = 1 for every element, as both sum to it: G and 1 - G.
        whole = float(gradients["x_min"][...].sum()) + float(gradients["x_max"][...])
        np.testing.assert_allclose(whole, X.size, rtol=1e-5)

    @pytest.mark.parametrize("learnable", [False, True])
    @pytest.mark.parametrize("call", [(0.0, 6.0, jnp.tanh), (*PER_CHANNEL, jax.nn.sigmoid), (0.0, 6.0, hinge(0.5))])
    def test_split_merged_copied_pickled(self, call: Any, learnable: bool) -> None:
        layer = SoftClipping(*call, learnable=learnable)
        graph, state = nnx.split(layer)
        assert hash(graph) == hash(nnx.split(SoftClipping(*call, learnable=learnable))[0])
        for other in (
            nnx.merge(graph, state),
            copy.deepcopy(layer),
            pickle.loads(pickle.dumps(layer)),
            nnx.clone(layer),
        ):
            np.testing.assert_array_equal(other(X), layer(X))

    def test_another_layer_like_it_is_not_traced_again(self) -> None:
        traced = []

        @nnx.jit
        def run(layer: Any, x: Any) -> Any:
            traced.append(1)
            return layer(x)

        for _ in range(3):
            run(SoftClipping(0.0, 6.0, jnp.tanh), X)
        assert len(traced) == 1

    def test_made_inside_a_transformation(self) -> None:
        y = jax.jit(lambda low: SoftClipping(low, jnp.ones(3))(X))(jnp.zeros(3))
        np.testing.assert_allclose(y, scipy.special.expit(np.asarray(X)), rtol=1e-5)


class TestLinen:
    def test_in_a_compact_module_trained(self) -> None:
        class Net(linen.Module):
            @linen.compact
            def __call__(self, x: Any) -> Any:
                return LinenClipping(0.0, 10.0, "tanh", learnable=True)(linen.Dense(1)(x))

        net = Net()
        variables = net.init(jax.random.key(0), X)
        assert {k: v.dtype for k, v in variables["params"]["SoftClipping_0"].items()} == {
            "x_min": jnp.float32,
            "x_max": jnp.float32,
        }
        gradients = jax.jit(jax.grad(lambda v: net.apply(v, X).sum()))(variables)["params"]["SoftClipping_0"]
        # df/dhi + df/dlo = 1 for every element, as both sum to it: G and 1 - G.
        np.testing.assert_allclose(gradients["x_min"] + gradients["x_max"], 4.0, rtol=1e-5)

    @pytest.mark.parametrize(
        "call", [(0.0, 6.0, jnp.tanh), (*PER_CHANNEL, jax.nn.sigmoid), (jnp.zeros(3), 6.0, hinge(0.5))]
    )
    @pytest.mark.parametrize("learnable", [False, True])
    def test_hashed_copied_pickled_serialised(self, call: Any, learnable: bool) -> None:
        layer = LinenClipping(*call, learnable=learnable)
        other = LinenClipping(*call, learnable=learnable)
        assert layer == other
        assert hash(layer) == hash(other)
        variables = layer.init(jax.random.key(0), X)
        for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), layer.clone()):
            assert hash(other) == hash(layer)
            np.testing.assert_array_equal(other.apply(variables, X), layer.apply(variables, X))
        again = serialization.from_bytes(variables, serialization.to_bytes(variables))
        np.testing.assert_array_equal(layer.apply(again, X), layer.apply(variables, X))

    def test_as_a_static_argument(self) -> None:
        run = jax.jit(lambda layer, x: layer.apply({}, x), static_argnums=0)
        np.testing.assert_allclose(
            run(LinenClipping(*PER_CHANNEL), X), soft_clip(X, *PER_CHANNEL), rtol=1e-6, atol=1e-6
        )
        assert run._cache_size() == 1
        run(LinenClipping(*PER_CHANNEL), X)
        assert run._cache_size() == 1
