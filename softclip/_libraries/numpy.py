"""How NumPy runs an expression: as a program, block by block, without making arrays on the way."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from softclip._formulas.call import Call, Kept
from softclip._formulas.formats import FORMATS, Format
from softclip._formulas.plan_known import broadcast_shape
from softclip._formulas.program import Operation, Program, Steps, number_program
from softclip._libraries.pieces import Arrays, Prepared, Task, prepared, run_by_pieces, tasks_of
from softclip._libraries.standard import Library, check_out_dtype, check_out_is_array, check_out_shape

Array = Any

FEW = 1024
"""Of so many bounds at most the constants are kept for the next call."""

MANY = 2048
"""Of fewer elements what is fastest depends on what a call costs, and not on what an element costs."""


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
        self._kept_prepared = functools.lru_cache(maxsize=128)(self._prepared)
        self.tasks = functools.lru_cache(maxsize=16)(self._tasks)

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
            return self.run_between_arrays(x, call)
        steps, compute, dtype = self.steps(call)
        with np.errstate(all="ignore"):
            if x.size * compute.itemsize <= self.block_bytes:
                # A 0-d array becomes a 1-d one, as ufuncs make no arrays of it, and one of a subclass an ordinary one.
                ordinary = type(x) is np.ndarray and x.dtype == compute and x.ndim
                y = steps.run([*steps.slots], (x if ordinary else np.array(x, compute, ndmin=1),), None)
                return y if ordinary else y.astype(dtype, copy=False).reshape(x.shape)
            y = np.empty_like(x, dtype=dtype, subok=False)
            size = 0
            for x_block, y_block in _blocks(x, y, compute, compute, self.block_bytes // compute.itemsize):
                if x_block.size != size:
                    size, slots = x_block.size, [*steps.slots]
                made = steps.run(slots, (x_block,), y_block)
                if made is not y_block:  # by a function that cannot be told where to
                    y_block[...] = made
            return y

    def run_into(self, x: Array, call: Call, out: Any) -> Array:
        check_out_is_array(out, "NumPy array", isinstance(out, np.ndarray))
        if has_meaning_of_its_own(out):
            kind = f"{type(out).__module__}.{type(out).__qualname__}"
            msg = f"out must be an ordinary NumPy array, without the mask, unit or other meaning of a {kind}"
            raise TypeError(msg)
        compute, dtype = self.dtype(call.format.computed_in), self.dtype(call.format)
        is_number = out.dtype.kind in "fc" or out.dtype.name in FORMATS  # can_cast also has objects and text
        check_out_dtype(out.dtype, dtype, is_number and np.can_cast(dtype, out.dtype, "same_kind"))
        shapes = (getattr(v, "array", v).shape for v in call.arrays)
        check_out_shape(out.shape, broadcast_shape(x.shape, *shapes))
        if not out.flags.writeable:
            msg = "out is read-only"
            raise ValueError(msg)
        if call.between_numbers:
            size = self.block_bytes // compute.itemsize
            for x_block, out_block in _blocks(x, out, x.dtype.newbyteorder("="), dtype, size):
                out_block[...] = self.run(x_block, call)
            return out
        x = np.asarray(x)
        if np.may_share_memory(x, out) and not _same_elements(x, out):
            x = x.copy()
        with np.errstate(all="ignore"):
            self.by_pieces(x, self._with_kept(call), np.asarray(out))
        return out

    def run_between_arrays(self, x: Array, call: Call) -> Array:
        compute, dtype = self.dtype(call.format.computed_in), self.dtype(call.format)
        x = np.asarray(x)  # a matrix stays one when it is reshaped
        call = self._with_kept(call)
        with np.errstate(all="ignore"):
            shape, tasks = self.tasks(call, x.shape) if call.is_kept else ((), [])
            if tasks:
                inside = x if x.dtype == compute and x.shape == shape else np.array(np.broadcast_to(x, shape), compute)
                y = np.empty(shape, dtype)
                for task in tasks:
                    task.run(ARRAYS, [*task.slots], (inside,), y)
                return y
            return self.by_pieces(x, call, None)

    def by_pieces(self, x: Array, call: Call, out: Array | None) -> Array:
        """The result between arrays, written to `out`, or a new array if that is None."""
        compute, dtype = self.dtype(call.format.computed_in), self.dtype(call.format)
        of_bounds, groups = self.prepared(call)
        x = np.broadcast_to(x, broadcast_shape(x.shape, of_bounds))
        size = self.block_bytes // compute.itemsize
        return run_by_pieces(ARRAYS, [x], of_bounds, groups, compute, dtype, size, out=out)[0]

    def _with_kept(self, call: Call) -> Call:
        return call if call.is_kept else call.with_arrays([self.kept(v) or v for v in call.arrays])

    def _tasks(self, call: Call, shape: tuple[int, ...]) -> tuple[tuple[int, ...], list[Task]]:
        """For an x of that shape the shape of the result, and what is run; nothing if that is more than a piece."""
        of_bounds, groups = self.prepared(call)
        shape = broadcast_shape(shape, of_bounds)
        small = math.prod(shape) * self.dtype(call.format.computed_in).itemsize <= self.block_bytes
        return shape, tasks_of(ARRAYS, groups, shape) if small and shape and groups else []

    def kept(self, value: Any) -> Kept | None:
        few = type(value) is np.ndarray and value.size <= FEW and value.dtype.kind in "iuf"
        return Kept(value) if few else None

    def prepared(self, call: Call) -> tuple[tuple[int, ...], list[Prepared]]:
        return (self._kept_prepared if call.is_kept else self._prepared)(call)

    def _prepared(self, call: Call) -> tuple[tuple[int, ...], list[Prepared]]:
        compute = self.dtype(call.format.computed_in)
        arrays = [np.array(v.array if isinstance(v, Kept) else v, compute) for v in call.arrays]
        return prepared(ARRAYS, call.with_arrays(arrays))

    def _steps(self, call: Call) -> tuple[Steps, np.dtype[Any], np.dtype[Any]]:
        """The program of a call, the dtype that it computes in, and that of the result."""
        steps = self.compiled(number_program(call), call.format)
        return steps, self.dtype(call.format.computed_in), self.dtype(call.format)

    def compiled(self, program: Program, format_: Format) -> Steps:
        return program.compiled(self.function, functools.partial(np.array, dtype=self.dtype(format_.computed_in)))

    def function(self, operation: Operation) -> Callable[..., Array]:
        """What does an operation, with ``out``; it may also make a new array."""
        if not isinstance(operation, str):
            # A copy, as the result might be u, which a step may write to.
            return lambda u, out: np.array(self.call(operation, u))  # noqa: ARG005
        own: dict[str, Callable[..., Array]] = {
            "where": _where,
            "clip": _clip,
            "copysign": _copysign,
            "minimum": _minimum,
            "maximum": _maximum,
            "logistic": _logistic,
        }
        return own.get(operation) or getattr(np, operation, None) or self._special(operation)


def _blocks(x: Array, y: Array, of_x: Any, of_y: Any, size: int) -> Any:
    """Pieces of x and y as 1-d arrays of these dtypes and that size. y is written to, and may share memory with x."""
    with np.nditer(
        [x, y],
        flags=["external_loop", "buffered", "delay_bufalloc", "zerosize_ok", "copy_if_overlap"],
        op_flags=[[mode, "overlap_assume_elementwise"] for mode in ("readonly", "writeonly")],
        op_dtypes=[of_x, of_y],
        casting="unsafe",
        buffersize=size,
    ) as blocks:
        blocks.reset()
        yield from blocks


def _same_elements(x: Array, out: Array) -> bool:
    """Whether each element lies where that of the other array does."""
    return (
        all(getattr(x, name) == getattr(out, name) for name in ("shape", "strides", "itemsize"))
        and x.ctypes.data == out.ctypes.data
    )


def _where(condition: Array, a: Array, b: Array, out: Array | None) -> Array:  # noqa: ARG001
    return np.where(condition, a, b)


def _clip(a: Array, low: Array, high: Array, out: Array | None) -> Array:
    if low.ndim:
        return np.minimum(np.maximum(a, low, out=out), high, out=out)  # np.clip takes four times as long
    return a.clip(low, high, out=out)  # and this twice as long to be called


def _minimum(a: Array, b: Array, out: Array | None) -> Array:
    if b.ndim or a.size < MANY:
        return np.asarray(np.minimum(a, b, out=out))
    return a.clip(-math.inf, b, out=out)  # beside a number np.minimum takes three times as long


def _maximum(a: Array, b: Array, out: Array | None) -> Array:
    if b.ndim or a.size < MANY:
        return np.asarray(np.maximum(a, b, out=out))
    return a.clip(b, math.inf, out=out)


def _logistic(a: Array, out: Array | None) -> Array:
    out = np.negative(a, out=out)
    np.exp(out, out=out)
    np.add(out, 1, out=out)
    return np.divide(1, out, out=out)


def _copysign(size: Array, a: Array, out: Array | None) -> Array:
    """By the bits, as np.copysign takes twice as long. `size` is not negative."""
    if out is size or not a.ndim:
        return np.asarray(np.copysign(size, a, out=out))
    integers, sign = _SIGNS[a.dtype.itemsize]
    signed = np.bitwise_and(a.view(integers), sign, out=None if out is None else out.view(integers))
    return np.bitwise_or(signed, size.view(integers), out=None if out is None else signed).view(a.dtype)


_SIGNS: dict[int, tuple[Any, Any]] = {4: (np.int32, np.int32(-(2**31))), 8: (np.int64, np.int64(-(2**63)))}


class _Arrays(Arrays):
    def compiled(self, program: Program, format_: Format) -> Steps:
        return NUMPY.compiled(program, format_)

    def from_numpy(self, array: Any) -> Array:
        return array

    def total(self, x: Array, axes: tuple[int, ...]) -> Array:
        return x.sum(axes, keepdims=True)

    def empty(self, shape: Any, dtype: Any) -> Array:
        return np.empty(shape, dtype)

    def cast(self, x: Array, dtype: Any) -> Array:
        return np.asarray(x, dtype)

    def strides(self, x: Array) -> Any:
        return [abs(stride) for stride in x.strides]

    def permuted(self, x: Array, order: Any) -> Array:
        return x.transpose(order)

    def is_contiguous(self, x: Array) -> bool:
        return bool(x.flags.c_contiguous)

    def broadcast(self, bounds: Array, shape: Any) -> Array:
        return np.broadcast_to(bounds, shape)

    def repeated(self, bounds: Array, times: int) -> Array:
        return np.repeat(bounds, times)

    def positions(self, members: Array) -> Array:
        return np.flatnonzero(members)

    def take(self, x: Array, positions: Array) -> Array:
        return x.take(positions, mode="clip")


ARRAYS = _Arrays()


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


NUMPY = NumPy(np)
