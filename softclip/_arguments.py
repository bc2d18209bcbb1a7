"""The arguments of a public function, checked and brought to x."""

from __future__ import annotations

from typing import Any

import numpy as np

from softclip._checks import check_call, check_host_values, check_kind, is_number, numbers
from softclip._format import Format
from softclip._hinge import Hinge
from softclip._libraries import library
from softclip._named import Named
from softclip._plan import Quantity
from softclip._resolve import resolve
from softclip._run import Standard
from softclip._squash import Squash, as_number

Array = Any


def arguments(
    quantity: Quantity, name: str, x: Any, x_min: Any, x_max: Any, g: Any, slope: Any
) -> tuple[Standard, Squash, Array, Format, Any, Any, Any]:
    """The library of x, which the caller calls `name`, and the arguments: numbers as floats in x's format, arrays in x's dtype."""
    x, lib = _as_array(name, x)
    try:
        format_ = lib.format(x)
    except TypeError as error:
        msg = f"{name} {error}"
        raise TypeError(msg) from None
    squash = resolve(g, lib, x)
    _check_declared(quantity, squash)
    if is_number(x_min) and is_number(x_max) and is_number(slope):
        check = check_call if lib.tracing() else numbers
        low, high, slope = check(squash, format_, x_min, x_max, slope)
    else:
        check_kind(squash, format_, x_min, x_max, slope)
        low, high, steepness = (
            _read(argument, value, name, x, lib, format_)
            for argument, value in (("x_min", x_min), ("x_max", x_max), ("slope", slope))
        )
        check_host_values(low, high, steepness, f" once rounded to {format_.name}")
        low = _beside(low, x_min, x, lib, format_)
        high = _beside(high, x_max, x, lib, format_)
        slope = steepness if is_number(slope) else _beside(steepness, slope, x, lib, format_)
    return lib, squash, x, format_, low, high, slope


def _check_declared(quantity: Quantity, g: Squash) -> None:
    """ValueError if a function that is not the package's lacks what the quantity needs."""
    if isinstance(g, (Named, Hinge)):
        return
    needed = {"value": "fn", "inverse": "inverse"}.get(quantity, "derivative")
    if getattr(g, needed) is None:
        msg = (
            f"g={g.name!r} declares no {needed}, and none is guessed: declare it, Squash(..., {needed}=...); g is {g!r}"
        )
        raise ValueError(msg)


def _as_array(name: str, x: Any) -> tuple[Array, Standard]:
    """The array x and its library; numbers and nested lists become NumPy arrays."""
    if isinstance(x, (int, float, complex, list, tuple, np.generic)):
        x = _array_of(name, x)
    if isinstance(x, np.ma.MaskedArray):
        msg = f"{name} must not be a masked array, whose mask would be lost; pass {name}.filled(numpy.nan)"
        raise TypeError(msg)
    try:
        return x, library(x)
    except TypeError:
        hint = f": pass {name}.to_numpy()" if hasattr(x, "to_numpy") else ""
        msg = (
            f"{name} must be an array of a library with the Python array API, a number or a nested list; "
            f"got {_kind(x)}{hint}"
        )
        raise TypeError(msg) from None


def _array_of(name: str, values: Any) -> Array:
    """A number or nested list as a NumPy array."""
    try:
        return np.asarray(values)
    except ValueError as error:
        msg = f"{name} must be a nested list of numbers, with as many in each row: {error}"
        raise ValueError(msg) from None


def _read(name: str, value: Any, of: str, x: Array, lib: Standard, format_: Format) -> Any:
    """A bound or slope: None, a float, a list as a NumPy array, or an array that can stand beside x; each rounded to the format."""
    if value is None:
        return None
    if is_number(value):
        value = as_number(name, value)
        return value if name == "slope" or lib.tracing() else format_.round(value)
    if isinstance(value, (list, tuple)):
        array = _array_of(name, value)
        if array.dtype.kind not in "iuf":
            msg = f"{name} must hold real numbers; got {array.dtype}"
            raise TypeError(msg)
        rounded = [format_.round(float(v)) for v in array.flat]
        return np.array(rounded).reshape(array.shape)
    if not lib.owns(value):
        msg = f"{name} must be a number or an array of {of}'s library; {of} is {_kind(x)}, {name} is {_kind(value)}"
        raise TypeError(msg)
    if lib.device(value) != lib.device(x):
        msg = f"{name} must be on {of}'s device; {of} is on {lib.device(x)}, {name} on {lib.device(value)}"
        raise ValueError(msg)
    try:
        lib.format(value)
    except TypeError as error:
        msg = f"{name} {error}"
        raise TypeError(msg) from None
    return lib.cast(value, lib.dtype(format_))


def _beside(value: Any, given: Any, x: Array, lib: Standard, format_: Format) -> Any:
    """What `_read` made of a bound or slope as an array beside x."""
    return value if given is None or lib.owns(given) else lib.beside(value, x, lib.dtype(format_))


def _kind(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
