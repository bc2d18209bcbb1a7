"""Squash, an increasing function with finite limits, as a user declares one."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any, Literal

import numpy as np

Array = Any

LEAST = 2.0**-126
"""The smallest normal number of float32, in which functions are evaluated at the least."""


class Squash:
    """An increasing function with finite limits, declared for use as ``g``.

    Parameters
    ----------
    fn : callable
        Elementwise and increasing: an array in, an array of the same shape, dtype and library out. A module-level
        function can be pickled and is compiled once by JAX; a new lambda on every call cannot and is not.
    low, high : float
        The limits of `fn` at minus and plus infinity.
    center : float
        Where `fn` is half-way between `low` and `high`.
    slope : float, optional
        The derivative of `fn` at `center`. Needed for calls with ``slope=``.
    inverse : callable, optional
        The inverse of `fn`, from (low, high) to the real numbers. Needed for `soft_clip_inverse`.
    derivative : callable, optional
        The derivative of `fn`. Needed for `soft_clip_derivative` and `soft_clip_log_derivative`.
    name : str, optional
        What ``repr`` and error messages call it; the name of `fn` when not given.

    Raises
    ------
    TypeError
        If `fn`, `inverse` or `derivative` is not callable, or a numeric argument is not a number.
    ValueError
        If `low` and `high` are not finite and increasing, or less than 2^-125 apart, `center` is not finite, or `slope`
        is not positive and finite.

    Notes
    -----
    Two Squashes with equal arguments are equal and hash alike, so that they can be static arguments of ``jax.jit``.
    Values of `fn` outside [low, high] are clipped, so the result of `soft_clip` keeps its bounds also then. What is
    declared is used as it is: that `inverse` and `derivative` belong to `fn` is the caller's word.

    Examples
    --------
    The complementary log-log function, 1 - exp(-exp(z)), passes 1/2 at log(log 2) with slope log(2) / 2:

    >>> import numpy as np
    >>> from softclip import Squash, soft_clip
    >>> def cloglog(z):
    ...     return -np.expm1(-np.exp(z))
    >>> g = Squash(cloglog, 0.0, 1.0, center=np.log(np.log(2)), slope=np.log(2) / 2)
    >>> g
    Squash(cloglog, low=0.0, high=1.0, center=-0.36651292058166435, slope=0.34657359027997264)
    >>> soft_clip(np.array([-np.inf, 1.0, 2.0, np.inf]), 0.0, 2.0, g, slope=1.0).round(4)
    array([0.    , 1.    , 1.8936, 2.    ])

    With its inverse declared, `soft_clip` can be undone:

    >>> from softclip import soft_clip_inverse
    >>> g = Squash(cloglog, inverse=lambda p: np.log(-np.log1p(-p)))
    >>> soft_clip_inverse(soft_clip(np.array([-3.0, 0.5]), 0.0, 2.0, g), 0.0, 2.0, g).round(4)
    array([-3. ,  0.5])
    """

    low: float
    high: float
    center: float
    slope: float | None = None
    inverse: Callable[[Array], Array] | None = None
    derivative: Callable[[Array], Array] | None = None
    name: str
    strict = True
    """Whether it increases everywhere, and not only up to a knee."""
    kind: Literal["odd", "hinge", "declared"] = "declared"
    """Which formulas apply: of an odd function of the package, of its hinge, or of what a user declares."""

    def __init__(
        self,
        fn: Callable[[Array], Array],
        low: float = 0.0,
        high: float = 1.0,
        *,
        center: float = 0.0,
        slope: float | None = None,
        inverse: Callable[[Array], Array] | None = None,
        derivative: Callable[[Array], Array] | None = None,
        name: str | None = None,
    ) -> None:
        for argument, value in (("fn", fn), ("inverse", inverse), ("derivative", derivative)):
            if not callable(value) and (value is not None or argument == "fn"):
                msg = f"{argument} must be a function of an array; got {value!r}"
                raise TypeError(msg)
        self.fn, self.inverse, self.derivative = fn, inverse, derivative
        self.low, self.high = as_number("low", low), as_number("high", high)
        self.center = as_number("center", center)
        self.slope = None if slope is None else as_number("slope", slope)
        self.name = _name(fn) if name is None else name
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.high / 2 - self.low / 2 >= LEAST):
            msg = (
                "low and high must be the finite limits of an increasing function, which float32 can tell apart; "
                f"got low={low!r}, high={high!r}"
            )
            raise ValueError(msg)
        if not math.isfinite(self.center):
            msg = f"center must be finite; got {center!r}"
            raise ValueError(msg)
        if self.slope is not None and not 0.0 < self.slope < math.inf:
            msg = f"slope must be the positive, finite derivative of fn at its center; got {slope!r}"
            raise ValueError(msg)

    def sigma(self, ops: Any, u: Array) -> Array:
        return ops.call(self.fn, u)

    @property
    def symmetric(self) -> bool:
        """Whether the limits are those of an odd function."""
        return self.low == -self.high

    def _key(self) -> tuple[object, ...]:
        functions = map(hashable, (self.fn, self.inverse, self.derivative))
        return (*functions, self.low, self.high, self.center, self.slope, self.name)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), *self._key()))

    def __repr__(self) -> str:
        functions = (("inverse", self.inverse), ("derivative", self.derivative))
        declared = "".join(f", {argument}={_name(f)}" for argument, f in functions if f is not None)
        return (
            f"Squash({self.name}, low={self.low}, high={self.high}, center={self.center}, slope={self.slope}{declared})"
        )


class Unread(Squash):
    """A function whose limits, read off it while a library traces, are arrays that have no values yet."""

    symmetric = False

    def __init__(
        self, fn: Callable[[Array], Array], low: Array, high: Array
    ) -> None:  # pragma: no cover  (nor does it run this)
        self.fn, self.low, self.high, self.center = fn, low, high, 0.0


def hashable(fn: Callable[..., Any] | None) -> Hashable:
    """What stands for a function in a key: itself, or its identity if it cannot be hashed."""
    try:
        hash(fn)
    except TypeError:
        return id(fn)
    return fn


def _name(fn: Callable[[Array], Array]) -> str:
    return getattr(fn, "__name__", type(fn).__name__)


# bool is an int for Python, and bytes, dates and complex numbers convert: none is meant as a number here.
_NO_NUMBERS = (bool, np.bool_, str, bytes, np.void, np.complexfloating, np.datetime64, np.timedelta64)


def as_number(argument: str, value: object) -> float:
    """`value` as a float; TypeError naming `argument` if it is not a real number."""
    if isinstance(value, float) and not isinstance(value, np.generic):
        return value
    error = None
    if hasattr(value, "__float__") and not isinstance(value, _NO_NUMBERS):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf  # type: ignore[operator]
        except (TypeError, ValueError, RuntimeError) as reason:  # an array of several numbers, a signaling NaN
            error = reason
    msg = f"{argument} must be a real number; got {value!r} of type {type(value).__name__}"
    raise TypeError(msg) from error
