"""The clipping functions that reach their limits at a knee and are flat from there on."""

from __future__ import annotations

import math
from typing import Any

from softclip._functions.odd import OddSquash, Span, tan_arcsin, tan_arcsin_between
from softclip._functions.operations import Operations

Array = Any


class Cubic(OddSquash):
    """u - 4 u^3 / 27 up to the knee at 3/2, where it reaches 1 with slope 0."""

    strict = False
    reach = 0.45
    bend = 1.0

    def _distance(self, ops: Operations, a: Array) -> Array:
        """The distance of a from the knee, divided by 3/2: 1 at a = 0, and 0 from the knee on.

        Near the knee 3/2 - a is exact.
        """
        return ops.maximum(1.5 - a, 0.0) / 1.5

    def sigma(self, ops: Operations, u: Array) -> Array:
        u = ops.clamp(u, 1.5)
        return ops.clamp(u - (4 / 27) * (u * u * u), 1)

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        d = self._distance(ops, a)
        return d * d * (1.5 - 0.5 * d) * (s * s)

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        d = self._distance(ops, a)
        return d * (2 - d) * (s * s)

    def area(self, ops: Operations, a: Array) -> Array:
        q = ops.minimum(a * a, 1.0)
        return q * (0.5 - q * (1 / 27))

    def tail_area(self, ops: Operations, a: Array) -> Array:
        d = self._distance(ops, a)
        return 0.5625 - 1.5 * (d * d * d) * (0.5 - 0.125 * d)

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        # With u = 3 sin w, u - 4 u^3 / 27 = 3 sin w - 4 sin^3 w = sin 3w.
        return 3 * ops.sin(ops.atan(tan_arcsin(ops, v, t, s)) / 3)

    def inverts_between(self, span: Span) -> bool:
        return span.product_holds

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        tangent, root = tan_arcsin_between(ops, side, below, above)
        return 3 * ops.sin(ops.atan(tangent) / 3) * (1 + span.speck / root)


class Quintic(OddSquash):
    """u - 0.08192 u^5 up to the knee at 5/4, where it reaches 1 with slope 0."""

    strict = False
    reach = 0.45
    bend = 1.0

    def _distance(self, ops: Operations, a: Array) -> Array:
        return ops.maximum(1.25 - a, 0.0) / 1.25

    def sigma(self, ops: Operations, u: Array) -> Array:
        u = ops.clamp(u, 1.25)
        return ops.clamp(u - 0.08192 * (u * u) * (u * u) * u, 1)

    def _tail(self, d: Array) -> Array:
        return d * d * (2.5 - d * (2.5 - d * (1.25 - 0.25 * d)))

    def _density(self, d: Array) -> Array:
        return d * (4 - d * (6 - d * (4 - d)))

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        return (s * s) * self._tail(self._distance(ops, a))

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        return (s * s) * self._density(self._distance(ops, a))

    def area(self, ops: Operations, a: Array) -> Array:
        q = ops.minimum(a * a, 1.0)
        return q * (0.5 - (0.08192 / 6) * (q * q))

    def tail_area(self, ops: Operations, a: Array) -> Array:
        d = self._distance(ops, a)
        return 25 / 48 - 1.25 * (d * d * d) * (5 / 6 - d * (0.625 - d * (0.25 - d * (1 / 24))))

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        # Newton's iteration for d. The tail is convex in d and less than 2.5 d^2. So d falls towards the root from the
        # first step on, and six steps are enough for float64. Adding 2^-100 avoids 0 / 0.
        t = t / (s * s)
        d = math.sqrt(0.4) * ops.sqrt(t) + 2.0**-100
        for _ in range(6):
            d = d - (self._tail(d) - t) / (1.25 * self._density(d))
        u = 1.25 - 1.25 * d
        return v / (1 - 0.08192 * (u * u) * (u * u))  # the same u, but accurate relative to v around 0


class Sine(OddSquash):
    """sin u up to the knee at pi/2."""

    strict = False
    reach = 0.45
    bend = 1.0

    def _distance(self, ops: Operations, a: Array) -> Array:
        """The distance of a from the knee: pi/2 - a, and 0 from the knee on.

        pi/2 is the sum of two numbers in the precision of a. The maximum separates the subtraction of one from the
        addition of the other, because XLA would otherwise fold the two numbers into one.
        """
        head, rest = ops.half_pi(a)
        return ops.maximum(head - a, -rest) + rest

    def sigma(self, ops: Operations, u: Array) -> Array:
        return ops.sin(ops.clamp(u, math.pi / 2))

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        half = s * ops.sin(0.5 * self._distance(ops, a))
        return 2 * (half * half)

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        return ops.sin(self._distance(ops, a)) * (s * s)

    def area(self, ops: Operations, a: Array) -> Array:
        half = ops.sin(0.5 * ops.minimum(a, 1.0))
        return 2 * (half * half)  # 1 - cos a

    def tail_area(self, ops: Operations, a: Array) -> Array:
        d = self._distance(ops, a)
        return (math.pi / 2 - 1) - (d - ops.sin(d))

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        return ops.atan(tan_arcsin(ops, v, t, s))

    def inverts_between(self, span: Span) -> bool:
        return span.product_holds

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        tangent, root = tan_arcsin_between(ops, side, below, above)
        return ops.atan(tangent) * (1 + span.speck / root)  # on a bound infinite
