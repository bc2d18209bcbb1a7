"""How torch runs a program on tensors in main memory: piece by piece, without making tensors on the way.

Every new large tensor costs its pages, which are several times as much as an operation in the cache.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch

from softclip._formulas.call import Call
from softclip._formulas.program import Operation, Steps, number_program

Array = Any

BLOCK = 2**15
"""How many elements each thread works on at a time: the fewest for which torch takes more than one."""


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
    if x.numel() <= BLOCK:
        if x.dtype is compute:
            return steps.run([*steps.slots], inputs, None)
        return steps.run([*steps.slots], [v.to(compute) for v in inputs], None).to(dtype)
    order = sorted(range(x.ndim), key=x.stride, reverse=True)  # as x lies in memory
    y = torch.empty_permuted(x.shape, order, dtype=dtype)
    size, slots = 0, []
    flat = (v.permute(order).reshape(-1).split(BLOCK * torch.get_num_threads()) for v in (y, *inputs))
    for y_block, *blocks in zip(*flat, strict=True):
        if y_block.numel() != size:
            size, slots = y_block.numel(), [*steps.slots]
        made = steps.run(slots, [v.to(compute) for v in blocks], y_block)
        if made is not y_block:
            y_block.copy_(made)
    return y


@functools.lru_cache(maxsize=1024)
def _steps(call: Call, weighted: bool) -> Steps:
    program = number_program(call, weighted=weighted)
    dtype = getattr(torch, call.format.computed_in.name)
    return program.compiled(_function, functools.partial(torch.tensor, dtype=dtype, device="cpu"))


def _function(operation: Operation) -> Callable[..., Array]:
    """What does an operation, with ``out``; it may also make a new tensor."""
    assert isinstance(operation, str)  # noqa: S101  (programs of functions that are not the package's are not run here)
    own = {"clip": _clip, "where": _where, "negative": _negative, "equal": torch.eq, "erfcinv": erfcinv}
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
