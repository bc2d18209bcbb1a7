"""How CuPy runs an expression: between number bounds a program, made into one kernel."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import array_api_compat.cupy
import cupy

from softclip._format import Format
from softclip._kernel import body
from softclip._plan import Quantity
from softclip._program import number_program
from softclip._run import Standard, is_array
from softclip._squash import Squash

Array = Any


class CuPy(Standard):
    name = "cupy"
    autodiff = False

    def _special(self, name: str) -> Callable[[Array], Array]:
        return getattr(importlib.import_module("cupyx.scipy.special"), name)  # type: ignore[no-any-return]

    def run(self, quantity: Quantity, g: Squash, x: Array, format_: Format, low: Any, high: Any, slope: Any) -> Array:
        kernel = None
        if not any(map(is_array, (low, high, slope))):
            kernel = _kernel(quantity, g, format_, low, high, slope)
        if kernel is None:
            return super().run(quantity, g, x, format_, low, high, slope)
        return kernel(self.cast(x, self.dtype(format_)))


@functools.lru_cache(maxsize=1024)
def _kernel(quantity: Quantity, g: Squash, format_: Format, *numbers: float | None) -> Any:
    """The kernel of a call; None where the program has a function that C has not."""
    operation = body(number_program(quantity, g, format_, *numbers), format_.computed_in)
    if operation is None:
        return None
    # cupy.fuse makes float64 of float32 (cupy#9400) and fails on Python's numbers (cupy#8536). A product and a sum made
    # one, with one rounding, are not the operations that the numerical contract has been tested with.
    return cupy.ElementwiseKernel(
        f"{format_.name} x", f"{format_.name} y", operation, f"soft_clip_{quantity}", options=("--fmad=false",)
    )


CUPY = CuPy(array_api_compat.cupy)
