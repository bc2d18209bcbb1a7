"""The operations in which formulas are written: the elementary ones, and those of a clipping function with its rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from softclip._formulas.constants import Factor
from softclip._formulas.formats import Format
from softclip._functions.odd import OddSquash
from softclip._functions.operations import Operations

Array = Any


class Ops(Operations):
    """What evaluates formulas on arrays, or records them as a program, is a subclass of this."""

    def format(self, x: Array) -> Format:
        """The format of the result for x."""
        raise NotImplementedError

    def rounded(self, a: Array, value: float) -> float:
        return self.format(a).round(value)

    def half_pi(self, a: Array) -> tuple[float, float]:
        return self.format(a).half_pi

    def boost(self, u: Array, level: int) -> float:
        """The boost of that level in the format of u."""
        return self.format(u).boost(level)

    def affine(self, base: Any, scale: Any, r: Array) -> Array:
        """``base + scale * r``, where r is a new array that nobody else holds; base None is 0."""
        return scale * r if base is None else base + scale * r

    def clip(self, a: Array, low: Any, high: Any) -> Array:
        """Cut a new array, that nobody else holds, at both bounds."""
        return self.minimum(self.maximum(a, low), high)

    def divide(self, a: Array, b: Any) -> Array:
        """``a / b``, also for the largest b."""
        return a / b

    def ratio(self, part: Array, whole: Any) -> Array:
        """``part / whole``, at most 1."""
        return self.minimum(part / whole, 1.0)

    def call(self, fn: Callable[[Any], Any], u: Array) -> Array:
        """A caller's function of u."""
        raise NotImplementedError

    def sigma(self, g: OddSquash, u: Array) -> Array:
        """g.sigma, as a function whose derivative is known."""
        return g.sigma(self, u)

    def core(self, g: OddSquash, u: Array) -> Array:
        """g.core, where no gradient has to pass; else sigma."""
        return self.sigma(g, u)

    def tail(self, g: OddSquash, u: Array, boost_level: int) -> Array:
        """g.tail of abs(u), as a function of u whose derivative is known."""
        return g.tail(self, self._size(u), self.boost(u, boost_level))

    def density(self, g: OddSquash, u: Array, boost_level: int) -> Array:
        """g.density of abs(u)."""
        return g.density(self, self.abs(u), self.boost(u, boost_level))

    def area(self, g: OddSquash, u: Array) -> Array:
        """g.area of abs(u), as a function of u whose derivative is sigma."""
        return g.area(self, self._size(u))

    def tail_area(self, g: OddSquash, u: Array) -> Array:
        """g.tail_area of abs(u), as a function of u whose derivative is the tail with the sign of u."""
        return g.tail_area(self, self._size(u))

    def quantile(self, g: OddSquash, v: Array, near: Array, factor: Factor) -> Array:
        """g.quantile of t = near / factor, as a function of v and near whose derivative is known."""
        return g.quantile(self, v, factor.measure(self._size(near)), self.boost(near, factor.boost_level))

    def _size(self, u: Array) -> Array:
        """abs(u), of -0.0 too 0.0. Its gradient does not count: a rule stands around it."""
        return self.abs(u)
