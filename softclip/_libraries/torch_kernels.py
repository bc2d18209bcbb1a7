"""How torch runs a call on a GPU: as one kernel, which torch's run-time compiler makes of the program in C.

That compiler, `torch.cuda.jiterator`, broadcasts the tensors, takes any strides, and calls the function with float32
for numbers of 16 bits. It cannot write into a tensor that there is.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.cuda import jiterator

from softclip._formulas.call import Call, is_array
from softclip._formulas.kernel import Kernel, kernel_of, partials_kernel
from softclip._libraries.pieces import pieces
from softclip._libraries.torch_in_place import is_plain

Array = Any

PIECE = 2**24
"""Of how many elements the derivatives in the bounds are held at a time, until they are added up."""


def has_kernels(*tensors: Array) -> bool:
    """Whether they are plain tensors on one GPU, for which there is a compiler."""
    device = tensors[0].device
    return (
        device.type == "cuda"
        and all(v.device == device and v.layout is torch.strided for v in tensors)
        and is_plain(*tensors)
        and _has_compiler(device)
    )


@functools.cache
def _has_compiler(device: Any) -> bool:
    """Whether torch can compile there. It may have been built without, or not find NVIDIA's compiler."""
    identity = jiterator._create_jit_fn("template <typename T> T identity(T x) { return x; }")
    try:
        identity(torch.empty(1, device=device))
    except RuntimeError:
        return False
    return True


def run_kernel(call: Call, x: Array, *weights: Array) -> Array:
    """What the call asks for at x, times `weights` if given. No derivative can be taken of it."""
    made = kernel_of(call, weighted=bool(weights))
    assert made is not None  # noqa: S101  (callers have asked whether g is declared)
    return _launch(made, x.to(getattr(torch, call.format.name)), *weights)


def gradients_by_kernels(call: Call, x: Array, gradient: Array) -> tuple[Array, list[Array]]:
    """The gradient times the derivative of f, and its products with the derivatives in the bounds and the slope.

    The products are added up for each of the bounds: within a piece in the precision computed in, then in float64.
    """
    of_x = run_kernel(call._replace(quantity="derivative"), x, gradient)
    constants = [v for v in call.constants if v is not None]
    sums = [torch.zeros(getattr(v, "shape", ()), dtype=torch.float64, device=x.device) for v in constants]
    compute = getattr(torch, call.format.computed_in.name)
    for part_of in _parts(of_x.shape):
        x_part, gradient_part = (part_of(v).to(compute) for v in (x, gradient))
        given = [part_of(v).to(compute) for v in call.arrays]
        products = _launch(partials_kernel(call.with_arrays(given)), x_part, gradient_part)
        for total, product in zip(sums, (products,) if len(sums) == 1 else products, strict=True):
            part = part_of(total)
            part += product.sum_to_size(part.shape)
    return of_x, sums


def _parts(shape: Any) -> Iterator[Callable[[Array], Array]]:
    """For each piece of a tensor of this shape, what takes the part of it of another tensor, which broadcasts to it."""
    for piece in pieces(shape, PIECE):

        def part_of(v: Array, piece: Any = piece) -> Array:
            own = piece[len(piece) - v.ndim :]
            return v[tuple(slice(None) if n == 1 else s for s, n in zip(own, v.shape, strict=True))]

        yield part_of


def _launch(made: tuple[Kernel, tuple[Any, ...]], *inputs: Array) -> Array:
    kernel, arguments = made
    named = dict(zip(kernel.arguments, arguments, strict=True))
    tensors = {name: v for name, v in named.items() if is_array(v)}
    numbers = {name: v for name, v in named.items() if name not in tensors}
    return _compiled(kernel, tuple(tensors), tuple(numbers))(*inputs, *tensors.values(), **numbers)


@functools.lru_cache(maxsize=1024)
def _compiled(kernel: Kernel, tensors: tuple[str, ...], numbers: tuple[str, ...]) -> Callable[..., Any]:
    """The kernel as a function of tensors, and of numbers by name."""
    source, defaults = source_of(kernel, tensors, numbers), dict.fromkeys(numbers, 0.0)
    if len(kernel.results) == 1:
        return jiterator._create_jit_fn(source, **defaults)  # type: ignore[no-any-return]
    return jiterator._create_multi_output_jit_fn(source, len(kernel.results), **defaults)  # type: ignore[no-any-return]


def source_of(kernel: Kernel, tensors: tuple[str, ...], numbers: tuple[str, ...]) -> str:
    """The kernel as torch's compiler wants it: tensors before numbers, and references if there are several results."""
    given = [f"T {name}" for name in (*kernel.inputs, *tensors, *numbers)]
    if len(kernel.results) == 1:
        return f"template <typename T> T soft_clip({', '.join(given)}) {{ T y;\n{kernel.body}\nreturn y; }}"
    given += [f"T& {name}" for name in kernel.results]
    return f"template <typename T> void soft_clip({', '.join(given)}) {{\n{kernel.body}\n}}"
