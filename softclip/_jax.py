"""How JAX runs an expression: jitted whole, with a derivative rule for each named function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy
import jax.scipy.special

from softclip._form import Form
from softclip._format import Format
from softclip._named import NAMED
from softclip._plan import Quantity
from softclip._run import Standard, is_array
from softclip._squash import Named, Squash

Array = Any


class Jax(Standard):
    """One jitted computation for each g and form; the bounds are its arguments, so other bounds do not compile again."""

    name = "jax"

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        self._rules = {
            (g.name, kind, lifted): self._rule(g, kind, lifted)
            for g in NAMED.values()
            for kind in ("sigma", "tail", "quantile")
            for lifted in (False, True)
        }
        self._evaluate = jax.jit(self._evaluate_form, static_argnums=(0, 1, 2))
        self._run = jax.jit(super().run, static_argnums=(0, 1, 3))

    def owns(self, value: Array) -> bool:
        return isinstance(value, jax.Array)

    def device(self, x: Array) -> Any:
        return None

    def beside(self, value: Any, x: Array, dtype: Any) -> Array:
        return self.xp.asarray(value, dtype=dtype)

    def outside(self) -> Any:
        return jax.ensure_compile_time_eval()

    def run(self, quantity: Quantity, g: Squash, x: Array, format_: Format, low: Any, high: Any, slope: Any) -> Array:
        if any(is_array(v) for v in (low, high, slope)):
            return self._run(quantity, g, x, format_, low, high, slope)
        form, c = self.plan(quantity, g, format_, low, high, slope)
        return self._evaluate(form, g, format_, x, c)

    def _evaluate_form(self, form: Form, g: Squash, format_: Format, x: Array, c: Any) -> Array:
        return self.evaluate((form, c), g, format_, x)

    def erfcinv(self, t: Array) -> Array:
        return -math.sqrt(0.5) * jax.scipy.special.ndtri(0.5 * t)

    def sigma(self, g: Named, u: Array) -> Array:
        return self._rules[g.name, "sigma", False](u)

    def tail(self, g: Named, u: Array, lifted: bool) -> Array:
        return self._rules[g.name, "tail", lifted](u)

    def quantile(self, g: Named, v: Array, t: Array, lifted: bool) -> Array:
        return self._rules[g.name, "quantile", lifted](v, t)

    def _special(self, name: str) -> Callable[[Array], Array]:
        return getattr(jax.scipy.special, name)  # type: ignore[no-any-return]

    def _rule(self, g: Named, kind: str, lifted: bool) -> Callable[..., Array]:
        """Sigma, the tail of abs(u) or the quantile of g, with its derivative; v of a quantile counts as a constant."""

        @jax.custom_jvp  # type: ignore[untyped-decorator]
        def value(*arguments: Array) -> Array:
            u = arguments[-1]
            lift = self.lift(u) if lifted else 1.0
            if kind == "quantile":
                return g.quantile(self, arguments[0], u, lift)
            if kind == "tail":
                return g.tail(self, self.abs(u), lift)
            # XLA's atan misses pi/2 at infinity, and pi/4 at 1, by an ulp.
            end = self.where(u < 0, -self.xp.ones_like(u), self.xp.ones_like(u))
            return self.where(self.abs(u) == math.inf, end, g.sigma(self, u))

        @value.defjvp  # type: ignore[untyped-decorator]
        def derivative(primals: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
            y, tangent = value(*primals), tangents[-1]
            u = y if kind == "quantile" else primals[-1]
            density = g.density(self, self.abs(u), self.lift(u) if lifted else 1.0)
            if kind == "quantile":
                return y, -tangent / density
            return y, tangent * (density if kind == "sigma" else self.where(u < 0, density, -density))

        return value  # type: ignore[no-any-return]


JAX = Jax(jax.numpy)
