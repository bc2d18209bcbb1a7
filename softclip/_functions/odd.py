"""What the package's functions of one scale have in common: each is odd, onto (-1, 1), and given by five closed forms.

The five functions have no branches. They are written in the elementary `Operations`. As those of a distribution they
come in pairs:

    sigma(ops, u)           the function itself, accurate relative to its value around u = 0
    tail(ops, a, s)         s^2 (1 - sigma(a)) for a = abs(u), accurate relative to its value, however small
    density(ops, a, s)      s^2 times the derivative of sigma, an even function, at a = abs(u), likewise
    log_density(ops, a)     the logarithm of the derivative, finite where the derivative underflows
    quantile(ops, v, t, s)  the inverse: a >= 0 for v = sigma(a) and t = s^2 (1 - v); v is accurate around a = 0, and t
                            in the tail

Two more are given where the integral has a closed form, and `bend` says so:

    area(ops, a)            the integral of sigma from 0 to a, accurate relative to its value up to `bend`
    tail_area(ops, a)       the integral of the tail from 0 to a, accurate relative to its value from there on

Three more save work, and need not be given: `core`, which is sigma around 0 and only there; `density_beside`, the
density where the tail is known; and `quantile_between`, the inverse where no gradient has to pass.

The boost s is a power of two. With s large the tail and the density are accurate also where they are below the
smallest normal number without it. No step may overflow in float32 where the result does not. An exponent that is
rounded, such as 1/p, makes a power wrong by the logarithm of its base times that error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from softclip._functions.operations import Operations
from softclip._functions.squash import Squash

Array = Any


class Span(NamedTuple):
    """What `quantile_between` needs to know of the bounds, which are numbers, and of the numbers between them."""

    half: float
    """Half the distance between the bounds."""
    least: float
    """The least distance that a number can have from one of the bounds, but 0."""
    least_above: float
    """The least that it can have from the upper bound, but 0."""
    tiny: float
    """The smallest normal number."""
    subnormal: float
    """The smallest number."""

    @property
    def is_ordinary(self) -> bool:
        """Whether constants made of the distance, and its square, are ordinary numbers."""
        return 2.0**-60 <= self.half <= 2.0**20

    @property
    def product_holds(self) -> bool:
        """Whether the product of the distances from the bounds has the digits that these have."""
        return self.is_ordinary and (2 * self.half >= 1 or self.least * self.half >= self.tiny)

    @property
    def quotient_holds(self) -> bool:
        """The same of the quotient of the distances from the nearer and the farther bound."""
        return self.is_ordinary and (2 * self.half <= 1 or self.least >= 4 * self.half * self.tiny)

    @property
    def ratio_holds(self) -> bool:
        """The same of the quotient of those from the lower and the upper bound, which may not overflow either."""
        return self.quotient_holds and self.least_above >= 4 * self.half * self.tiny

    @property
    def speck(self) -> float:
        """What is lost beside 1 even if it is divided by the root of the smallest number."""
        return math.sqrt(self.subnormal) * (self.subnormal / self.tiny) / 4


class OddSquash(Squash):
    """An odd function onto (-1, 1) with slope ``slope`` at 0.

    Its name, which holds its parameters, says all of it: two with the same name are equal.
    """

    low, high, center = -1.0, 1.0, 0.0
    slope: float = 1.0
    kind = "odd"
    rate: float | None = None
    """If sigma(u) is 2 logistic(rate u) - 1, that rate."""
    straight: float = 0.0
    """Up to which abs(u) it is the identity."""
    unboosted: tuple[float, float] = (4.0, 4.0)
    """How large the factors of a tail and of a density may be without a boost, if subnormal numbers are not flushed.

    Subnormal numbers lose digits, and a factor up to 4 keeps that loss smaller than the contract allows.
    """
    bend: float | None = None
    """Up to which abs(u) `area` counts: up to about where sigma is 1/2. None if the integral has no closed form."""
    reach: float = 0.5
    """How far `core` counts: up to where sigma is between 0.35 and 0.5, and 1 - tail is about as accurate as sigma."""

    def __init__(self, name: str) -> None:
        self.name = name

    def sigma(self, ops: Operations, u: Array) -> Array:
        raise NotImplementedError

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        raise NotImplementedError

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        raise NotImplementedError

    def core(self, ops: Operations, u: Array, digits: int) -> Array:
        """Sigma for abs(u) < reach to that many binary digits; anything elsewhere, where its gradient may be NaN."""
        return self.sigma(ops, u)

    def share(self, ops: Operations, u: Array, s: float) -> Array:
        """s^2 (1 + sigma(u)) / 2, accurate relative to its value. It is given where there is a `rate`."""
        raise NotImplementedError

    def density_beside(self, ops: Operations, a: Array, t: Array, s: float) -> Array:
        """The density, with t = tail(a, s)."""
        return self.density(ops, a, s)

    def sides(self, ops: Operations, u: Array) -> tuple[Array, Array, Array]:
        """1 - G and G, with G sigma carried onto (0, 1), each accurate relative to its value; and the density."""
        a = ops.abs(u)
        t = self.tail(ops, a, 1.0)
        near, over = 0.5 * t, 1 - t
        up = ops.copysign(0.5, u) + 0.5  # 1 where u is positive, else 0
        return near + (1 - up) * over, near + up * over, self.density_beside(ops, a, t, 1.0)

    def log_density(self, ops: Operations, a: Array) -> Array:
        return ops.log(self.density(ops, a, 1.0))

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        raise NotImplementedError

    def inverts_between(self, span: Span) -> bool:
        """Whether `quantile_between` is given for such bounds."""
        return False

    def quantile_between(self, ops: Operations, side: Array, below: Array, above: Array, span: Span) -> Array:
        """The inverse with its sign: infinite on a bound, NaN outside.

        `side` is the distance from the middle, with its sign; `below` and `above` are those from the bounds, negative
        outside. Each is accurate relative to its value. There is no branch, and nothing is promised of gradients.
        The result is accurate relative to its value, also around the middle.
        """
        raise NotImplementedError

    def area(self, ops: Operations, a: Array) -> Array:
        raise NotImplementedError

    def tail_area(self, ops: Operations, a: Array) -> Array:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and self.name == other.name)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return self.name if "(" in self.name else f"<Squash {self.name!r}>"


def tan_arcsin(ops: Operations, v: Array, t: Array, s: float) -> Array:
    """Return tan(arcsin v) = sinh(artanh v) = v / sqrt(1 - v^2), from v and t = s^2 (1 - v)."""
    return v / ops.sqrt(1 + v) * (s / ops.sqrt(t))


def half_angle(ops: Operations, side: Array, below: Array, above: Array, span: Span) -> tuple[Array, Array]:
    """p = tan(v pi/4) and sqrt(1 - p^2): with t = 1 - abs(v), 1 - p^2 is tan(t pi/4) (1 + abs(p))^2."""
    p = ops.tan(side * (math.pi / 4 / span.half))
    near = ops.maximum(ops.minimum(below, above), -span.half)  # outside the root is NaN, however far
    return p, ops.sqrt(ops.tan(near * (math.pi / 4 / span.half))) * (1 + ops.abs(p))


def polynomial(z: Array, coefficients: Sequence[float]) -> Array:
    """The polynomial in z with these coefficients, from that of the constant on."""
    value: Any = coefficients[-1]
    for c in reversed(coefficients[:-1]):
        value = value * z + c
    return value


def tan_arcsin_between(ops: Operations, side: Array, below: Array, above: Array) -> tuple[Array, Array]:
    """The same with its sign, since (1 - v)(1 + v) is the product of the distances; and the root of that product."""
    root = ops.sqrt(below * above)
    return side / root, root
