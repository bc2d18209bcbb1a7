"""How each array library runs an elementwise expression.

`Standard` does it with the Array API standard alone, for any library that follows it; a subclass says what one library
does differently: which functions it has under its own names, how it is told a derivative, how it evaluates a large
array. Each has a file of its own, `_numpy`, `_torch`, `_jax`, `_cupy` and `_dask`; `softclip._libraries` knows them.

Everything but `run` is the operations ``ops`` in which `softclip._named`, `softclip._hinge` and `softclip._form` are
written. ``minimum``, ``maximum`` and ``abs`` there are made of ``where`` wherever a library differentiates, so that the
derivative at a tie is the one of the side that was taken, never a mean of both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_compat
import numpy as np

from softclip import _plan
from softclip._form import Form, Scale
from softclip._format import FORMATS, Format
from softclip._named import Named
from softclip._plan import Quantity
from softclip._squash import Squash

Array = Any

INTEGERS = frozenset(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))


def is_array(value: Any) -> bool:
    """Whether a constant of a call is an array, and not a Python number or None."""
    return not (value is None or isinstance(value, (int, float)))


class Standard:
    """Any library with the Array API standard's namespace ``xp``."""

    name: str
    autodiff = True
    """Whether the form must be one that can be differentiated."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.name = getattr(xp, "__name__", repr(xp)).removeprefix("array_api_compat.")
        self._formats: dict[Any, Format] = {}
        for name in ("tanh", "asinh", "exp", "expm1", "log1p", "atan", "sin", "sqrt"):
            if not hasattr(self, name):
                setattr(self, name, getattr(xp, name))

    # Arrays and dtypes.

    def format(self, x: Array) -> Format:
        """The format of the result for x; TypeError, to be told of what, unless x is real floating-point or integer."""
        dtype = x.dtype
        if dtype not in self._formats:
            name = getattr(dtype, "name", None) or str(dtype).rpartition(".")[-1]
            if name in INTEGERS:
                return self.format(self.beside(1.0, x, None))
            if name not in FORMATS:
                msg = (
                    f"must be an array of float16, bfloat16, float32, float64 or integers; got {name} ({self.name}). "
                    "Convert it first, with astype for example."
                )
                raise TypeError(msg)
            self._formats[dtype] = FORMATS[name]
        return self._formats[dtype]

    def dtype(self, format_: Format) -> Any:
        return getattr(self.xp, format_.name)

    def owns(self, value: Array) -> bool:
        """Whether `value` is an array that can stand beside x."""
        try:
            return array_api_compat.array_namespace(value) is self.xp
        except TypeError:
            return False

    def beside(self, value: Any, x: Array, dtype: Any) -> Array:
        """`value`, an array of this library or a nested list, with x's device and the given dtype."""
        return self._asarray(value, dtype, x)

    def number_beside(self, value: Any, like: Array, dtype: Any) -> Array:
        """x, where the caller gave a Python number, as an array of the dtype beside the bound `like`."""
        return self.beside(value, like, dtype)

    def device(self, x: Array) -> Any:
        """The device of x; None if arrays on several may be mixed, or if the library has no devices."""
        try:
            return array_api_compat.device(x)
        except AttributeError:  # of the standard, but MLX's arrays have none
            return None

    def cast(self, x: Array, dtype: Any) -> Array:
        if x.dtype == dtype:
            return x
        with np.errstate(all="ignore"):  # for libraries made of NumPy; bounds are cast before `run`
            return self.xp.astype(x, dtype)

    def outside(self) -> Any:
        """A context outside of any tracing, in which there are values to look at."""
        return np.errstate(all="ignore")

    def tracing(self) -> bool:
        """Whether there is no such outside: what is computed now has no values yet."""
        return False

    def is_symbol(self, value: Any) -> bool:
        """Whether `value` is what the library has for a number that is not known yet."""
        return False

    def check_symbols(self, low: Any, high: Any, slope: Any) -> None:
        """Refuse wrong bounds and slopes that are numbers, while `tracing`; what is not known yet passes."""

    # Operations.

    def abs(self, a: Array) -> Array:
        return self.where(a < 0, -a, a)

    def where(self, condition: Array, a: Any, b: Any) -> Array:
        a, b = (self._as_array(v, other) for v, other in ((a, b), (b, a)))
        return self.xp.where(condition, a, b)

    def minimum(self, a: Array, b: Any) -> Array:
        return self.where(b < a, b, a)

    def maximum(self, a: Array, b: Any) -> Array:
        return self.where(b > a, b, a)

    def clip(self, a: Array, low: Any, high: Any) -> Array:
        """Cut a new array, that nobody else holds, at both bounds."""
        return self.minimum(self.maximum(a, low), high)

    def cut(self, u: Array, limit: float) -> Array:
        """Cut u at plus and minus `limit`, where the value alone counts."""
        return self.clip(u, -limit, limit)

    def copysign(self, size: Any, a: Array) -> Array:
        return self.where(a < 0, -size, size)

    def affine(self, base: Any, scale: Any, r: Array) -> Array:
        """``base + scale * r``, where r is a new array that nobody else holds; base None is 0."""
        return scale * r if base is None else base + scale * r

    def divide(self, a: Array, b: Array) -> Array:
        return a / b

    def share(self, part: Array, whole: Any) -> Array:
        """``part / whole``, at most 1."""
        return self.minimum(part / whole, 1.0)

    def log(self, a: Array) -> Array:
        """The logarithm; -inf at 0, whose gradient is 0 there and not NaN."""
        return self.where(a == 0, -math.inf, self.xp.log(self.where(a == 0, 1.0, a)))

    def call(self, fn: Callable[[Array], Array], u: Array) -> Array:
        """A function that is not the package's; ValueError unless it is elementwise, with real numbers of this library."""
        y = fn(u)
        dtype = getattr(y, "dtype", None)
        if dtype is None or y.shape != u.shape or not (self.owns(y) or isinstance(y, np.generic)):
            msg = f"g must be an elementwise function of {self.name} arrays; {fn!r} gives {y!r} for {u!r}"
            raise ValueError(msg)
        if dtype == u.dtype:
            return y
        try:
            self.format(y)
        except TypeError:
            msg = f"g must give real numbers; {fn!r} gives {dtype} for {u.dtype}"
            raise TypeError(msg) from None
        return self.cast(y, u.dtype)

    def erf(self, a: Array) -> Array:
        return self._special("erf")(a)

    def erfc(self, a: Array) -> Array:
        return self._special("erfc")(a)

    def erfinv(self, v: Array) -> Array:
        return self._special("erfinv")(v)

    def erfcinv(self, t: Array) -> Array:
        return self._special("erfcinv")(t)

    def sigma(self, g: Named, u: Array) -> Array:
        """g.sigma, as a function whose derivative the library knows."""
        return g.sigma(self, u)

    def tail(self, g: Named, u: Array, lifts: int) -> Array:
        """g.tail of abs(u), as a function of u whose derivative the library knows."""
        return g.tail(self, self.xp.abs(u), self.lift(u, lifts))  # of -0.0 too it is 0.0

    def quantile(self, g: Named, v: Array, near: Array, reach: Scale) -> Array:
        """g.quantile of t = near / reach, as a function of these two whose derivative the library knows."""
        # What is negative is outside, and NaN by the form; -0.0 is 0.0.
        return g.quantile(self, v, reach.measure(self.xp.abs(near)), self.lift(near, reach.lifts))

    def lift(self, u: Array, lifts: int) -> float:
        return self.format(u).lift(lifts)

    def _special(self, name: str) -> Callable[[Array], Array]:
        msg = f"the Array API standard has no {name}, and none is known for {self.name}: take another g, or convert x"
        raise NotImplementedError(msg)

    def _as_array(self, value: Any, like: Any) -> Array:
        if isinstance(value, (int, float)):
            return self._asarray(value, like.dtype, like)
        return value

    def _asarray(self, value: Any, dtype: Any, like: Array) -> Array:
        device = self.device(like)
        return self.xp.asarray(value, dtype=dtype, **({} if device is None else {"device": device}))

    # Evaluation.

    def run(self, quantity: Quantity, g: Squash, x: Array, format_: Format, low: Any, high: Any, slope: Any) -> Array:
        """The quantity at x in the dtype of `format_`; low, high and slope are Python numbers, or arrays in that dtype."""
        with np.errstate(all="ignore"):  # for libraries made of NumPy
            return self.evaluate(self.plan(quantity, g, format_, low, high, slope), g, format_, x)

    def plan(self, quantity: Quantity, g: Squash, format_: Format, low: Any, high: Any, slope: Any) -> tuple[Form, Any]:
        if not any(is_array(v) for v in (low, high, slope)):
            return _plan.number_plan(quantity, g, format_, low, high, slope, self.autodiff)
        compute = format_.computed_in
        dtype = self.dtype(compute)
        low, high, slope = (self.cast(v, dtype) if is_array(v) else v for v in (low, high, slope))
        return _plan.array_plan(quantity, self, g, compute, low, high, slope)

    def evaluate(self, plan: tuple[Form, Any], g: Squash, format_: Format, x: Array) -> Array:
        form, c = plan
        return self.cast(form(self, g, self.cast(x, self.dtype(format_.computed_in)), c), self.dtype(format_))
