"""The arguments of a public function, checked and brought to x."""

from __future__ import annotations

from typing import Any

import numpy as np

from softclip._checks import check_call, check_host_values, check_kind, check_numbers, is_number, numbers
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
        check_kind(squash, x_min, x_max, slope)
        low, high, slope = (
            _beside(argument, value, name, x, lib, format_)
            for argument, value in (("x_min", x_min), ("x_max", x_max), ("slope", slope))
        )
        check_host_values(low, high, slope, f" once rounded to {format_.name}")
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
        x = np.asarray(x)
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


def _beside(name: str, value: Any, of: str, x: Array, lib: Standard, format_: Format) -> Any:
    """A bound or slope: None, a number as it is, or an array in the dtype of the result, checked to stand beside x."""
    if value is None:
        return None
    if is_number(value):
        value = as_number(name, value)
        if name == "slope":
            return value
        check_numbers(value, None, (value, "an array") if name == "x_min" else ("an array", value))
        return lib.beside(value, x, lib.dtype(format_))
    if isinstance(value, (list, tuple)):
        value = np.asarray(value)
        if value.dtype.kind not in "iuf":
            msg = f"{name} must hold real numbers; got {value.dtype}"
            raise TypeError(msg)
        return lib.beside(value.tolist(), x, lib.dtype(format_))
    if not lib.owns(value):
        msg = f"{name} must be a number or an array of {of}'s library; {of} is {_kind(x)}, {name} is {_kind(value)}"
        raise TypeError(msg)
    if lib.device(value) != lib.device(x):
        msg = f"{name} must be on {of}'s device; {of} is on {lib.device(x)}, {name} on {lib.device(value)}"
        raise ValueError(msg)
    try:
        lib.format(value)
    except TypeError:
        msg = f"{name} must hold real numbers; got {value.dtype}"
        raise TypeError(msg) from None
    return lib.cast(value, lib.dtype(format_))


def _kind(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"
