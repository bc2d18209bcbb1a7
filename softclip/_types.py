"""What the public functions take and give, as type checkers see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from softclip._functions.named import Name
from softclip._functions.squash import Squash


class Array(Protocol):
    """An array of any library."""

    @property
    def shape(self) -> Any:
        """Its size along each axis."""

    @property
    def dtype(self) -> Any:
        """What its elements are."""


ArrayT = TypeVar("ArrayT", bound=Array)
Number = float | np.floating[Any] | np.integer[Any]
"""What gives a NumPy number between bounds that are numbers."""
Lists = list[Any] | tuple[Any, ...]
"""What becomes a NumPy array."""
NumberBound = Number | None
Scalar = np.floating[Any]
Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Bound = float | Array | list[Any] | tuple[Any, ...] | None
G = Name | Squash | Callable[[Any], Any]
