"""What is asked of a library: a quantity, of which function, in which format, between which bounds."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from softclip._formulas.formats import Format
from softclip._functions.squash import Squash

Quantity = Literal["value", "derivative", "log_derivative", "inverse", "antiderivative"]
"""f, its derivative, the logarithm of that, the inverse of f, or its antiderivative."""


def is_array(value: Any) -> bool:
    """Whether a bound or slope is an array, and not a Python number or None."""
    return not (value is None or isinstance(value, (int, float)))


class Kept:
    """An array that is part of a key: it is equal to another with the same elements. Nobody writes to it."""

    __slots__ = ("_key", "array")

    def __init__(self, array: Any) -> None:
        self.array = array
        self._key = (array.shape, array.dtype.char, array.tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kept) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


class Call(NamedTuple):
    """A call of a public function without x. Bounds and slope are floats, None, or arrays in the format's dtype."""

    quantity: Quantity
    g: Squash
    format: Format
    low: Any
    high: Any
    slope: Any

    @property
    def between_numbers(self) -> bool:
        """Whether neither bounds nor slope are arrays."""
        return not (is_array(self.low) or is_array(self.high) or is_array(self.slope))

    @property
    def is_kept(self) -> bool:
        """Whether the arrays among bounds and slope can be part of a key."""
        return all(isinstance(v, Kept) for v in self.arrays)

    @property
    def one_bound(self) -> bool:
        return self.low is None or self.high is None

    @property
    def passes_middle(self) -> bool:
        """Whether every x between the knees of g comes back as it is, and every y from the inverse."""
        straight = getattr(self.g, "straight", 0.0) > 0 and self.quantity in ("value", "inverse")
        return straight and isinstance(self.slope, float) and self.slope == 1

    @property
    def constants(self) -> tuple[Any, Any, Any]:
        return self[3:]

    @property
    def arrays(self) -> list[Any]:
        """Those of the bounds and the slope that are arrays."""
        return [v for v in self.constants if is_array(v)]

    def with_constants(self, low: Any, high: Any, slope: Any) -> Call:
        return self._replace(low=low, high=high, slope=slope)

    def with_arrays(self, arrays: Any) -> Call:
        """The same with other arrays in place of `arrays`, in their order."""
        others = iter(arrays)
        return self.with_constants(*(next(others) if is_array(v) else v for v in self.constants))
