"""The clipping functions that approach their limits as exp(-u) does, or faster, and never reach them."""

from __future__ import annotations

import math
from typing import Any

from softclip._functions.odd import OddSquash, Span, half_angle, polynomial, tan_arcsin, tan_arcsin_between
from softclip._functions.operations import Operations

Array = Any


def _falling(ops: Operations, u: Array, rate: float, s: float, height: int) -> Array:
    """height s^2 / (1 + exp(rate u)), of which nothing overflows before the result is 0."""
    if s == 1:
        return height * ops.logistic(u * -rate)
    # The same, with r = exp(rate u / 2) / s. XLA would compute exp(-rate u) twice if it were used twice.
    r = ops.exp(u * (0.5 * rate)) * (1 / s)
    return height / ops.plus(r * r, 1 / (s * s))


_TI2 = (
    1.0,
    -0.11111111111111024,
    0.03999999999988342,
    -0.020408163259088438,
    0.012345678836085018,
    -0.008264459739916297,
    0.0059171239363080014,
    -0.004444147892710901,
    0.003458396062666775,
    -0.0027616771428549624,
    0.002237295400258616,
    -0.0018042482608996923,
    0.0014038713412167923,
    -0.0010091698140786416,
    0.0006368423762296065,
    -0.00033389202880904843,
    0.00013681144158068597,
    -4.051101412114934e-05,
    7.639920135815813e-06,
    -6.848735563433701e-07,
)
"""Of q^2, for 0 <= q <= 1: the integral of arctan(t) / t from 0 to q, over q. Fitted in Chebyshev's nodes to 2e-18."""

_GUDERMANNIAN = (
    0.3183098861837907,
    -0.026525823848648766,
    0.004420970641417688,
    -0.0009631400321027209,
    0.0002429779444291708,
    -6.714518189030877e-05,
    1.973677961807534e-05,
    -6.065421995410074e-06,
    1.9268697895796066e-06,
    -6.268809332874654e-07,
    2.0637764496457682e-07,
    -6.736848659007306e-08,
    2.110201083255833e-08,
    -6.068381386202936e-09,
    1.5229500414186557e-09,
    -3.1601550496478697e-10,
    5.1063262156647586e-11,
    -5.947419291351938e-12,
    4.403858769004166e-13,
    -1.5480941078714606e-14,
)
"""Of a^2, for 0 <= a <= 1.6: the integral of the function from 0 to a, over a^2. Fitted likewise to 2e-18."""

CATALAN = 0.9159655941772190
"""The integral of arctan(t) / t from 0 to 1."""


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
        self.bend = 2.0 if halved else 1.0

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

    def area(self, ops: Operations, a: Array) -> Array:
        # log cosh a = log(1 + w^2 / (2 (1 + w))) with w = e^a - 1. From the bend on nothing may overflow.
        a = ops.minimum(0.5 * a if self.halved else a, 8.0)
        w = ops.expm1(a)
        return (2 if self.halved else 1) * ops.log1p(w * w / (2 * (1 + w)))

    def tail_area(self, ops: Operations, a: Array) -> Array:
        return (2 if self.halved else 1) * (math.log(2) - ops.log1p(ops.exp(-self.rate * a)))

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


class Erf(OddSquash):
    """erf u."""

    slope = 2 / math.sqrt(math.pi)
    reach = 0.4
    bend = 0.9

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

    def area(self, ops: Operations, a: Array) -> Array:
        a = ops.minimum(a, 40.0)
        return a * ops.erf(a) + ops.expm1(-(a * a)) / math.sqrt(math.pi)

    def tail_area(self, ops: Operations, a: Array) -> Array:
        a = ops.minimum(a, 40.0)
        return a * ops.erfc(a) - ops.expm1(-(a * a)) / math.sqrt(math.pi)

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
    bend = 1.6

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

    def area(self, ops: Operations, a: Array) -> Array:
        a = ops.minimum(a, self.bend)
        return a * a * polynomial(a * a, _GUDERMANNIAN)

    def tail_area(self, ops: Operations, a: Array) -> Array:
        q = ops.exp(-a)
        return (4 / math.pi) * (CATALAN - q * polynomial(q * q, _TI2))

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        # sinh(a/2) = sin(v pi/4) / sqrt(sin(t pi/2)), because tanh(a/2) = tan(v pi/4). `small` is as in Arctan.
        small = ops.maximum(t / (s * s), 2.0**-60)
        root = ops.sqrt(ops.sin(small * (math.pi / 2)) / small)
        return 2 * ops.asinh(ops.sin(v * (math.pi / 4)) / root * (s / ops.sqrt(t)))

    def inverts_between(self, span: Span) -> bool:
        return span.quotient_holds

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        tangent, root = half_angle(ops, side, below, above, span)  # tan(v pi/4) = tanh(a/2)
        return 2 * ops.asinh(tangent / root)


class Exponential(OddSquash):
    """sign(u) (1 - exp(-abs u))."""

    bend = 1.0

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

    def area(self, ops: Operations, a: Array) -> Array:
        a = ops.minimum(a, self.bend)
        return a * a * polynomial(-a, [1 / math.factorial(k + 2) for k in range(17)])  # a - 1 + e^-a

    def tail_area(self, ops: Operations, a: Array) -> Array:
        return -ops.expm1(-a)

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
