"""How torch runs a program on tensors in main memory: piece by piece, without making tensors on the way.

Every new large tensor costs its pages, which are several times as much as an operation in the cache.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from softclip._formulas.call import Call, Kept
from softclip._formulas.formats import Format
from softclip._formulas.program import Operation, Program, Steps, number_program
from softclip._libraries.numpy import NUMPY
from softclip._libraries.pieces import Arrays, Prepared, prepared, run_by_pieces

Array = Any

BLOCK = 2**15
"""How many elements each thread works on at a time: the fewest for which torch takes more than one."""
FOR_TABLE = 2**18
"""Of so many numbers of 16 bits at least it pays to make a table of all results."""
PIECE = 2**17
"""The same between bounds that are tensors, which take more time to prepare."""


def is_ordinary(x: Array) -> bool:
    """Whether x is a tensor in main memory and no more than that, which can be worked on in pieces and in place."""
    return (
        type(x) in (torch.Tensor, torch.nn.Parameter)
        and x.device.type == "cpu"
        and x.layout is torch.strided
        and not torch._C._are_functorch_transforms_active()
        and not torch.jit.is_tracing()
    )


def run_program(call: Call, x: Array, *weights: Array) -> Array:
    """What the call asks for at x, which is ordinary, times `weights` if given. No derivative can be taken of it."""
    steps = _steps(call, bool(weights))
    compute, dtype = getattr(torch, call.format.computed_in.name), getattr(torch, call.format.name)
    inputs = (x, *weights)
    by_table = call.format.digits < 24 and x.numel() >= FOR_TABLE and torch.get_num_threads() <= 4
    if x.numel() <= BLOCK:
        if x.dtype is compute:
            return steps.run([*steps.slots], inputs, None)
        return steps.run([*steps.slots], [v.to(compute) for v in inputs], None).to(dtype)
    order = sorted(range(x.ndim), key=x.stride, reverse=True)  # as x lies in memory
    y = torch.empty_permuted(x.shape, order, dtype=dtype)
    size, slots = 0, []
    flat = (v.permute(order).reshape(-1).split(BLOCK * torch.get_num_threads()) for v in (y, *inputs))
    for y_block, *blocks in zip(*flat, strict=True):
        if by_table:
            _look_up(_table(call, weighted=bool(weights)), y_block, *blocks)
            continue
        if y_block.numel() != size:
            size, slots = y_block.numel(), [*steps.slots]
        made = steps.run(slots, [v.to(compute) for v in blocks], y_block)
        if made is not y_block:
            y_block.copy_(made)
    return y


@functools.lru_cache(maxsize=16)
def _table(call: Call, *, weighted: bool) -> Any:
    """What the program makes of each of the 65,536 numbers of 16 bits: their bits, or float32 if there are weights.

    To look one up takes less than a nanosecond, whatever g is. Threads would compute faster, and NumPy looks up in one.
    """
    every = torch.arange(2**16).to(torch.uint16).view(getattr(torch, call.format.name))
    steps, compute = _steps(call, False), getattr(torch, call.format.computed_in.name)
    results = steps.run([*steps.slots], [every.to(compute)], None)
    return results.numpy() if weighted else _bits(results.to(every.dtype))


def _look_up(table: Any, y: Array, x: Array, weights: Array | None = None) -> None:
    if weights is None:
        np.take(table, _bits(x), out=_bits(y), mode="clip")
    else:
        torch.multiply(torch.from_numpy(np.take(table, _bits(x), mode="clip")), weights, out=y)


def _bits(x: Array) -> Any:
    return x.detach().view(torch.int16).numpy().view(np.uint16)


@functools.lru_cache(maxsize=1024)
def _steps(call: Call, weighted: bool) -> Steps:
    return ARRAYS.compiled(number_program(call, weighted=weighted, logistic=True), call.format)


def known(call: Call) -> Call | None:
    """The call with bounds and slope read into NumPy arrays, if they are ordinary tensors and valid.

    To read these waits for no device. None if they are not.
    """
    if not all(map(is_ordinary, call.arrays)):
        return None
    compute = getattr(torch, call.format.computed_in.name)
    read = call.with_arrays([v.detach().to(compute).numpy() for v in call.arrays])
    low, high, slope = read.constants
    finite = all(-math.inf < np.min(v, initial=0.0) and np.max(v, initial=0.0) < math.inf for v in read.arrays)
    increasing = call.one_bound or np.all(np.less(low, high))
    return read if finite and increasing and (slope is None or np.all(np.greater(slope, 0))) else None


def run_known(call: Call, x: Array, out: Array | None = None) -> Array:
    """What the call asks for at an ordinary x, between bounds that `known` has read, without a derivative."""
    return _by_pieces(call, (x,), _prepared(call), out=out)[0]


def known_gradients(call: Call, x: Array, gradient: Array) -> tuple[Array, list[Array]]:
    """The gradient times the derivative of f, and its products with the derivatives in the bounds and the slope.

    Those are added up for each of the bounds, in float64.
    """
    sums = sum(v is not None for v in call.constants)
    return _by_pieces(call, (x, gradient), _prepared(call, partials=True), sums)


def _prepared(call: Call, *, partials: bool = False) -> tuple[tuple[int, ...], list[Prepared]]:
    keys = [NUMPY.kept(v) for v in call.arrays]
    if None in keys:
        return prepared(ARRAYS, call, partials=partials)
    return _kept_prepared(call.with_arrays(Kept(np.array(v)) for v in call.arrays), partials)


@functools.lru_cache(maxsize=128)
def _kept_prepared(call: Call, partials: bool) -> tuple[tuple[int, ...], list[Prepared]]:
    return prepared(ARRAYS, call.with_arrays([v.array for v in call.arrays]), partials=partials)


def _by_pieces(
    call: Call,
    inputs: tuple[Array, ...],
    plan: tuple[tuple[int, ...], list[Prepared]],
    sums: int = 0,
    out: Array | None = None,
) -> tuple[Array, list[Array]]:
    of_bounds, groups = plan
    shape = torch.broadcast_shapes(inputs[0].shape, of_bounds)
    compute, dtype = getattr(torch, call.format.computed_in.name), getattr(torch, call.format.name)
    size = max(PIECE, BLOCK * torch.get_num_threads())
    return run_by_pieces(
        ARRAYS, [x.detach().expand(shape) for x in inputs], of_bounds, groups, compute, dtype, size, sums, out
    )


class _Arrays(Arrays):
    logistic = True
    rounds = True

    def compiled(self, program: Program, format_: Format) -> Steps:
        dtype = getattr(torch, format_.computed_in.name)
        return program.compiled(_function, functools.partial(torch.tensor, dtype=dtype, device="cpu"))

    def from_numpy(self, array: Any) -> Array:
        return torch.from_numpy(np.array(array))

    def total(self, x: Array, axes: tuple[int, ...]) -> Array:
        return x.sum(axes, keepdim=True) if axes else x

    def empty(self, shape: Any, dtype: Any) -> Array:
        return torch.empty(shape, dtype=dtype)

    def cast(self, x: Array, dtype: Any) -> Array:
        return x.to(dtype)

    def strides(self, x: Array) -> Any:
        return x.stride()

    def permuted(self, x: Array, order: Any) -> Array:
        return x.permute(tuple(order))

    def is_contiguous(self, x: Array) -> bool:
        return bool(x.is_contiguous())

    def broadcast(self, bounds: Array, shape: Any) -> Array:
        return bounds.expand(shape)

    def repeated(self, bounds: Array, times: int) -> Array:
        return bounds.repeat_interleave(times)

    def positions(self, members: Array) -> Array:
        return members.nonzero()[:, 0]

    def take(self, x: Array, positions: Array) -> Array:
        return x[positions]


ARRAYS = _Arrays()


def _function(operation: Operation) -> Callable[..., Array]:
    """What does an operation, with ``out``; it may also make a new tensor."""
    assert isinstance(operation, str)  # noqa: S101  (programs of functions that are not the package's are not run here)
    own = {
        "clip": _clip,
        "where": _where,
        "negative": _negative,
        "equal": torch.eq,
        "erfcinv": erfcinv,
        "logistic": torch.sigmoid,
    }
    found: Callable[..., Array] | None = own.get(operation) or getattr(torch, operation, None)
    return found or getattr(torch.special, operation)


def erfcinv(t: Array, out: Array | None = None) -> Array:
    return torch.special.ndtri(0.5 * t, out=out).mul_(-math.sqrt(0.5))


def _clip(a: Array, low: Array, high: Array, out: Array | None) -> Array:
    out = torch.maximum(a, low, out=out)
    return torch.minimum(out, high, out=out)


# These two cannot round to 16 bits.


def _negative(a: Array, out: Array | None) -> Array:
    return torch.negative(a, out=out if out is None or out.dtype is a.dtype else None)


def _where(condition: Array, a: Array, b: Array, out: Array | None) -> Array:
    return torch.where(condition, a, b, out=out if out is None or out.dtype is a.dtype else None)
