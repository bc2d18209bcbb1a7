"""What torch knows of numbers that are symbols while it traces. To load it takes a second, so only tracing does."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx.experimental.symbolic_shapes import guard_or_true, has_static_value


def is_known(value: Any) -> bool:
    """Whether an element of a list holds no symbol, which torch.as_tensor would take for a constant."""
    if isinstance(value, (list, tuple)):
        return all(map(is_known, value))
    return not isinstance(value, (int, float, torch.SymInt, torch.SymFloat)) or has_static_value(value)


def are_valid(low: Any, high: Any, slope: Any) -> bool:
    """Whether bounds and slope are valid, as far as is known: of a number read from a tensor, nothing is."""
    if low is not None and high is not None and not guard_or_true(low < high):
        return False
    # torch takes all symbols for finite, so they are compared with the largest number. That is a literal because torch
    # takes the attribute of a module for a symbol.
    finite = all(v is None or guard_or_true(abs(v) <= 1.7976931348623157e308) for v in (low, high, slope))
    return finite and (slope is None or guard_or_true(slope > 0))
