"""How torch writes a result into a tensor that there is: x itself, or one that is passed as `out`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import forward_ad

from softclip._formulas.call import Call
from softclip._libraries.pieces import pieces
from softclip._libraries.standard import check_out_dtype, check_out_is_array, check_out_shape
from softclip._libraries.torch_blocks import BLOCK, is_ordinary, known, run_known

Array = Any

DEVICE_PIECE = 2**24
"""How many elements are worked on at a time where tensors are not in main memory: enough to keep a device busy."""


def is_plain(*tensors: Array) -> bool:
    """Whether they are tensors with memory of their own, at which nothing is traced, mapped or differentiated."""
    return not torch.compiler.is_compiling() and (
        all(type(v) in (torch.Tensor, torch.nn.Parameter) for v in tensors)
        and not torch._C._are_functorch_transforms_active()
        and not torch.jit.is_tracing()
        and forward_ad._current_level < 0
    )


def check_out(x: Array, call: Call, dtype: Any, out: Any) -> None:
    """Refuse an `out` that the result, of that dtype, cannot be written to; its shape is looked at by `write`."""
    check_out_is_array(out, "torch tensor", isinstance(out, torch.Tensor) and out.layout is torch.strided)
    if out.device != x.device:
        msg = f"out must be on the device of the result, {x.device}; got one on {out.device}"
        raise ValueError(msg)
    # What torch.can_cast says, which Dynamo does not trace.
    check_out_dtype(out.dtype, dtype, out.dtype.is_floating_point or out.dtype.is_complex)
    if torch.is_grad_enabled() and any(v.requires_grad for v in (x, out, *call.arrays)):
        msg = (
            "out= does not support automatic differentiation, but one of the arguments requires grad: leave out= "
            "away, or call it under torch.no_grad()"
        )
        raise RuntimeError(msg)


def write_whole(y: Array, out: Array, name: str) -> Array:
    """Copy y to out, in any of torch's modes."""
    if not torch.jit.is_tracing():  # which warns of what is asked of a shape
        check_out_shape(out.shape, y.shape, name)
    return out.copy_(y)


def write_by_pieces(
    x: Array,
    call: Call,
    out: Array,
    name: str,
    run: Callable[[Array, Call], Array],
    write: Callable[[Call, Array, Array], bool] | None = None,
) -> Array:
    """Write to out what `run` makes of x and the call, piece by piece, so that nothing of the size of out is made.

    All are plain, and no derivative is taken. They may lie in the same memory. What `write` says it has written is not
    written again.
    """
    check_out_shape(out.shape, torch.broadcast_shapes(x.shape, *(v.shape for v in call.arrays)), name)
    if any(stride == 0 and size > 1 for stride, size in zip(out.stride(), out.shape, strict=True)):
        msg = f"elements of {name} share memory; it has shape {tuple(out.shape)} and strides {out.stride()}: clone it"
        raise ValueError(msg)
    y = out.detach()
    x, *given = (v.clone() if _overlap(v, y) else v for v in (x, *call.arrays))
    call = call.with_arrays(given)
    ordinary = all(map(is_ordinary, (x, y)))
    if ordinary and given and call.g.kind != "declared":
        read = known(call)
        if read is not None:
            run_known(read, x, y)
            return out
    if write is not None and write(call, x, y):
        return out
    size = BLOCK * torch.get_num_threads() if ordinary else DEVICE_PIECE
    order = sorted(range(y.ndim), key=y.stride, reverse=True)  # as it lies in memory
    x, y = (v.expand(out.shape).permute(order) for v in (x, y))
    arrays = [v.reshape((1,) * (out.ndim - v.ndim) + v.shape).permute(order) for v in given]
    if not arrays and x.is_contiguous() and y.is_contiguous():
        x, y = x.view(-1), y.view(-1)
    for piece in pieces(y.shape, size):
        parts = [tuple(slice(None) if n == 1 else s for s, n in zip(piece, v.shape, strict=True)) for v in arrays]
        y[piece] = run(x[piece], call.with_arrays([v[part] for v, part in zip(arrays, parts, strict=True)]))
    return out


def _overlap(a: Array, out: Array) -> bool:
    """Whether elements of the two may lie in the same memory, unless each lies where that of the other does."""
    if a.numel() == 0 or out.numel() == 0 or a.device != out.device:
        return False
    same = a.shape == out.shape and a.stride() == out.stride() and a.element_size() == out.element_size()
    start, start_out = a.data_ptr(), out.data_ptr()
    return not (same and start == start_out) and start < _end(out) and start_out < _end(a)


def _end(a: Array) -> int:
    """Where its memory ends."""
    last = sum((n - 1) * stride for n, stride in zip(a.shape, a.stride(), strict=True))
    return int(a.data_ptr() + (last + 1) * a.element_size())


class InPlace(torch.autograd.Function):  # type: ignore[misc]
    """What autograd is told where x is written to: f of x, with the derivatives at `before`, a copy of x.

    `rule` is the Function that has them. The copy is an input because second derivatives are found through it.
    """

    @classmethod
    def tell(cls, x: Array, before: Array, call: Call, rule: Any) -> None:
        """Raise what torch raises if x may not be written to. Nothing is written here."""
        check_out_shape(x.shape, torch.broadcast_shapes(x.shape, *(v.shape for v in call.arrays)), "x")
        cls.apply(x, *call, before, rule)

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Array:
        x, *call, before, ctx.rule = inputs
        ctx.mark_dirty(x)
        ctx.rule.setup_context(ctx, (before, *call), x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Array) -> tuple[Array | None, ...]:
        return *ctx.rule.backward(ctx, gradient), None, None
