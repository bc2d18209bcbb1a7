"""How JAX runs an expression: jitted whole, with a derivative rule for each named function."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy
import jax.scipy.special
import numpy as np

from softclip._form import Form, Scale
from softclip._format import Format
from softclip._named import NAMED, Named
from softclip._plan import Quantity, number_plan
from softclip._run import Standard, is_array
from softclip._squash import Squash

Array = Any


class Jax(Standard):
    """One jitted computation for each g and form; the bounds are its arguments, so other bounds do not compile again."""

    name = "jax"

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        self._rules = {
            (g.name, kind, lifts): self._rule(g, kind, lifts)
            for g in NAMED.values()
            for kind in ("sigma", "tail")
            for lifts in (0, 1, 2)
        }
        self._quantiles = {g.name: self._quantile_rule(g) for g in NAMED.values()}
        self._evaluate = jax.jit(self._evaluate_form, static_argnums=(0, 1, 2))
        self._run = jax.jit(self._run_on_arrays, static_argnums=(0, 1, 3))

    def owns(self, value: Array) -> bool:
        return isinstance(value, jax.Array)

    def device(self, x: Array) -> Any:
        return None

    def beside(self, value: Any, x: Array, dtype: Any) -> Array:
        return self.xp.asarray(value, dtype=dtype)

    def number_beside(self, value: Any, like: Array, dtype: Any) -> Array:
        x = self.xp.asarray(value)
        return x if like.weak_type and x.dtype == dtype else self.beside(value, like, dtype)

    def outside(self) -> Any:
        return jax.ensure_compile_time_eval()

    def run(self, quantity: Quantity, g: Squash, x: Array, format_: Format, low: Any, high: Any, slope: Any) -> Array:
        if any(is_array(v) for v in (low, high, slope)):
            if isinstance(slope, float):  # it becomes an array of the format, in which XLA flushes subnormal numbers
                compute = format_.computed_in
                slope = min(max(slope, compute.tiny), math.ldexp(1.0, compute.largest))
            low, high, slope = (_opaque(v, x) if is_array(v) else v for v in (low, high, slope))
            return self._run(quantity, g, x, format_, low, high, slope)
        form, c, extreme = _number_plan(quantity, g, format_, low, high, slope)
        return self._evaluate(form, g, format_, x, _opaque(c, x) if extreme else c)

    def _evaluate_form(self, form: Form, g: Squash, format_: Format, x: Array, c: Any) -> Array:
        return self._as_weak(self.evaluate((form, c), g, format_, x), x)

    def _run_on_arrays(
        self, quantity: Quantity, g: Squash, x: Array, format_: Format, low: Any, high: Any, slope: Any
    ) -> Array:
        y = super().run(quantity, g, x, format_, low, high, slope)
        return self._as_weak(y, x, *(v for v in (low, high, slope) if is_array(v)))

    def _as_weak(self, y: Array, x: Array, *constants: Array) -> Array:
        """y; of a weak type, which gives way to the dtype of another array, if x and the constants are."""
        if not all(v.weak_type for v in (x, *constants)):
            return y
        # No public function makes a type weak, but an array keeps its own when it is written to.
        return self.xp.broadcast_to(1.0 * x, y.shape).at[...].set(y)

    def erfcinv(self, t: Array) -> Array:
        # t comes from a product with the smallest normal number at the least, which XLA would halve; see `share`.
        return -math.sqrt(0.5) * jax.scipy.special.ndtri(0.5 * self.minimum(t, 2.0))

    def divide(self, a: Array, b: Array) -> Array:
        scale = self._smaller(b)
        return (a * scale) / (b * scale)

    def share(self, part: Array, whole: Any) -> Array:
        # The minimum stands between the two factors so that XLA does not fold them into one.
        scale = self._smaller(whole)
        return self.minimum(part * scale, whole * scale) / (whole * scale)

    def _smaller(self, divisor: Array) -> Array:
        """What makes a divisor smaller: XLA multiplies by the reciprocal, and flushes that of the largest numbers to 0."""
        return self.xp.where(divisor > 2.0**64, 2.0**-8, 1.0).astype(divisor.dtype)

    def sigma(self, g: Named, u: Array) -> Array:
        return self._rules[g.name, "sigma", 0](u)

    def tail(self, g: Named, u: Array, lifts: int) -> Array:
        return self._rules[g.name, "tail", lifts](u)

    def quantile(self, g: Named, v: Array, near: Array, reach: Scale) -> Array:
        return self._quantiles[g.name](v, near, reach)

    def _special(self, name: str) -> Callable[[Array], Array]:
        return getattr(jax.scipy.special, name)  # type: ignore[no-any-return]

    def _rule(self, g: Named, kind: str, lifts: int) -> Callable[[Array], Array]:
        """Sigma, or the tail of abs(u), with its derivative."""

        @jax.custom_jvp  # type: ignore[untyped-decorator]
        def value(u: Array) -> Array:
            if kind == "tail":
                return g.tail(self, self.xp.abs(u), self.lift(u, lifts))
            # XLA's atan misses pi/2 at infinity, and pi/4 at 1, by an ulp.
            end = self.where(u < 0, -self.xp.ones_like(u), self.xp.ones_like(u))
            return self.where(self.abs(u) == math.inf, end, g.sigma(self, u))

        @value.defjvp  # type: ignore[untyped-decorator]
        def derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
            (u,), (tangent,) = primals, tangents
            density = g.density(self, self.abs(u), self.lift(u, lifts))
            return value(u), tangent * (density if kind == "sigma" else self.where(u < 0, density, -density))

        return value  # type: ignore[no-any-return]

    def _quantile_rule(self, g: Named) -> Callable[[Array, Array, Scale], Array]:
        """The quantile, with its derivative: da = -dt / sigma'(a) with dt = (d near - t d reach) / reach."""
        # The powers of two of `reach` have no part in it: XLA makes one constant of them, which overflows.

        @jax.custom_jvp  # type: ignore[untyped-decorator]
        def value(v: Array, near: Array, reach: Scale) -> Array:
            lift = self.lift(near, reach.lifts)
            t = self.minimum(reach.measure(self.xp.abs(near)), lift * lift)  # which it is; see `share`
            return g.quantile(self, v, t, lift)

        @value.defjvp  # type: ignore[untyped-decorator]
        def derivative(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
            (v, near, reach), (_, of_near, of_reach) = primals, tangents
            a = value(v, near, reach)
            density = g.density(self, a, self.lift(a, reach.lifts))
            return a, (near / reach.size * of_reach.size - of_near) / reach.times(density)

        return value  # type: ignore[no-any-return]


def _opaque(constants: Any, x: Array) -> Any:
    """Constants, hidden from XLA where they would be literals, in a jit of the caller's: it folds two into one, which may be 0."""
    known = not any(isinstance(v, jax.core.Tracer) for v in jax.tree.leaves(constants))
    return jax.lax.optimization_barrier(constants) if known and isinstance(x, jax.core.Tracer) else constants


@functools.lru_cache(maxsize=1024)
def _number_plan(quantity: Quantity, g: Squash, format_: Format, *numbers: float | None) -> tuple[Form, Any, bool]:
    """The plan with NumPy's numbers for Python's, each of which takes jit two microseconds more on every call.

    And whether products of its constants, or their reciprocals, may be beyond the format or subnormal in it.
    """
    form, c = number_plan(quantity, g, format_, *numbers, True)
    compute = format_.computed_in
    largest = max((abs(math.frexp(v)[1]) for v in jax.tree.leaves(c)), default=0)
    extreme = largest > compute.largest - 8 or getattr(c, "factor2", None) is not None
    return form, jax.tree.map(np.dtype(compute.name).type, c), extreme


JAX = Jax(jax.numpy)
