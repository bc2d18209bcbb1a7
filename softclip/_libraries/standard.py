"""What the package asks of an array library, and how any library of the Array API standard does it.

`Library` needs nothing but the standard. A library that does something in its own way has a subclass in a file of its
own, which `softclip._libraries.find` knows. It may say differently

    what its arrays are    format, dtype, owns, as_array_like, number_as_array_like, device, astype
    when it traces         tracing, untraced, is_symbol, check_symbols
    its operations         those of `Operations` and `Ops`: special functions, and sigma, tail and quantile with a rule
    how it runs a call     run, and run_into if its arrays can be written to

g="erf" needs `erf`, `erfc`, `erfinv` and `erfcinv`, also for arguments down to the smallest normal number. A library
that has them by these names overrides `_special`, and one that lacks some of them the method itself, as `Jax.erfcinv`.
`dask` is the shortest example, and `cupy` one with functions and a way of running of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_compat
import numpy as np

from softclip._formulas.call import Call, Kept
from softclip._formulas.formats import FORMATS, Format
from softclip._formulas.ops import Ops
from softclip._formulas.plan import Plan, array_plan, number_plan
from softclip._functions.operations import Operations
from softclip._functions.squash import Squash

Array = Any

INTEGERS = frozenset(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))


class Library(Ops):
    """Any library with the Array API standard's namespace ``xp``.

    `minimum`, `maximum` and `abs` are made of ``where``: at a tie the derivative is that of the side that was taken,
    never a mean of both.
    """

    name: str
    autodiff = True
    """Whether the formula must be one that can be differentiated."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.name = getattr(xp, "__name__", repr(xp)).removeprefix("array_api_compat.")
        self._formats: dict[Any, Format] = {}
        for name in ("tanh", "asinh", "exp", "expm1", "log1p", "atan", "sin", "tan", "sqrt"):
            if getattr(type(self), name) is getattr(Operations, name):
                setattr(self, name, getattr(xp, name))

    # Arrays and dtypes.

    def format(self, x: Array) -> Format:
        """The format of the result for x.

        Raises TypeError for dtypes that are not real; the caller prepends the name of the argument.
        """
        dtype = x.dtype
        if dtype not in self._formats:
            name = getattr(dtype, "name", None) or str(dtype).rpartition(".")[-1]
            if name in INTEGERS:
                return self.format(self.as_array_like(1.0, x, None))
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
        """Whether `value` is an array that can stand as_array_like x."""
        try:
            return array_api_compat.array_namespace(value) is self.xp
        except TypeError:
            return False

    def as_array_like(self, value: Any, x: Array, dtype: Any) -> Array:
        """`value`, an array of this library or a nested list, with x's device and the given dtype."""
        return self._asarray(value, dtype, x)

    def number_as_array_like(self, value: Any, like: Array, dtype: Any) -> Array:
        """x, where the caller gave a Python number, as an array of the dtype as_array_like the bound `like`."""
        return self.as_array_like(value, like, dtype)

    def device(self, x: Array) -> Any:
        """The device of x; None if arrays on several may be mixed, or if the library has no devices."""
        try:
            return array_api_compat.device(x)
        except AttributeError:  # of the standard, but MLX's arrays have none
            return None

    def astype(self, x: Array, dtype: Any) -> Array:
        if x.dtype == dtype:
            return x
        with np.errstate(all="ignore"):  # for libraries made of NumPy; bounds are cast before `run`
            return self.xp.astype(x, dtype)

    def kept(self, value: Any) -> Kept | None:
        """A bound that is an array as part of a key, if its values are at hand and so few that a key pays."""
        return None

    def untraced(self) -> Any:
        """A context outside of any tracing, in which there are values to look at."""
        return np.errstate(all="ignore")

    def tracing(self) -> bool:
        """Whether there is no such context: what is computed now has no values yet."""
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

    def clamp(self, u: Array, limit: float) -> Array:
        return self.clip(u, -limit, limit)

    def log(self, a: Array) -> Array:
        return self.where(a == 0, -math.inf, self.xp.log(self.where(a == 0, 1.0, a)))

    def pow(self, a: Array, exponent: Any) -> Array:
        return a**exponent

    def call(self, fn: Callable[[Array], Array], u: Array) -> Array:
        """A caller's function. Raises ValueError unless it is elementwise and gives real numbers of this library."""
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
        return self.astype(y, u.dtype)

    def erf(self, a: Array) -> Array:
        return self._special("erf")(a)

    def erfc(self, a: Array) -> Array:
        return self._special("erfc")(a)

    def erfinv(self, v: Array) -> Array:
        return self._special("erfinv")(v)

    def erfcinv(self, t: Array) -> Array:
        return self._special("erfcinv")(t)

    def _size(self, u: Array) -> Array:
        return self.xp.abs(u)

    def _special(self, name: str) -> Callable[[Array], Array]:
        msg = (
            f'g="erf" is not available for {self.name} arrays: the Array API standard has no {name}. '
            "Use another g, or convert x to a library that has it."
        )
        raise NotImplementedError(msg)

    def _as_array(self, value: Any, like: Any) -> Array:
        if isinstance(value, (int, float)):
            return self._asarray(value, like.dtype, like)
        return value

    def _asarray(self, value: Any, dtype: Any, like: Array) -> Array:
        device = self.device(like)
        return self.xp.asarray(value, dtype=dtype, **({} if device is None else {"device": device}))

    # Evaluation.

    def run(self, x: Array, call: Call) -> Array:
        """What the call asks for at x, in the dtype of its format."""
        with np.errstate(all="ignore"):  # for libraries made of NumPy
            return self.evaluate(x, call)

    def run_into(self, x: Array, call: Call, out: Any) -> Array:
        """The same, written to `out`, which is given back; with an error if `out` cannot take it."""
        kind = f"{type(x).__module__}.{type(x).__qualname__}"
        msg = f"out= is for NumPy arrays and torch tensors, whose elements can be written to; got it beside {kind}"
        raise TypeError(msg)

    def evaluate(self, x: Array, call: Call) -> Array:
        """The formula of the call, one operation after the other."""
        return self.apply(self.plan(call), x, call.g, call.format)

    def apply(self, plan: Plan, x: Array, g: Squash, format_: Format) -> Array:
        formula, c = plan
        y = formula(self, g, self.astype(x, self.dtype(format_.computed_in)), c)
        return self.astype(y, self.dtype(format_))

    def plan(self, call: Call) -> Plan:
        if call.between_numbers:
            return number_plan(call, self.autodiff)
        dtype = self.dtype(call.format.computed_in)
        return array_plan(call.with_arrays([self.astype(v, dtype) for v in call.arrays]), self)


def check_out_is_array(out: Any, kind: str, fits: bool) -> None:
    if not fits:
        msg = f"out must be a {kind}, as x is or becomes; got {type(out).__module__}.{type(out).__qualname__}"
        raise TypeError(msg)


def check_out_dtype(dtype: Any, of_result: Any, fits: bool) -> None:
    if not fits:
        msg = f"out must have a dtype that {of_result} may be cast to by the rule same_kind; got {dtype}"
        raise TypeError(msg)


def check_out_shape(shape: Any, of_result: Any, name: str = "out") -> None:
    if tuple(shape) != tuple(of_result):
        msg = f"{name} must have the shape of the result, {tuple(of_result)}; got {tuple(shape)}"
        raise ValueError(msg)
