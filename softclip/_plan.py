"""The plan of a call: which form, and its constants, from g, the bounds, the slope and the format.

It depends on nothing else, so that with number bounds it is made once and kept.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any, Literal

from softclip import _form
from softclip._form import Form, Frame, HingeFrame, OneSided, Scale, WideScale
from softclip._format import Format
from softclip._hinge import Hinge
from softclip._named import Named
from softclip._squash import Squash

Array = Any
Quantity = Literal["value", "derivative", "log_derivative", "inverse"]
"""What is asked for: f, f', log f' or the inverse of f."""

_CORNERS = Fraction(4000)  # exp(-4000) is 0 in float64


def form_of(quantity: Quantity, g: Squash, *, one_bound: bool) -> Form:
    """The form of a quantity other than the value."""
    if quantity == "inverse":
        if isinstance(g, Hinge):
            return _form.corner_inverse if one_bound else _form.hinge_inverse
        return _form.inverse if isinstance(g, Named) else _form.declared_inverse
    if quantity == "derivative":
        return _form.corner_derivative if one_bound else _form.derivative
    return _form.corner_log_derivative if one_bound else _form.log_derivative


# Number bounds: constants are computed exactly, as fractions, and rounded once.


@functools.lru_cache(maxsize=1024)
def number_plan(
    quantity: Quantity,
    g: Squash,
    format_: Format,
    low: float | None,
    high: float | None,
    slope: float | None,
    autodiff: bool,
) -> tuple[Form, Any]:
    """The form for bounds that are numbers of the format, and its constants for computing in ``format_.computed_in``.

    With `autodiff` the form is one whose derivative in x, low and high is the derivative of f.
    """
    compute = format_.computed_in
    if isinstance(g, Hinge):
        if low is None or high is None:
            value: Form = _form.hinged_high if low is None else _form.hinged_low
            c: Any = _one_sided(g, compute, low, high)
        else:
            value = _form.hinged_symmetric if low == -high else _form.hinged
            c = _number_hinge(quantity, g, compute, low, high, slope)
        form = value if quantity == "value" else form_of(quantity, g, one_bound=low is None or high is None)
        return form, c
    assert low is not None  # noqa: S101  (for the type checker: softclip._soft_clip has checked)
    assert high is not None  # noqa: S101
    c = _number_frame(quantity, g, compute, low, high, slope)
    if quantity != "value":
        return form_of(quantity, g, one_bound=False), c
    if not isinstance(g, Named):
        return _form.declared, c
    if low == -high:
        return _form.odd, c
    if autodiff:
        return _form.tails, c._replace(reach=_number_scale(compute, _half(low, high), above=1))
    reach = _number_scale(compute, _half(low, high), above=4)
    if 0.0 in (low, high) and compute.round(c.middle + c.half) == high and compute.round(c.middle - c.half) == low:
        return _form.signed_tail, c._replace(reach=reach)
    half = c.half
    while compute.round(c.middle + half) < high or compute.round(c.middle - half) > low:
        half = compute.next(half)
    return _form.clipped, c._replace(half=half)


def _half(low: float, high: float) -> Fraction:
    return (Fraction(high) - Fraction(low)) / 2


def _number_scale(compute: Format, size: Fraction, above: float = 1) -> Scale:
    """The factor `size`, as one of what is lifted if it is larger than `above`.

    XLA flushes a subnormal tail to 0; where it only loses digits, h up to 4 multiplies it by less than the contract allows.
    """
    whole = compute.round(_finite(size))
    if size <= above:
        return Scale(whole)
    kind, lift = _kind_of_scale(compute, size)
    return kind(whole, _finite(_within(compute, size / Fraction(lift) ** 2)))


def _kind_of_scale(compute: Format, size: float | Fraction) -> tuple[type[Scale], float]:
    """How far is lifted what a factor of this size multiplies, said by the type and as a number."""
    wide = size > compute.lift(1) ** 2
    return (WideScale, compute.lift(2)) if wide else (Scale, compute.lift(1))


def _log(value: Fraction) -> float:
    exponent = _exponent(value)
    return math.log(value / Fraction(2) ** exponent) + exponent * math.log(2)


def _number_frame(
    quantity: Quantity, g: Squash, compute: Format, low: float, high: float, slope: float | None
) -> Frame:
    middle, half = (Fraction(low) + Fraction(high)) / 2, _half(low, high)
    if quantity == "inverse":  # between neighbouring subnormal numbers h would be 0, and 0 / 0 no infinity
        half = max(half, Fraction(compute.subnormal))
    c = Frame(low, high, compute.round(float(half)), *compute.split(middle))
    if quantity == "inverse":
        c = c._replace(reach=_number_scale(compute, half))
    elif quantity != "value":
        rate = half if slope is None else Fraction(slope) / Fraction(unit_slope(g))
        rate = rate if isinstance(g, Named) else rate / _half(g.low, g.high)  # of fn in its own units
        # A declared derivative cannot be lifted.
        sized = _number_scale(compute, rate) if isinstance(g, Named) else Scale(_finite(_within(compute, rate)))
        c = c._replace(rate=sized, log_rate=_log(rate))
    if slope is None:
        return c
    scale = _scale(compute, low, high) if middle else Fraction(1)
    factor = Fraction(slope) / (half * scale) / Fraction(unit_slope(g))
    shift, shift_low = compute.split(middle * scale)
    # 1 / half can be beyond the largest number, or below the smallest: then it is applied in two steps.
    exponent = _exponent(factor)
    factor2 = None
    if not compute.smallest + 2 < exponent < compute.largest - 2:
        exponent = min(max(exponent // 2, compute.smallest), compute.largest)
        factor2 = math.ldexp(1.0, exponent)
        factor /= Fraction(factor2)
        factor = min(max(factor, Fraction(compute.tiny)), Fraction(2) ** compute.largest)
    return c._replace(
        scale=None if scale == 1 else float(scale),
        shift=shift or None,
        shift_low=shift_low,
        factor=None if factor == 1 else float(factor),
        factor2=factor2,
        center=g.center or None,
    )


def _number_hinge(
    quantity: Quantity, g: Hinge, compute: Format, low: float, high: float, slope: float | None
) -> HingeFrame:
    middle, half = (Fraction(low) + Fraction(high)) / 2, _half(low, high)
    half = max(half, Fraction(compute.subnormal))
    softness = Fraction(g.softness)
    if slope is None:
        center, width = Fraction(1, 2), Fraction(1, 2)
        scale = Fraction(1)
    else:
        steepness = Fraction(slope)
        scale = _scale(compute, low, high, half / steepness, softness / steepness)
        lift = Fraction(2) ** (2 * compute.digits)
        # Ends may be so near to each other that their distance would lose digits. What overflows is past the corners.
        near = half / steepness < Fraction(compute.tiny) * lift
        if near and max(abs(middle), softness / steepness) * lift < 2 ** (compute.largest - 12):
            scale = lift
        # Past that the ends are one for the format; what is much softer than their distance needs none.
        if softness < half * 2**compute.digits:
            steepness = min(steepness, half * scale / Fraction(compute.tiny))
        center, width, softness = middle, half / steepness, softness / steepness
    corners = _finite(_within(compute, min(2 * width / softness, _CORNERS)))
    scaled = [compute.split(_within(compute, end * scale)) for end in (center - width, center + width, center)]
    c = HingeFrame(
        low,
        high,
        compute.round(float(half)),
        *compute.split(middle),
        None if scale == 1 else float(scale),
        scaled[0],
        scaled[1],
        scaled[2],
        width=_finite(_within(compute, width * scale)),
        kappa=_finite(_within(compute, 1 / (softness * scale))),
        corners=corners,
        weight=_finite(_within(compute, softness / width)),
        share=-math.expm1(-0.5 * corners),
        unit=None if slope is None else _finite(_within(compute, scale / Fraction(slope))),
    )
    if quantity not in ("derivative", "log_derivative"):
        return c
    rate = (half if slope is None else Fraction(slope) / 2) * Fraction(-math.expm1(-corners))
    return c._replace(rate=_number_scale(compute, rate), log_rate=_log(rate))


def _one_sided(g: Hinge, compute: Format, low: float | None, high: float | None) -> OneSided:
    bound, sign = (high or 0.0, -1.0) if low is None else (low, 1.0)
    softness = max(g.softness, compute.tiny)  # times infinity it must not be NaN
    scale = _scale(compute, bound, softness)
    kappa = _finite(_within(compute, 1 / (Fraction(softness) * scale)))
    return OneSided(bound, softness, None if scale == 1 else float(scale), bound * float(scale), kappa, sign)


def _scale(compute: Format, *lengths: float | Fraction) -> Fraction:
    """A power of two that keeps differences of x and numbers of these lengths from overflowing, if one of the format does."""
    beyond = _exponent(max(abs(Fraction(length)) for length in lengths)) - compute.largest
    scale = Fraction(1, 8) / 2 ** max(beyond, 0) if beyond > -4 else Fraction(1)
    return max(scale, Fraction(compute.tiny))


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
    assert g.slope is not None  # noqa: S101  (for the type checker: softclip._soft_clip has checked)
    return g.slope / (0.5 * g.high - 0.5 * g.low)


# Array bounds: the same constants in the library's own operations, so that gradients reach bounds and slope.


def array_plan(
    quantity: Quantity, ops: Any, g: Squash, compute: Format, low: Array | None, high: Array | None, slope: Any
) -> tuple[Form, Any]:
    """The form for bounds that are arrays in ``compute``, and its constants."""
    form: Form
    if low is None or high is None:
        assert isinstance(g, Hinge)  # noqa: S101  (for the type checker: softclip._soft_clip has checked)
        form = _form.hinged_high if low is None else _form.hinged_low
        c: Any = _array_one_sided(g, compute, low, high)
    elif isinstance(g, Hinge):
        form, c = _form.hinged_symmetric, _array_hinge(quantity, ops, g, compute, low, high, slope)
    else:
        form = _form.mixed if isinstance(g, Named) else _form.declared
        c = _array_frame(quantity, ops, g, compute, low, high, slope)
    return (form if quantity == "value" else form_of(quantity, g, one_bound=low is None or high is None)), c


def _array_one_sided(g: Hinge, compute: Format, low: Array | None, high: Array | None) -> OneSided:
    bound: Any = high if low is None else low
    softness = max(g.softness, compute.tiny)
    kappa = min(max(8 / softness, compute.tiny), math.ldexp(1.0, compute.largest))
    return OneSided(bound, softness, 0.125, bound * 0.125, kappa, -1.0 if low is None else 1.0)


def _array_scale(ops: Any, compute: Format, size: Any) -> Scale:
    """A factor of what is lifted; by how much it has to be dropped is not known, so the part below 1 stands apart."""
    if isinstance(size, float):
        kind, lift = _kind_of_scale(compute, size)
        return kind(size, size * lift**-2) if size > 1 else Scale(size)
    wide = size > 1
    return Scale(size, ops.where(wide, size, 1.0) * compute.lift() ** -2, ops.where(wide, 1.0, size))


def _array_frame(
    quantity: Quantity, ops: Any, g: Squash, compute: Format, low: Array, high: Array, slope: Any
) -> Frame:
    half = 0.5 * high - 0.5 * low
    middle, middle_low = _exact_sum(0.5 * low, 0.5 * high)
    if slope is not None:
        # A slope below the normal numbers counts where x is large.
        steepness = _within_array(ops, compute, slope / unit_slope(g), smallest=compute.subnormal)
    c = Frame(low, high, half, middle, middle_low)
    if quantity in ("value", "inverse"):
        c = c._replace(reach=_array_scale(ops, compute, half))
    else:
        rate = half if slope is None else steepness
        rate = rate if isinstance(g, Named) else _within_array(ops, compute, rate / (0.5 * g.high - 0.5 * g.low))
        sized = _array_scale(ops, compute, rate) if isinstance(g, Named) else Scale(rate)
        c = c._replace(rate=sized, log_rate=_array_log(ops, rate))
    if slope is None:
        return c
    return c._replace(
        scale=0.5,
        shift=0.5 * middle,
        shift_low=0.5 * middle_low,
        divisor=ops.maximum(0.5 * half, compute.tiny),
        factor=steepness,
        center=g.center or None,
    )


def _within_array(ops: Any, compute: Format, size: Any, smallest: float | None = None) -> Any:
    """A positive size, at the nearest normal number of the format: 0 times 1 over it, or it times infinity, would be NaN."""
    smallest, largest = smallest or compute.tiny, math.ldexp(1.0, compute.largest)
    if isinstance(size, float):
        return min(max(size, smallest), largest)
    return ops.minimum(ops.maximum(size, smallest), largest)


def _array_log(ops: Any, value: Any) -> Any:
    return math.log(value) if isinstance(value, float) else ops.log(value)


def _array_hinge(
    quantity: Quantity, ops: Any, g: Hinge, compute: Format, low: Array, high: Array, slope: Any
) -> HingeFrame:
    half = 0.5 * high - 0.5 * low
    middle = _exact_sum(0.5 * low, 0.5 * high)
    scale = 0.125
    within = functools.partial(_within_array, ops, compute)
    if slope is None:
        center, width, softness = (0.5 * scale, None), 0.5 * scale, g.softness * scale
        start, end = (0.0, None), (scale, None)
        corners = within(1 / g.softness)
    else:
        center = (scale * middle[0], scale * middle[1])
        width = within(scale * half / slope)
        start, end = (_add(center, side) for side in (-width, width))
        softness = scale * ((g.softness if isinstance(slope, float) else within(g.softness)) / slope)
        corners = within(2 * (half / within(g.softness)))
    softness = within(softness)
    corners = corners if slope is None else ops.maximum(corners, 2 * (width / softness))  # where softness was cut
    share, mass = (
        -(math.expm1(part * corners) if isinstance(corners, float) else ops.expm1(part * corners))
        for part in (-0.5, -1)
    )
    c = HingeFrame(
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
        share=share,
        unit=None if slope is None else within(scale / slope),
    )
    if quantity not in ("derivative", "log_derivative"):
        return c
    rate = (half if slope is None else 0.5 * slope) * mass
    rate = ops.minimum(ops.maximum(rate, compute.tiny), compute.greatest)
    return c._replace(rate=_array_scale(ops, compute, rate), log_rate=_array_log(ops, rate))


def _exact_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b rounded, and what the rounding lost (Knuth's TwoSum)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _add(a: tuple[Array, Array], b: Array) -> tuple[Array, Array]:
    """a + b, with a and the sum in two parts."""
    s, lost = _exact_sum(a[0], b)
    return s, lost + a[1]
