"""The arguments of a public function, checked and brought to x."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from softclip._arguments.resolve import resolve
from softclip._formulas.call import Call, Kept, Quantity, is_array
from softclip._formulas.checks import NUMBERS, check_host_values, check_kind, checked_numbers, is_number
from softclip._formulas.formats import Format
from softclip._functions.named import NAMED
from softclip._functions.squash import Squash, as_number
from softclip._libraries.find import library
from softclip._libraries.standard import Library

Array = Any


def arguments(
    quantity: Quantity, name: str, x: Any, x_min: Any, x_max: Any, g: Any, slope: Any
) -> tuple[Library, Array, Call]:
    """The library of x, x as an array of it, and the call, with bounds and slope brought to x. x is called `name`."""
    x, lib = _as_array(name, x, (x_min, x_max, slope))
    try:
        format_ = lib.format(x)
    except TypeError as error:
        msg = f"{name} {error}"
        raise TypeError(msg) from None
    squash = resolve(g, lib, x)
    _check_quantity(quantity, squash)
    if lib.tracing():
        check_kind(squash, format_, x_min, x_max, slope)
        given = (("x_min", x_min), ("x_max", x_max), ("slope", slope))
        low, high, steep = (_traced(argument, value, name, x, lib, format_) for argument, value in given)
        lib.check_symbols(low, high, steep)
        return lib, x, Call(quantity, squash, format_, low, high, steep)
    if is_number(x_min) and is_number(x_max) and is_number(slope):
        return lib, x, Call(quantity, squash, format_, *checked_numbers(squash, format_, x_min, x_max, slope))
    kept = [lib.kept(v) or v for v in (x_min, x_max, slope)]
    if all(v is None or isinstance(v, (Kept, float, int)) for v in kept):
        return lib, x, Call(quantity, squash, format_, *_kept_constants(lib, name, squash, format_, *kept))
    return lib, x, Call(quantity, squash, format_, *_constants(lib, name, x, squash, format_, x_min, x_max, slope))


@functools.lru_cache(maxsize=256, typed=True)
def _kept_constants(lib: Library, name: str, g: Squash, format_: Format, *given: Any) -> tuple[Any, ...]:
    """The same as `_constants`, for arrays that are kept."""
    arrays = [v.array if isinstance(v, Kept) else v for v in given]
    x = next(v.array for v in given if isinstance(v, Kept))
    constants = _constants(lib, name, x, g, format_, *arrays)
    return tuple(Kept(np.array(v)) if is_array(v) else v for v in constants)


def _constants(
    lib: Library, name: str, x: Array, g: Squash, format_: Format, x_min: Any, x_max: Any, slope: Any
) -> tuple[Any, ...]:
    """Bounds and slope of which at least one is an array, checked and brought to x."""
    x_min, x_max, slope = map(_unboxed, (x_min, x_max, slope))
    if is_number(x_min) and is_number(x_max) and is_number(slope):
        return checked_numbers(g, format_, x_min, x_max, slope)
    check_kind(g, format_, x_min, x_max, slope)
    low, high, steep = (
        _read(argument, value, name, x, lib, format_)
        for argument, value in (("x_min", x_min), ("x_max", x_max), ("slope", slope))
    )
    check_host_values(low, high, steep, f" once rounded to {format_.name}")
    low = _beside(low, x_min, x, lib, format_)
    high = _beside(high, x_max, x, lib, format_)
    return low, high, steep if is_number(slope) else _beside(steep, slope, x, lib, format_)


def _check_quantity(quantity: Quantity, g: Squash) -> None:
    """ValueError if g lacks what the quantity needs."""
    if quantity == "antiderivative" and getattr(g, "bend", None) is None:
        msg = (
            f"g must be one of {', '.join(NAMED)} or a knee of these, whose antiderivative has a closed form; got {g!r}"
        )
        raise ValueError(msg)
    if g.kind != "declared":
        return
    needed = {"value": "fn", "inverse": "inverse"}.get(quantity, "derivative")
    if getattr(g, needed) is None:
        msg = f"g={g.name!r} has no {needed}. Declare one: Squash(..., {needed}=...); g is {g!r}"
        raise ValueError(msg)


def _as_array(name: str, x: Any, others: tuple[Any, ...]) -> tuple[Array, Library]:
    """The array x and its library.

    Numbers and nested lists become arrays of the library of the first array among `others`, or of NumPy.
    """
    if isinstance(x, NUMBERS_AND_LISTS):
        like = next((v for v in others if _is_array_of_a_library(v)), None)
        values = _array_of(name, x)
        if like is not None:
            return _beside_array(name, x, values, like)
        x = values
    try:
        return x, library(x)
    except TypeError:
        msg = (
            f"{name} must be an array of a library with the Python array API, a number or a nested list; "
            f"got {_kind(x)}{_hint(name, x)}"
        )
        raise TypeError(msg) from None


def _beside_array(name: str, x: Any, values: Array, like: Array) -> tuple[Array, Library]:
    """x, a number or a list, as an array of the library of `like`, and that library.

    It has the dtype of `like`, unless x is a NumPy number, which has a dtype of its own.
    """
    _check_format(name, values, library(values))
    lib = library(like)
    format_ = library(values).format(values) if isinstance(x, np.generic) else lib.format(like)
    dtype = lib.dtype(format_)
    if isinstance(x, (int, float)):
        return lib.number_as_array_like(x, like, dtype), lib
    return lib.as_array_like(values, like, dtype), lib


NUMBERS_AND_LISTS = (*NUMBERS, list, tuple)


def _is_array_of_a_library(value: Any) -> bool:
    """Whether `value` is an array, but not one of NumPy, beside which numbers and lists are NumPy's too."""
    if value is None or isinstance(value, (*NUMBERS_AND_LISTS, np.ndarray)):
        return False
    try:
        library(value)
    except TypeError:
        return False
    return True


def _hint(name: str, x: Any) -> str:
    """How to make an array of a table of pandas, polars or xarray."""
    if hasattr(x, "to_numpy") and hasattr(x, "dims"):
        return f": use xarray.apply_ufunc(softclip.soft_clip, {name}, ...), or pass {name}.to_numpy()"
    if hasattr(x, "to_numpy") and type(x).__module__.startswith("pandas"):
        return f": pass {name}.to_numpy(dtype=float, na_value=numpy.nan)"
    return f": pass {name}.to_numpy()" if hasattr(x, "to_numpy") else ""


def _array_of(name: str, values: Any) -> Array:
    """A number or nested list as a NumPy array."""
    try:
        return np.asarray(values)
    except ValueError as error:
        msg = f"{name} must be a nested list of numbers, with as many in each row: {error}"
        raise ValueError(msg) from None


def _unboxed(value: Any) -> Any:
    """A NumPy array without axes as the number in it."""
    return value[()] if type(value) is np.ndarray and value.ndim == 0 else value


def _traced(name: str, value: Any, of: str, x: Array, lib: Library, format_: Format) -> Any:
    """A bound or slope while a library traces: None, a float that may be a symbol, or an array of the library."""
    if value is None:
        return None
    if isinstance(value, bool):
        return as_number(name, value)
    if isinstance(value, (int, float)) or lib.is_symbol(value):
        return value * 1.0  # float() would ask a symbol for its value
    if isinstance(value, (list, tuple, np.ndarray, np.generic)):
        return lib.as_array_like(value, x, lib.dtype(format_))
    if is_number(value):
        return as_number(name, value)
    return _own(name, value, of, x, lib, format_)


def _read(name: str, value: Any, of: str, x: Array, lib: Library, format_: Format) -> Any:
    """A bound or slope, rounded to the format: None, a float, a NumPy array, or an array of x's library."""
    if value is None:
        return None
    if is_number(value):
        value = as_number(name, value)
        return value if name == "slope" else format_.round(value)
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and not lib.owns(value)):
        array = value if isinstance(value, np.ndarray) else _array_of(name, value)
        if array is not value and array.dtype.kind not in "iuf":
            msg = f"{name} must hold real numbers; got {array.dtype}"
            raise TypeError(msg)
        _check_format(name, array, library(array))
        return format_.round_array(array.astype(float))
    return _own(name, value, of, x, lib, format_)


def _own(name: str, value: Any, of: str, x: Array, lib: Library, format_: Format) -> Array:
    """A bound or slope that is an array of x's library, in the dtype of the result."""
    if not lib.owns(value):
        msg = f"{name} must be a number or an array of {of}'s library; {of} is {_kind(x)}, {name} is {_kind(value)}"
        raise TypeError(msg)
    if lib.device(value) != lib.device(x):
        msg = f"{name} must be on {of}'s device; {of} is on {lib.device(x)}, {name} on {lib.device(value)}"
        raise ValueError(msg)
    _check_format(name, value, lib)
    return lib.astype(value, lib.dtype(format_))


def _check_format(name: str, value: Array, lib: Library) -> None:
    try:
        lib.format(value)
    except TypeError as error:
        msg = f"{name} {error}"
        raise TypeError(msg) from None


def _beside(value: Any, given: Any, x: Array, lib: Library, format_: Format) -> Any:
    """What `_read` made of a bound or slope as an array of x's library."""
    return value if given is None or lib.owns(given) else lib.as_array_like(value, x, lib.dtype(format_))


def _kind(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
