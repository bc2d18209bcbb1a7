"""How NumPy runs an expression: between number bounds a program, block by block, without making arrays on the way."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import array_api_compat.numpy
import numpy as np

from softclip._formulas.call import Call
from softclip._formulas.formats import Format
from softclip._formulas.program import Operation, Steps, number_program
from softclip._libraries.standard import Library

Array = Any


class NumPy(Library):
    name = "numpy"
    autodiff = False
    block_bytes = 2**17
    """What a program works on at a time: x, the result and the two to four slots stay in the cache."""
    formula_bytes = 2**16
    """The same for a formula, whose temporaries stay below the size for which malloc maps fresh pages."""

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        for name in ("abs", "minimum", "maximum", "copysign", "where", "log", "pow"):
            setattr(self, name, getattr(np, name))
        self._dtypes: dict[Format, np.dtype[Any]] = {}
        self.steps = functools.lru_cache(maxsize=1024)(self._steps)

    def dtype(self, format_: Format) -> Any:
        if format_ not in self._dtypes:
            # "bfloat16" is known once ml_dtypes, its only source, is imported.
            self._dtypes[format_] = np.dtype(format_.name)
        return self._dtypes[format_]

    def owns(self, value: Array) -> bool:
        return isinstance(value, np.ndarray) and not has_meaning_of_its_own(value)

    def format(self, x: Array) -> Format:
        if type(x) is not np.ndarray and has_meaning_of_its_own(x):
            raise TypeError(_refusal(x))
        return super().format(x)

    def device(self, x: Array) -> Any:
        return None

    def astype(self, x: Array, dtype: Any) -> Array:
        if x.dtype == dtype:
            return np.asarray(x)
        with np.errstate(all="ignore"):  # bounds are cast before `run`
            return np.asarray(x, dtype=dtype)

    def _special(self, name: str) -> Callable[[Array], Array]:
        try:
            return getattr(importlib.import_module("scipy.special"), name)  # type: ignore[no-any-return]
        except ImportError as error:
            msg = f'g="erf" on NumPy arrays needs SciPy, which has {name}: pip install scipy'
            raise ImportError(msg) from error

    def run(self, x: Array, call: Call) -> Array:
        if not call.between_numbers:
            return self.run_on_arrays(x, call)
        steps, compute, dtype = self.steps(call)
        with np.errstate(all="ignore"):
            if x.size * compute.itemsize <= self.block_bytes:
                # A 0-d array becomes a 1-d one, as ufuncs make no arrays of it, and one of a subclass an ordinary one.
                ordinary = type(x) is np.ndarray and x.dtype == compute and x.ndim
                y = steps.run([*steps.slots], (x if ordinary else np.array(x, compute, ndmin=1),), None)
                return y if ordinary else y.astype(dtype, copy=False).reshape(x.shape)
            y = np.empty_like(x, dtype=dtype, subok=False)
            size = 0
            for x_block, y_block in self.blocks([x, y], compute, self.block_bytes // compute.itemsize):
                if x_block.size != size:
                    size, slots = x_block.size, [*steps.slots]
                made = steps.run(slots, (x_block,), y_block)
                if made is not y_block:  # by a function that cannot be told where to
                    y_block[...] = made
            return y

    def run_on_arrays(self, x: Array, call: Call) -> Array:
        """The formula as it stands, in blocks if the result is large."""
        compute = self.dtype(call.format.computed_in)
        block = self.formula_bytes // compute.itemsize
        shape = np.broadcast_shapes(x.shape, *(v.shape for v in call.arrays))
        with np.errstate(all="ignore"):
            if math.prod(shape) <= block:
                return np.asarray(self.evaluate(x, call))
            y = np.empty_like(x, dtype=self.dtype(call.format), shape=shape, subok=False)
            for x_block, y_block, *arrays in self.blocks([x, y, *call.arrays], self.dtype(call.format), block):
                y_block[...] = self.evaluate(x_block, call.with_arrays(arrays))
            return y

    def blocks(self, arrays: list[Array], dtype: Any, size: int) -> Any:
        """Pieces of the arrays, broadcast, as 1-d arrays of the dtype and that size. The second is written to."""
        with np.nditer(
            arrays,
            flags=["external_loop", "buffered", "delay_bufalloc", "zerosize_ok"],
            op_flags=[["writeonly" if i == 1 else "readonly"] for i in range(len(arrays))],
            op_dtypes=[dtype] * len(arrays),
            casting="unsafe",
            buffersize=size,
        ) as blocks:
            blocks.reset()
            yield from blocks

    def _steps(self, call: Call) -> tuple[Steps, np.dtype[Any], np.dtype[Any]]:
        """The program of a call, the dtype that it computes in, and that of the result."""
        compute = self.dtype(call.format.computed_in)
        program = number_program(call)
        constant = functools.partial(np.array, dtype=compute)
        return program.compiled(self.function, constant), compute, self.dtype(call.format)

    def function(self, operation: Operation) -> Callable[..., Array]:
        """What does an operation, with ``out``; it may also make a new array."""
        if not isinstance(operation, str):
            # A copy, as the result might be u, which a step may write to.
            return lambda u, out: np.array(self.call(operation, u))  # noqa: ARG005
        own = {"where": _where, "clip": _clip}
        return own.get(operation) or getattr(np, operation, None) or self._special(operation)


def _where(condition: Array, a: Array, b: Array, out: Array | None) -> Array:  # noqa: ARG001
    return np.where(condition, a, b)


def _clip(a: Array, low: Array, high: Array, out: Array | None) -> Array:
    return a.clip(low, high, out=out)  # np.clip takes twice as long to be called


def has_meaning_of_its_own(x: Array) -> bool:
    """Whether an array says for itself what functions do to it, as those with units or masks do. We would lose that."""
    kind = type(x)
    if kind in (np.ndarray, np.memmap):
        return False
    protocols = ("__array_ufunc__", "__array_wrap__", "__array_function__")
    return any(getattr(kind, name, None) is not getattr(np.ndarray, name) for name in protocols)


def _refusal(x: Array) -> str:
    kind = f"{type(x).__module__}.{type(x).__qualname__}"
    if isinstance(x, np.ma.MaskedArray):
        return "must not be a masked array, whose mask would be lost. Pass its .filled(numpy.nan)."
    if hasattr(x, "unmasked"):
        return f"must not be of the class {kind}, whose mask would be lost. Pass its .filled(numpy.nan)."
    if hasattr(x, "unit") or hasattr(x, "units"):
        return (
            f"must not be of the class {kind}, whose unit would be lost. "
            "Convert x and the bounds to one unit, and pass their values."
        )
    return (
        f"must not be of the class {kind}, whose meaning would be lost. "
        "Pass numpy.asarray of it, if plain numbers are meant."
    )


NUMPY = NumPy(array_api_compat.numpy)
