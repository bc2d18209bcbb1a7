"""The clipping functions that approach their limits as a power does: as 1/u or as 1/u^2."""

from __future__ import annotations

import math
from typing import Any

from softclip._functions.odd import OddSquash, Span, half_angle, polynomial, tan_arcsin, tan_arcsin_between
from softclip._functions.operations import Operations

Array = Any


class Arctan(OddSquash):
    """(2 / pi) arctan u."""

    slope = 2 / math.pi
    reach = 1.0
    bend = 1.5

    def sigma(self, ops: Operations, u: Array) -> Array:
        return ops.clamp(ops.atan(u) * (2 / math.pi), 1)

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        # Past 2^60 the tail is (2 / pi) / a. There 1 / a may be below the smallest normal number, so s comes first.
        far = 2.0**60 / ops.maximum(a, 2.0**60)
        return ops.atan(1 / ops.minimum(a, 2.0**60)) * (s * s * (2 / math.pi)) * far

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        # 1 / (1 + a^2) = q^2 / (q^2 + p^2) with p = a q, which is 1 - q
        q = 1 / (1 + a)
        p = 1 - q
        return (2 / math.pi) * ((s * q) * (s * q)) / (q * q + p * p)

    def log_density(self, ops: Operations, a: Array) -> Array:
        return math.log(2 / math.pi) - _log_1_plus_square(ops, a)

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        # tan(v pi/2) = sin(v pi/2) / sin(t pi/2). Below t = 2^-60, where t may underflow, sin(t pi/2) is t pi/2.
        small = ops.maximum(t / (s * s), 2.0**-60)
        return ops.sin(v * (math.pi / 2)) / ops.sin(small * (math.pi / 2)) * (small * (s * s) / t)

    def area(self, ops: Operations, a: Array) -> Array:
        return (2 / math.pi) * (a * ops.atan(a) - 0.5 * ops.log1p(a * a))

    def tail_area(self, ops: Operations, a: Array) -> Array:
        small = ops.minimum(a, 2.0**60)  # from there on it is 1
        return (2 / math.pi) * (small * ops.atan(1 / small) + 0.5 * _log_1_plus_square(ops, a))

    def inverts_between(self, span: Span) -> bool:
        return span.is_ordinary

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        tangent, root = half_angle(ops, side, below, above, span)
        return 2 * tangent / root / root


def _log_1_plus_square(ops: Operations, a: Array) -> Array:
    """log(1 + a^2) without overflow: 1 + a^2 = (1 + a)^2 (q^2 + p^2) with q = 1 / (1 + a) and p = 1 - q."""
    q = 1 / (1 + a)
    p = 1 - q
    return 2 * ops.log1p(a) + ops.log(q * q + p * p)


class Softsign(OddSquash):
    """u / (1 + abs u)."""

    reach = 0.75
    bend = 1.0

    def sigma(self, ops: Operations, u: Array) -> Array:
        u = ops.clamp(u, 2.0**60)  # inf / inf would be NaN, and 2^60 / (1 + 2^60) is 1
        return u / (1 + ops.abs(u))

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        return (s * s) / (1 + a)

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        q = s / (1 + a)
        return q * q

    def log_density(self, ops: Operations, a: Array) -> Array:
        return -2 * ops.log1p(a)

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        return s * v * (s / t)

    def area(self, ops: Operations, a: Array) -> Array:
        # a - log(1 + a), with log(1 + a) = 2 artanh z and z = a / (2 + a), of which a takes away the first term.
        z = a / (2 + a)
        return a * z - 2 * z * z * z * polynomial(z * z, [1 / (2 * k + 3) for k in range(15)])

    def tail_area(self, ops: Operations, a: Array) -> Array:
        return ops.log1p(a)

    def inverts_between(self, span: Span) -> bool:
        return span.is_ordinary

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        root = ops.sqrt(ops.minimum(below, above))  # NaN outside
        return side / (root * root)


class Algebraic(OddSquash):
    """u / sqrt(1 + u^2)."""

    bend = 1.0

    def sigma(self, ops: Operations, u: Array) -> Array:
        # Numerator and denominator are divided by max(1, abs u), so that nothing overflows. Past 1 the numerator is 1,
        # and every operation that is left is monotone.
        near = ops.clamp(u, 1)
        q = 1 / ops.maximum(ops.abs(u), 1.0)
        # XLA multiplies by the reciprocal of the root, which can exceed 1 by an ulp.
        return ops.clamp(near / ops.sqrt(q * q + near * near), 1)

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        # 1 - a/r = (r^2 - a^2) / (r (r + a)), and r^2 - a^2 = 1.
        r = self._root(ops, a)
        return (s * (1 / r)) * (s / (r + a))

    def _root(self, ops: Operations, a: Array) -> Array:
        """r = sqrt(1 + a^2): past 2^60, where a^2 may overflow, it is a."""
        small = ops.minimum(a, 2.0**60)
        return ops.sqrt(1 + small * small) + (a - small)

    def core(self, ops: Operations, u: Array, digits: int) -> Array:
        return u * (1 / self._root(ops, ops.abs(u)))  # with no other operation than tail and density have

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        d = 1 / self._root(ops, a)
        return (s * d) * (s * d) * d

    def log_density(self, ops: Operations, a: Array) -> Array:
        return -1.5 * _log_1_plus_square(ops, a)

    def area(self, ops: Operations, a: Array) -> Array:
        return a * (a / (1 + self._root(ops, a)))  # sqrt(1 + a^2) - 1

    def tail_area(self, ops: Operations, a: Array) -> Array:
        return 1 - 1 / (a + self._root(ops, a))

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        return tan_arcsin(ops, v, t, s)

    def inverts_between(self, span: Span) -> bool:
        return span.product_holds

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        return tan_arcsin_between(ops, side, below, above)[0]
