"""How f, its derivatives and its inverse are put together from a Squash and the bounds: a form, and the constants it needs.

A form is a function ``form(ops, g, x, c)`` of x and of the constants ``c`` of one call, which `softclip._plan` makes.
For the value there are several, as the bounds decide how it is best computed:

    odd          b sigma(u)                                      bounds -b and b: accurate relative to f around 0
    tails        lo + h t(abs u) for u < 0, hi - h t(abs u)      one tail t = 1 - sigma seen from both ends, h = half width
    signed_tail  (m + c) - c t(abs u), c = copysign(h, u)        the same without a branch, where m + h is hi, m - h is lo
    clipped      m + h sigma(u), clipped                         bounds far from 0, where no gradient has to pass
    mixed        odd or tails, element by element                bounds that are arrays
    declared     tails of a function that is not the package's
    hinged, hinged_symmetric, hinged_low, hinged_high            the hinge: tails; with odd in the middle; one bound

Written this way f stays in the bounds by the monotonicity of rounding alone, and h t, unlike (hi - lo) G, cannot
overflow. Every branch of a ``where`` is finite wherever it is not taken, so that no gradient is NaN.

The derivative is r sigma'(u) with r = h du/dx, its logarithm log r + log sigma'(u), and the inverse is found from how
far y is from the middle and from the nearer bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from softclip._hinge import Hinge
from softclip._named import Named
from softclip._squash import Squash

Array = Any
Form = Callable[[Any, Any, Array, Any], Array]


class Scale(NamedTuple):
    """A factor of a tail or density, and ``dropped * kept``, lift^2 times smaller, for one that is lifted.

    With wide bounds t alone may be below the smallest number where h t is not; so t is lifted by a power of two, and h
    dropped. Where `dropped` is None nothing is lifted; where `kept` is None it is 1. By how much is said by None and by
    the type, which JAX takes for the structure of the constants: their values are not known while it traces.
    """

    size: Array
    dropped: Array | None = None
    kept: Array | None = None

    @property
    def lifts(self) -> int:
        return 0 if self.dropped is None else 1

    def times(self, t: Array) -> Array:
        """The factor times t, which comes lifted if it is to be."""
        if self.dropped is None:
            return self.size * t
        return self.dropped * (t if self.kept is None else self.kept * t)

    def measure(self, distance: Array) -> Array:
        """The t of which that distance is the multiple, lifted if it is to be."""
        if self.dropped is None:
            return distance / self.size
        t = distance / self.dropped
        return t if self.kept is None else t / self.kept


class WideScale(Scale):
    """A factor so large that what it multiplies is lifted further, a number."""

    lifts = 2


class Frame(NamedTuple):
    """The constants of a two-sided f: numbers, or arrays that broadcast with x. A step whose constant is None is left out.

    u = ((x scale - shift - shift_low) / divisor) factor factor2 + center
    """

    low: Array
    high: Array
    half: Array
    middle: Array
    middle_low: Array | None = None
    scale: float | None = None
    shift: Array | None = None
    shift_low: Array | None = None
    divisor: Array | None = None
    factor: Array | None = None
    factor2: float | None = None
    center: float | None = None
    reach: Any = None
    """h, as a `Scale` of the tail."""
    rate: Any = None
    """h du/dx, as a `Scale` of the density."""
    log_rate: Array | None = None


class HingeFrame(NamedTuple):
    """The constants of a hinge between two ends, each end and their middle in two parts, all in units of x scale."""

    low: Array
    high: Array
    half: Array
    middle: Array
    middle_low: Array | None
    scale: float | None
    start: tuple[Array, Array | None]
    end: tuple[Array, Array | None]
    center: tuple[Array, Array | None]
    width: Array
    kappa: Array
    corners: Array
    weight: Array
    share: Array
    unit: Array | None
    """What a distance of y is multiplied by to become one of x; None if it has to be done in two steps."""
    rate: Any = None
    log_rate: Array | None = None


class OneSided(NamedTuple):
    """The constants of a hinge with one bound."""

    bound: Array
    softness: float
    scale: float | None
    scaled_bound: Array
    kappa: float
    sign: float
    """1 if the bound is the lower one, -1 if the upper."""


# The value.


def odd(ops: Any, g: Named, x: Array, c: Frame) -> Array:
    return ops.affine(None, c.half, ops.sigma(g, position(ops, x, c)))


def clipped(ops: Any, g: Named, x: Array, c: Frame) -> Array:
    return ops.clip(ops.affine(c.middle, c.half, ops.sigma(g, position(ops, x, c))), c.low, c.high)


def signed_tail(ops: Any, g: Named, x: Array, c: Frame) -> Array:
    u = position(ops, x, c)
    toward = ops.copysign(c.half, u)
    t = ops.tail(g, u, c.reach.lifts)
    lowered = ops.copysign(c.reach.dropped, u) if c.reach.lifts else toward
    return (c.middle + toward) - lowered * t


def tails(ops: Any, g: Named, x: Array, c: Frame) -> Array:
    u = position(ops, x, c)
    t = c.reach.times(ops.tail(g, u, c.reach.lifts))
    return ops.where(u < 0, c.low + t, c.high - t)


def mixed(ops: Any, g: Named, x: Array, c: Frame) -> Array:
    u = position(ops, x, c)
    t = c.reach.times(ops.tail(g, u, c.reach.lifts))
    symmetric = c.middle + c.half * ops.sigma(g, u)
    return ops.where(c.middle == 0, symmetric, ops.where(u < 0, c.low + t, c.high - t))


def declared(ops: Any, g: Squash, x: Array, c: Frame) -> Array:
    v = g.sigma(ops, position(ops, x, c))
    v = ops.where(v < g.low, g.low, ops.where(v > g.high, g.high, v))
    half = 0.5 * g.high - 0.5 * g.low
    below, above = (v - g.low) / half, (g.high - v) / half
    y = ops.where(below < above, c.low + c.half * below, c.high - c.half * above)
    if not g.symmetric:
        return y
    return ops.where(ops.abs(v) < 0.5 * half, c.middle + c.half * (v / half), y)


def hinged(ops: Any, g: Hinge, x: Array, c: HingeFrame) -> Array:
    y, d = distances(ops, x, c)
    t = c.half * g.tail(ops, d, c)
    return ops.where(y < 0, c.low + t, c.high - t)


def hinged_symmetric(ops: Any, g: Hinge, x: Array, c: HingeFrame) -> Array:
    y, d = distances(ops, x, c)
    t = c.half * g.tail(ops, d, c)
    outer = ops.where(y < 0, c.low + t, c.high - t)
    inside = ops.abs(y) < 0.5 * c.width
    return ops.where(inside, c.middle + c.half * g.sigma(ops, ops.where(inside, y, 0.0), c), outer)


def hinged_low(ops: Any, g: Hinge, x: Array, c: OneSided) -> Array:
    return ops.maximum(x, c.bound) + c.softness * corner(ops, g, x, c)


def hinged_high(ops: Any, g: Hinge, x: Array, c: OneSided) -> Array:
    return ops.minimum(x, c.bound) - c.softness * corner(ops, g, x, c)


# The derivative and its logarithm.


def derivative(ops: Any, g: Squash, x: Array, c: Any) -> Array:
    return c.rate.times(_density(ops, g, x, c))


def log_derivative(ops: Any, g: Squash, x: Array, c: Any) -> Array:
    far = c.log_rate + _log_density(ops, g, x, c)
    if not c.rate.lifts:
        return far
    # Where both logarithms are large and cancel, the derivative is a number of ordinary size.
    slope = derivative(ops, g, x, c)
    ordinary = (slope >= ops.format(x).tiny) & (slope < math.inf)
    return ops.where(ordinary, ops.log(ops.where(ordinary, slope, 1.0)), far)


def _density(ops: Any, g: Squash, x: Array, c: Any) -> Array:
    lift = ops.lift(x, c.rate.lifts)
    if isinstance(g, Hinge):
        return g.density(ops, distances(ops, x, c)[1], c, lift)
    u = position(ops, x, c)
    return g.density(ops, ops.abs(u), lift) if isinstance(g, Named) else ops.call(g.derivative, u)


def _log_density(ops: Any, g: Squash, x: Array, c: Any) -> Array:
    if isinstance(g, Hinge):
        return g.log_density(ops, distances(ops, x, c)[1], c)
    u = position(ops, x, c)
    return g.log_density(ops, ops.abs(u)) if isinstance(g, Named) else ops.log(ops.call(g.derivative, u))


def corner_derivative(ops: Any, g: Hinge, x: Array, c: OneSided) -> Array:
    return g.corner_density(ops, c.sign * from_bound(x, c))


def corner_log_derivative(ops: Any, g: Hinge, x: Array, c: OneSided) -> Array:
    return g.corner_log_density(ops, c.sign * from_bound(x, c))


# The inverse. `_edge` is added to what goes to infinity at the bounds, and its gradient goes there too.


def inverse(ops: Any, g: Named, y: Array, c: Frame) -> Array:
    side, near, v = _inside(ops, y, c)
    a = ops.quantile(g, v, near, c.reach) + _edge(ops, near)
    return place(ops.copysign(a, side), c)


def declared_inverse(ops: Any, g: Squash, y: Array, c: Frame) -> Array:
    side, near, v = _inside(ops, y, c)
    half, middle = 0.5 * g.high - 0.5 * g.low, 0.5 * g.low + 0.5 * g.high
    t = half * ops.share(near, c.half)
    p = ops.where(side < 0, g.low + t, g.high - t)
    p = ops.where(v < 0.5, middle + ops.copysign(half * v, side), p) if g.symmetric else p
    u = ops.call(g.inverse, ops.where(near > 0, p, middle))
    return place(u + ops.copysign(_edge(ops, near), side), c)


def hinge_inverse(ops: Any, g: Hinge, y: Array, c: HingeFrame) -> Array:
    side, near, v = _inside(ops, y, c)
    z, b = (ops.share(d, c.half) * c.width if c.unit is None else d * c.unit for d in (side, near))
    scaled = b * c.kappa
    more = g.excess(ops, ops.abs(z) * c.kappa, scaled) + _edge(ops, near) + _edge(ops, scaled)  # which may underflow
    more = more / c.kappa
    x = ops.where(side < 0, _sum(c.start, b - more), _sum(c.end, more - b))
    x = ops.where(v < 0.5, _sum(c.center, z + ops.copysign(more, side)), x)
    return x if c.scale is None else x / c.scale


def corner_inverse(ops: Any, g: Hinge, y: Array, c: OneSided) -> Array:
    b = c.sign * from_bound(y, c)
    return y - c.sign * c.softness * (g.corner_excess(ops, b) + _edge(ops, b))


def _inside(ops: Any, y: Array, c: Any) -> tuple[Array, Array, Array]:
    """Where y is: from the middle, signed; from the nearer bound, negative outside; and the first in units of h."""
    side = y - c.middle
    side = side if c.middle_low is None else side - c.middle_low
    near = ops.where(side < 0, y - c.low, c.high - y)
    return side, near, ops.share(ops.abs(side), c.half)


def _edge(ops: Any, near: Array) -> Array:
    """0 inside, infinite on a bound, NaN outside."""
    on = near == 0
    edge = ops.where(on, ops.abs(1 / ops.where(on, near, 1.0)), 0.0 * ops.minimum(near, 1.0))
    return ops.where(near < 0, math.nan, edge)


def _sum(end: tuple[Array, Array | None], distance: Array) -> Array:
    high, low = end
    return high + distance if low is None else (high + distance) + low


# Where x is, seen from the bounds.


def position(ops: Any, x: Array, c: Frame) -> Array:
    """u, the argument of sigma."""
    u = x if c.scale is None else x * c.scale
    for shift in (c.shift, c.shift_low):
        u = u if shift is None else u - shift
    u = u if c.divisor is None else ops.divide(u, c.divisor)
    for factor in (c.factor, c.factor2):
        u = u if factor is None else u * factor
    return u if c.center is None else u + c.center


def place(u: Array, c: Frame) -> Array:
    """The x whose position is u."""
    u = u if c.center is None else u - c.center
    for factor in (c.factor2, c.factor):
        u = u if factor is None else u / factor
    u = u if c.divisor is None else u * c.divisor
    for shift in (c.shift, c.shift_low):
        u = u if shift is None else u + shift
    return u if c.scale is None else u / c.scale


def distances(ops: Any, x: Array, c: HingeFrame) -> tuple[Array, Array]:
    """How far x is from the middle of the ends, signed, and inwards from the nearer end."""
    x = x if c.scale is None else x * c.scale
    y, from_start, from_end = (x - high if low is None else x - high - low for high, low in (c.center, c.start, c.end))
    return y, ops.where(y < 0, from_start, -from_end)


def from_bound(x: Array, c: OneSided) -> Array:
    """How far x is above the bound, in units of the softness."""
    return ((x if c.scale is None else x * c.scale) - c.scaled_bound) * c.kappa


def corner(ops: Any, g: Hinge, x: Array, c: OneSided) -> Array:
    return g.corner(ops, ops.abs(from_bound(x, c)))
