"""The binary floating-point formats, and how numbers are rounded to them."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)  # compared and hashed by identity: there is one of each
class Format:
    """A binary floating-point format: digits, and the exponents of the smallest and largest normal power of two."""

    name: str
    digits: int
    smallest: int
    largest: int

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return format_named, (self.name,)

    def boost(self, boost_level: int = 1) -> float:
        """The boost s of a level: a tail is computed s^2 times too large. It is 1 at level 0.

        At level 1, s^2 is 2^32 times smaller than the largest number. That leaves room for gradients that come from
        outside in reverse, and for XLA, which makes one constant of two factors and flushes it to 0 if it is subnormal.
        Level 2 uses the whole range, for factors larger than the s^2 of level 1.
        """
        return math.ldexp(1.0, self.largest // 2 - (16, 0)[boost_level - 1]) if boost_level else 1.0

    @property
    def tiny(self) -> float:
        return math.ldexp(1.0, self.smallest)

    @property
    def greatest(self) -> float:
        """The largest number."""
        return math.ldexp(2.0 - math.ldexp(1.0, 1 - self.digits), self.largest)

    @property
    def subnormal(self) -> float:
        """The smallest positive number."""
        return math.ldexp(1.0, self.smallest - self.digits + 1)

    @property
    def half_pi(self) -> tuple[float, float]:
        """pi/2 in two parts of a precision computed in."""
        if self.digits == 53:
            return math.pi / 2, 6.123233995736766e-17
        return 1.57079637050628662109375, -4.371139000186241e-08

    @property
    def computed_in(self) -> Format:
        return FORMATS["float32"] if self.digits < 24 else self

    def round(self, value: float) -> float:
        """`value` to the nearest number of this format, ties to even; infinite if beyond the largest."""
        if value == 0 or not math.isfinite(value) or self.digits == 53:
            return value
        if abs(value) >= math.ldexp(1.0, self.largest + 1):
            return math.copysign(math.inf, value)
        exponent = max(math.frexp(value)[1], self.smallest + 1) - self.digits
        rounded = math.ldexp(round(math.ldexp(value, -exponent)), exponent)
        return rounded if abs(rounded) < math.ldexp(1.0, self.largest + 1) else math.copysign(math.inf, value)

    def round_array(self, values: Any) -> Any:
        """`round` of each element of a NumPy array of float64."""
        with np.errstate(all="ignore"):
            exponent = np.maximum(np.frexp(values)[1], self.smallest + 1) - self.digits
            rounded = np.ldexp(np.rint(np.ldexp(values, -exponent)), exponent) if self.digits < 53 else values
            return np.where(np.abs(rounded) >= math.ldexp(1.0, self.largest) * 2, np.copysign(np.inf, values), rounded)

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
