"""The clipping functions that reach their limits at a knee, and are flat from there on."""

from __future__ import annotations

import math
from typing import Any

from softclip._functions.odd import OddSquash, tan_arcsin
from softclip._functions.operations import Operations

Array = Any


class Cubic(OddSquash):
    """u - 4 u^3 / 27 up to the knee at 3/2, where it reaches 1 with slope 0."""

    strict = False
    reach = 0.45

    def _distance(self, ops: Operations, a: Array) -> Array:
        """From the knee inwards, in units of the knee: 1 at 0, 0 from the knee on; 3/2 - a is exact near it."""
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

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        # With u = 3 sin w, u - 4 u^3 / 27 = 3 sin w - 4 sin^3 w = sin 3w.
        return 3 * ops.sin(ops.atan(tan_arcsin(ops, v, t, s)) / 3)


class Quintic(OddSquash):
    """u - 0.08192 u^5 up to the knee at 5/4, where it reaches 1 with slope 0."""

    strict = False
    reach = 0.45

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

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        # Newton's iteration for d: the tail is convex in it and below 2.5 d^2, so that after the first step it falls to
        # the root, to float64's precision within six. 2^-100 keeps 0 / 0 away.
        t = t / (s * s)
        d = math.sqrt(0.4) * ops.sqrt(t) + 2.0**-100
        for _ in range(6):
            d = d - (self._tail(d) - t) / (1.25 * self._density(d))
        u = 1.25 - 1.25 * d
        return v / (1 - 0.08192 * (u * u) * (u * u))  # the same u, accurate relative to v


class Sine(OddSquash):
    """sin u up to the knee at pi/2."""

    strict = False
    reach = 0.45

    def _distance(self, ops: Operations, a: Array) -> Array:
        """pi/2 - a, 0 from the knee on, with pi/2 in two numbers of a's precision.

        The maximum stands between the two so that XLA does not fold them into one.
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

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        return ops.atan(tan_arcsin(ops, v, t, s))
