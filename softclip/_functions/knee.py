"""The knee: the identity in the middle, and any other function's shape from there to the limits."""

from __future__ import annotations

from softclip._functions.named import NAMED
from softclip._functions.odd import OddSquash
from softclip._functions.operations import Array, Operations
from softclip._functions.squash import Squash, as_number

LARGEST = 1 - 2.0**-20
"""The largest share of the half width for which float32 can tell the rest from nothing."""


class Knee(OddSquash):
    """u for abs(u) <= k, and k + (1 - k) sigma((abs(u) - k) / (1 - k)) beyond, with sigma scaled to slope 1 at 0.

    Value and slope are continuous at the knee k.
    """

    def __init__(self, g: OddSquash, at: float) -> None:
        super().__init__(f"knee({g.name if '(' in g.name else repr(g.name)}, {at!r})")
        self.g = g
        self.straight = at
        self.strict = g.strict
        self.unboosted = g.unboosted[0], g.unboosted[1] * g.slope
        self.reach = at + (1 - at) * g.reach * g.slope
        self.bend = None if g.bend is None else at + (1 - at) * g.bend * g.slope

    def _parts(self, ops: Operations, a: Array) -> tuple[float, float]:
        """k and 1 - k in the precision of a, in which their sum is 1."""
        k = ops.rounded(a, self.straight)
        return k, ops.rounded(a, 1 - k)

    def _beyond(self, ops: Operations, a: Array) -> Array:
        """The argument of g: how far a is beyond the knee, in units in which g has the slope 1."""
        k, rest = self._parts(ops, a)
        return ops.maximum(a - k, 0.0) / (rest * self.g.slope)

    def sigma(self, ops: Operations, u: Array) -> Array:
        a = ops.abs(u)
        k, rest = self._parts(ops, a)
        return ops.copysign(ops.minimum(a, k) + rest * self.g.sigma(ops, self._beyond(ops, a)), u)

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        k, rest = self._parts(ops, a)
        return ops.maximum(k - a, 0.0) * (s * s) + rest * self.g.tail(ops, self._beyond(ops, a), s)

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        return self.g.density(ops, self._beyond(ops, a), s) / self.g.slope

    def log_density(self, ops: Operations, a: Array) -> Array:
        beyond = self._beyond(ops, a)
        # The same at 0, which takes what is the logarithm of the slope, however that is rounded.
        return self.g.log_density(ops, beyond) - self.g.log_density(ops, 0.0 * ops.minimum(beyond, 1.0))

    def area(self, ops: Operations, a: Array) -> Array:
        k, rest = self._parts(ops, a)
        inside, beyond = ops.minimum(a, k), ops.maximum(a - k, 0.0)
        area = self.g.area(ops, self._beyond(ops, a))
        return inside * (0.5 * inside) + k * beyond + (rest * rest * self.g.slope) * area

    def tail_area(self, ops: Operations, a: Array) -> Array:
        k, rest = self._parts(ops, a)
        inside = ops.minimum(a, k)
        return inside * (1 - 0.5 * inside) + (rest * rest * self.g.slope) * self.g.tail_area(ops, self._beyond(ops, a))

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        k, rest = self._parts(ops, v)
        beyond = ops.maximum(v - k, 0.0) / rest
        a = self.g.quantile(ops, beyond, ops.minimum(t / rest, s * s), s)
        return ops.minimum(v, k) + (rest * self.g.slope) * a


def knee(g: str | Squash, at: float) -> Squash:
    """Make a function that is the identity in the middle, and bends towards its limits only beyond a knee.

    For abs(u) <= at it is u. Beyond, it is ``sign(u) (at + (1 - at) sigma((abs(u) - at) / (1 - at)))``, where sigma is
    `g` carried onto (-1, 1) and scaled to the slope 1 at 0. So value and slope are continuous. With ``slope=1.0`` in
    the call, every x between the knees comes back bit for bit, and so does every y from the inverse.

    Parameters
    ----------
    g : str or Squash
        The shape beyond the knee: a name in `softclip.NAMES`, or `algebraic`.
    at : float
        Where the knee is, as a share of the half width of the bounds: from 0, which gives g with slope 1, to less than
        1.

    Returns
    -------
    Squash
        Pass it as ``g``. Two of them with equal arguments are equal, and they can be pickled.

    Raises
    ------
    TypeError
        If `at` is not a number, or `g` is neither a name nor `algebraic`. A hinge has corners of its own.
    ValueError
        If `at` is not from 0 to less than 1, or so near to 1 that float32 knows no difference. If `g` is an unknown
        name.

    Examples
    --------
    >>> import numpy as np
    >>> from softclip import knee, soft_clip
    >>> soft_clip(np.array([-0.3, 0.5, 0.9, 1.0, 3.0]), -1.0, 1.0, knee("tanh", 0.8), slope=1.0).round(4)
    array([-0.3   ,  0.5   ,  0.8924,  0.9523,  1.    ])
    """
    if isinstance(g, str):
        if g not in NAMED:
            msg = f"g must be one of {', '.join(NAMED)}, or algebraic(p); got {g!r}"
            raise ValueError(msg)
        g = NAMED[g]
    if not isinstance(g, OddSquash):
        msg = f"g must be a name such as 'tanh', or algebraic(p); got {g!r}"
        raise TypeError(msg)
    value = as_number("at", at)
    if not 0 <= value <= LARGEST:
        msg = f"at must be from 0 to less than 1, by 2^-20 at least; got {at!r}"
        raise ValueError(msg)
    return Knee(g, value)
