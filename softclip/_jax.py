"""How JAX runs an expression: jitted whole, with a derivative rule for each named function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy
import jax.scipy.special

from softclip import _form
from softclip._form import Format
from softclip._run import Standard, is_array
from softclip._squash import NAMED, Named, Squash

Array = Any


class Jax(Standard):
    """One jitted computation for each g and form; the bounds are its arguments, so other bounds do not compile again."""

    name = "jax"

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        self._rules = {
            (g.name, kind): self._rule(g, kind) for g in NAMED.values() for kind in ("sigma", "tail", "lifted tail")
        }
        self._evaluate = jax.jit(self._evaluate_form, static_argnums=(0, 1, 2))
        self._run = jax.jit(super().run, static_argnums=(0, 2))

    def owns(self, value: Array) -> bool:
        return isinstance(value, jax.Array)

    def device(self, x: Array) -> Any:
        return None

    def beside(self, value: Any, x: Array, dtype: Any) -> Array:
        return self.xp.asarray(value, dtype=dtype)

    def outside(self) -> Any:
        return jax.ensure_compile_time_eval()

    def run(self, g: Squash, x: Array, format_: Format, low: Any, high: Any, slope: Any) -> Array:
        if any(is_array(v) for v in (low, high, slope)):
            return self._run(g, x, format_, low, high, slope)
        form, c = self.plan(g, format_, low, high, slope)
        return self._evaluate(form, g, format_, x, c)

    def _evaluate_form(self, form: _form.Form, g: Squash, format_: Format, x: Array, c: Any) -> Array:
        return self.evaluate((form, c), g, format_, x)

    def sigma(self, g: Named, u: Array) -> Array:
        return self._rules[g.name, "sigma"](u)

    def tail(self, g: Named, u: Array, lifted: bool) -> Array:
        return self._rules[g.name, "lifted tail" if lifted else "tail"](u)

    def _special(self, name: str) -> Callable[[Array], Array]:
        return getattr(jax.scipy.special, name)  # type: ignore[no-any-return]

    def _rule(self, g: Named, kind: str) -> Callable[[Array], Array]:
        @jax.custom_jvp  # type: ignore[untyped-decorator]
        def value(u: Array) -> Array:
            if kind != "sigma":
                return g.tail(self, self.abs(u), self.lift(u) if kind == "lifted tail" else 1.0)
            # XLA's atan misses pi/2 at infinity, and pi/4 at 1, by an ulp.
            end = self.where(u < 0, -self.xp.ones_like(u), self.xp.ones_like(u))
            return self.where(self.abs(u) == math.inf, end, g.sigma(self, u))

        @value.defjvp  # type: ignore[untyped-decorator]
        def derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
            (u,), (tangent,) = primals, tangents
            density = g.density(self, self.abs(u))
            if kind != "sigma":
                density = density * (self.lift(u) ** 2 if kind == "lifted tail" else 1.0)
                density = self.where(u < 0, density, -density)
            return value(u), tangent * density

        return value  # type: ignore[no-any-return]


JAX = Jax(jax.numpy)
