"""What `fuzz` holds a call against: what its arguments say of it, and what the documentation says of result and error."""

from __future__ import annotations

import math
import re
import sys
import traceback
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import oracle
from fuzz_calls import PACKAGES, Call

import softclip

ARGUMENT = re.compile(r"\b(x|y|x_min|x_max|g|slope|softness|fn|low|high|center|inverse|derivative|name)\b")
PACKAGE = str(Path(softclip.__file__).parent)
FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = tuple(f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64))


class Wrong(AssertionError):
    """What a call did against the contract."""


class Refused(Exception):
    """An argument that must not be taken."""


class Unknown(Exception):
    """An argument of which nothing is said."""


def library_of(a: Any) -> str:
    """The library of an array, "" for what is none."""
    found = "numpy" if isinstance(a, (np.ndarray, np.generic)) else type(a).__module__.partition(".")[0]
    found = {"jaxlib": "jax", "array_api_strict": "strict"}.get(found, found)
    return found if hasattr(a, "dtype") and found in PACKAGES else ""


def dtype_of(a: Any) -> str:
    return getattr(a.dtype, "name", None) or str(a.dtype).rpartition(".")[-1]


def wide(a: Any) -> np.ndarray:
    """A real array of any library as float64."""
    if library_of(a) == "torch":
        return a.detach().double().resolve_neg().numpy()
    a = a.compute(scheduler="synchronous") if library_of(a) == "dask" else getattr(a, "_array", a)
    return np.array(a, np.float64)


def number(v: Any) -> float | None:
    """What is taken as a number as a float, of everything else None."""
    if not isinstance(v, (int, float, Fraction, Decimal, np.integer, np.floating)) or isinstance(
        v, (bool, np.timedelta64)
    ):
        return None
    try:
        return float(v)
    except OverflowError:
        return math.inf if v > 0 else -math.inf
    except ValueError:  # Decimal("sNaN")
        return math.nan


def values(v: Any, library: str) -> np.ndarray:
    """An array or list as float64."""
    if isinstance(v, (list, tuple)):
        try:
            v = np.asarray(v)
        except (ValueError, OverflowError):
            raise Refused from None
        if v.dtype == np.longdouble:
            raise Unknown
    elif library_of(v) not in (library, "numpy"):
        raise Refused
    masked = isinstance(getattr(v, "_meta", v), np.ma.MaskedArray)
    if dtype_of(v) not in FLOATS + INTEGERS or masked or getattr(v, "is_sparse", False):
        raise Refused
    strange = getattr(v, "is_meta", False) or "device1" in str(getattr(v, "device", ""))
    if strange or (library_of(v) == "dask" and np.isnan(v.shape).any()):
        raise Unknown
    return wide(v)


class Truth(NamedTuple):
    """The arguments of a call in float64 as they count, where they are valid, and whether the call must give a result."""

    dtype: str
    x: np.ndarray
    low: np.ndarray
    high: np.ndarray
    slope: np.ndarray
    valid: np.ndarray
    sure: bool


def beside(x: Any, *constants: Any) -> tuple[str, Any]:
    """The library of the result, and the array that x is brought to if it is a number or a list and that library not NumPy."""
    if isinstance(x, (int, float, complex, list, tuple, np.generic)):
        arrays = (v for v in constants if library_of(v) not in ("", "numpy"))
        like = next(arrays, None)
        return library_of(like) or "numpy", like
    return library_of(x) or "numpy", None


def unboxed(v: Any) -> Any:
    """A NumPy array without axes counts as the number in it."""
    return v[()] if type(v) is np.ndarray and v.ndim == 0 else v


def truth(call: Call, x: Any, x_min: Any, x_max: Any, g: Any, slope: Any = None) -> Truth:
    library, like = beside(x, x_min, x_max, slope)
    x_min, x_max, slope = map(unboxed, (x_min, x_max, slope))
    generic = isinstance(x, np.generic)
    x = np.asarray(x) if isinstance(x, (int, float, complex, np.generic)) else x
    given = values(x, library)
    if (x_min is None or x_max is None) and (
        call.kind != "hinge" or x_min is x_max or (slope is not None and number(slope) != 1)
    ):
        raise Refused
    if call.kind == "bare" and (call.function != "soft_clip" or slope is not None):
        raise Refused
    dtype = dtype_of(like if like is not None and not generic else np.asarray(x) if isinstance(x, (list, tuple)) else x)
    if dtype not in FLOATS:
        wide_jax = library == "jax" and sys.modules["jax"].config.jax_enable_x64
        dtype = "float64" if library not in ("torch", "jax") or wide_jax else "float32"
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    if (x_min is None or x_max is None) and g.softness >= 2.0 ** (1023 if dtype == "float64" else 127):
        raise Refused

    def read(v: Any, without: float) -> np.ndarray:
        if v is None:
            return np.array(without)
        if number(v) is None:
            return values(v, library).astype(kind).astype(float)
        return np.array(number(v) if v is slope else np.array(number(v)).astype(kind), float)

    low, high, steep = read(x_min, -math.inf), read(x_max, math.inf), read(slope, 1.0)
    fine = [np.isfinite(b) | (v is None) for b, v in ((low, x_min), (high, x_max))]
    fine.append((steep > 0) & (steep < math.inf))
    if not (low.size and high.size and steep.size):
        raise Unknown
    # Numbers, lists and NumPy arrays are looked at, arrays of other libraries are not.
    seen = [library == "numpy" or library_of(v) in ("", "numpy") for v in (x_min, x_max, slope)]
    if any(look and not f.all() for look, f in zip(seen, fine, strict=True)):
        raise Refused
    try:
        shape = sum(np.zeros(v.shape) for v in (given, low, high, steep)).shape  # np.broadcast has 32 axes at most
        if seen[0] and seen[1] and not (low < high).all():
            raise Refused
    except ValueError:
        raise Refused from None
    arguments = [np.broadcast_to(v, shape) for v in (given.astype(kind).astype(float), low, high, steep)]
    valid = np.broadcast_to(fine[0] & fine[1] & fine[2] & (low < high), shape)
    sure = call.kind not in ("broken", "liar") and not (call.kind == "named:erf" and library == "strict")
    return Truth(dtype, *arguments, valid, sure)


def check_result(call: Call, arguments: dict[str, Any], t: Truth, y: Any) -> None:
    x, low, high, given = t.x, t.low, t.high, next(iter(arguments.values()))
    constants = [arguments.get(name) for name in ("x_min", "x_max", "slope")]
    (library, _), honest = beside(given, *constants), call.kind not in ("broken", "liar")
    number_given = isinstance(given, (int, float, np.generic)) and not x.shape
    kind = library_of(y), dtype_of(y), tuple(y.shape)
    if kind != (library, t.dtype, x.shape) or (
        library == "numpy" and not (isinstance(y, np.generic) if number_given else type(y) is np.ndarray)
    ):
        if honest:
            raise Wrong(f"kind: {type(y)} {kind}, not {(library, t.dtype, x.shape)}")
        return  # fn does not keep its word
    if library == "numpy" and isinstance(given, np.ndarray) and np.shares_memory(given, y):
        raise Wrong("shared memory: with x")
    info, v, valid = ml_dtypes.finfo(np.dtype(getattr(ml_dtypes, t.dtype, t.dtype))), wide(y), t.valid
    least = 8 * float(info.tiny)
    normal = valid & (high - low >= least)
    for a in (low, high, *[t.slope] * (library == "jax")):
        normal = normal & ((a == 0) | (abs(a) >= least))
    if library == "jax":  # and makes one factor of two, which overflows
        normal = normal & ((t.slope <= 1) | (t.slope * least <= high - low))

    def demand(rule: Any, where: Any, what: str) -> None:
        if (bad := where & ~rule).any():
            i = tuple(np.argwhere(bad)[0])
            raise Wrong(f"{what}: {float(v[i])!r} for {float(x[i])!r} between {low[i]!s} and {high[i]!s} in {t.dtype}")

    nan = np.isnan(x)
    if call.function == "soft_clip":
        everywhere = normal if library == "jax" else valid  # XLA flushes subnormal numbers to 0
        demand((low <= v) & (v <= high), everywhere & ~np.isnan(v), "outside the bounds")
        demand(np.isnan(v) == nan, normal & honest, "NaN")
        demand(v == np.where(x < 0, low, high), normal & np.isinf(x) & honest, "not the bound")
        for i in list(np.argwhere(normal & np.isfinite(x)))[:3] if call.kind.startswith(("named", "hinge")) else ():
            check_value(call, t, tuple(i), float(v[tuple(i)]), arguments["g"])
    elif call.function != "soft_clip_inverse":
        demand(np.isnan(v) == nan, normal & honest, "NaN")
        demand(v >= 0, normal & ~nan & honest & (call.function == "soft_clip_derivative"), "negative")
    elif honest:
        apart = normal & ((x == 0) | (abs(x) >= least))
        outside, on = (low - x >= least) | (x - high >= least), (x == low) | (x == high)
        demand(np.isnan(v), (valid & nan) | (apart & outside), "not NaN outside")
        demand(v == np.where(x == low, -math.inf, math.inf), apart & on, "finite on a bound")
        demand(~np.isnan(v), apart & (low < x) & (x < high), "NaN inside")


def check_value(call: Call, t: Truth, i: tuple[int, ...], v: float, g: Any) -> None:
    """Within 8 ulp of the larger bound, or 16, with a slope as much again."""
    x, low, high, slope = (float(a[i]) for a in (t.x, t.low, t.high, t.slope))
    slope = slope if call.arguments.get("slope", "None") != "None" else None
    ulps, floor = (8 if slope is None else 16) * (2 if call.library == "jax" else 1), 0.0
    if call.kind != "hinge":
        true = oracle.soft_clip(x, low, high, call.kind.partition(":")[2], slope)
        size = max(abs(low), abs(high))
    elif abs(x) > 1e40:
        return  # that is how far the oracle goes
    else:
        bounds = [b if math.isfinite(b) else None for b in (low, high)]
        true = oracle.hinge(x, *bounds, g.softness, slope)
        size = max(abs(b) for b in bounds if b is not None)
        if None in bounds:  # in the tail next to a bound of 0 the rounding of (x - bound) / softness shows
            ulps *= 1 + min(abs(x - max(b for b in bounds if b is not None)) / g.softness, 1000)
            size, floor = (
                max(size, abs(true)),
                float(ml_dtypes.finfo(np.dtype(getattr(ml_dtypes, t.dtype, t.dtype))).tiny),
            )  # a softness below counts as that
    if not abs(v - true) <= ulps * oracle.ulp(size, t.dtype) + floor and size < 2.0 ** (
        15 if t.dtype == "float16" else 127
    ):
        raise Wrong(f"value: {v!r}, not {float(true)!r}, for {x!r} between {low!r} and {high!r} in {t.dtype}")


def check_error(call: Call, error: Exception) -> None:
    frames = traceback.extract_tb(error.__traceback__)
    package = [frame.name for frame in frames if frame.filename.startswith(PACKAGE)]
    if (
        call.kind == "liar"
        or any(frame.filename == "<call>" for frame in frames)
        or package[-1:] in (["_limits"], ["call"])
    ):
        return  # of the caller's function
    if isinstance(error, NotImplementedError) and call.kind == "named:erf" and "has no erf" in str(error):
        return  # documented in the README
    if "on meta tensors" in str(error):
        return  # torch's own: the limits of a function cannot be read off where there are no values
    if re.search("broadcast|must match the size", str(error)):
        return  # every library has its own error for shapes
    if not (isinstance(error, (TypeError, ValueError)) and ARGUMENT.search(str(error))):
        raise Wrong(f"error: {type(error).__name__}: {str(error)[:300]}")
