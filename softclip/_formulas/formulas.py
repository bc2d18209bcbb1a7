"""How f, its derivatives and its inverse are computed from a clipping function g and the bounds.

A formula is a function ``formula(ops, g, x, c)`` of x and of the constants ``c`` of one call. `softclip._formulas.plan`
makes the constants, and `softclip._formulas.constants` says what the words mean. There are several formulas for the
value, because the bounds decide how it is best computed:

    odd          b sigma(u)                                      bounds -b and b: accurate relative to f around 0
    tails        lo + h t(abs u) for u < 0, hi - h t(abs u)      one tail t = 1 - sigma from both ends, h = half width
    signed_tail  (m + c) - c t(abs u), c = copysign(h, u)        the same without a branch, where m + h is hi, m - h lo
    from_zero, to_zero           w G(u) and -w G(-u): the same for sigmoid and tanh
    clipped      m + h sigma(u), clipped                         bounds far from 0, where no gradient has to pass
    whole, cut   lo + w G(u), w = hi - lo; and cut at hi         the same for sigmoid and tanh, where tanh is slow
    mixed        m + h sigma(u) around the middle, else tails    bounds that are arrays, of any kind
    declared     tails of a function that is not the package's
    hinged, hinged_odd, hinged_mixed                             the hinge, as tails, odd and mixed
    hinged_low, hinged_high                                      the hinge with one bound

Written this way f stays in the bounds by the monotonicity of rounding alone, and h t, unlike (hi - lo) G, cannot
overflow. Every branch of a ``where`` is finite wherever it is not taken, so that no gradient is NaN.

The derivative is r sigma'(u) with r = h du/dx, its logarithm log r + log sigma'(u), and the inverse is found from how
far y is from the middle and from the nearer bound. `direct_inverse` does so without a branch. It serves where no
gradient has to pass, and no distance is so small that one of its steps would underflow.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from softclip._formulas.constants import Constants, CornerConstants, HingeConstants, Parts
from softclip._formulas.ops import Ops
from softclip._functions.hinge import Hinge
from softclip._functions.odd import OddSquash
from softclip._functions.squash import Squash

Array = Any
Formula = Callable[[Any, Any, Array, Any], Array]


# The value.


def odd(ops: Ops, g: OddSquash, x: Array, c: Constants) -> Array:
    return ops.affine(None, c.half, ops.sigma(g, position(ops, x, c)))


def clipped(ops: Ops, g: OddSquash, x: Array, c: Constants) -> Array:
    return ops.clip(ops.affine(c.middle, c.half, ops.sigma(g, position(ops, x, c))), c.low, c.high)


def whole(ops: Ops, g: OddSquash, x: Array, c: Constants) -> Array:
    return ops.affine(c.low, c.width, ops.logistic(position(ops, x, c) * g.rate))


def cut(ops: Ops, g: OddSquash, x: Array, c: Constants) -> Array:
    return ops.minimum(whole(ops, g, x, c), c.high)


def signed_tail(ops: Ops, g: OddSquash, x: Array, c: Constants) -> Array:
    u = position(ops, x, c)
    toward = ops.copysign(c.half, u)
    level = c.tail_factor.boost_level
    t = ops.tail(g, u, level)
    if c.tail_factor.remaining is None:
        lowered = toward * ops.boost(u, level) ** -2  # exactly the reduced factor
    else:
        lowered = ops.copysign(c.tail_factor.reduced, u)
        t = c.tail_factor.remaining * t
    return (c.middle + toward) - lowered * t


def from_zero(ops: Ops, g: OddSquash, x: Array, c: Constants) -> Array:
    level = c.tail_factor.boost_level
    return c.tail_factor.times(g.share(ops, position(ops, x, c), ops.boost(x, level)))


def to_zero(ops: Ops, g: OddSquash, x: Array, c: Constants) -> Array:
    level = c.tail_factor.boost_level
    return -c.tail_factor.times(g.share(ops, -position(ops, x, c), ops.boost(x, level)))


def tails(ops: Ops, g: OddSquash, x: Array, c: Constants) -> Array:
    u = position(ops, x, c)
    t = c.tail_factor.times(ops.tail(g, u, c.tail_factor.boost_level))
    return ops.where(u < 0, c.low + t, c.high - t)


def mixed(ops: Ops, g: OddSquash, x: Array, c: Constants) -> Array:
    u = position(ops, x, c)
    t = c.tail_factor.times(ops.tail(g, u, c.tail_factor.boost_level))
    around_middle = c.middle + c.half * ops.core(g, u)
    return ops.where(ops.abs(u) < g.reach, around_middle, ops.where(u < 0, c.low + t, c.high - t))


def declared(ops: Ops, g: Squash, x: Array, c: Constants) -> Array:
    v = g.sigma(ops, position(ops, x, c))
    v = ops.where(v < g.low, g.low, ops.where(v > g.high, g.high, v))
    half = 0.5 * g.high - 0.5 * g.low
    below, above = (v - g.low) / half, (g.high - v) / half
    y = ops.where(below < above, c.low + c.half * below, c.high - c.half * above)
    if not g.symmetric:
        return y
    return ops.where(ops.abs(v) < 0.5 * half, c.middle + c.half * (v / half), y)


def hinged(ops: Ops, g: Hinge, x: Array, c: HingeConstants) -> Array:
    y, d = distances(ops, x, c)
    t = c.half * g.tail(ops, d, c)
    return ops.where(y < 0, c.low + t, c.high - t)


def hinged_odd(ops: Ops, g: Hinge, x: Array, c: HingeConstants) -> Array:
    y = _from(x if c.prescale is None else x * c.prescale, c.center)
    return ops.copysign(ops.affine(None, c.half, g.sigma(ops, ops.abs(y), c)), y)


def hinged_mixed(ops: Ops, g: Hinge, x: Array, c: HingeConstants) -> Array:
    y, d = distances(ops, x, c)
    t = c.half * g.tail(ops, d, c)
    outer = ops.where(y < 0, c.low + t, c.high - t)
    inside = ops.abs(y) < c.inner
    s = c.half * g.sigma(ops, ops.abs(ops.where(inside, y, 0.0)), c)
    return ops.where(inside, c.middle + ops.where(y < 0, -s, s), outer)


def hinged_low(ops: Ops, g: Hinge, x: Array, c: CornerConstants) -> Array:
    return ops.maximum(x, c.bound) + c.softness * corner(ops, g, x, c)


def hinged_high(ops: Ops, g: Hinge, x: Array, c: CornerConstants) -> Array:
    return ops.minimum(x, c.bound) - c.softness * corner(ops, g, x, c)


@functools.cache
def passing(formula: Formula) -> Formula:
    """The formula of the value or the inverse, but x itself where f is the identity."""

    def passed(ops: Ops, g: OddSquash, x: Array, c: Constants) -> Array:
        y = formula(ops, g, x, c)
        half = 0.5 * c.high - 0.5 * c.low  # some formulas have made c.half larger
        certain = half >= ops.format(x).tiny  # of subnormal numbers the rounding could let x pass outside the bounds
        if certain is False:
            return y
        limit = g.straight * half
        limit = limit if certain is True else ops.where(certain, limit, -1.0)
        return ops.where(ops.abs(_side(x, c)) <= limit, x, y)

    return passed


# The derivative and its logarithm.


def derivative(ops: Ops, g: Squash, x: Array, c: Any) -> Array:
    return c.density_factor.times(_density(ops, g, x, c))


def log_derivative(ops: Ops, g: Squash, x: Array, c: Any) -> Array:
    far = c.log_density_factor + _log_density(ops, g, x, c)
    if not c.density_factor.boost_level:
        return far
    # Where both logarithms are large and cancel, the derivative is a number of ordinary size.
    slope = derivative(ops, g, x, c)
    ordinary = (slope >= ops.format(x).tiny) & (slope < math.inf)
    return ops.where(ordinary, ops.log(ops.where(ordinary, slope, 1.0)), far)


def _density(ops: Ops, g: Any, x: Array, c: Any) -> Array:
    """The density, boosted if its factor says so."""
    level = c.density_factor.boost_level
    if g.kind == "hinge":
        return g.density(ops, distances(ops, x, c)[1], c, ops.boost(x, level))
    u = position(ops, x, c)
    return ops.density(g, u, level) if g.kind == "odd" else ops.call(g.derivative, u)


def _log_density(ops: Ops, g: Any, x: Array, c: Any) -> Array:
    if g.kind == "hinge":
        return g.log_density(ops, distances(ops, x, c)[1], c)
    u = position(ops, x, c)
    return g.log_density(ops, ops.abs(u)) if g.kind == "odd" else ops.log(ops.call(g.derivative, u))


def corner_derivative(ops: Ops, g: Hinge, x: Array, c: CornerConstants) -> Array:
    return g.corner_density(ops, c.sign * from_bound(x, c))


def corner_log_derivative(ops: Ops, g: Hinge, x: Array, c: CornerConstants) -> Array:
    return g.corner_log_density(ops, c.sign * from_bound(x, c))


# The antiderivative that is 0 where f is at its middle m. With d = x - m there, and r = h / (du/dx), it is
#     m d + r area(u)                          around there, accurate relative to its value if m = 0
#     lo d - r tail_area(u), hi d - r ...      farther out, accurate next to a bound of 0 too


def antiderivative(ops: Ops, g: OddSquash, x: Array, c: Constants) -> Array:
    u, d = position(ops, x, c), centered(x, c)
    d = d if c.prescale is None else d * (1 / c.prescale)
    ratio = c.tail_factor.size
    greatest = ops.format(x).greatest
    finite = ops.minimum(ops.maximum(d, -greatest), greatest)
    bound = ops.where(u < 0, 0.0 * finite + c.low, 0.0 * finite + c.high)
    outside = bound * finite - ratio * ops.tail_area(g, u)
    # At infinity the tail of a heavy function has no integral, but beside a bound that is not 0 that does not count.
    far = ops.where(bound == 0, outside, ops.where(bound == 0, 1.0, bound) * d)
    outside = ops.where(ops.abs(d) < math.inf, outside, far)
    inside = c.middle * d + ratio * ops.area(g, u)
    return ops.where(ops.abs(u) < g.bend, inside, outside)


# The inverse. `_edge` is added to what goes to infinity at the bounds, and its gradient goes there too.


def inverse(ops: Ops, g: OddSquash, y: Array, c: Constants) -> Array:
    side, near, v = _inside(ops, y, c)
    a = ops.quantile(g, v, near, c.tail_factor) + _edge(ops, near)
    return place(ops.copysign(a, side), c)


def direct_inverse(ops: Ops, g: OddSquash, y: Array, c: Constants) -> Array:
    below, above = y - (c.low or -0.0), (c.high or 0.0) - y  # never -0.0, whose quotients are on the wrong side
    return place(g.quantile_between(ops, _side(y, c), below, above, c.span), c)


def declared_inverse(ops: Ops, g: Any, y: Array, c: Constants) -> Array:
    side, near, v = _inside(ops, y, c)
    half, middle = 0.5 * g.high - 0.5 * g.low, 0.5 * g.low + 0.5 * g.high
    t = half * ops.ratio(near, c.half)
    p = ops.where(side < 0, g.low + t, g.high - t)
    p = ops.where(v < 0.5, middle + ops.copysign(half * v, side), p) if g.symmetric else p
    u = ops.call(g.inverse, ops.where(near > 0, p, middle))
    return place(u + ops.copysign(_edge(ops, near), side), c)


def hinge_inverse(ops: Ops, g: Hinge, y: Array, c: HingeConstants) -> Array:
    side, near, v = _inside(ops, y, c)
    z, b = (ops.ratio(d, c.half) * c.width if c.unit is None else d * c.unit for d in (side, near))
    scaled = b * c.kappa
    more = g.excess(ops, ops.abs(z) * c.kappa, scaled) + _edge(ops, near) + _edge(ops, scaled)  # which may underflow
    more = more / c.kappa
    x = ops.where(side < 0, _sum(c.start, b - more), _sum(c.end, more - b))
    x = ops.where(v < 0.5, _sum(c.center, z + ops.copysign(more, side)), x)
    return x if c.prescale is None else x / c.prescale


def corner_inverse(ops: Ops, g: Hinge, y: Array, c: CornerConstants) -> Array:
    b = c.sign * from_bound(y, c)
    return y - c.sign * c.softness * (g.corner_excess(ops, b) + _edge(ops, b))


def _inside(ops: Ops, y: Array, c: Any) -> tuple[Array, Array, Array]:
    """Where y is: from the middle, signed; from the nearer bound, negative outside; and the first in units of h."""
    side = _side(y, c)
    near = ops.where(side < 0, y - c.low, c.high - y)
    return side, near, ops.ratio(ops.abs(side), c.half)


def _side(y: Array, c: Any) -> Array:
    side = y - c.middle
    return side if c.middle_rest is None else side - c.middle_rest


def _edge(ops: Ops, near: Array) -> Array:
    """0 inside, infinite on a bound, NaN outside."""
    on = near == 0
    edge = ops.where(on, ops.abs(1 / ops.where(on, near, 1.0)), 0.0 * ops.minimum(near, 1.0))
    return ops.where(near < 0, math.nan, edge)


def _sum(end: Parts, distance: Array) -> Array:
    number, rest = end
    return number + distance if rest is None else (number + distance) + rest


# Where x is, seen from the bounds.


def position(ops: Ops, x: Array, c: Constants) -> Array:
    """u, the argument of sigma."""
    u = centered(x, c)
    u = u if c.divisor is None else ops.divide(u, c.divisor)
    for factor in (c.factor, c.factor2):
        u = u if factor is None else u * factor
    return u if c.center is None else u + c.center


def centered(x: Array, c: Constants) -> Array:
    """How far x is from the middle, in units of x prescale."""
    x = x if c.prescale is None else x * c.prescale
    for shift in (c.shift, c.shift_rest):
        x = x if shift is None else x - shift
    return x


def place(u: Array, c: Constants) -> Array:
    """The x whose position is u."""
    u = u if c.center is None else u - c.center
    for factor in (c.factor2, c.factor):
        u = u if factor is None else u / factor
    u = u if c.divisor is None else u * c.divisor
    for shift in (c.shift, c.shift_rest):
        u = u if shift is None else u + shift
    return u if c.prescale is None else u / c.prescale


def distances(ops: Ops, x: Array, c: HingeConstants) -> tuple[Array, Array]:
    """How far x is from the middle of the ends, signed, and inwards from the nearer end."""
    x = x if c.prescale is None else x * c.prescale
    y = _from(x, c.center)
    return y, ops.where(y < 0, _from(x, c.start), -_from(x, c.end))


def _from(x: Array, point: Parts) -> Array:
    number, rest = point
    return x - number if rest is None else x - number - rest


def from_bound(x: Array, c: CornerConstants) -> Array:
    """How far x is above the bound, in units of the softness."""
    return ((x if c.prescale is None else x * c.prescale) - c.scaled_bound) * c.kappa


def corner(ops: Ops, g: Hinge, x: Array, c: CornerConstants) -> Array:
    return g.corner(ops, ops.abs(from_bound(x, c)))
