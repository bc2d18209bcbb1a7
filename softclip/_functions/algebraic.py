"""The algebraic family, u / (1 + abs(u)^p)^(1/p)."""

from __future__ import annotations

import math

from softclip._functions.heavy_tails import Algebraic, Softsign
from softclip._functions.odd import OddSquash
from softclip._functions.operations import Array, Operations
from softclip._functions.squash import Squash, as_number


class AlgebraicPower(OddSquash):
    """u / (1 + abs(u)^p)^(1/p) for any p. The classes for p = 1 and p = 2 are simpler.

    With w = min(a, 1/a)^p and L = log(1 + w) / p, sigma(a) is min(a, 1) e^-L.
    """

    def __init__(self, p: float) -> None:
        super().__init__(f"algebraic({p!r})")
        self.p = p
        self.reach = 0.5 * math.exp(min(-math.log1p(-(2.0**-p)) / p, 40.0))  # where sigma is 1/2

    def _pow(self, ops: Operations, a: Array, exponent: float) -> Array:
        """a^exponent, where a is 0, infinite or a number of ordinary size. In float32 the exponent is a rounded number.

        What was lost of it, times log a, is the relative error of the power.
        """
        given = ops.rounded(a, exponent)
        power = ops.pow(a, given)
        if given == exponent:
            return power
        return power * ops.exp(ops.log(ops.minimum(ops.maximum(a, 2.0**-126), 2.0**127)) * (exponent - given))

    def _exponent(self, ops: Operations, a: Array) -> Array:
        """L. Below, w is a product of powers of a, one of which is 1: rounding 1/a would make w p times as wrong."""
        w = self._pow(ops, ops.minimum(a, 1.0), self.p) * self._pow(ops, ops.maximum(a, 1.0), -self.p)
        return ops.log1p(w) / self.p

    def sigma(self, ops: Operations, u: Array) -> Array:
        return ops.clamp(u, 1) * ops.exp(-self._exponent(ops, ops.abs(u)))

    def tail(self, ops: Operations, a: Array, s: float) -> Array:
        # 1 - sigma(a) = -expm1(log(min(a, 1)) - L). Where a^-p is less than 2^-60, this is a^-p / p. There a^-p may be
        # below the smallest normal number, but its root is not.
        near = ops.minimum(a, 1.0)
        root = self._pow(ops, ops.maximum(a, 1.0), -0.5 * self.p)
        far = ops.maximum(root * root, 2.0**-60)
        exponent = ops.log1p(self._pow(ops, near, self.p) * far) / self.p
        return (s * root) * (s * root) * (-ops.expm1(ops.log(near) - exponent) / far)

    def density(self, ops: Operations, a: Array, s: float) -> Array:
        # The density is (1 + a^p)^-(1 + 1/p). For a > 1 this is the product of a^-p, 1/a and e^(-(p + 1) L).
        far = ops.maximum(a, 1.0)
        root = s * self._pow(ops, far, -0.5 * self.p)
        return root * root / far * ops.exp(-(self.p + 1) * self._exponent(ops, a))

    def log_density(self, ops: Operations, a: Array) -> Array:
        return -(self.p + 1) * (ops.log(ops.maximum(a, 1.0)) + self._exponent(ops, a))

    def quantile(self, ops: Operations, v: Array, t: Array, s: float) -> Array:
        # a = v (1 - v^p)^(-1/p). Near v = 1 the logarithm of v comes from t. Below t = 2^-60, 1 - v^p is p t.
        small = ops.maximum(t / (s * s), 2.0**-60)
        half = ops.minimum(small, 0.5)
        log_v = ops.where(v < 0.5, ops.log(v), -ops.log1p(half / (1 - half)))
        bracket = -ops.expm1(self.p * log_v)
        boosted = small * (s * s)
        ratio = ops.pow(bracket, -1 / self.p) * ops.pow(boosted, 1 / self.p) * ops.pow(t, -1 / self.p)
        # The rounded exponent 1/p makes the ratio wrong by log(t) times the error of 1/p. One step of Newton's
        # iteration repairs that. On a bound t is 0, and the step is left out.
        root = self._pow(ops, ratio, -0.5 * self.p)
        found = root * boosted / t * root / bracket
        return v * ratio * (1 + (ops.where((root > 0) & (t > 0), found, 1.0) - 1) / self.p)


def algebraic(p: float) -> Squash:
    """Make the algebraic function ``u / (1 + abs(u)^p)^(1/p)``.

    Its slope at 0 is 1. It approaches its limits -1 and 1 as ``1 - abs(u)^-p / p`` does, so a larger p gives sharper
    corners. p = 1 gives "softsign", p = 2 gives "algebraic", and as p goes to infinity it becomes the hard clip.

    Parameters
    ----------
    p : float
        The power.

    Returns
    -------
    Squash
        Pass it as ``g``. Two of them with the same p are equal, and they can be pickled.

    Raises
    ------
    TypeError
        If `p` is not a number.
    ValueError
        If `p` is not positive and finite.

    Examples
    --------
    >>> import numpy as np
    >>> from softclip import algebraic, soft_clip
    >>> soft_clip(np.array([-2.0, 0.5, 1.0, 9.0]), -1.0, 1.0, algebraic(4.0), slope=1.0).round(4)
    array([-0.985 ,  0.4925,  0.8409,  1.    ])
    """
    value = as_number("p", p)
    if not 0.0 < value < math.inf:
        msg = f"p must be positive and finite; got {p!r}"
        raise ValueError(msg)
    if value == 1:
        return Softsign("softsign")
    return Algebraic("algebraic") if value == 2 else AlgebraicPower(value)
