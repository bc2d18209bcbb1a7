"""The named clipping functions: all their mathematics.

Each is odd and onto (-1, 1), and is given without a branch by five functions, with ``ops`` the library's elementwise
operations (`softclip._run`). As a distribution's, they come in pairs:

    sigma(ops, u)           the function itself, accurate relative to its value around u = 0
    tail(ops, a, s)         s^2 (1 - sigma(a)) for a = abs(u), accurate relative to its value, however small: with s large
                            also where 1 - sigma(a) is below the smallest normal number
    density(ops, a, s)      s^2 times the derivative of sigma, an even function, at a = abs(u), likewise
    log_density(ops, a)     its logarithm, finite where it underflows itself
    quantile(ops, v, t, s)  the inverse: a >= 0 for v = sigma(a) and t = s^2 (1 - v), of which v is accurate around a = 0
                            and t in the tail

`softclip._form` puts f, its derivatives and its inverse together from these and the bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

from softclip._squash import Squash

Array = Any


class Named(Squash):
    """A clipping function of the package: odd, onto (-1, 1), with slope ``slope`` at 0. There is one of each."""

    low, high, center = -1.0, 1.0, 0.0
    slope: float = 1.0

    def __init__(self, name: str) -> None:
        self.name = name

    def sigma(self, ops: Any, u: Array) -> Array:
        raise NotImplementedError

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        raise NotImplementedError

    def density(self, ops: Any, a: Array, s: float) -> Array:
        raise NotImplementedError

    def log_density(self, ops: Any, a: Array) -> Array:
        return ops.log(self.density(ops, a, 1.0))

    def quantile(self, ops: Any, v: Array, t: Array, s: float) -> Array:
        raise NotImplementedError

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[Callable[[str], Squash], tuple[str]]:
        return named, (self.name,)

    def __repr__(self) -> str:
        return f"<Squash {self.name!r}>"


def tan_arcsin(ops: Any, v: Array, t: Array, s: float) -> Array:
    """Return tan(arcsin v) = sinh(artanh v) = v / sqrt(1 - v^2), from v and t = s^2 (1 - v)."""
    return v / ops.sqrt(1 + v) * (s / ops.sqrt(t))


class Logistic(Named):
    """tanh u; halved, tanh(u/2), which is 2 / (1 + exp(-u)) - 1: the sigmoid."""

    def __init__(self, name: str, *, halved: bool) -> None:
        super().__init__(name)
        self.halved = halved
        self.slope = 0.5 if halved else 1.0

    def sigma(self, ops: Any, u: Array) -> Array:
        return ops.tanh(0.5 * u if self.halved else u)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        a = a if self.halved else 2 * a
        if s == 1:
            e = ops.exp(-a)
            return (e + e) / (1 + e)
        # The same with r = exp(a / 2) / s, as XLA would compute an exp of two uses twice.
        r = ops.exp(0.5 * a) * (1 / s)
        return 2 / (r * r + 1 / (s * s))

    def density(self, ops: Any, a: Array, s: float) -> Array:
        w = ops.exp(-0.5 * a if self.halved else -a)  # 4 e / (1 + e)^2, half of it when halved
        v = s * w / (1 + w * w)
        return (2 if self.halved else 4) * v * v

    def log_density(self, ops: Any, a: Array) -> Array:
        a = a if self.halved else 2 * a
        return math.log(2 if self.halved else 4) - a - 2 * ops.log1p(ops.exp(-a))

    def quantile(self, ops: Any, v: Array, t: Array, s: float) -> Array:
        a = ops.asinh(tan_arcsin(ops, v, t, s))
        return 2 * a if self.halved else a


class Arctan(Named):
    """(2 / pi) arctan u."""

    slope = 2 / math.pi

    def sigma(self, ops: Any, u: Array) -> Array:
        return ops.cut(ops.atan(u) * (2 / math.pi), 1)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        # Past 2^60 it is (2 / pi) / a, and 1 / a may be below the smallest normal number.
        far = 2.0**60 / ops.maximum(a, 2.0**60)
        return ops.atan(1 / ops.minimum(a, 2.0**60)) * (s * s * (2 / math.pi)) * far

    def density(self, ops: Any, a: Array, s: float) -> Array:
        q = 1 / (1 + a)  # 1 / (1 + a^2) = q^2 / (q^2 + p^2) with p = a q
        p = 1 - q
        return (2 / math.pi) * ((s * q) * (s * q)) / (q * q + p * p)

    def log_density(self, ops: Any, a: Array) -> Array:
        return math.log(2 / math.pi) - _log_1_plus_square(ops, a)

    def quantile(self, ops: Any, v: Array, t: Array, s: float) -> Array:
        # tan(v pi/2) = sin(v pi/2) / sin(t pi/2), of which the latter is t pi/2 below 2^-60, where t may underflow.
        small = ops.maximum(t / (s * s), 2.0**-60)
        return ops.sin(v * (math.pi / 2)) / ops.sin(small * (math.pi / 2)) * (small * (s * s) / t)


def _log_1_plus_square(ops: Any, a: Array) -> Array:
    """log(1 + a^2), for any a: 1 + a^2 = (1 + a)^2 (q^2 + p^2) with q = 1 / (1 + a), p = 1 - q."""
    q = 1 / (1 + a)
    p = 1 - q
    return 2 * ops.log1p(a) + ops.log(q * q + p * p)


class Softsign(Named):
    """u / (1 + abs u)."""

    def sigma(self, ops: Any, u: Array) -> Array:
        u = ops.cut(u, 2.0**60)  # inf / inf; 2^60 / (1 + 2^60) is 1
        return u / (1 + ops.abs(u))

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        return (s * s) / (1 + a)

    def density(self, ops: Any, a: Array, s: float) -> Array:
        q = s / (1 + a)
        return q * q

    def log_density(self, ops: Any, a: Array) -> Array:
        return -2 * ops.log1p(a)

    def quantile(self, ops: Any, v: Array, t: Array, s: float) -> Array:
        return s * v * (s / t)


class Algebraic(Named):
    """u / sqrt(1 + u^2)."""

    def sigma(self, ops: Any, u: Array) -> Array:
        # Above and below divided by max(1, abs u): nothing overflows, and past 1 all that is left to round is monotone.
        near = ops.cut(u, 1)
        q = 1 / ops.maximum(ops.abs(u), 1.0)
        # XLA multiplies by the reciprocal of the root, and passes 1 by an ulp.
        return ops.cut(near / ops.sqrt(q * q + near * near), 1)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        # 1 - a/r = (r^2 - a^2) / (r (r + a)) with r^2 - a^2 = 1; past 2^60, where a^2 may overflow, r is a.
        small = ops.minimum(a, 2.0**60)
        r = ops.sqrt(1 + small * small) + (a - small)
        return (s / r) * (s / (r + a))

    def density(self, ops: Any, a: Array, s: float) -> Array:
        small = ops.minimum(a, 2.0**60)  # as in the tail
        d = 1 / (ops.sqrt(1 + small * small) + (a - small))
        return (s * d) * (s * d) * d

    def log_density(self, ops: Any, a: Array) -> Array:
        return -1.5 * _log_1_plus_square(ops, a)

    def quantile(self, ops: Any, v: Array, t: Array, s: float) -> Array:
        return tan_arcsin(ops, v, t, s)


class Erf(Named):
    """erf u."""

    slope = 2 / math.sqrt(math.pi)

    def sigma(self, ops: Any, u: Array) -> Array:
        return ops.erf(u)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        return ops.erfc(a) * (s * s)

    def density(self, ops: Any, a: Array, s: float) -> Array:
        a = ops.minimum(a, 40.0)  # exp(-1600) is 0 in float64, lifted too, and a^2 cannot overflow
        w = s * ops.exp(-0.5 * (a * a))
        return (2 / math.sqrt(math.pi)) * (w * w)

    def log_density(self, ops: Any, a: Array) -> Array:
        return math.log(2 / math.sqrt(math.pi)) - a * a

    def quantile(self, ops: Any, v: Array, t: Array, s: float) -> Array:
        return ops.where(v < 0.5, ops.erfinv(v), ops.erfcinv(t / (s * s)))


class Gudermannian(Named):
    """(4 / pi) arctan(tanh(u / 2))."""

    slope = 2 / math.pi

    def sigma(self, ops: Any, u: Array) -> Array:
        # (4 / pi) arctan(tanh(inf)) is 1 + 1 ulp.
        return ops.cut(ops.atan(ops.tanh(0.5 * u)) * (4 / math.pi), 1)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        if s == 1:
            return ops.atan(ops.exp(-a)) * (4 / math.pi)
        w = ops.exp(-0.5 * a)  # arctan(e) = e (arctan(e) / e) with e = w^2
        e = ops.maximum(w * w, 2.0**-60)
        v = s * w
        return v * v * (ops.atan(e) / e) * (4 / math.pi)

    def density(self, ops: Any, a: Array, s: float) -> Array:
        w = ops.exp(-0.5 * a)  # (2 / pi) sech a = (4 / pi) e / (1 + e^2)
        e = w * w
        return (4 / math.pi) * ((s * w) * (s * w)) / (1 + e * e)

    def log_density(self, ops: Any, a: Array) -> Array:
        return math.log(4 / math.pi) - a - ops.log1p(ops.exp(-2 * a))

    def quantile(self, ops: Any, v: Array, t: Array, s: float) -> Array:
        # sinh(a/2) = sin(v pi/4) / sqrt(sin(t pi/2)), as tanh(a/2) = tan(v pi/4); small as in arctan.
        small = ops.maximum(t / (s * s), 2.0**-60)
        root = ops.sqrt(ops.sin(small * (math.pi / 2)) / small)
        return 2 * ops.asinh(ops.sin(v * (math.pi / 4)) / root * (s / ops.sqrt(t)))


class Cubic(Named):
    """u - 4 u^3 / 27 up to the knee at 3/2, where it reaches 1 with slope 0."""

    strict = False

    def _distance(self, ops: Any, a: Array) -> Array:
        """From the knee inwards, in units of the knee: 1 at 0, 0 from the knee on; 3/2 - a is exact near it."""
        return ops.maximum(1.5 - a, 0.0) / 1.5

    def sigma(self, ops: Any, u: Array) -> Array:
        u = ops.cut(u, 1.5)
        return ops.cut(u - (4 / 27) * (u * u * u), 1)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        d = self._distance(ops, a)
        return d * d * (1.5 - 0.5 * d) * (s * s)

    def density(self, ops: Any, a: Array, s: float) -> Array:
        d = self._distance(ops, a)
        return d * (2 - d) * (s * s)

    def quantile(self, ops: Any, v: Array, t: Array, s: float) -> Array:
        # With u = 3 sin w, u - 4 u^3 / 27 = 3 sin w - 4 sin^3 w = sin 3w.
        return 3 * ops.sin(ops.atan(tan_arcsin(ops, v, t, s)) / 3)


class Quintic(Named):
    """u - 0.08192 u^5 up to the knee at 5/4, where it reaches 1 with slope 0."""

    strict = False

    def _distance(self, ops: Any, a: Array) -> Array:
        return ops.maximum(1.25 - a, 0.0) / 1.25

    def sigma(self, ops: Any, u: Array) -> Array:
        u = ops.cut(u, 1.25)
        return ops.cut(u - 0.08192 * (u * u) * (u * u) * u, 1)

    def _tail(self, d: Array) -> Array:
        return d * d * (2.5 - d * (2.5 - d * (1.25 - 0.25 * d)))

    def _density(self, d: Array) -> Array:
        return d * (4 - d * (6 - d * (4 - d)))

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        return (s * s) * self._tail(self._distance(ops, a))

    def density(self, ops: Any, a: Array, s: float) -> Array:
        return (s * s) * self._density(self._distance(ops, a))

    def quantile(self, ops: Any, v: Array, t: Array, s: float) -> Array:
        # Newton's iteration for d: the tail is convex in it and below 2.5 d^2, so that after the first step it falls to
        # the root, to float64's precision within six. 2^-100 keeps 0 / 0 away.
        t = t / (s * s)
        d = math.sqrt(0.4) * ops.sqrt(t) + 2.0**-100
        for _ in range(6):
            d = d - (self._tail(d) - t) / (1.25 * self._density(d))
        u = 1.25 - 1.25 * d
        return v / (1 - 0.08192 * (u * u) * (u * u))  # the same u, accurate relative to v


class Sine(Named):
    """sin u up to the knee at pi/2."""

    strict = False

    def _distance(self, ops: Any, a: Array) -> Array:
        """pi/2 - a, 0 from the knee on, with pi/2 = high + low in two numbers of a's precision.

        The maximum stands between the two so that XLA does not fold them into one.
        """
        high, low = ops.format(a).half_pi
        return ops.maximum(high - a, -low) + low

    def sigma(self, ops: Any, u: Array) -> Array:
        return ops.sin(ops.cut(u, math.pi / 2))

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        half = s * ops.sin(0.5 * self._distance(ops, a))
        return 2 * (half * half)

    def density(self, ops: Any, a: Array, s: float) -> Array:
        return ops.sin(self._distance(ops, a)) * (s * s)

    def quantile(self, ops: Any, v: Array, t: Array, s: float) -> Array:
        return ops.atan(tan_arcsin(ops, v, t, s))


Name = Literal["sigmoid", "tanh", "arctan", "softsign", "algebraic", "erf", "gudermannian", "cubic", "quintic", "sine"]
"""What type checkers let pass as ``g``."""

NAMED: dict[str, Named] = {
    g.name: g
    for g in (
        Logistic("sigmoid", halved=True),
        Logistic("tanh", halved=False),
        Arctan("arctan"),
        Softsign("softsign"),
        Algebraic("algebraic"),
        Erf("erf"),
        Gudermannian("gudermannian"),
        Cubic("cubic"),
        Quintic("quintic"),
        Sine("sine"),
    )
}


def named(name: str) -> Named:
    """The clipping function of that name; what pickles call."""
    return NAMED[name]


NAMES: tuple[Name, ...] = get_args(Name)
"""The names that can be passed as ``g``."""
