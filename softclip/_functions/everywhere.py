"""The clipping functions that increase everywhere and never reach their limits."""

from __future__ import annotations

import math
from typing import Any

from softclip._functions.odd import OddSquash, Span, tan_arcsin, tan_arcsin_between
from softclip._functions.operations import Operations

Array = Any


def _falling(ops: Operations, u: Array, rate: float, s: float, height: int) -> Array:
    """height s^2 / (1 + exp(rate u)), of which nothing overflows before the result is 0."""
    if s == 1:
        return height * ops.logistic(u * -rate)
    # The same, with r = exp(rate u / 2) / s. XLA would compute exp(-rate u) twice if it were used twice.
    r = ops.exp(u * (0.5 * rate)) * (1 / s)
    return height / ops.plus(r * r, 1 / (s * s))


class Logistic(OddSquash):
    """tanh u, or tanh(u/2) if halved. The latter is 2 / (1 + exp(-u)) - 1, which is the sigmoid."""

    rate: float

    def __init__(self, name: str, *, halved: bool) -> None:
        super().__init__(name)
        self.halved = halved
        self.slope = 0.5 if halved else 1.0
        self.rate = 1.0 if halved else 2.0
        self.unboosted = (2.0, 2.0 / self.rate)  # with these, what overflow in `logistic` makes 0 is subnormal
        self.reach = 0.8 if halved else 0.4

    def sigma(self, ops: Operations, u: Array) -> Array:
        return ops.tanh(0.5 * u if self.halved else u)

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        return _falling(ops, a, self.rate, s, 2)

    def share(self, ops: Operations, u: Array, s: float) -> Array:
        return _falling(ops, u, -self.rate, s, 1)

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        # 4 e / (1 + e)^2 with e = w^2, and half of that if halved
        if s == 1:
            below = ops.logistic(a * -self.rate)
            return (2 * self.rate) * (below * (1 - below))
        w = ops.exp(-0.5 * a if self.halved else -a)
        v = s * w / (1 + w * w)
        return (2 if self.halved else 4) * v * v

    def core(self, ops: Operations, u: Array, digits: int) -> Array:
        # Lambert's continued fraction of tanh; that it is cut off changes it by 2^-27 or 2^-57 at the reach.
        u = 0.5 * u if self.halved else u
        q = u * u
        if digits <= 24:
            return u * (105 + 10 * q) / (105 + q * (45 + q))
        return u * (135135 + q * (17325 + q * (378 + q))) / (135135 + q * (62370 + q * (3150 + 28 * q)))

    def sides(self, ops: Operations, u: Array) -> tuple[Array, Array, Array]:
        below, above = ops.logistic(u * -self.rate), ops.logistic(u * self.rate)
        return below, above, (2 * self.rate) * (below * above)

    def density_beside(self, ops: Operations, a: Array, t: Array, s: float) -> Array:
        return t * ((1 if self.halved else 2) - (0.5 if self.halved else 1) / (s * s) * t)  # 1 - sigma^2 = t (2 - t)

    def log_density(self, ops: Operations, a: Array) -> Array:
        a = a if self.halved else 2 * a
        return math.log(2 if self.halved else 4) - a - 2 * ops.log1p(ops.exp(-a))

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        a = ops.asinh(tan_arcsin(ops, v, t, s))
        return 2 * a if self.halved else a

    def inverts_between(self, span: Span) -> bool:
        return span.ratio_holds or span.product_holds

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        if not span.ratio_holds:
            a = ops.asinh(tan_arcsin_between(ops, side, below, above)[0])
            return 2 * a if self.halved else a
        r = below / above
        a = ops.log(r)
        # log r is 2 artanh((r - 1) / (r + 1)). Around the middle, where the rounding of r counts, what is lost is the
        # difference of that quotient, 1 / (1 + 2 / (r - 1)), and side / half.
        a = a + (side * (2 / span.half) - 2 / (1 + 2 / (r - 1)))
        return a if self.halved else 0.5 * a


class Arctan(OddSquash):
    """(2 / pi) arctan u."""

    slope = 2 / math.pi
    reach = 1.0

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

    def inverts_between(self, span: Span) -> bool:
        return span.is_ordinary

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        tangent, root = _half_angle(ops, side, below, above, span)
        return 2 * tangent / root / root


def _half_angle(ops: Operations, side: Array, below: Array, above: Array, span: Span) -> tuple[Array, Array]:
    """p = tan(v pi/4) and sqrt(1 - p^2): with t = 1 - abs(v), 1 - p^2 is tan(t pi/4) (1 + abs(p))^2."""
    p = ops.tan(side * (math.pi / 4 / span.half))
    near = ops.maximum(ops.minimum(below, above), -span.half)  # outside the root is NaN, however far
    return p, ops.sqrt(ops.tan(near * (math.pi / 4 / span.half))) * (1 + ops.abs(p))


def _log_1_plus_square(ops: Operations, a: Array) -> Array:
    """log(1 + a^2) without overflow: 1 + a^2 = (1 + a)^2 (q^2 + p^2) with q = 1 / (1 + a) and p = 1 - q."""
    q = 1 / (1 + a)
    p = 1 - q
    return 2 * ops.log1p(a) + ops.log(q * q + p * p)


class Softsign(OddSquash):
    """u / (1 + abs u)."""

    reach = 0.75

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

    def inverts_between(self, span: Span) -> bool:
        return span.is_ordinary

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        root = ops.sqrt(ops.minimum(below, above))  # NaN outside
        return side / (root * root)


class Algebraic(OddSquash):
    """u / sqrt(1 + u^2)."""

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

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        return tan_arcsin(ops, v, t, s)

    def inverts_between(self, span: Span) -> bool:
        return span.product_holds

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        return tan_arcsin_between(ops, side, below, above)[0]


class Erf(OddSquash):
    """erf u."""

    slope = 2 / math.sqrt(math.pi)
    reach = 0.4

    def sigma(self, ops: Operations, u: Array) -> Array:
        return ops.erf(u)

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        return ops.erfc(a) * (s * s)

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        a = ops.minimum(a, 40.0)  # a^2 cannot overflow, and exp(-1600) is 0 in float64 even when it is boosted
        w = s * ops.exp(-0.5 * (a * a))
        return (2 / math.sqrt(math.pi)) * (w * w)

    def log_density(self, ops: Operations, a: Array) -> Array:
        return math.log(2 / math.sqrt(math.pi)) - a * a

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        return ops.where(v < 0.5, ops.erfinv(v), ops.erfcinv(t / (s * s)))

    def inverts_between(self, span: Span) -> bool:
        return span.quotient_holds

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        # Around the middle, where the rounding of t counts, a is wrong by (erf(a) - v) / slope.
        a = ops.erfcinv(ops.minimum(below, above) / span.half)
        v = ops.abs(side) / span.half
        return ops.copysign(a + (v - ops.erf(a)) * (1 / self.slope), side)


class Gudermannian(OddSquash):
    """(4 / pi) arctan(tanh(u / 2))."""

    slope = 2 / math.pi
    reach = 0.8

    def sigma(self, ops: Operations, u: Array) -> Array:
        # (4 / pi) arctan(tanh(inf)) rounds to 1 + 1 ulp.
        return ops.clamp(ops.atan(ops.tanh(0.5 * u)) * (4 / math.pi), 1)

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        if s == 1:
            return ops.atan(ops.exp(-a)) * (4 / math.pi)
        # arctan(e) = e (arctan(e) / e), where e = w^2 may underflow and arctan(e) / e is then 1
        w = ops.exp(-0.5 * a)
        e = ops.maximum(w * w, 2.0**-60)
        v = s * w
        return v * v * (ops.atan(e) / e) * (4 / math.pi)

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        # (2 / pi) sech a = (4 / pi) e / (1 + e^2) with e = w^2
        w = ops.exp(-0.5 * a)
        e = w * w
        return (4 / math.pi) * ((s * w) * (s * w)) / (1 + e * e)

    def log_density(self, ops: Operations, a: Array) -> Array:
        return math.log(4 / math.pi) - a - ops.log1p(ops.exp(-2 * a))

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        # sinh(a/2) = sin(v pi/4) / sqrt(sin(t pi/2)), because tanh(a/2) = tan(v pi/4). `small` is as in Arctan.
        small = ops.maximum(t / (s * s), 2.0**-60)
        root = ops.sqrt(ops.sin(small * (math.pi / 2)) / small)
        return 2 * ops.asinh(ops.sin(v * (math.pi / 4)) / root * (s / ops.sqrt(t)))

    def inverts_between(self, span: Span) -> bool:
        return span.quotient_holds

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        tangent, root = _half_angle(ops, side, below, above, span)  # tan(v pi/4) = tanh(a/2)
        return 2 * ops.asinh(tangent / root)


class Exponential(OddSquash):
    """sign(u) (1 - exp(-abs u))."""

    def sigma(self, ops: Operations, u: Array) -> Array:
        return ops.copysign(-ops.expm1(-ops.abs(u)), u)

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        if s == 1:
            return ops.exp(-a)
        w = s * ops.exp(-0.5 * a)
        return w * w

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        return self.tail(ops, a, s)

    def density_beside(self, ops: Operations, a: Array, t: Array, s: float) -> Array:
        return t

    def log_density(self, ops: Operations, a: Array) -> Array:
        return -a

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        # -log t is log1p(v / t), which is accurate around v = 0 too. `small` is as in Arctan.
        small = ops.maximum(t / (s * s), 2.0**-60)
        return ops.log1p(v / small) - (ops.log(t) - ops.log(small * (s * s)))

    def inverts_between(self, span: Span) -> bool:
        return span.quotient_holds

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        # Around the middle, where the rounding of t counts, a is wrong by 1 - e^-a - v.
        a = -ops.log(ops.minimum(below, above) / span.half)
        return ops.copysign(a + (ops.abs(side) / span.half + ops.expm1(-a)), side)
