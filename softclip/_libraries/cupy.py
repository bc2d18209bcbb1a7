"""How CuPy runs an expression: between number bounds a program, made into one kernel."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import array_api_compat.cupy
import cupy

from softclip._formulas.call import Call
from softclip._formulas.kernel import body
from softclip._formulas.program import number_program
from softclip._libraries.standard import Library

Array = Any


class CuPy(Library):
    name = "cupy"
    autodiff = False

    def _special(self, name: str) -> Callable[[Array], Array]:
        return getattr(importlib.import_module("cupyx.scipy.special"), name)  # type: ignore[no-any-return]

    def run(self, x: Array, call: Call) -> Array:
        kernel = _kernel(call) if call.between_numbers else None
        return super().run(x, call) if kernel is None else kernel(self.astype(x, self.dtype(call.format)))


@functools.lru_cache(maxsize=1024)
def _kernel(call: Call) -> Any:
    """The kernel of a call; None where the program has a function that C has not."""
    operation = body(number_program(call), call.format.computed_in)
    if operation is None:
        return None
    name = call.format.name
    # cupy.fuse makes float64 of float32 (cupy#9400) and fails on Python's numbers (cupy#8536). A product and a sum made
    # one, with one rounding, are not the operations that the numerical contract has been tested with.
    return cupy.ElementwiseKernel(
        f"{name} x", f"{name} y", operation, f"soft_clip_{call.quantity}", options=("--fmad=false",)
    )


CUPY = CuPy(array_api_compat.cupy)
