"""How layers and transforms read, check, compare and show their bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from softclip._arguments.arguments import arguments
from softclip._formulas.checks import check_host_values
from softclip._functions.squash import Squash

G = Any  # a name, a Squash or an increasing function
Bound = Any  # a number, a tensor, an array, a list, or None with a hinge

HOST = (list, tuple, np.ndarray)


def check(x_min: Bound, x_max: Bound, g: G, slope: Bound) -> Squash:
    """Return g as a Squash. Raise the errors that `soft_clip` would raise, and check the values of tensors too."""
    x = torch.zeros((), dtype=torch.float64, device="cpu")
    given = (x_min, x_max, slope)
    hidden = [isinstance(value, torch.Tensor) and not _readable(value) for value in given]
    low, high, rate = (
        value.detach().cpu() if isinstance(value, torch.Tensor) and not unknown else x if unknown else value
        for value, unknown in zip(given, hidden, strict=True)
    )
    *_, call = arguments("value", "x", x, low, high, g, rate)
    if not any(hidden):
        check_host_values(*(v.numpy() if isinstance(v, torch.Tensor) else v for v in call.constants))
    return call.g


def as_buffer(name: str, value: Bound) -> Bound:
    """Make a tensor of a list or an array, and floats of integers, so that any state can be loaded into it."""
    if isinstance(value, HOST):
        array = _array(name, value)
        value = torch.tensor(array if isinstance(value, np.ndarray) else value)
    if not isinstance(value, torch.Tensor) or not _of_integers(value):
        return value
    floats = value.to(torch.get_default_dtype())
    return torch.nn.Parameter(floats, requires_grad=False) if isinstance(value, torch.nn.Parameter) else floats


def as_constant(name: str, value: Bound) -> Bound:
    """Make a tensor in main memory of a list or an array. It keeps all digits."""
    if not isinstance(value, HOST):
        return value
    tensor = torch.tensor(_array(name, value), device="cpu")
    return tensor.double() if _of_integers(tensor) else tensor


def _array(name: str, value: Any) -> np.ndarray[Any, Any]:
    """Make a NumPy array of real numbers of a nested list or an array."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        msg = f"{name} must have as many numbers in each row: {error}"
        raise ValueError(msg) from None
    if array.dtype.kind not in "iuf":
        msg = f"{name} must hold real numbers; got {value!r}"
        raise TypeError(msg)
    return array


def _of_integers(value: torch.Tensor) -> bool:
    return not (value.is_floating_point() or value.is_complex() or value.dtype == torch.bool)


def _readable(value: torch.Tensor) -> bool:
    """Whether the values of a tensor can be read: it is not on the meta device, and not fake or distributed."""
    return type(value) in (torch.Tensor, torch.nn.Parameter) and not value.is_meta


def same(a: Bound, b: Bound) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a is b or (a.shape == b.shape and bool((a.cpu() == b.cpu()).all()))
    return not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor) and bool(a == b)


def shown(value: Any) -> str:
    """`value` as a user would write it in a call."""
    if isinstance(value, np.ndarray):
        return f"{value.tolist()}" if value.size <= 8 else f"<{value.shape}>"
    if isinstance(value, torch.Tensor):
        text = (
            f"torch.tensor({value.tolist()})" if value.numel() <= 8 and _readable(value) else f"<{tuple(value.shape)}>"
        )
        return f"torch.nn.Parameter({text})" if isinstance(value, torch.nn.Parameter) else text
    name = getattr(value, "__name__", None)
    if name is None:
        return repr(value)
    place = "torch" if getattr(torch, name, None) is value else getattr(value, "__module__", None)
    return f"{place}.{name}" if place not in (None, "__main__", "builtins") else name
