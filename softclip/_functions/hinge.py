"""The hinge: a clip with rounded corners, a difference of softplus functions."""

from __future__ import annotations

import math
from typing import Any

from softclip._functions.operations import Operations
from softclip._functions.squash import Squash, as_number

Array = Any

APART = 80.0
"""The distance between the ends, in units of the softness, from which neither corner is seen at the middle."""
STRAIGHT = 40.0
"""The distance from a corner at which it is not seen: e^-40 is nothing beside 1."""


class Hinge(Squash):
    """s [softplus(z/s) - softplus((z - 1)/s)]: a clip of z to (0, 1) whose corners are rounded over the softness s.

    Like the named functions it is odd about its centre, but it has two scales: the distance between the bounds, and the
    softness. So its methods take a distance in x instead of u, and constants ``c`` in the same units, which the plan
    computes from the bounds. The ends are the two points in x at which the corners are.

        width        half the distance between the ends
        kappa        1 / softness
        corners      D, the distance between the ends divided by the softness, or a number so large that e^-D is 0
        weight       2 / D
        decay, mass  e^-D and 1 - e^-D; decay is None if the corners are apart, so that it does not count
        half_decay, half_mass      e^(-D/2) and 1 - e^(-D/2)
        cut          where in units of the softness the function is straight. What is beyond is added separately, in
                     units that cannot overflow. None if no distance is so large.
        straight     cut / kappa
    """

    low, high, center = 0.0, 1.0, 0.5
    kind = "hinge"

    def __init__(self, softness: float) -> None:
        self.softness = as_number("softness", softness)
        if not 0.0 < self.softness < math.inf:
            msg = f"softness must be positive and finite; got {softness!r}"
            raise ValueError(msg)
        self.name = f"hinge({self.softness!r})"

    def sigma(self, ops: Operations, y: Array, c: Any) -> Array:  # type: ignore[override]
        """The function scaled to (-1, 1), at the distance y >= 0 from the centre.

        With q = e^(-D/2) and z = y kappa it is (2/D) log((q + e^z) / (1 + q e^z)), which is
        (2/D) log1p((1 - q) (e^z - 1) / (1 + q e^z)). In that nothing cancels.
        """
        above = ops.expm1(ops.minimum(y * c.kappa, c.cut))
        rounded = ops.log1p(c.half_mass * above / (1 + c.half_decay * (1 + above)))
        s = ops.maximum(y - c.straight, 0.0) / c.width + c.weight * rounded
        return ops.minimum(s, 1.0)

    def tail(self, ops: Operations, d: Array, c: Any) -> Array:
        """1 - sigma at the distance d from the nearer end, where d is positive between the ends.

        With a = d kappa it is (2/D) [softplus(a) - softplus(a - D)], which is
        (2/D) log1p((1 - e^-D) e^a / (1 + e^(a - D))). In that nothing cancels.
        """
        e = ops.exp(self._inside(ops, d, c))
        t = c.weight * ops.log1p(e if c.decay is None else c.mass * e / (1 + c.decay * e))
        if c.straight is not None:
            t = t + ops.maximum(d - c.straight, 0.0) / c.width
        return ops.minimum(t, 1.0)

    def density(self, ops: Operations, d: Array, c: Any, s: float) -> Array:
        """s^2 times the derivative of sigma with respect to z = d / (2 width), divided by 1 - e^-D.

        Without s^2 it is 2 L(a) L(D - a), where a = d kappa and L is the logistic function, L(z) = 1 / (1 + e^-z).
        """
        root = ops.exp(0.5 * self._inside(ops, d, c))
        e = root * root
        near = (s * root) * (s * root / (1 + e))
        return 2 * near if c.decay is None else 2 * near / (1 + c.decay * e)

    def log_density(self, ops: Operations, d: Array, c: Any) -> Array:
        """log 2 - log1p(e^-a) - log1p(e^(a - D)), with both logarithms in one."""
        a = self._inside(ops, d, c)
        e = ops.exp(-ops.abs(a))
        if c.decay is not None:
            e = e + c.decay * (ops.exp(a) * (1 + e))
        return math.log(2) + ops.minimum(a, 0.0) - ops.log1p(e)

    def _inside(self, ops: Operations, d: Array, c: Any) -> Array:
        """The distance from the nearer end in units of the softness, up to where the function is straight."""
        return d * c.kappa if c.cut is None else ops.minimum(d * c.kappa, c.cut)

    def excess(self, ops: Operations, z: Array, b: Array) -> Array:
        """How much further from the middle the inverse of y is than y itself, in units of the softness.

        In these units, let z be the distance of y from the middle, and b its distance from the nearer bound. Then
        D = 2 (z + b), and the result is log((1 - e^(b - D)) / (1 - e^-b)) = log1p((1 - e^-2z) / (e^b - 1)).
        """
        return ops.log1p(-ops.expm1(-2 * z) / self._expm1(ops, b))

    def _expm1(self, ops: Operations, b: Array) -> Array:
        """e^b - 1, capped where its reciprocal no longer changes b. At b = 0 it is 1; the caller adds infinity."""
        return ops.where(b == 0, 1.0, ops.expm1(ops.minimum(b, 80.0)))

    def corner(self, ops: Operations, a: Array) -> Array:
        """What the rounded corner adds to the hard clip at the distance a >= 0 on either side: softplus(a) - a."""
        return ops.log1p(ops.exp(-a))

    def corner_density(self, ops: Operations, a: Array) -> Array:
        """The derivative of softplus, which is the logistic function."""
        return _logistic(ops, a, 1.0)

    def corner_log_density(self, ops: Operations, a: Array) -> Array:
        return -_softplus(ops, -a)

    def corner_excess(self, ops: Operations, b: Array) -> Array:
        """How much the inverse of softplus at b is less than b: -log(1 - e^-b) = log1p(1 / (e^b - 1))."""
        return ops.log1p(1 / self._expm1(ops, b))

    def _key(self) -> tuple[object, ...]:
        return (self.softness,)

    def __repr__(self) -> str:
        return self.name


def _logistic(ops: Operations, a: Array, s: float) -> Array:
    """s^2 / (1 + e^-a), accurate relative to its value."""
    w = ops.exp(-0.5 * ops.abs(a))
    e = w * w
    return ops.where(a < 0, (s * w) * (s * w), s * s) / (1 + e)


def _softplus(ops: Operations, a: Array) -> Array:
    return ops.maximum(a, 0.0) + ops.log1p(ops.exp(-ops.abs(a)))


def hinge(softness: float) -> Squash:
    """Make a clip with rounded corners, which is straight between them.

    ``G(z) = s [softplus(z/s) - softplus((z - 1)/s)]``, where s is the softness. This is the soft clipping of Klimek and
    Perelstein (arXiv:1810.11509), with alpha = 1/s. With ``slope=1`` the softness is in the units of x.

    Parameters
    ----------
    softness : float
        How far the rounded corners extend. As it goes to 0 the function becomes the hard clip.

    Returns
    -------
    Squash
        Pass it as ``g``. It is the only g with which one of the bounds can be ``None``.

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
