"""soft_clip on JAX arrays, beyond values and derivatives: jit, transformations of each other, export, devices."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from libraries import ALL, CALLS, TAIL_AND_ANOTHER, alternating, name_of

from softclip import NAMES, soft_clip, soft_clip_derivative, soft_clip_inverse, soft_clip_log_derivative

jax = pytest.importorskip("jax", reason="JAX's own ways of running a function")
import jax.numpy as jnp

pytestmark = pytest.mark.needs("jax")

ROOT = Path(__file__).parent.parent
gs = pytest.mark.parametrize("g", ALL, ids=name_of)
calls = pytest.mark.parametrize(("bounds", "slope"), CALLS.values(), ids=CALLS)
X = np.array([-2.3, -0.4, 0.1, 1.7])


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    """No implicit promotion of a dtype (conftest) nor of a rank."""
    with jax.numpy_rank_promotion("raise"):
        yield


class TestTransformed:
    @pytest.mark.parametrize(
        ("g", "call", "dtype"),
        alternating(ALL, CALLS, [jnp.float16, jnp.bfloat16, jnp.float32, jnp.float64]),
        ids=name_of,
    )
    def test_jitted_with_static_and_traced_bounds(self, g: Any, call: str, dtype: Any) -> None:
        bounds, slope = CALLS[call]
        x = jnp.asarray(X, dtype)
        eager = soft_clip(x, *bounds, g, slope=slope)
        static = jax.jit(soft_clip, static_argnames=("x_min", "x_max", "g", "slope"))
        traced = jax.jit(soft_clip, static_argnames=("g", "slope"))
        eps = float(jnp.finfo(dtype).eps)
        for jitted in (static, traced):
            y = jitted(x, *bounds, g, slope=slope)
            assert y.dtype == dtype
            np.testing.assert_allclose(
                np.asarray(y, np.float64), np.asarray(eager, np.float64), rtol=0, atol=16 * eps * max(map(abs, bounds))
            )

    @pytest.mark.parametrize(("g", "slope", "arrays"), alternating(ALL, [None, 1.0], [False, True]), ids=name_of)
    def test_the_widest_bounds_as_literals(self, g: Any, slope: float | None, arrays: bool) -> None:
        """In a jit of the caller's XLA folds constants into one, which here would be 0."""
        high = float(np.finfo(np.float32).max)
        x = jnp.asarray([-0.4, 0.01, 0.7], jnp.float32) * (high if slope else 1)
        y = jnp.asarray([-0.4, 0.01, 0.7], jnp.float32) * high
        bounds = tuple(jnp.asarray(b, jnp.float32) if arrays else b for b in (-high, high))
        for f, v in (
            (soft_clip, x),
            (soft_clip_derivative, x),
            (soft_clip_log_derivative, x),
            (soft_clip_inverse, y),
        ):
            jitted = jax.jit(lambda v, f=f: f(v, *bounds, g, slope=slope))
            expected = f(np.asarray(v), -high, high, g, slope=slope)
            np.testing.assert_allclose(jitted(v), expected, rtol=2e-5, atol=1e-5, err_msg=f.__name__)

    @pytest.mark.parametrize("g", ["tanh", "erf", "quintic", *ALL[-2:]], ids=name_of)
    def test_derivatives_every_way(self, g: Any) -> None:
        bounds, slope = CALLS["slope"]
        f = lambda v: soft_clip(v, *bounds, g, slope=slope)
        x = jnp.asarray(X)
        first = soft_clip_derivative(x, *bounds, g, slope=slope)
        diagonal = np.diag(first)
        for jacobian in (jax.jacfwd, jax.jacrev):
            np.testing.assert_allclose(jacobian(f)(x), diagonal, rtol=1e-12, atol=0)
        np.testing.assert_allclose(jax.vmap(jax.grad(f))(x), first, rtol=1e-12)
        np.testing.assert_allclose(jax.jvp(f, (x,), (jnp.full_like(x, 2.0),))[1], 2 * first, rtol=1e-12)
        np.testing.assert_allclose(jax.vmap(jax.grad(jax.checkpoint(f)))(x), first, rtol=1e-12)
        second = jax.vmap(jax.hessian(f))(x)
        step = 1e-5  # by central differences of the first
        lower, upper = (soft_clip_derivative(x + d, *bounds, g, slope=slope) for d in (-step, step))
        np.testing.assert_allclose(second, (upper - lower) / (2 * step), rtol=1e-5, atol=1e-8)
        for outer in (jax.jacfwd, jax.jacrev):
            for inner in (jax.jacfwd, jax.jacrev):
                np.testing.assert_allclose(jax.vmap(outer(inner(f)))(x), second, rtol=1e-10, atol=1e-14)

    def test_bounds_are_mapped_and_differentiated(self) -> None:
        """A batch of calls with their own upper bounds; df/dhi of sigmoid is G."""
        x, highs = jnp.asarray(X), jnp.arange(1.0, 5.0)
        f = lambda v, high: soft_clip(v, -1.0, high)
        np.testing.assert_allclose(jax.vmap(f)(x, highs), soft_clip(x, -1.0, highs), rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(jax.vmap(jax.grad(f, argnums=1))(x, highs), 1 / (1 + np.exp(-X)), rtol=1e-13)

    def test_in_a_scan(self) -> None:
        """Its dtype and weak type are those of x, so that it can be a carry."""
        y, _ = jax.lax.scan(lambda v, _: (soft_clip(v, -1.0, 1.0, "tanh", slope=1.0), None), jnp.asarray(X), length=3)
        want = np.tanh(np.tanh(np.tanh(X)))
        np.testing.assert_allclose(y, want, rtol=1e-12)

    def test_a_function_of_the_users_in_jit(self) -> None:
        f = jax.jit(lambda v: soft_clip(v, 0.0, 6.0, lambda z: jnp.arctan(z) ** 3))
        np.testing.assert_allclose(f(jnp.array([-np.inf, 0.0, np.inf])), [0.0, 3.0, 6.0], rtol=1e-15)

    def test_an_upper_bound_on_another_rank(self) -> None:
        """Bounds of fewer dimensions broadcast only if JAX is told to let them; by default that is what raises."""
        x = jnp.ones((2, 3))
        with pytest.raises(ValueError, match="rank"):
            soft_clip(x, jnp.zeros(3), jnp.ones(3))
        assert soft_clip(x, jnp.zeros((1, 3)), jnp.ones((1, 3))).shape == (2, 3)


class TestDispatch:
    @pytest.mark.parametrize(
        "f", [soft_clip, soft_clip_derivative, soft_clip_log_derivative, soft_clip_inverse], ids=name_of
    )
    @calls
    def test_a_second_call_traces_nothing(self, f: Any, bounds: Any, slope: Any) -> None:
        x = jnp.asarray(X, jnp.float32) / 3
        f(x, *bounds, "arctan", slope=slope)
        with jax.no_tracing():
            f(x, *bounds, "arctan", slope=slope)
            f(x, *bounds, jnp.arctan, slope=slope)

    @calls
    def test_an_eager_call_is_one_dispatch(self, bounds: Any, slope: Any, tmp_path: Path) -> None:
        """By JAX's own profile, in which the formula as written has three (multiply, add and sigmoid)."""
        x = jnp.asarray(X, jnp.float32)

        def dispatches(f: Any, folder: Path) -> int:
            f(x).block_until_ready()
            with jax.profiler.trace(str(folder)):
                f(x).block_until_ready()
            (profile,) = folder.rglob("*.xplane.pb")
            planes = jax.profiler.ProfileData.from_file(str(profile)).planes
            return sum(e.name == "ParseArguments" for plane in planes for line in plane.lines for e in line.events)

        assert dispatches(lambda v: 2 * jax.nn.sigmoid(v) - 1, tmp_path / "formula") == 3
        assert dispatches(lambda v: soft_clip(v, *bounds, "erf", slope=slope), tmp_path / "ours") == 1


class TestExported:
    @pytest.mark.parametrize(("g", "call"), TAIL_AND_ANOTHER, ids=name_of)
    def test_serialised_loaded_run(self, g: Any, call: str) -> None:
        """For any length; next to 0 with the derivative, which is a second program."""
        bounds, slope = CALLS[call]
        order = int(call == "0 to b")
        from jax import export

        f = lambda v: soft_clip(v, *bounds, g, slope=slope)
        (length,) = export.symbolic_shape("n")
        exported = export.export(jax.jit(f))(jax.ShapeDtypeStruct((length,), jnp.float32))
        again = export.deserialize(exported.serialize(vjp_order=order))
        for x in (jnp.asarray(X, jnp.float32), jnp.linspace(-9, 9, 37, dtype=jnp.float32)):
            np.testing.assert_allclose(again.call(x), f(x), rtol=2e-6, atol=1e-6)
            if not order:
                continue
            gradient = jax.grad(lambda v: again.call(v).sum())(x)
            np.testing.assert_allclose(gradient, jax.vmap(jax.grad(f))(x), rtol=1e-5, atol=1e-7)


def in_its_own_process(script: str) -> str:
    """Eight devices have to be asked for before JAX is first used."""
    prelude = """
        import os
        os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
        os.environ["JAX_PLATFORMS"] = "cpu"
        import re
        import jax, jax.numpy as jnp, numpy as np
        from jax.sharding import NamedSharding, PartitionSpec as P
        from softclip import *
        from softclip.optax import soft_clip as transformation
        mesh = jax.make_mesh((8,), ("rows",))
        rows = NamedSharding(mesh, P("rows"))
        x = jax.device_put(jnp.linspace(-9, 9, 64).reshape(16, 4), rows)
        collectives = lambda f, *a: re.findall("all-gather|all-reduce|all-to-all|collective-|reduce-scatter", jax.jit(f).lower(*a).compile().as_text())
        assert collectives(lambda v: v.sum(), x)  # the test can fail
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(prelude) + textwrap.dedent(script)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestSharded:
    def test_over_eight_devices(self) -> None:
        """By jit, by shard_map and eagerly: the sharding of x, the values of one device, no collective; its gradient too."""
        printed = in_its_own_process("""
            arrays = (jnp.zeros((1, 4)), jnp.arange(1.0, 5.0)[None])
            for g in (*NAMES, hinge(0.25)):
                for bounds, slope in (((0.0, 6.0), None), ((-1.0, 3.0), 1.0), (arrays, None)):
                    f = lambda v: soft_clip(v, *bounds, g, slope=slope)
                    mapped = jax.shard_map(f, mesh=mesh, in_specs=P("rows"), out_specs=P("rows"))
                    gradient = lambda v: jax.vjp(f, v)[1](jnp.ones_like(v))[0]
                    alone = f(jnp.asarray(np.asarray(x)))
                    for run in (f, jax.jit(f), jax.jit(mapped), jax.jit(gradient)):
                        y = run(x)
                        assert y.sharding.is_equivalent_to(rows, 2), y.sharding
                        assert len(y.addressable_shards) == 8
                        assert run is f or not collectives(run, x)
                    for run in (f, jax.jit(mapped)):
                        np.testing.assert_allclose(run(x), alone, rtol=1e-6, atol=1e-6)
            print("good")
        """)
        assert printed == "good\n"

    def test_updates_of_optax(self) -> None:
        printed = in_its_own_process("""
            clip = transformation(1.0)
            update = lambda tree: clip.update(tree, clip.init(tree))[0]
            tree = {"w": x, "b": jnp.ones(3)}
            assert not collectives(update, tree)
            y = jax.jit(update)(tree)
            assert y["w"].sharding.is_equivalent_to(rows, 2)
            print("good")
        """)
        assert printed == "good\n"


def test_over_processes() -> None:
    """The example of docs/jax.md: two processes of two devices each."""
    script = ROOT / "examples" / "jax_processes.py"
    done = subprocess.run([sys.executable, str(script)], check=False, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == shown_output("examples/jax_processes.py")


def shown_output(command: str) -> list[str]:
    text = (ROOT / "docs" / "jax.md").read_text()
    (block,) = re.findall(rf"^```console\n\$ python {re.escape(command)}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return block.splitlines()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (0.0, 1.0), (0.0, 2.0)])
def test_nothing_is_flushed_on_the_way_to_a_normal_number(name: str, bounds: tuple[float, float]) -> None:
    """XLA makes subnormal numbers 0. A tail or a derivative that is itself normal keeps its digits all the same."""
    x = np.linspace(-110.0, 110.0, 40_001, dtype=np.float32)
    for f in (soft_clip, soft_clip_derivative):
        exact = f(x.astype(np.float64), *bounds, name)
        normal = np.abs(exact) >= 2 * np.finfo(np.float32).tiny
        found = np.asarray(f(jnp.asarray(x), *bounds, name), np.float64)
        np.testing.assert_allclose(found[normal], exact[normal], rtol=1e-3)


@pytest.mark.skipif(jax.default_backend() != "gpu", reason="needs a GPU: JAX's default backend is none")
class TestGpu:
    @gs
    @calls
    def test_one_kernel(self, g: Any, bounds: Any, slope: Any) -> None:
        """XLA fuses the whole: one fusion in the compiled program, and no other computation."""
        x = jnp.zeros(10**6, jnp.float32)
        text = jax.jit(lambda v: soft_clip(v, *bounds, g, slope=slope)).lower(x).compile().as_text()
        entry = text[text.index("ENTRY") :]
        assert len(re.findall(r" fusion\(", entry)) == 1
