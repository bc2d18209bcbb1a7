"""The constants between bounds that are arrays. Gradients reach bounds and slope: all is in the library's operations.

Each function does what the one of the same name in `plan_numbers` does with numbers. The slope may be a float or an
array; in JAX and under torch.compile it is always an array.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from softclip._formulas.call import Quantity, is_array
from softclip._formulas.constants import Constants, CornerConstants, Factor, HingeConstants
from softclip._formulas.formats import Format
from softclip._formulas.ops import Ops
from softclip._formulas.plan_numbers import kind_of_factor, unit_slope
from softclip._functions.hinge import STRAIGHT, Hinge
from softclip._functions.squash import Squash

Array = Any


def corner(g: Hinge, compute: Format, low: Array | None, high: Array | None) -> CornerConstants:
    bound: Any = high if low is None else low
    softness = max(g.softness, compute.tiny)
    kappa = min(max(8 / softness, compute.tiny), math.ldexp(1.0, compute.largest))
    return CornerConstants(bound, softness, 0.125, bound * 0.125, kappa, -1.0 if low is None else 1.0)


def as_factor(ops: Ops, compute: Format, size: Any) -> Factor:
    """The factor of that size. What it multiplies is always boosted, because the size of an array is not known.

    Only the part above 1 can be reduced without an underflow, so the part below 1 is the remaining factor.
    """
    if isinstance(size, float):
        kind, boost = kind_of_factor(compute, size)
        return kind(size, size * boost**-2) if size > 1 else Factor(size)
    wide = size > 1
    return Factor(size, ops.where(wide, size, 1.0) * compute.boost() ** -2, ops.where(wide, 1.0, size))


def constants(
    quantity: Quantity, ops: Ops, g: Squash, compute: Format, low: Array, high: Array, slope: Any
) -> Constants:
    half = 0.5 * high - 0.5 * low
    middle, middle_rest = exact_sum(0.5 * low, 0.5 * high)
    if slope is not None:
        # A slope below the normal numbers counts where x is large.
        relative_slope = _within(ops, compute, slope / unit_slope(g), smallest=compute.subnormal)
    c = Constants(low, high, half, middle, middle_rest)
    if quantity in ("value", "inverse"):
        c = c._replace(tail_factor=as_factor(ops, compute, half))
    elif quantity == "antiderivative":
        c = c._replace(tail_factor=Factor(half if slope is None else half * (half / relative_slope)))
    else:
        density_factor = half if slope is None else relative_slope
        density_factor = (
            density_factor if g.kind == "odd" else _within(ops, compute, density_factor / (0.5 * g.high - 0.5 * g.low))
        )
        sized = as_factor(ops, compute, density_factor) if g.kind == "odd" else Factor(density_factor)
        c = c._replace(density_factor=sized, log_density_factor=_log(ops, density_factor))
    if slope is None:
        return c
    # Divisor and factor stay apart: their quotient, and its gradient in the bounds, would leave the format sooner.
    return c._replace(
        prescale=0.5,
        shift=0.5 * middle,
        shift_rest=0.5 * middle_rest,
        divisor=ops.maximum(0.5 * half, compute.tiny),
        factor=relative_slope,
        center=g.center or None,
    )


def _within(ops: Ops, compute: Format, size: Any, smallest: float | None = None) -> Any:
    """The normal number of the format nearest to a positive size: its products with 0 and infinity are not NaN."""
    smallest, largest = smallest or compute.tiny, math.ldexp(1.0, compute.largest)
    if isinstance(size, float):
        return min(max(size, smallest), largest)
    return ops.minimum(ops.maximum(size, smallest), largest)


def _log(ops: Ops, value: Any) -> Any:
    return math.log(value) if isinstance(value, float) else ops.log(value)


def hinge(
    quantity: Quantity, ops: Ops, g: Hinge, compute: Format, low: Array, high: Array, slope: Any
) -> HingeConstants:
    half = 0.5 * high - 0.5 * low
    middle = exact_sum(0.5 * low, 0.5 * high)
    scale = 0.125
    within = functools.partial(_within, ops, compute)
    if slope is None:
        center, width, softness = (0.5 * scale, None), 0.5 * scale, g.softness * scale
        start, end = (0.0, None), (scale, None)
        corners = within(1 / g.softness)
    else:
        center = (scale * middle[0], scale * middle[1])
        width = within(scale * half / slope)
        start, end = (add(center, (side, 0.0)) for side in (-width, width))
        softness = scale * ((g.softness if isinstance(slope, float) else within(g.softness)) / slope)
        corners = within(2 * (half / within(g.softness)))
    softness = within(softness)
    corners = corners if slope is None else ops.maximum(corners, 2 * (width / softness))  # where softness was cut
    (decay, mass), (half_decay, half_mass) = (
        (math.exp(-v), -math.expm1(-v)) if isinstance(v, float) else (ops.exp(-v), -ops.expm1(-v))
        for v in (corners, 0.5 * corners)
    )
    c = HingeConstants(
        low,
        high,
        half,
        *middle,
        scale,
        start,
        end,
        center,
        width,
        kappa=1 / softness,
        corners=corners,
        weight=2 / corners,
        decay=decay,
        mass=mass,
        half_decay=half_decay,
        half_mass=half_mass,
        cut=STRAIGHT,
        straight=STRAIGHT * softness,
        inner=(ops.maximum if is_array(softness) or is_array(width) else max)(0.5 * width, softness),
        unit=None if slope is None else within(scale / slope),
    )
    if quantity not in ("derivative", "log_derivative"):
        return c
    density_factor = (half if slope is None else 0.5 * slope) * mass
    density_factor = ops.minimum(ops.maximum(density_factor, compute.tiny), compute.greatest)
    return c._replace(
        density_factor=as_factor(ops, compute, density_factor), log_density_factor=_log(ops, density_factor)
    )


def exact_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b rounded, and what the rounding lost (Knuth's TwoSum)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def add(a: tuple[Array, Array], b: tuple[Array, Array]) -> tuple[Array, Array]:
    """a + b, numbers in two parts."""
    s, lost = exact_sum(a[0], b[0])
    return s, lost + (a[1] + b[1])
