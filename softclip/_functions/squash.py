"""Squash, with which a user declares an increasing function that has finite limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any, Literal

import numpy as np

Array = Any

LEAST = 2.0**-126
"""The smallest normal number of float32. Functions are never evaluated in a smaller format than float32."""


class Squash:
    """Declare an increasing function with finite limits, to pass it as ``g``.

    Parameters
    ----------
    fn : callable
        An increasing function that takes an array, and returns an array of the same shape, dtype and library. It must
        work element by element. A function at the top level of a module can be pickled, and JAX compiles it once. A
        lambda that is made anew for every call cannot be pickled, and JAX compiles it each time.
    low, high : float
        The limits of `fn` at minus and plus infinity.
    center : float
        The argument for which `fn` is half-way between `low` and `high`.
    slope : float, optional
        The derivative of `fn` at `center`. Calls with ``slope=`` need it.
    inverse : callable, optional
        The inverse of `fn`, from (low, high) to the real numbers. `soft_clip_inverse` needs it.
    derivative : callable, optional
        The derivative of `fn`. `soft_clip_derivative` and `soft_clip_log_derivative` need it.
    name : str, optional
        The name in ``repr`` and in error messages. By default it is the name of `fn`.

    Raises
    ------
    TypeError
        If `fn`, `inverse` or `derivative` is not callable, or a numeric argument is not a number.
    ValueError
        If `low` and `high` are not finite, not increasing, or less than 2^-125 apart. If `center` is not finite. If
        `slope` is not positive and finite.

    Notes
    -----
    Two Squashes with equal arguments are equal and have the same hash, so they can be static arguments of ``jax.jit``.
    Values of `fn` outside [low, high] are clipped, so the result of `soft_clip` is in its bounds even then. Nothing
    checks that `inverse` and `derivative` belong to `fn`.

    Examples
    --------
    The complementary log-log function 1 - exp(-exp(z)) is 1/2 at log(log 2), and its slope there is log(2) / 2:

    >>> import numpy as np
    >>> from softclip import Squash, soft_clip
    >>> def cloglog(z):
    ...     return -np.expm1(-np.exp(z))
    >>> g = Squash(cloglog, 0.0, 1.0, center=np.log(np.log(2)), slope=np.log(2) / 2)
    >>> g
    Squash(cloglog, low=0.0, high=1.0, center=-0.36651292058166435, slope=0.34657359027997264)
    >>> soft_clip(np.array([-np.inf, 1.0, 2.0, np.inf]), 0.0, 2.0, g, slope=1.0).round(4)
    array([0.    , 1.    , 1.8936, 2.    ])

    If the inverse is declared too, `soft_clip_inverse` can undo the result:

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
    """True if the function increases everywhere, False if it is flat from a knee on."""
    kind: Literal["odd", "hinge", "declared"] = "declared"
    """Which formulas apply: "odd" for the package's odd functions, "hinge" for its hinge, "declared" for a user's."""

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
        """Whether `low` is -`high`, as it is for an odd function."""
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
    """A function that is given while a library traces, so that its limits are arrays without values yet."""

    symmetric = False

    def __init__(
        self, fn: Callable[[Array], Array], low: Array, high: Array
    ) -> None:  # pragma: no cover  (the library traces it, and coverage does not see that)
        self.fn, self.low, self.high, self.center = fn, low, high, 0.0


def hashable(fn: Callable[..., Any] | None) -> Hashable:
    """What to put into a key for a function: the function, or its id if it cannot be hashed."""
    try:
        hash(fn)
    except TypeError:
        return id(fn)
    return fn


def _name(fn: Callable[[Array], Array]) -> str:
    return getattr(fn, "__name__", type(fn).__name__)


# Python would convert these to float, but nobody means them as a real number.
_NO_NUMBERS = (bool, np.bool_, str, bytes, np.void, np.complexfloating, np.datetime64, np.timedelta64)


def as_number(argument: str, value: object) -> float:
    """`value` as a float. A TypeError that names `argument` is raised if it is not a real number."""
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
