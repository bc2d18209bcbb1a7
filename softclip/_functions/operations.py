"""The elementary operations in which all mathematics of the package is written."""

from __future__ import annotations

from typing import Any

Array = Any


class Operations:
    """What an array library, or a recorder of programs, must be able to do element by element.

    Arrays also take ``+ - * /``, comparisons and ``&``. Each operation takes arrays of one floating dtype, and Python
    numbers beside them, and gives an array of that dtype. Its gradient is the usual one unless its line says otherwise.
    """

    def abs(self, a: Array) -> Array:
        """abs(a), whose gradient at 0 is that of a."""
        raise NotImplementedError

    def where(self, condition: Array, a: Any, b: Any) -> Array:
        """a where the condition holds, else b; the gradient goes to the one that was taken."""
        raise NotImplementedError

    def minimum(self, a: Array, b: Any) -> Array:
        """The smaller; at a tie a, which takes the whole gradient."""
        return self.where(b < a, b, a)

    def maximum(self, a: Array, b: Any) -> Array:
        """The larger; at a tie a, which takes the whole gradient."""
        return self.where(b > a, b, a)

    def clamp(self, u: Array, limit: float) -> Array:
        """u between plus and minus `limit`. Nothing is promised of its gradient: it stands where a rule gives that."""
        raise NotImplementedError

    def copysign(self, size: Any, a: Array) -> Array:
        """`size`, a positive number, with the sign of a."""
        return self.where(a < 0, -size, size)

    def plus(self, a: Array, constant: float) -> Array:
        """a + constant, also for the smallest constant."""
        return a + constant

    def exp(self, a: Array) -> Array:
        """e^a."""
        raise NotImplementedError

    def expm1(self, a: Array) -> Array:
        """e^a - 1."""
        raise NotImplementedError

    def log(self, a: Array) -> Array:
        """The natural logarithm: -inf at 0, where its gradient is 0 and not NaN."""
        raise NotImplementedError

    def log1p(self, a: Array) -> Array:
        """log(1 + a)."""
        raise NotImplementedError

    def pow(self, a: Array, exponent: Any) -> Array:
        """a^exponent, for a that is not negative."""
        raise NotImplementedError

    def sqrt(self, a: Array) -> Array:
        """The square root."""
        raise NotImplementedError

    def logistic(self, a: Array) -> Array:
        """1 / (1 + e^-a), without a promise for its gradient."""
        return 1 / (1 + self.exp(-a))

    def sin(self, a: Array) -> Array:
        """The sine."""
        raise NotImplementedError

    def tan(self, a: Array) -> Array:
        """The tangent."""
        raise NotImplementedError

    def atan(self, a: Array) -> Array:
        """The inverse tangent."""
        raise NotImplementedError

    def tanh(self, a: Array) -> Array:
        """The hyperbolic tangent, within [-1, 1]."""
        raise NotImplementedError

    def asinh(self, a: Array) -> Array:
        """The inverse hyperbolic sine."""
        raise NotImplementedError

    def erf(self, a: Array) -> Array:
        """The error function."""
        raise NotImplementedError

    def erfc(self, a: Array) -> Array:
        """1 - erf(a), without cancellation."""
        raise NotImplementedError

    def erfinv(self, v: Array) -> Array:
        """The inverse of erf."""
        raise NotImplementedError

    def erfcinv(self, t: Array) -> Array:
        """The inverse of erfc."""
        raise NotImplementedError

    def rounded(self, a: Array, value: float) -> float:
        """A number, rounded to the precision of a."""
        raise NotImplementedError

    def half_pi(self, a: Array) -> tuple[float, float]:
        """pi/2 as the sum of two numbers of the precision of a."""
        raise NotImplementedError
