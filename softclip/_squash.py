"""Squash, an increasing function with finite limits, and the named ones.

This file is all the mathematics of the clipping functions. Each named one is odd and onto (-1, 1), and is given
without a branch by three functions, with ``ops`` the library's elementwise operations (`softclip._run`):

    sigma(ops, u)      the function itself, accurate relative to its value around u = 0
    tail(ops, a, s)    s^2 (1 - sigma(a)) for a = abs(u), accurate relative to its value, however small: with s large also
                       where 1 - sigma(a) is below the smallest normal number
    density(ops, a)    the derivative of sigma, an even function, at a = abs(u)

`softclip._form` puts f together from these and the bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

Array = Any


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
    name : str, optional
        What ``repr`` and error messages call it; the name of `fn` when not given.

    Raises
    ------
    TypeError
        If `fn` cannot be called, or a number is none.
    ValueError
        If `low` and `high` are not finite and increasing, `center` is not finite, or `slope` is not positive and finite.

    Notes
    -----
    Two Squashes with equal arguments are equal and hash alike, so that they can be static arguments of ``jax.jit``.
    Values of `fn` outside [low, high] are clipped, so the result of `soft_clip` keeps its bounds also then.

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
    """

    low: float
    high: float
    center: float
    slope: float | None = None
    name: str

    def __init__(
        self,
        fn: Callable[[Array], Array],
        low: float = 0.0,
        high: float = 1.0,
        *,
        center: float = 0.0,
        slope: float | None = None,
        name: str | None = None,
    ) -> None:
        if not callable(fn):
            msg = f"fn must be a function of an array; got {fn!r}"
            raise TypeError(msg)
        self.fn = fn
        self.low, self.high = as_number("low", low), as_number("high", high)
        self.center = as_number("center", center)
        self.slope = None if slope is None else as_number("slope", slope)
        self.name = getattr(fn, "__name__", type(fn).__name__) if name is None else name
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            msg = f"low and high must be the finite limits of an increasing function; got low={low!r}, high={high!r}"
            raise ValueError(msg)
        if not math.isfinite(self.center):
            msg = f"center must be finite; got {center!r}"
            raise ValueError(msg)
        if self.slope is not None and not 0.0 < self.slope < math.inf:
            msg = f"slope must be the positive, finite derivative of fn at its center; got {slope!r}"
            raise ValueError(msg)

    def sigma(self, ops: Any, u: Array) -> Array:
        return self.fn(u)

    @property
    def symmetric(self) -> bool:
        """Whether the limits are those of an odd function."""
        return self.low == -self.high

    def _key(self) -> tuple[object, ...]:
        fn = self.fn if isinstance(self.fn, Hashable) else id(self.fn)
        return (fn, self.low, self.high, self.center, self.slope, self.name)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((type(self), *self._key()))

    def __repr__(self) -> str:
        return f"Squash({self.name}, low={self.low}, high={self.high}, center={self.center}, slope={self.slope})"


class Unread(Squash):
    """A function whose limits, read off it while a library traces, are arrays that have no values yet."""

    symmetric = False

    def __init__(self, fn: Callable[[Array], Array], low: Array, high: Array) -> None:
        self.fn, self.low, self.high, self.center = fn, low, high, 0.0


def as_number(argument: str, value: object) -> float:
    """`value` as a float; TypeError naming `argument` if it is not a real number."""
    if isinstance(value, float) and not isinstance(value, np.generic):
        return value
    # bool is an int for Python, and a string converts: neither is meant as a number here.
    if isinstance(value, (bool, np.bool_, str)) or not hasattr(value, "__float__"):
        msg = f"{argument} must be a real number; got {value!r} of type {type(value).__name__}"
        raise TypeError(msg)
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


class Named(Squash):
    """A clipping function of the package: odd, onto (-1, 1), with slope ``slope`` at 0."""

    low, high, center = -1.0, 1.0, 0.0
    slope: float = 1.0

    def __init__(self, name: str) -> None:
        self.name = name

    def sigma(self, ops: Any, u: Array) -> Array:
        raise NotImplementedError

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        raise NotImplementedError

    def density(self, ops: Any, a: Array) -> Array:
        raise NotImplementedError

    # There is one of each: a copy, and what comes out of a pickle, is the same object.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[Callable[[str], Named], tuple[str]]:
        return named, (self.name,)

    def __repr__(self) -> str:
        return f"<Squash {self.name!r}>"


class Logistic(Named):
    """tanh u; halved, tanh(u/2), which is 2 / (1 + exp(-u)) - 1: the sigmoid."""

    # No float is an attribute here: torch.compile(dynamic=True) makes a variable of one, which its autograd refuses.

    def __init__(self, name: str, *, halved: bool) -> None:
        super().__init__(name)
        self.halved = halved
        self.slope = 0.5 if halved else 1.0

    def sigma(self, ops: Any, u: Array) -> Array:
        return ops.tanh(0.5 * u if self.halved else u)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        w = ops.exp(-0.5 * a if self.halved else -a)  # 2 e / (1 + e) with e = w^2
        v = w if s == 1 else s * w
        return (v + v) * v / (1 + w * w)

    def density(self, ops: Any, a: Array) -> Array:
        e = ops.exp(-a if self.halved else -2 * a)
        q = 1 / (1 + e)
        return (2 if self.halved else 4) * e * q * q


class Arctan(Named):
    """(2 / pi) arctan u."""

    slope = 2 / math.pi

    def sigma(self, ops: Any, u: Array) -> Array:
        return ops.cut(ops.atan(u) * (2 / math.pi), 1)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        # Past 2^60 it is (2 / pi) / a, and 1 / a may be below the smallest normal number.
        far = 2.0**60 / ops.maximum(a, 2.0**60)
        return ops.atan(1 / ops.minimum(a, 2.0**60)) * (s * s * (2 / math.pi)) * far

    def density(self, ops: Any, a: Array) -> Array:
        q = 1 / (1 + a)
        p = 1 - q
        return (2 / math.pi) * (q * q) / (q * q + p * p)


class Softsign(Named):
    """u / (1 + abs u)."""

    def sigma(self, ops: Any, u: Array) -> Array:
        u = ops.cut(u, 2.0**60)  # inf / inf; 2^60 / (1 + 2^60) is 1
        return u / (1 + ops.abs(u))

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        return (s * s) / (1 + a)

    def density(self, ops: Any, a: Array) -> Array:
        q = 1 / (1 + a)
        return q * q


class Algebraic(Named):
    """u / sqrt(1 + u^2)."""

    def sigma(self, ops: Any, u: Array) -> Array:
        u = ops.cut(u, 2.0**60)  # u^2 stays finite in float32
        # XLA makes u * rsqrt(1 + u^2) of it, which passes 1 by an ulp.
        return ops.cut(u / ops.sqrt(1 + u * u), 1)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        # 1 - a/r = (r^2 - a^2) / (r (r + a)) with r^2 - a^2 = 1; past 2^60, where a^2 may overflow, r is a.
        small = ops.minimum(a, 2.0**60)
        r = ops.sqrt(1 + small * small) + (a - small)
        return (s / r) * (s / (r + a))

    def density(self, ops: Any, a: Array) -> Array:
        q = 1 / (1 + a)
        p = 1 - q
        d = q / ops.sqrt(q * q + p * p)
        return d * d * d


class Erf(Named):
    """erf u."""

    slope = 2 / math.sqrt(math.pi)

    def sigma(self, ops: Any, u: Array) -> Array:
        return ops.erf(u)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        return ops.erfc(a) * (s * s)

    def density(self, ops: Any, a: Array) -> Array:
        a = ops.minimum(a, 30.0)  # exp(-900) is 0 in float64, and a^2 cannot overflow
        return (2 / math.sqrt(math.pi)) * ops.exp(-a * a)


class Gudermannian(Named):
    """(4 / pi) arctan(tanh(u / 2))."""

    slope = 2 / math.pi

    def sigma(self, ops: Any, u: Array) -> Array:
        # (4 / pi) arctan(tanh(inf)) is 1 + 1 ulp.
        return ops.cut(ops.atan(ops.tanh(0.5 * u)) * (4 / math.pi), 1)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        w = ops.exp(-0.5 * a)  # arctan(e) = e (arctan(e) / e) with e = w^2
        e = ops.maximum(w * w, 2.0**-60)
        v = s * w
        return v * v * (ops.atan(e) / e) * (4 / math.pi)

    def density(self, ops: Any, a: Array) -> Array:
        e = ops.exp(-a)
        return (4 / math.pi) * e / (1 + e * e)


class Cubic(Named):
    """u - 4 u^3 / 27 up to the knee at 3/2, where it reaches 1 with slope 0."""

    def _distance(self, ops: Any, a: Array) -> Array:
        """From the knee inwards, in units of the knee: 1 at 0, 0 from the knee on; 3/2 - a is exact near it."""
        return ops.maximum(1.5 - a, 0.0) / 1.5

    def sigma(self, ops: Any, u: Array) -> Array:
        u = ops.cut(u, 1.5)
        return ops.cut(u - (4 / 27) * (u * u * u), 1)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        d = self._distance(ops, a)
        return d * d * (1.5 - 0.5 * d) * (s * s)

    def density(self, ops: Any, a: Array) -> Array:
        d = self._distance(ops, a)
        return d * (2 - d)


class Quintic(Named):
    """u - 0.08192 u^5 up to the knee at 5/4, where it reaches 1 with slope 0."""

    def _distance(self, ops: Any, a: Array) -> Array:
        return ops.maximum(1.25 - a, 0.0) / 1.25

    def sigma(self, ops: Any, u: Array) -> Array:
        u = ops.cut(u, 1.25)
        return ops.cut(u - 0.08192 * (u * u) * (u * u) * u, 1)

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        d = self._distance(ops, a)
        return (s * s) * d * d * (2.5 - d * (2.5 - d * (1.25 - 0.25 * d)))

    def density(self, ops: Any, a: Array) -> Array:
        d = self._distance(ops, a)
        return d * (4 - d * (6 - d * (4 - d)))


class Sine(Named):
    """sin u up to the knee at pi/2."""

    def _distance(self, ops: Any, a: Array) -> Array:
        """pi/2 - a, 0 from the knee on, with pi/2 = high + low in two numbers of a's precision.

        The maximum stands between the two so that XLA does not fold them into one.
        """
        high, low = ops.half_pi(a)
        return ops.maximum(high - a, -low) + low

    def sigma(self, ops: Any, u: Array) -> Array:
        return ops.sin(ops.cut(u, math.pi / 2))

    def tail(self, ops: Any, a: Array, s: float) -> Array:
        half = s * ops.sin(0.5 * self._distance(ops, a))
        return 2 * (half * half)

    def density(self, ops: Any, a: Array) -> Array:
        return ops.sin(self._distance(ops, a))


class Hinge(Squash):
    """s [softplus(z/s) - softplus((z - 1)/s)], a clip of z to (0, 1) with corners rounded over the softness s.

    Odd about its centre like the named ones, but with two scales. So its functions take a distance in x and the
    constants ``c`` that `softclip._form` derives from the bounds, in the same units:

        width     half the distance between the ends
        kappa     1 over the softness
        corners   D, the distance between the ends over the softness, or a number so large that e^-D is 0
        weight    2 / D
        share     1 - e^(-D/2)
    """

    low, high, center = 0.0, 1.0, 0.5

    def __init__(self, softness: float) -> None:
        self.softness = as_number("softness", softness)
        if not 0.0 < self.softness < math.inf:
            msg = f"softness must be positive and finite; got {softness!r}"
            raise ValueError(msg)
        self.name = f"hinge({self.softness!r})"

    def sigma(self, ops: Any, y: Array, c: Any) -> Array:  # type: ignore[override]
        """On (-1, 1), with y the distance from the centre, up to a quarter of the way between the ends.

        It is (2/D) log((q + e^z) / (1 + q e^z)) with z = y kappa and q = e^(-D/2), written for z >= 0 as
        (2/D) log1p((1 - q) (e^z - 1) / (1 + q e^z)), in which nothing cancels. Past z = 40 (D > 160) it is straight
        to float64's precision; that part is added apart, in units that cannot overflow.
        """
        a = ops.abs(y)
        half = 0.5 * c.corners
        z = ops.minimum(a * c.kappa, 40.0)
        rounded = ops.log1p(c.share * ops.expm1(z) / (1 + ops.exp(z - half)))
        straight = ops.maximum(a - 40.0 / c.kappa, 0.0) / c.width
        s = straight + c.weight * rounded
        s = ops.minimum(s, 1.0)  # D can be below the smallest number
        return ops.where(y < 0, -s, s)

    def tail(self, ops: Any, d: Array, c: Any) -> Array:
        """1 - sigma, with d the distance inwards from the nearer end: (2/D) [softplus(a) - softplus(a - D)], a = d kappa.

        softplus(a) - softplus(a - D) = p + log1p(e^(a - 2p) (1 - e^(2p - D)) / (1 + e^(a - D))) for p = max(a, 0).
        """
        a = ops.minimum(d * c.kappa, 800.0)  # e^-800 is 0 in float64
        p = ops.maximum(a, 0.0)
        beyond = ops.minimum(2 * p - c.corners, 0.0)  # a is at most D/2, but for rounding
        rounded = ops.log1p(ops.exp(a - 2 * p) * -ops.expm1(beyond) / (1 + ops.exp(a - c.corners)))
        return ops.minimum(ops.maximum(d, 0.0) / c.width + c.weight * rounded, 1.0)

    def corner(self, ops: Any, a: Array) -> Array:
        """What a corner adds to a hard bound at the distance a: softplus(a) - max(a, 0), for abs a."""
        return ops.log1p(ops.exp(-a))

    def _key(self) -> tuple[object, ...]:
        return (self.softness,)

    def __repr__(self) -> str:
        return self.name


def hinge(softness: float) -> Squash:
    """Make the smoothed clip: straight between the bounds, with rounded corners.

    ``G(z) = s [softplus(z/s) - softplus((z - 1)/s)]`` with s the softness, the soft clipping of Klimek and Perelstein
    (arXiv:1810.11509, alpha = 1/s). With ``slope=1`` the softness is in the units of x.

    Parameters
    ----------
    softness : float
        How far the corners reach. As it goes to 0 the function becomes the hard clip.

    Returns
    -------
    Squash
        To be passed as ``g``. It alone also takes one bound (the other ``None``).

    Raises
    ------
    TypeError
        If `softness` is not a number.
    ValueError
        If `softness` is not positive and finite.

    Examples
    --------
    >>> import numpy as np
    >>> from softclip import hinge, soft_clip
    >>> soft_clip(np.array([-1.0, 0.0, 0.5, 1.0, 2.0]), 0.0, 1.0, hinge(0.05), slope=1.0).round(4)
    array([0.    , 0.0347, 0.5   , 0.9653, 1.    ])
    >>> soft_clip(np.array([-5.0, 0.0, 5.0]), 0.0, None, hinge(1.0)).round(4)
    array([0.0067, 0.6931, 5.0067])
    """
    return Hinge(softness)


NAMED: dict[str, Named] = {
    g.name: g
    for g in (
        Logistic("sigmoid", halved=True),
        Logistic("tanh", halved=False),
        Arctan("arctan"),
        Softsign("softsign"),
        Algebraic("algebraic"),
        Erf("erf"),
        Gudermannian("gudermannian"),
        Cubic("cubic"),
        Quintic("quintic"),
        Sine("sine"),
    )
}


def named(name: str) -> Named:
    """The clipping function of that name; what pickles call."""
    return NAMED[name]


NAMES = tuple(NAMED)
"""The names that can be passed as ``g``."""
