"""jit, vmap, grad, compile: correct values and finite gradients inside each."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import oracle
import pytest
import scipy.stats
from libraries import EXACT, alternating, g_of, in_turn

from softclip import NAMES, algebraic, hinge, knee, soft_clip

GS = [*NAMES, algebraic(3.0), knee("tanh", 0.6), hinge(0.5)]
BOUNDS = [(-1.0, 1.0), (0.0, 2.0), (-1.0, 3.0)]
# Both signs, zero, the knees, deep tails, the largest number, the infinities.
HARD = np.array([0, 0.3, 1, 1.25, 1.5, np.pi / 2, 1.6, 9, 50, 100, 1e10, 1e30, 3.4e38, np.inf], np.float32)
HARD = np.concatenate([-HARD, HARD])
SMOOTH = np.concatenate([-np.geomspace(0.05, 8, 15), np.geomspace(0.05, 8, 15)])


def differences(f: Any, x: np.ndarray) -> np.ndarray:
    """Central differences in float64, fourth order."""
    e = 1e-3
    return (8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * e)  # type: ignore[no-any-return]


def away_from_knees(g: Any, x: np.ndarray, bounds: tuple[float, float], slope: float | None) -> np.ndarray:
    """The points beside which f has no jump in a derivative, for differences to make sense."""
    half = (bounds[1] - bounds[0]) / 2
    knee = {"cubic": 1.5, "quintic": 1.25, "sine": np.pi / 2, "softsign": 0.0, "exponential": 0.0}.get(g)
    knee = getattr(g, "straight", 0.0) or knee
    u = x if slope is None else (x - sum(bounds) / 2) * slope / half
    return x if knee is None else x[np.abs(np.abs(u) - knee) > 0.02]


@pytest.mark.parametrize("library", [pytest.param(n, marks=pytest.mark.needs(n)) for n in ("torch", "jax")])
@pytest.mark.parametrize("low_high", [*BOUNDS, (0.0, 500.0)], ids=str)
@pytest.mark.parametrize("name", EXACT)
def test_gradients_deep_in_the_tails(library: str, name: str, low_high: tuple[float, float]) -> None:
    """Relative to the gradient, however small, against derivatives by mpmath."""

    def f(v: Any) -> Any:
        return oracle.hinge(v, *low_high, 0.5) if name == "hinge" else oracle.soft_clip(v, *low_high, name)

    x = np.array([-300.0, -25.0, -12.0, -1.2, 0.7, 1.1, 14.0, 26.0, 300.0])
    true = [float(oracle.mp.diff(f, v, h=oracle.mpf(10) ** -150)) for v in x]
    found = gradient(library, x, *low_high, g_of(name, 0.5))
    np.testing.assert_allclose(found, true, rtol=1e-12 if name == "erf" else 1e-14, atol=1e-300)


def gradient(library: str, x: np.ndarray, low: float, high: float, g: Any) -> np.ndarray:
    if library == "jax":
        import jax

        return np.asarray(jax.vmap(jax.grad(lambda v: soft_clip(v, low, high, g)))(x))
    import torch

    t = torch.tensor(x, requires_grad=True)
    soft_clip(t, low, high, g).sum().backward()
    return t.grad.numpy()


calls = pytest.mark.parametrize(("g", "bounds", "slope"), alternating(GS, BOUNDS, [None, 1.0]), ids=str)


@pytest.mark.needs("jax")
class TestJax:
    @calls
    def test_derivatives(self, g: Any, bounds: tuple[float, float], slope: float | None) -> None:
        import jax
        import jax.numpy as jnp

        def f(v: Any) -> Any:
            return soft_clip(v, *bounds, g, slope=slope)

        x = away_from_knees(g, SMOOTH, bounds, slope)
        derived = (jax.grad(f), jax.grad(jax.grad(f)), jax.hessian(f), jax.jacfwd(f))
        # Compiled once, for all of them.
        first, second, hessian, forward = jax.jit(lambda v: [jax.vmap(h)(v) for h in derived])(jnp.asarray(x))
        np.testing.assert_allclose(first, differences(f, x), rtol=1e-7, atol=2e-10)
        gradient = jax.jit(jax.vmap(jax.grad(f)))
        slopes = lambda v: np.asarray(gradient(jnp.asarray(v)))
        np.testing.assert_allclose(second, differences(slopes, x), rtol=1e-6, atol=2e-9)
        np.testing.assert_allclose(hessian, second, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(forward, first, rtol=1e-12)

    @calls
    def test_never_nan(self, g: Any, bounds: tuple[float, float], slope: float | None) -> None:
        import jax
        import jax.numpy as jnp

        def f(v: Any) -> Any:
            return soft_clip(v, *bounds, g, slope=slope)

        first = jax.jit(jax.vmap(jax.grad(f)))(jnp.asarray(HARD))
        second = jax.jit(jax.vmap(jax.grad(jax.grad(f))))(jnp.asarray(HARD))
        assert np.isfinite(first).all()
        assert np.isfinite(second).all()
        assert (np.asarray(first) >= 0).all()
        assert np.asarray(first)[[13, -1]].tolist() == [0.0, 0.0]

    @pytest.mark.parametrize(("g", "bounds"), in_turn(GS, BOUNDS), ids=str)
    def test_bounds_and_slope(self, g: Any, bounds: tuple[float, float]) -> None:
        import jax
        import jax.numpy as jnp

        finite = HARD[np.isfinite(HARD)].astype(np.float64)
        for x in (away_from_knees(g, SMOOTH, bounds, 1.0), finite):

            def loss(low: Any, high: Any, slope: Any, x: Any = x) -> Any:
                return soft_clip(x, low, high, g, slope=slope).sum()

            found = jax.jit(jax.grad(lambda *a, x=x: loss(*a, x=jnp.asarray(x)), (0, 1, 2)))(*bounds, 1.0)
            assert np.isfinite(found).all()
            if x is not finite:
                e, at = 1e-5, np.array([*bounds, 1.0])
                true = [(loss(*(at + e * d)) - loss(*(at - e * d))) / (2 * e) for d in np.eye(3)]
                np.testing.assert_allclose(found, true, rtol=1e-6, atol=1e-7)

    @calls
    def test_jit_matches_eager(self, g: Any, bounds: tuple[float, float], slope: float | None) -> None:
        import jax
        import jax.numpy as jnp

        x = jnp.asarray(HARD)
        eager = soft_clip(x, *bounds, g, slope=slope)
        compiled = jax.jit(lambda v: soft_clip(v, *bounds, g, slope=slope))(x)
        np.testing.assert_allclose(compiled, eager, rtol=3e-6, atol=0)
        traced = jax.jit(lambda v, low, high: soft_clip(v, low, high, g, slope=slope))(x, *bounds)
        np.testing.assert_allclose(traced, eager, rtol=3e-6, atol=1e-7 * max(bounds))

    def test_a_function_inside_jit(self) -> None:
        import jax
        import jax.numpy as jnp

        x = jnp.linspace(-3, 3, 7)
        y = jax.jit(lambda v: soft_clip(v, 0.0, 6.0, lambda z: 2 * jnp.tanh(z)))(x)
        np.testing.assert_allclose(y, 6 * scipy.stats.logistic.cdf(x, scale=0.5), rtol=1e-12)

    def test_jit_as_the_first_call_of_all(self) -> None:
        script = (
            "import jax, softclip\n"
            "f = jax.jit(jax.vmap(jax.grad(lambda x: softclip.soft_clip(x, -1.0, 3.0, lambda z: 2 * jax.numpy.tanh(z)))))\n"
            "print(f(jax.numpy.zeros(2)).tolist())"
        )
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        assert done.stdout.strip() == "[2.0, 2.0]"

    def test_other_bounds_do_not_compile_again(self) -> None:
        import jax
        import jax.numpy as jnp

        x = jnp.ones(3)
        soft_clip(x, -1.0, 2.0, "gudermannian")
        with jax.log_compiles(False), jax.no_tracing():
            soft_clip(x, -1.5, 2.0, "gudermannian")


@pytest.mark.needs("torch")
class TestTorch:
    @calls
    def test_gradcheck(self, g: Any, bounds: tuple[float, float], slope: float | None) -> None:
        import torch

        x = torch.tensor(away_from_knees(g, SMOOTH, bounds, slope), requires_grad=True)
        low, high = (torch.tensor(b, dtype=torch.float64, requires_grad=True) for b in bounds)

        def f(*arguments: Any) -> Any:
            return soft_clip(*arguments, g, slope=slope)

        assert torch.autograd.gradcheck(lambda v: f(v, *bounds), (x,), check_forward_ad=True)
        assert torch.autograd.gradcheck(f, (x, low, high))
        assert torch.autograd.gradgradcheck(lambda v: f(v, *bounds), (x,))

    @calls
    def test_never_nan(self, g: Any, bounds: tuple[float, float], slope: float | None) -> None:
        import torch

        x = torch.tensor(HARD, requires_grad=True)
        (first,) = torch.autograd.grad(soft_clip(x, *bounds, g, slope=slope).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        assert torch.isfinite(first).all()
        assert torch.isfinite(second).all()
        assert (first >= 0).all()
        assert first[[13, -1]].tolist() == [0.0, 0.0]

    @calls
    def test_same_gradient_as_jax(self, g: Any, bounds: tuple[float, float], slope: float | None) -> None:
        jax = pytest.importorskip("jax", reason="JAX is not installed")
        import torch

        x = torch.tensor(HARD, dtype=torch.float64, requires_grad=True)
        soft_clip(x, *bounds, g, slope=slope).sum().backward()
        other = jax.vmap(jax.grad(lambda v: soft_clip(v, *bounds, g, slope=slope)))(HARD.astype(np.float64))
        np.testing.assert_allclose(x.grad, other, rtol=1e-12, atol=1e-300)

    @pytest.mark.parametrize(("g", "bounds"), in_turn(GS, BOUNDS), ids=str)
    def test_func(self, g: Any, bounds: tuple[float, float]) -> None:
        import torch
        from torch.func import grad, hessian, jacfwd, vmap

        def f(v: Any) -> Any:
            return soft_clip(v, *bounds, g, slope=1.0)

        x = torch.tensor(SMOOTH, requires_grad=True)
        (first,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), x)
        x = x.detach()
        torch.testing.assert_close(vmap(f)(x), f(x), rtol=1e-14, atol=1e-15)
        torch.testing.assert_close(vmap(grad(f))(x), first.detach(), rtol=1e-12, atol=0)
        torch.testing.assert_close(vmap(jacfwd(f))(x), first.detach(), rtol=1e-12, atol=0)
        torch.testing.assert_close(vmap(hessian(f))(x), second, rtol=1e-10, atol=1e-14)

    @pytest.mark.parametrize(
        ("arguments", "dynamic"),
        [
            ((-30.0, 30.0, "tanh"), True),
            ((0.0, 6.0, "sine"), True),
            ((-1.0, 3.0, "algebraic"), None),
            ((0.0, 1.0, hinge(0.05)), None),
            ((0.0, None, hinge(1.0)), True),
            ((0.0, 6.0, "torch.tanh"), None),
            ((0.0, 6.0, "function"), True),
        ],
        ids=str,
    )
    @pytest.mark.filterwarnings("ignore")  # Dynamo's and Inductor's own
    def test_compile(self, arguments: Any, dynamic: bool | None) -> None:
        import torch

        functions = {"torch.tanh": torch.tanh, "function": lambda z: 2 * torch.tanh(z) + 1}
        low, high, g = arguments
        g = functions.get(g, g) if isinstance(g, str) else g
        slope = 1.0 if g in NAMES else None

        def f(v: Any) -> Any:
            return soft_clip(v, low, high, g, slope=slope)

        torch._dynamo.reset()
        compiled = torch.compile(f, fullgraph=True, dynamic=dynamic)
        for n in (28, 27):
            x = torch.tensor(HARD[-n:], requires_grad=True)
            y = compiled(x)
            torch.testing.assert_close(y, f(x), rtol=3e-6, atol=2e-6)
            y[:-1].sum().backward()
            eager = torch.tensor(HARD[-n:], requires_grad=True)
            f(eager)[:-1].sum().backward()
            torch.testing.assert_close(x.grad, eager.grad, rtol=1e-4, atol=2e-6)

    @pytest.mark.parametrize("g", ["'sigmoid'", "torch.tanh", "lambda z: 2 * torch.tanh(z)"])
    def test_compile_as_the_first_call_of_all(self, g: str) -> None:
        script = (
            "import torch, softclip\n"
            f"f = torch.compile(lambda x: softclip.soft_clip(x, -1.0, 3.0, {g}), fullgraph=True, backend='aot_eager')\n"
            "print(f(torch.tensor([-float('inf'), 0.0, float('inf')])).tolist())"
        )
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        assert done.stdout.strip() == "[-1.0, 1.0, 3.0]"

    def test_learned_bounds(self) -> None:
        import torch

        low, high = (torch.nn.Parameter(torch.tensor(b)) for b in (-1.0, 1.0))
        x = torch.linspace(-3, 3, 50)
        target = soft_clip(x, -2.0, 0.5, slope=1.0)
        optimiser = torch.optim.Adam([low, high], lr=0.1)
        for _ in range(300):
            optimiser.zero_grad()
            (soft_clip(x, low, high, slope=1.0) - target).square().mean().backward()
            optimiser.step()
        assert (low.item(), high.item()) == (pytest.approx(-2.0, abs=1e-3), pytest.approx(0.5, abs=1e-3))

    def test_autocast_keeps_the_dtype(self) -> None:
        import torch

        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert soft_clip(torch.ones(3), 0.0, 6.0).dtype == torch.float32


@pytest.mark.needs("dask")
class TestDask:
    def test_lazy_and_one_layer(self) -> None:
        import dask.array as da

        def computed(block: np.ndarray) -> np.ndarray:
            if block.size:
                raise AssertionError("computed")
            return block

        x = da.ones((10, 10), chunks=5).map_blocks(computed, dtype=float)
        y = soft_clip(x, -2.0, 2.0, "tanh", slope=1.0)
        assert len(y.dask.layers) == len(x.dask.layers) + 1
        assert y.chunks == x.chunks
        array_bounds = soft_clip(x, np.full(10, -1.0), da.full(10, 2.0, chunks=5))
        assert array_bounds.numblocks == (2, 2)
