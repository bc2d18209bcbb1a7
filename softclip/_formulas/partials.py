"""The partial derivatives of f with respect to x, the bounds and the slope, in closed form.

Of an odd g, with t = 1 - sigma(abs u), h half the width, m the middle, and k = slope / unit_slope(g) in
u = k (x - m) / h:

    G       t/2 for u < 0, else 1 - t/2; 1 - G the other way round, so that neither cancels
              without a slope    with a slope
    d_x       h sigma'(u)        k sigma'(u)
    d_min     1 - G              1 - G + (u sigma'(u) - d_x) / 2
    d_max     G                  G - (u sigma'(u) + d_x) / 2
    d_slope                      (x - m) sigma'(u) / unit_slope(g)

Of a hinge, with A and B the distances x - start and x - end over the softness, D = A - B and sg(z) = 1 / (1 + e^-z):

    delta                        sg(A) sg(-B) (1 - e^-D) = d_x / slope
    d_min     1 - G              sg(-A) + (1 - slope)/2 delta
    d_max     G                  sg(B) + (1 - slope)/2 delta
    d_slope                      (x - m) delta

and of a hinge with one bound, from which x is the distance z inwards over the softness, sg(z) and sg(-z).

The constants are those of the derivative. Nothing here is NaN for any x but NaN, nor asks for a value.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from softclip._formulas.constants import Constants, CornerConstants, HingeConstants
from softclip._formulas.formulas import centered, distances, from_bound, position
from softclip._formulas.ops import Ops
from softclip._formulas.plan_numbers import unit_slope
from softclip._functions.hinge import Hinge
from softclip._functions.odd import OddSquash

Array = Any


class Partials(NamedTuple):
    """The partial derivatives, each in the shape of f; None for a bound or slope that is None."""

    x: Array
    low: Array | None
    high: Array | None
    slope: Array | None = None


def partials(ops: Ops, g: Any, x: Array, c: Any, slope: Any) -> Partials:
    """All of them, for a g that is not declared."""
    if isinstance(c, CornerConstants):
        return _of_corner(ops, g, x, c)
    return (_of_hinge if g.kind == "hinge" else _of_odd)(ops, g, x, c, slope)


def weighted_partials(ops: Ops, g: Any, x: Array, c: Any) -> tuple[Array, ...]:
    """Those that are not None, as a formula whose constants are those of the derivative and the slope."""
    constants, slope = c
    return tuple(v for v in partials(ops, g, x, constants, slope) if v is not None)


def _of_odd(ops: Ops, g: OddSquash, x: Array, c: Constants, slope: Any) -> Partials:
    u = position(ops, x, c)
    boost = ops.boost(x, c.density_factor.boost_level)
    if c.density_factor.boost_level == 0:
        of_low, of_high, density = g.sides(ops, u)
    else:
        t = ops.tail(g, u, c.density_factor.boost_level)
        density = g.density_beside(ops, ops.abs(u), t, boost)
        near = (0.5 * boost**-2) * t
        of_low, of_high = ops.where(u < 0, 1 - near, near), ops.where(u < 0, near, 1 - near)
    of_x = c.density_factor.times(density)
    if slope is None:
        return Partials(of_x, of_low, of_high)
    moved = (_cut(ops, u, ops.format(x).greatest) * (1 / boost)) * (density * (1 / boost))
    if c.density_factor.boost_level != 1:
        density = g.density(ops, ops.abs(u), ops.boost(x, 1))
    return Partials(
        of_x,
        of_low + 0.5 * (moved - of_x),
        of_high - 0.5 * (moved + of_x),
        _lever(ops, centered(x, c), c.prescale, density) * (1 / unit_slope(g)),
    )


def _of_hinge(ops: Ops, g: Hinge, x: Array, c: HingeConstants, slope: Any) -> Partials:
    y, d = distances(ops, x, c)
    of_x = c.density_factor.times(g.density(ops, d, c, ops.boost(x, c.density_factor.boost_level)))
    if slope is None:
        near = 0.5 * g.tail(ops, d, c)
        return Partials(of_x, ops.where(y < 0, 1 - near, near), ops.where(y < 0, near, 1 - near))
    a = ops.minimum(d * c.kappa, 800.0)
    near, far = g.corner_density(ops, -a), g.corner_density(ops, a - c.corners)
    mass = 0.5 * c.mass
    delta = mass * g.density(ops, d, c, 1.0)
    shared = (0.5 - 0.5 * slope) * delta
    return Partials(
        of_x,
        ops.where(y < 0, near, far) + shared,
        ops.where(y < 0, far, near) + shared,
        _lever(ops, y, c.prescale, mass * g.density(ops, d, c, ops.boost(x, 1))),
    )


def _of_corner(ops: Ops, g: Hinge, x: Array, c: CornerConstants) -> Partials:
    z = c.sign * from_bound(x, c)
    of_x, of_bound = g.corner_density(ops, z), g.corner_density(ops, -z)
    return Partials(of_x, of_bound, None) if c.sign > 0 else Partials(of_x, None, of_bound)


def _lever(ops: Ops, distance: Array, prescale: float | None, density: Array) -> Array:
    """distance / prescale times a density of boost level 1: 0 at infinity, and not lost where only the density is."""
    distance = _cut(ops, distance, ops.format(distance).greatest)
    far = ops.maximum(ops.abs(distance), 1.0) * (ops.boost(distance, 1) ** -2 / (prescale or 1.0))
    return far * (_cut(ops, distance, 1.0) * density)


def _cut(ops: Ops, v: Array, limit: float) -> Array:
    return ops.minimum(ops.maximum(v, -limit), limit)
