"""How CuPy runs an expression: as one kernel, whose arguments are x and the constants."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import array_api_compat.cupy
import cupy

from softclip._formulas.call import Call, is_array
from softclip._formulas.kernel import Kernel, kernel_of
from softclip._libraries.standard import Library

Array = Any


class CuPy(Library):
    name = "cupy"
    autodiff = False

    def _special(self, name: str) -> Callable[[Array], Array]:
        return getattr(importlib.import_module("cupyx.scipy.special"), name)  # type: ignore[no-any-return]

    def run(self, x: Array, call: Call) -> Array:
        made = kernel_of(call)
        if made is None:
            return super().run(x, call)
        kernel, arguments = made
        compute = call.format.computed_in
        given = (self.astype(v, self.dtype(compute)) if is_array(v) else v for v in arguments)
        return _compiled(kernel, call.format.name, compute.name)(self.astype(x, self.dtype(call.format)), *given)


@functools.lru_cache(maxsize=1024)
def _compiled(kernel: Kernel, name: str, compute: str) -> Any:
    # cupy.fuse makes float64 of float32 (cupy#9400) and fails on Python's numbers (cupy#8536).
    inputs = ", ".join([f"{name} x", *(f"{compute} {argument}" for argument in kernel.arguments)])
    return cupy.ElementwiseKernel(inputs, f"{name} y", kernel.body, "soft_clip")


CUPY = CuPy(array_api_compat.cupy)
