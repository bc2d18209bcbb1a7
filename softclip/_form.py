"""How f is put together from a Squash and the bounds: a form, and the constants it needs.

A form is a function ``form(ops, g, x, c)`` of x and of the constants ``c`` of one call. Which one is taken depends on
the bounds, when they are numbers, and on what the library needs:

    odd          b sigma(u)                                      bounds -b and b: accurate relative to f around 0
    tails        lo + h t(abs u) for u < 0, hi - h t(abs u)      one tail t = 1 - sigma seen from both ends, h = half width
    signed_tail  (m + c) - c t(abs u), c = copysign(h, u)        the same without a branch, where m + h is hi, m - h is lo
    clipped      m + h sigma(u), clipped                         bounds far from 0, where no gradient has to pass
    mixed        odd or tails, element by element                bounds that are arrays
    declared     tails of a function that is not the package's
    hinged, hinged_symmetric, hinged_low, hinged_high            the hinge: tails; with odd in the middle; one bound

Written this way f stays in the bounds by the monotonicity of rounding alone, and h t, unlike (hi - lo) G, cannot
overflow. Every branch of a ``where`` is finite wherever it is not taken, so that no gradient is NaN.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from softclip._squash import Hinge, Named, Squash

Array = Any
Form = Callable[[Any, Any, Array, Any], Array]


@dataclasses.dataclass(frozen=True, eq=False)  # compared and hashed by identity: there is one of each
class Format:
    """A binary floating-point format: digits, and the exponents of the smallest and largest normal power of two."""

    name: str
    digits: int
    smallest: int
    largest: int

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return format_named, (self.name,)

    @property
    def lift(self) -> float:
        """s, by the square of which a tail is lifted: the smallest tail becomes normal, the largest stays finite."""
        return math.ldexp(1.0, self.largest // 4)

    @property
    def tiny(self) -> float:
        return math.ldexp(1.0, self.smallest)

    @property
    def computed_in(self) -> Format:
        return FORMATS["float32"] if self.digits < 24 else self

    def round(self, value: float) -> float:
        """`value` to the nearest number of this format, ties to even; infinite if beyond the largest."""
        if value == 0 or not math.isfinite(value) or self.digits == 53:
            return value
        exponent = max(math.frexp(value)[1], self.smallest + 1) - self.digits
        rounded = math.ldexp(round(math.ldexp(value, -exponent)), exponent)
        return rounded if abs(rounded) < math.ldexp(1.0, self.largest + 1) else math.copysign(math.inf, value)

    def split(self, value: Fraction) -> tuple[float, float | None]:
        """`value` as the sum of two numbers of this format, the second None if the first is exact."""
        high = self.round(float(value))
        return high, float(value - Fraction(high)) or None

    def next(self, value: float) -> float:
        """The next number above a positive `value`."""
        exponent = max(math.frexp(value)[1], self.smallest + 1) - self.digits
        return value + math.ldexp(1.0, exponent)


FORMATS = {
    "float16": Format("float16", 11, -14, 15),
    "bfloat16": Format("bfloat16", 8, -126, 127),
    "float32": Format("float32", 24, -126, 127),
    "float64": Format("float64", 53, -1022, 1023),
}


def format_named(name: str) -> Format:
    """The format of that name; what pickles call."""
    return FORMATS[name]


class Frame(NamedTuple):
    """The constants of a two-sided f: numbers, or arrays that broadcast with x. A step whose constant is None is left out.

    drop undoes the lifting of a tail.
    u = ((x scale - shift - shift_low) / divisor) factor factor2 + center
    """

    low: Array
    high: Array
    half: Array
    middle: Array
    scale: float | None = None
    shift: Array | None = None
    shift_low: Array | None = None
    divisor: Array | None = None
    factor: Array | None = None
    factor2: float | None = None
    center: float | None = None
    drop: float | None = None


class HingeFrame(NamedTuple):
    """The constants of a hinge between two ends, each end and their middle in two parts, all in units of x scale."""

    low: Array
    high: Array
    half: Array
    middle: Array
    scale: float | None
    start: tuple[Array, Array | None]
    end: tuple[Array, Array | None]
    center: tuple[Array, Array | None]
    width: Array
    kappa: Array
    corners: Array
    weight: Array
    share: Array


_CORNERS = Fraction(4000)  # exp(-4000) is 0 in float64


class OneSided(NamedTuple):
    """The constants of a hinge with one bound."""

    bound: Array
    softness: float
    scale: float | None
    scaled_bound: Array
    kappa: float


# The forms.


def odd(ops: Any, g: Named, x: Array, c: Frame) -> Array:
    return ops.affine(None, c.half, ops.sigma(g, position(x, c)))


def clipped(ops: Any, g: Named, x: Array, c: Frame) -> Array:
    return ops.clip(ops.affine(c.middle, c.half, ops.sigma(g, position(x, c))), c.low, c.high)


def signed_tail(ops: Any, g: Named, x: Array, c: Frame, *, lifted: bool = False) -> Array:
    u = position(x, c)
    toward = ops.copysign(c.half, u)
    t = ops.tail(g, u, lifted)
    return (c.middle + toward) - (toward * c.drop * t if lifted else toward * t)


def tails(ops: Any, g: Named, x: Array, c: Frame, *, lifted: bool = False) -> Array:
    u = position(x, c)
    t = (c.half * c.drop if lifted else c.half) * ops.tail(g, u, lifted)
    return ops.where(u < 0, c.low + t, c.high - t)


# With wide bounds the tail is computed lifted by a power of two, and h lowered: t alone may be below the smallest number
# where h t is not. Partial objects made once, as JAX compiles anew for each one that it has not seen.
lifted_signed_tail = functools.partial(signed_tail, lifted=True)
lifted_tails = functools.partial(tails, lifted=True)


def mixed(ops: Any, g: Named, x: Array, c: Frame) -> Array:
    u = position(x, c)
    t = c.half * ops.tail(g, u, False)
    symmetric = c.middle + c.half * ops.sigma(g, u)
    return ops.where(c.middle == 0, symmetric, ops.where(u < 0, c.low + t, c.high - t))


def declared(ops: Any, g: Squash, x: Array, c: Frame) -> Array:
    v = g.sigma(ops, position(x, c))
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


# Where x is, seen from the bounds.


def position(x: Array, c: Frame) -> Array:
    """u, the argument of sigma."""
    u = x if c.scale is None else x * c.scale
    for shift in (c.shift, c.shift_low):
        u = u if shift is None else u - shift
    u = u if c.divisor is None else u / c.divisor
    for factor in (c.factor, c.factor2):
        u = u if factor is None else u * factor
    return u if c.center is None else u + c.center


def distances(ops: Any, x: Array, c: HingeFrame) -> tuple[Array, Array]:
    """How far x is from the middle of the ends, signed, and inwards from the nearer end."""
    x = x if c.scale is None else x * c.scale
    y, from_start, from_end = (x - high if low is None else x - high - low for high, low in (c.center, c.start, c.end))
    return y, ops.where(y < 0, from_start, -from_end)


def corner(ops: Any, g: Hinge, x: Array, c: OneSided) -> Array:
    x = x if c.scale is None else x * c.scale
    return g.corner(ops, ops.abs(x - c.scaled_bound) * c.kappa)


# Number bounds: constants are computed exactly, as fractions, and rounded once.


@functools.lru_cache(maxsize=1024)
def number_plan(
    g: Squash, format_: Format, low: float | None, high: float | None, slope: float | None, autodiff: bool
) -> tuple[Form, Any]:
    """The form for bounds that are numbers of the format, and its constants for computing in ``format_.computed_in``.

    With `autodiff` the form is one whose derivative in x, low and high is the derivative of f.
    """
    compute = format_.computed_in
    if isinstance(g, Hinge):
        if low is None or high is None:
            bound = high if low is None else low
            return (hinged_high if low is None else hinged_low), _one_sided(g, compute, bound or 0.0)
        return (hinged_symmetric if low == -high else hinged), _number_hinge(g, compute, low, high, slope)
    assert low is not None  # noqa: S101  (for the type checker: softclip._soft_clip has checked)
    assert high is not None  # noqa: S101
    c = _number_frame(g, compute, low, high, slope)
    if not isinstance(g, Named):
        return declared, c
    if low == -high:
        return odd, c
    # XLA flushes a subnormal tail to 0; where it only loses digits, h up to 4 multiplies it by less than the contract allows.
    lifted = c.half > (1 if autodiff else 4)
    dropped = c._replace(drop=compute.lift**-2 if lifted else None)
    if autodiff:
        return (lifted_tails if lifted else tails), dropped
    if 0.0 in (low, high) and compute.round(c.middle + c.half) == high and compute.round(c.middle - c.half) == low:
        return (lifted_signed_tail if lifted else signed_tail), dropped
    half = c.half
    while compute.round(c.middle + half) < high or compute.round(c.middle - half) > low:
        half = compute.next(half)
    return clipped, c._replace(half=half)


def _number_frame(g: Squash, compute: Format, low: float, high: float, slope: float | None) -> Frame:
    middle, half = (Fraction(low) + Fraction(high)) / 2, (Fraction(high) - Fraction(low)) / 2
    c = Frame(low, high, compute.round(float(half)), compute.round(float(middle)))
    if slope is None:
        return c
    scale = _scale(compute, low, high) if middle else Fraction(1)
    factor = Fraction(slope) / (half * scale) / Fraction(unit_slope(g))
    shift, shift_low = compute.split(middle * scale)
    # 1 / half can be beyond the largest number, or below the smallest: then it is applied in two steps.
    exponent = factor.numerator.bit_length() - factor.denominator.bit_length()
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


def _number_hinge(g: Hinge, compute: Format, low: float, high: float, slope: float | None) -> HingeFrame:
    middle, half = (Fraction(low) + Fraction(high)) / 2, (Fraction(high) - Fraction(low)) / 2
    softness = Fraction(g.softness)
    if slope is None:
        center, width = Fraction(1, 2), Fraction(1, 2)
        scale = Fraction(1)
    else:
        center, width, softness = middle, half / Fraction(slope), softness / Fraction(slope)
        scale = _scale(compute, low, high, _finite(width), _finite(softness)) if middle else Fraction(1)
    corners = _finite(_within(compute, min(2 * width / softness, _CORNERS)))
    scaled = [compute.split(_within(compute, end * scale)) for end in (center - width, center + width, center)]
    return HingeFrame(
        low,
        high,
        compute.round(float(half)),
        compute.round(float(middle)),
        None if scale == 1 else float(scale),
        scaled[0],
        scaled[1],
        scaled[2],
        width=_finite(_within(compute, width * scale)),
        kappa=_finite(_within(compute, 1 / (softness * scale))),
        corners=corners,
        weight=_finite(_within(compute, softness / width)),
        share=-math.expm1(-0.5 * corners),
    )


def _one_sided(g: Hinge, compute: Format, bound: float) -> OneSided:
    scale = _scale(compute, bound, g.softness)
    kappa = _finite(_within(compute, 1 / (Fraction(g.softness) * scale)))
    return OneSided(bound, g.softness, None if scale == 1 else float(scale), bound * float(scale), kappa)


def _scale(compute: Format, *lengths: float) -> Fraction:
    """A power of two that keeps differences of x and numbers of these lengths from overflowing."""
    large = math.ldexp(1.0, compute.largest - 4)
    return Fraction(1, 8) if any(abs(length) > large for length in lengths) else Fraction(1)


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
    ops: Any, g: Squash, compute: Format, low: Array | None, high: Array | None, slope: Any
) -> tuple[Form, Any]:
    """The form for bounds that are arrays in ``compute``, and its constants."""
    if isinstance(g, Hinge):
        if low is None or high is None:
            bound: Any = high if low is None else low
            kappa = min(max(8 / g.softness, compute.tiny), math.ldexp(1.0, compute.largest))
            return (hinged_high if low is None else hinged_low), OneSided(
                bound, g.softness, 0.125, bound * 0.125, kappa
            )
        return hinged_symmetric, _array_hinge(ops, g, compute, low, high, slope)
    return (mixed if isinstance(g, Named) else declared), _array_frame(ops, g, compute, low, high, slope)


def _array_frame(ops: Any, g: Squash, compute: Format, low: Array, high: Array, slope: Any) -> Frame:
    c = Frame(low, high, 0.5 * high - 0.5 * low, 0.5 * low + 0.5 * high)
    if slope is None:
        return c
    shift, shift_low = _exact_sum(0.25 * low, 0.25 * high)
    return c._replace(
        scale=0.5,
        shift=shift,
        shift_low=shift_low,
        divisor=ops.maximum(0.5 * c.half, compute.tiny),
        factor=slope / unit_slope(g),
        center=g.center or None,
    )


def _array_hinge(ops: Any, g: Hinge, compute: Format, low: Array, high: Array, slope: Any) -> HingeFrame:
    half, middle = 0.5 * high - 0.5 * low, 0.5 * low + 0.5 * high
    scale = 0.125
    if slope is None:
        center, width, softness = (0.5 * scale, None), 0.5 * scale, g.softness * scale
        start, end = (0.0, None), (scale, None)
    else:
        center = _exact_sum(0.5 * scale * low, 0.5 * scale * high)
        width = ops.maximum(scale * half / slope, compute.tiny)
        start, end = (_add(center, side) for side in (-width, width))
        softness = g.softness * scale / slope
    # 1 over it must not be infinite: at the end itself that would be 0 times infinity.
    softness = max(softness, compute.tiny) if isinstance(softness, float) else ops.maximum(softness, compute.tiny)
    corners = 2 * (width / softness)
    return HingeFrame(
        low,
        high,
        half,
        middle,
        scale,
        start,
        end,
        center,
        width,
        kappa=1 / softness,
        corners=corners,
        weight=softness / width,
        share=-(math.expm1(-0.5 * corners) if isinstance(corners, float) else ops.expm1(-0.5 * corners)),
    )


def _exact_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """A + b rounded, and what the rounding lost (Knuth's TwoSum)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def _add(a: tuple[Array, Array], b: Array) -> tuple[Array, Array]:
    """A + b, with a and the sum in two parts."""
    s, lost = _exact_sum(a[0], b)
    return s, lost + a[1]
