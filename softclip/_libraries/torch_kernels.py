"""How torch runs a call on a GPU: as one kernel, which torch's run-time compiler makes of the program in C.

That compiler, `torch.cuda.jiterator`, makes a function of one element into a kernel. It broadcasts tensors, takes any
strides, and computes in float32 with numbers of 16 bits. But it always makes new results, of the inputs' size. For what
it has not, sums and writing into a tensor that there is, the function is one of a thread: its elements are the numbers
of threads, and each of these works at many places of x, whose address it is given.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch.cuda import jiterator

from softclip._formulas.call import Call, is_array
from softclip._formulas.formats import FORMATS
from softclip._formulas.kernel import TYPES, Kernel, kernel_of, partials_kernel
from softclip._libraries.torch_in_place import is_plain

Array = Any

THREADS = 2**21
"""How many threads add up. torch runs eight of them one after the other, and a large GPU holds 2^18 such eights."""

PLACES = 16
"""At how many places of x a thread works that writes."""

# What reads an element of a tensor as a number. The compiler knows no numbers of 16 bits where it computes with others.
_READ = {
    "float32": ("float", "{}"),
    "float64": ("double", "{}"),
    "bfloat16": ("unsigned short", "__int_as_float({} << 16)"),
    # Its bits in their places, times 2^112: the difference of the exponents' biases. The others are infinite and NaN.
    "float16": (
        "unsigned short",
        """(({0} & 0x7c00) == 0x7c00 ? __int_as_float(({0} & 0x8000) << 16 | 0x7f800000 | ({0} & 0x3ff) << 13)
        : __int_as_float(({0} & 0x8000) << 16 | ({0} & 0x7fff) << 13) * 5.192296858534828e33f)""",
    ),
}

# What a number y becomes when it is written, rounded to the nearest and to even. Nothing so short rounds to float16.
_WRITTEN = {
    "float32": "y",
    "float64": "y",
    "bfloat16": "(y != y ? 0x7fff : (__float_as_int(y) + 0x7fff + ((__float_as_int(y) >> 16) & 1)) >> 16)",
}


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
    x = x.to(getattr(torch, call.format.name))
    if call.between_numbers:
        return _number_function(call, bool(weights))(x, *weights)
    kernel, tensors, numbers = _made(call, weighted=bool(weights))
    return _function(kernel, tuple(tensors), tuple(numbers))(x, *weights, *tensors.values(), **numbers)


@functools.lru_cache(maxsize=1024)
def _number_function(call: Call, weighted: bool) -> Callable[..., Array]:
    kernel, _, numbers = _made(call, weighted=weighted)
    return functools.partial(_function(kernel, (), tuple(numbers)), **numbers)


def _made(call: Call, *, weighted: bool = False) -> tuple[Kernel, dict[str, Array], dict[str, float]]:
    made = kernel_of(call, weighted=weighted)
    assert made is not None  # noqa: S101  (callers have asked whether g is declared)
    return _sorted(*made)


def _sorted(kernel: Kernel, arguments: tuple[Any, ...]) -> tuple[Kernel, dict[str, Array], dict[str, float]]:
    """The kernel and its arguments by name: tensors, and numbers."""
    named = dict(zip(kernel.arguments, arguments, strict=True))
    tensors = {name: v for name, v in named.items() if is_array(v)}
    return kernel, tensors, {name: v for name, v in named.items() if name not in tensors}


@functools.lru_cache(maxsize=1024)
def _function(kernel: Kernel, tensors: tuple[str, ...], numbers: tuple[str, ...]) -> Callable[..., Array]:
    """The kernel as a function of tensors, and of numbers by name."""
    given = [f"T {name}" for name in (*kernel.inputs, *tensors, *numbers)]
    source = f"template <typename T> T soft_clip({', '.join(given)}) {{ T y;\n{kernel.body}\nreturn y; }}"
    return jiterator._create_jit_fn(source, **dict.fromkeys(numbers, 0.0))  # type: ignore[no-any-return]


def write_by_kernel(call: Call, x: Array, out: Array) -> bool:
    """Write to out what the call asks for at x, which may be the same tensor; False if that takes several kernels."""
    dtype = getattr(torch, call.format.name)
    if not (
        call.between_numbers
        and call.format.name in _WRITTEN
        and x.shape == out.shape
        and all(v.dtype is dtype and v.is_contiguous() and v.numel() < 2**31 for v in (x, out))
    ):
        return False
    kernel, _, numbers = _made(call)
    stretches = -(-x.numel() // (32 * PLACES))
    threads = torch.arange(32 * stretches, dtype=torch.float64, device=x.device)
    write = _write_function(kernel, call.format.name)
    numbers = {f"{name}_": v for name, v in numbers.items()}
    write(threads, _shared(threads), **numbers, count=x.numel(), xs=x.data_ptr(), ys=out.data_ptr())
    torch.autograd.graph.increment_version(out)  # autograd does not see what is written by address
    return True


@functools.lru_cache(maxsize=256)
def _write_function(kernel: Kernel, dtype: str) -> Callable[..., Any]:
    number = TYPES[FORMATS[dtype].computed_in.name]
    kind, read = _READ[dtype]
    given = ["T thread", "T shared", *(f"double {name}_" for name in kernel.arguments)]
    given += [f"long long {name}" for name in ("count", "xs", "ys")]
    lines = [
        *(f"{number} {name} = ({number}){name}_;" for name in kernel.arguments),
        # Threads side by side work side by side, on a stretch of memory.
        f"unsigned int t = (unsigned int)thread, first = t / 32 * {32 * PLACES} + t % 32;",
        "#pragma unroll",
        f"for (unsigned int k = 0; k < {PLACES}; k++) {{",
        "unsigned int i = first + k * 32;",
        "if (i < count) {",
        f"{number} x = {read.format(f'((const {kind}*)xs)[i]')}, y;",
        kernel.body,
        f"(({kind}*)ys)[i] = {_WRITTEN[dtype]};",
        "}",
        "}",
        "return thread;",
    ]
    source = f"template <typename T> T soft_clip_write({', '.join(given)}) {{\n" + "\n".join(lines) + "\n}"
    defaults = {**{f"{name}_": 0.0 for name in kernel.arguments}, "count": 0, "xs": 0, "ys": 0}
    return jiterator._create_jit_fn(source, **defaults)  # type: ignore[no-any-return]


def _shared(threads: Array) -> Array:
    """One number for all threads. Beside it torch gives each thread those of the elements that are not side by side."""
    return threads.new_zeros((1,) * threads.ndim)


def sums_by_kernel(call: Call, x: Array, gradient: Array) -> list[Array]:
    """The products of the gradient with the derivatives in bounds and slope, each added up for each of the bounds.

    They are added in float64, in a shape to which the bounds broadcast.
    """
    shape = gradient.shape
    of_bounds = torch.broadcast_shapes(*(v.shape for v in call.arrays))
    varying = [i for i, n in enumerate(of_bounds, len(shape) - len(of_bounds)) if n != 1]
    # Axes between two along which bounds vary count as if bounds varied along them too.
    first, end = (varying[0], varying[-1] + 1) if varying else (0, 0)
    outer, channels, inner = (math.prod(sizes) for sizes in (shape[:first], shape[first:end], shape[end:]))
    spread = (1,) * first + shape[first:end] + (1,) * (len(shape) - end)
    x = x.expand(shape).contiguous()
    same = not any(gradient.stride())  # as of the gradient of a sum
    gradient = gradient if same else gradient.contiguous()
    each = min(outer * inner, -(-THREADS // max(channels, 1)))  # threads for each of the bounds
    last = inner == 1  # then threads side by side work on bounds side by side, which lie so in memory
    threads = torch.arange(channels * each, dtype=torch.float64, device=x.device)
    threads = threads.view((each, channels) if last else (channels, each))
    kernel, tensors, numbers = _sorted(*partials_kernel(call))
    bounds = [v.expand(spread).reshape((1, -1) if last else (-1, 1)) for v in tensors.values()]
    sizes = {"count": outer * inner, "each": each, "channels": channels, "inner": inner, "step": int(not same)}
    places = {"xs": x.data_ptr(), "gradients": gradient.data_ptr()}
    add = _sum_function(kernel, call.format.name, tuple(tensors), tuple(numbers), (outer == 1, last, x.numel() < 2**31))
    totals = add(threads, _shared(threads), *bounds, **numbers, **sizes, **places)
    return [v.sum(0 if last else 1).view(spread) for v in (totals if isinstance(totals, (tuple, list)) else (totals,))]


@functools.lru_cache(maxsize=256)
def _sum_function(
    kernel: Kernel, dtype: str, tensors: tuple[str, ...], numbers: tuple[str, ...], how: tuple[bool, bool, bool]
) -> Callable[..., Any]:
    """What adds up: a function of the numbers of the threads and of bounds, all in float64, and of numbers by name."""
    flat, last, short = how
    number = TYPES[FORMATS[dtype].computed_in.name]
    kind, read = _READ[dtype]
    index = "unsigned int" if short else "unsigned long long"
    whole = ("count", "each", "channels", "inner", "step", "xs", "gradients")
    names = (*tensors, *numbers)
    given = [f"T {name}_" for name in ("thread", "shared", *tensors)] + [f"double {name}_" for name in numbers]
    given += [f"long long {name}_" for name in whole] + [f"T& {name}_" for name in kernel.results]
    if last:
        channel, first, place = "thread % channels", "thread / channels", "p * channels + channel"
    else:
        channel, first = "thread / each", "thread % each"
        place = "channel * inner + p" if flat else "(p / inner * channels + channel) * inner + p % inner"
    lines = [
        *(f"{index} {name} = ({index}){name}_;" for name in ("thread", *whole[:5])),
        *(f"{number} {name} = ({number}){name}_;" for name in names),
        *(f"T {name}_sum = 0;" for name in kernel.results),
        f"{index} channel = {channel};",
        f"for ({index} p = {first}; p < count; p += each) {{",
        f"{index} i = {place};",
        *(
            f"{number} {name} = {read.format(f'((const {kind}*){name_}_)[{at}]')};"
            for name, name_, at in (("x", "xs", "i"), ("gradient", "gradients", "i * step"))
        ),
        *(f"{number} {name};" for name in kernel.results),
        kernel.body,
        *(f"{name}_sum += {name};" for name in kernel.results),
        "}",
        *(f"{name}_ = {name}_sum;" for name in kernel.results),
    ]
    source = f"template <typename T> void soft_clip_sums({', '.join(given)}) {{\n" + "\n".join(lines) + "\n}"
    defaults = {**dict.fromkeys(numbers, 0.0), **dict.fromkeys(whole, 0)}
    return jiterator._create_multi_output_jit_fn(source, len(kernel.results), **defaults)  # type: ignore[no-any-return]
