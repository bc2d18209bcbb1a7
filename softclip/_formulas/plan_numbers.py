"""The constants between bounds that are numbers: computed exactly, as fractions, and rounded once."""

from __future__ import annotations

import math
from fractions import Fraction

from softclip._formulas.call import Quantity
from softclip._formulas.constants import Constants, CornerConstants, Factor, HingeConstants, WideFactor
from softclip._formulas.formats import Format
from softclip._functions.hinge import APART, STRAIGHT, Hinge
from softclip._functions.odd import Span
from softclip._functions.squash import Squash

_CORNERS = Fraction(4000)  # exp(-4000) is 0 in float64


def half_width(low: float, high: float) -> Fraction:
    return (Fraction(high) - Fraction(low)) / 2


def span(compute: Format, low: float, high: float) -> Span:
    least, least_above = (
        max((compute.next(size) - size) / 2, compute.subnormal) if size else compute.subnormal
        for size in (min(abs(low), abs(high)), abs(high))
    )
    return Span(compute.round(float(half_width(low, high))), least, least_above, compute.tiny, compute.subnormal)


def as_factor(compute: Format, size: Fraction, above: float = 1) -> Factor:
    """The factor of that size. What it multiplies is boosted if the size is larger than `above`."""
    whole = compute.round(_finite(size))
    if size <= above:
        return Factor(whole)
    kind, boost = kind_of_factor(compute, size)
    return kind(whole, _finite(_within(compute, size / Fraction(boost) ** 2)))


def kind_of_factor(compute: Format, size: float | Fraction) -> tuple[type[Factor], float]:
    """The class of a factor of this size, and the boost that the class implies."""
    wide = size > compute.boost(1) ** 2
    return (WideFactor, compute.boost(2)) if wide else (Factor, compute.boost(1))


def _log(value: Fraction) -> float:
    exponent = _exponent(value)
    return math.log(value / Fraction(2) ** exponent) + exponent * math.log(2)


def constants(
    quantity: Quantity, g: Squash, compute: Format, low: float, high: float, slope: float | None, above: float = 1
) -> Constants:
    middle, half = (Fraction(low) + Fraction(high)) / 2, half_width(low, high)
    if quantity == "inverse":  # between neighbouring subnormal numbers h would be 0, and 0 / 0 no infinity
        half = max(half, Fraction(compute.subnormal))
    c = Constants(low, high, compute.round(float(half)), *compute.split(middle))
    if quantity == "inverse":
        c = c._replace(tail_factor=as_factor(compute, half))
    elif quantity == "antiderivative":
        ratio = half if slope is None else half * half * Fraction(unit_slope(g)) / Fraction(slope)
        c = c._replace(tail_factor=Factor(_finite(_within(compute, ratio))))
    elif quantity != "value":
        density_factor = half if slope is None else Fraction(slope) / Fraction(unit_slope(g))
        density_factor = (
            density_factor if g.kind == "odd" else density_factor / half_width(g.low, g.high)
        )  # of fn in its own units
        # A declared derivative cannot be boosted.
        sized = (
            as_factor(compute, density_factor, above)
            if g.kind == "odd"
            else Factor(_finite(_within(compute, density_factor)))
        )
        c = c._replace(density_factor=sized, log_density_factor=_log(density_factor))
    if slope is None:
        return c
    prescale = _safe_power(compute, low, high) if middle else Fraction(1)
    factor = Fraction(slope) / (half * prescale) / Fraction(unit_slope(g))
    shift, shift_rest = compute.split(middle * prescale)
    # 1 / half can be beyond the largest number, or below the smallest: then it is applied in two steps.
    exponent = _exponent(factor)
    factor2 = None
    if not compute.smallest + 2 < exponent < compute.largest - 2:
        exponent = min(max(exponent // 2, compute.smallest), compute.largest)
        factor2 = math.ldexp(1.0, exponent)
        factor /= Fraction(factor2)
        factor = min(max(factor, Fraction(compute.tiny)), Fraction(2) ** compute.largest)
    return c._replace(
        prescale=None if prescale == 1 else float(prescale),
        shift=shift or None,
        shift_rest=shift_rest,
        factor=None if factor == 1 else float(factor),
        factor2=factor2,
        center=g.center or None,
    )


def hinge(
    quantity: Quantity, g: Hinge, compute: Format, low: float, high: float, slope: float | None
) -> HingeConstants:
    middle, half = (Fraction(low) + Fraction(high)) / 2, half_width(low, high)
    half = max(half, Fraction(compute.subnormal))
    softness = Fraction(g.softness)
    if slope is None:
        center, width = Fraction(1, 2), Fraction(1, 2)
        prescale = Fraction(1)
    else:
        relative_slope = Fraction(slope)
        prescale = _safe_power(compute, low, high, half / relative_slope, softness / relative_slope)
        boost = Fraction(2) ** (2 * compute.digits)
        # Ends that are so near to each other that their distance would lose digits are scaled up. An x that then
        # overflows is past the corners.
        near = half / relative_slope < Fraction(compute.tiny) * boost
        if near and max(abs(middle), softness / relative_slope) * boost < 2 ** (compute.largest - 12):
            prescale = boost
        # With a steeper slope the format could not tell the ends apart. A much larger softness hides that.
        if softness < half * 2**compute.digits:
            relative_slope = min(relative_slope, half * prescale / Fraction(compute.tiny))
        center, width, softness = middle, half / relative_slope, softness / relative_slope
    corners = _finite(_within(compute, min(2 * width / softness, _CORNERS)))
    apart = corners >= APART
    cut = STRAIGHT if apart else None
    if quantity == "value" and low == -high and not apart:
        cut = 0.5 * corners + STRAIGHT  # the odd formula goes on past the end, until the corner is not seen any more
    scaled = [compute.split(_within(compute, end * prescale)) for end in (center - width, center + width, center)]
    c = HingeConstants(
        low,
        high,
        compute.round(float(half)),
        *compute.split(middle),
        None if prescale == 1 else float(prescale),
        scaled[0],
        scaled[1],
        scaled[2],
        width=_finite(_within(compute, width * prescale)),
        kappa=_finite(_within(compute, 1 / (softness * prescale))),
        corners=corners,
        weight=_finite(_within(compute, softness / width)),
        decay=None if apart else math.exp(-corners),
        mass=-math.expm1(-corners),
        half_decay=math.exp(-0.5 * corners),
        half_mass=-math.expm1(-0.5 * corners),
        cut=cut,
        straight=None if cut is None else _finite(_within(compute, Fraction(cut) * softness * prescale)),
        inner=_finite(_within(compute, max(width / 2, softness) * prescale)),
        unit=None if slope is None else _finite(_within(compute, prescale / Fraction(slope))),
    )
    if quantity not in ("derivative", "log_derivative"):
        return c
    density_factor = (half if slope is None else Fraction(slope) / 2) * Fraction(-math.expm1(-corners))
    return c._replace(density_factor=as_factor(compute, density_factor), log_density_factor=_log(density_factor))


def corner(g: Hinge, compute: Format, low: float | None, high: float | None) -> CornerConstants:
    bound, sign = (high or 0.0, -1.0) if low is None else (low, 1.0)
    softness = max(g.softness, compute.tiny)  # times infinity it must not be NaN
    prescale = _safe_power(compute, bound, softness)
    kappa = _finite(_within(compute, 1 / (Fraction(softness) * prescale)))
    return CornerConstants(
        bound, softness, None if prescale == 1 else float(prescale), bound * float(prescale), kappa, sign
    )


def _safe_power(compute: Format, *lengths: float | Fraction) -> Fraction:
    """A power of two of the format by which differences of x and numbers of these lengths do not overflow."""
    beyond = _exponent(max(abs(Fraction(length)) for length in lengths)) - compute.largest
    prescale = Fraction(1, 8) / 2 ** max(beyond, 0) if beyond > -4 else Fraction(1)
    return max(prescale, Fraction(compute.tiny))


def _exponent(value: Fraction) -> int:
    """A positive `value` is 2^exponent to a factor of 2."""
    return value.numerator.bit_length() - value.denominator.bit_length()


def _within(compute: Format, value: Fraction) -> Fraction:
    """`value`, or the nearest to it of the normal numbers of the format and 0."""
    if value == 0:
        return value
    size = min(max(abs(value), Fraction(compute.tiny)), Fraction(2) ** compute.largest)
    return size if value > 0 else -size


def _finite(value: Fraction) -> float:
    return float(min(value, Fraction(2) ** 1023))


def unit_slope(g: Squash) -> float:
    """The slope of g at its centre, g carried onto (-1, 1)."""
    assert g.slope is not None  # noqa: S101  (check_kind has refused the others)
    return g.slope / (0.5 * g.high - 0.5 * g.low)
