"""The constants of a call, which `softclip._formulas.plan` makes from the bounds and formulas take with x.

Words that the formulas share, each for one thing:

    u               the argument of the clipping function g: x itself, or x - middle scaled such that f has the slope
    sigma, tail     g carried onto (-1, 1), and t = 1 - sigma(abs u), its distance from the limit
    density         the derivative of sigma
    low, high       the bounds of f; middle and half are their middle and half their distance
    factor          what a tail or a density is multiplied by: h for the tail, h du/dx for the density
    boost           s, a power of two: with wide bounds the tail is computed s^2 times too large and its factor made s^2
                    times smaller, so that the product of the two is not lost when the tail alone would underflow
    boost level     0 for no boost, 1 for s near the root of the largest number, 2 for still more
    rest            what rounding took from a constant: constant and rest together are exact to twice the digits
    prescale        a power of two that x is multiplied by first, so that differences of x cannot overflow
    kind            of a function g: "odd" for the package's own, "hinge" for its hinge, "declared" for a user's Squash
    span            what an inverse between number bounds needs to know of them
    side, near      where y is: its distance from the middle with a sign, and from the nearer bound
    program         a formula as a list of operations, recorded once
"""

from __future__ import annotations

from typing import Any, NamedTuple

from softclip._functions.odd import Span

Array = Any
Parts = tuple[Array, Array | None]
"""A number and its rest."""


class Factor(NamedTuple):
    """A factor of a tail or a density. If that is boosted, ``reduced * remaining`` is the factor to multiply it by.

    The boost level is part of the structure: of whether `reduced` is None, and of the class. JAX can read the structure
    of constants while it traces, but not their values. `remaining` None counts as 1.
    """

    size: Array
    reduced: Array | None = None
    remaining: Array | None = None

    def __eq__(self, other: object) -> bool:  # other than that of tuples, it knows a wide factor from one that is not
        return type(self) is type(other) and tuple.__eq__(self, other)

    def __hash__(self) -> int:
        return tuple.__hash__(self)

    @property
    def boost_level(self) -> int:
        return 0 if self.reduced is None else 1

    def times(self, t: Array) -> Array:
        """The factor times t, where t is boosted if this factor says so."""
        if self.reduced is None:
            return self.size * t
        return self.reduced * (t if self.remaining is None else self.remaining * t)

    def measure(self, distance: Array) -> Array:
        """``distance`` divided by the factor, boosted if this factor says so."""
        if self.reduced is None:
            return distance / self.size
        t = distance / self.reduced
        return t if self.remaining is None else t / self.remaining


class WideFactor(Factor):
    """A factor so large that what it multiplies is boosted further. It is a number."""

    boost_level = 2


class Constants(NamedTuple):
    """The constants of f between two bounds: numbers, or arrays that broadcast with x.

    u = ((x prescale - shift - shift_rest) / divisor) factor factor2 + center, where a step whose constant is None is
    left out. `width` is 2 half, made larger until low + width reaches high.
    """

    low: Array
    high: Array
    half: Array
    middle: Array
    middle_rest: Array | None = None
    prescale: float | None = None
    shift: Array | None = None
    shift_rest: Array | None = None
    divisor: Array | None = None
    factor: Array | None = None
    factor2: float | None = None
    center: float | None = None
    width: Array | None = None
    span: Span = None  # type: ignore[assignment]
    tail_factor: Factor = None  # type: ignore[assignment]  # where a formula takes none, no constant is traced
    density_factor: Factor = None  # type: ignore[assignment]
    log_density_factor: Array = None


class HingeConstants(NamedTuple):
    """The constants of a hinge between two bounds. Its ends and their middle are in units of x prescale."""

    low: Array
    high: Array
    half: Array
    middle: Array
    middle_rest: Array | None
    prescale: float | None
    start: Parts
    end: Parts
    center: Parts
    width: Array
    kappa: Array
    corners: Array
    weight: Array
    decay: Array | None
    mass: Array
    half_decay: Array
    half_mass: Array
    cut: Array | None
    straight: Array | None
    inner: Array
    """The distance from the middle beyond which f is no small part of the bounds, however soft the corners are."""
    unit: Array | None
    """What a distance of y is multiplied by to become one of x; None if it has to be done in two steps."""
    density_factor: Factor = None  # type: ignore[assignment]
    log_density_factor: Array = None


class CornerConstants(NamedTuple):
    """The constants of a hinge with one bound."""

    bound: Array
    softness: float
    prescale: float | None
    scaled_bound: Array
    kappa: float
    sign: float
    """1 if the bound is the lower one, -1 if the upper."""
