"""What a user's type checker must let pass and what it must refuse: `nox -s types` reads this, nothing runs it.

A line that must be refused says with which error; were it let pass, the comment would be one too many, which is an error too.
"""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

from softclip import (
    NAMES,
    Squash,
    hinge,
    soft_clip,
    soft_clip_antiderivative,
    soft_clip_derivative,
    soft_clip_inverse,
    soft_clip_log_derivative,
)

Floats = NDArray[np.floating[Any]]
Number = np.floating[Any]


class Tensor:
    """An array of a library that the checker knows nothing else of."""

    shape: tuple[int, ...]
    dtype: str


singles, doubles, integers = np.ones(3, np.float32), np.ones(3), np.arange(3)
tensor = Tensor()

# An array gives an array of its own kind, a number one of NumPy's numbers; lists and integers give arrays of NumPy's floats.
double: NDArray[np.float64] = soft_clip(doubles, -1.0, 1.0)
assert_type(soft_clip(tensor, -1, 1, "tanh", slope=1.0), Tensor)
assert_type(soft_clip_inverse(tensor), Tensor)
assert_type(soft_clip_derivative(tensor), Tensor)
assert_type(soft_clip_log_derivative(tensor), Tensor)
assert_type(soft_clip_antiderivative(tensor), Tensor)
assert_type(soft_clip(0.5), Number)
assert_type(soft_clip(3), Number)
assert_type(soft_clip(np.float32(3)), Number)
assert_type(soft_clip([[1.0, 2.0], [3.0, 4.0]]), Floats)
assert_type(soft_clip(integers), Floats)
assert_type(soft_clip_inverse(integers), Floats)
assert_type(soft_clip_derivative(0.5), Number)
assert_type(soft_clip_log_derivative([0.5]), Floats)
single = soft_clip(singles)

# What is passed as `out` is given back.
assert_type(soft_clip([0.5], tensor, 3.0, out=tensor), Tensor)
single_out: NDArray[np.float32] = soft_clip(singles, out=np.ones(3, np.float32))
double_out: NDArray[np.float64] = soft_clip_inverse(0.5, out=doubles)
double_out = soft_clip_derivative(integers, out=doubles)
assert_type(soft_clip_log_derivative(tensor, out=tensor), Tensor)

# Bounds, slope and g.
soft_clip(tensor, tensor, 3)
soft_clip(singles, [0.0, 1.0], (2, 3), slope=singles)
soft_clip(singles, None, 3.0, hinge(0.1))
soft_clip(singles, g=np.tanh)
soft_clip(singles, g=lambda z: z / (1 + abs(z)))
soft_clip(singles, g=Squash(np.tanh, -1.0, 1.0, slope=1.0, name="mine"), slope=1)
soft_clip(x=singles, x_min=-1, x_max=1, g=NAMES[0])
soft_clip_inverse(y=singles)

# Refused.
soft_clip()  # type: ignore[call-overload]
soft_clip("0.5")  # type: ignore[call-overload]
soft_clip(None)  # type: ignore[call-overload]
soft_clip({1.0, 2.0})  # type: ignore[call-overload]
soft_clip(singles, "0", 1)  # type: ignore[call-overload]
soft_clip(singles, 0, 1, "sigmiod")  # type: ignore[call-overload]
soft_clip(singles, 0, 1, 3.0)  # type: ignore[call-overload]
soft_clip(singles, 0, 1, "tanh", 1.0)  # type: ignore[call-overload]
soft_clip(singles, out=3.0)  # type: ignore[call-overload]
soft_clip(singles, low=0, high=1)  # type: ignore[call-overload]
soft_clip_inverse(x=singles)  # type: ignore[call-overload]
hinge("0.1")  # type: ignore[arg-type]
Squash(0.5)  # type: ignore[arg-type]
Squash(np.tanh, "-1", 1.0)  # type: ignore[arg-type]
doubled: NDArray[np.float64] = single  # type: ignore[assignment]
number: float = soft_clip(0.5)  # type: ignore[assignment]
