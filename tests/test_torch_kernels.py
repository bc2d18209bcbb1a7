"""torch's path on a GPU, without one: its kernels are compiled for the processor, and its tensors are in main memory.

What `nox -s gpu` does on a GPU, these do as far as a processor can: everything but CUDA's own compiler and functions.
"""

from __future__ import annotations

import ctypes
import functools
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_kernel import HEAD, OPTIONS

from softclip import algebraic, hinge, knee, soft_clip, soft_clip_derivative, soft_clip_inverse

torch = pytest.importorskip("torch")
from torch.utils._python_dispatch import TorchDispatchMode

from softclip._libraries import torch as ours
from softclip._libraries import torch_blocks, torch_in_place, torch_kernels
from softclip.torch import soft_clip_

COMPILER = shutil.which("c++") or shutil.which("g++")
pytestmark = [
    pytest.mark.needs("torch"),
    pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler: neither c++ nor g++ is on the path"),
]

TYPES = {torch.float32: "float", torch.float64: "double"}


class Jiterator:
    """`torch.cuda.jiterator` for tensors in main memory. It counts what it launches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.launched = 0

    def _create_jit_fn(self, source: str, **numbers: float) -> Callable[..., Any]:
        return functools.partial(self._launch, source, 1, numbers)

    def _create_multi_output_jit_fn(self, source: str, num_outputs: int, **numbers: float) -> Callable[..., Any]:
        return functools.partial(self._launch, source, num_outputs, numbers)

    def _launch(self, source: str, outputs: int, numbers: dict[str, float], *inputs: Any, **given: float) -> Any:
        assert given.keys() == numbers.keys()
        self.launched += 1
        dtype = functools.reduce(torch.promote_types, [v.dtype for v in inputs])
        compute = dtype if dtype in TYPES else torch.float32
        inputs = [v.detach().to(compute).contiguous() for v in torch.broadcast_tensors(*inputs)]
        results = [torch.empty(inputs[0].shape, dtype=compute) for _ in range(outputs)]
        pointers = (ctypes.c_void_p * (len(inputs) + outputs))(*(v.data_ptr() for v in (*inputs, *results)))
        values = (ctypes.c_double * max(len(given), 1))(*(numbers | given).values())  # also addresses, of 47 bits
        self._function(source, TYPES[compute], len(inputs), len(given), outputs)(
            ctypes.c_long(results[0].numel()), pointers, values
        )
        results = [v.to(dtype) for v in results]
        return results[0] if outputs == 1 else tuple(results)

    @functools.cache  # noqa: B019
    def _function(self, source: str, kind: str, inputs: int, numbers: int, outputs: int) -> Any:
        given = [f"(({kind}*)p[{i}])[j]" for i in range(inputs)] + [f"numbers[{i}]" for i in range(numbers)]
        written = [f"(({kind}*)p[{inputs + i}])[j]" for i in range(outputs)]
        by_value = source.startswith("template <typename T> T ")
        name = re.search(r"soft_clip\w*", source)[0]
        call = f"{name}<{kind}>({', '.join(given if by_value else [*given, *written])});"
        loop = f"for (long j = 0; j < n; j++) {f'{written[0]} = ' if by_value else ''}{call}"
        path = self.folder / f"{abs(hash((source, kind)))}.cpp"
        path.write_text(f'{HEAD}{source}\nextern "C" void run(long n, void **p, double *numbers) {{ {loop} }}')
        subprocess.run([COMPILER, *OPTIONS, "-o", path.with_suffix(".so"), path], check=True, timeout=300)
        return ctypes.CDLL(str(path.with_suffix(".so"))).run


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Jiterator]:
    """Tensors in main memory take the path of those on a GPU."""
    jiterator = Jiterator(tmp_path)
    monkeypatch.setattr(torch_kernels, "jiterator", jiterator)
    for module in (ours, torch_in_place, torch_blocks):
        monkeypatch.setattr(module, "is_ordinary", lambda _: False)
    monkeypatch.setattr(ours, "has_kernels", lambda *tensors: torch_in_place.is_plain(*tensors))
    made = (torch_kernels._function, torch_kernels._number_function, torch_kernels._sum_function)
    for cache in made:
        cache.cache_clear()
    yield jiterator
    for cache in made:
        cache.cache_clear()


X = np.concatenate([np.linspace(-9, 9, 501), [0.0, -0.0, 1e30, -1e30, np.inf, -np.inf, np.nan]])
G = ("sigmoid", "tanh", "arctan", "exponential", "cubic", algebraic(3.0), knee("tanh", 0.6), hinge(0.25))


def close(found: Any, expected: Any, dtype: Any, ulp: float, around: float = 0.0) -> None:
    """Within so many ulp of the expected value, or of `around` if that is larger."""
    found, expected = found.double(), torch.as_tensor(expected, dtype=torch.float64)
    size = torch.maximum(expected.abs(), torch.tensor(around, dtype=torch.float64)) + torch.finfo(dtype).tiny
    near = (found - expected).abs() <= ulp * torch.finfo(dtype).eps * size
    near |= (found == expected) | (found.isnan() & expected.isnan())
    assert near.all(), (found[~near][:4], expected[~near][:4])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("g", G, ids=str)
def test_between_numbers(kernels: Jiterator, g: Any, dtype: Any) -> None:
    """One kernel forward and one backward. The truth is what NumPy gives in float64."""
    x = torch.tensor(X, dtype=dtype)
    exact, slope = (f(x.double().numpy(), -1.0, 3.0, g) for f in (soft_clip, soft_clip_derivative))
    leaf = x.clone().requires_grad_()
    y = soft_clip(leaf, -1.0, 3.0, g)
    assert kernels.launched == 1
    assert y.dtype is dtype
    close(y.detach(), exact, dtype, 16, around=3.0)
    y.backward(torch.full_like(x, 2.0))
    assert kernels.launched == 2
    close(leaf.grad, 2 * slope, dtype, 48)  # for it is exp of as much as -40, which was rounded
    back = soft_clip_inverse(torch.tensor([-0.5, 1.0, 2.5], dtype=dtype), -1.0, 3.0, g)
    assert kernels.launched == 3
    close(back, soft_clip_inverse(np.array([-0.5, 1.0, 2.5]), -1.0, 3.0, g), dtype, 64, around=1.0)


SHAPES = {
    "two numbers": ((6, 40), (), ()),
    "channels": ((6, 4, 10), (4, 1), ()),
    "columns": ((60, 4), (4,), (1, 4)),
    "rows": ((6, 40), (6, 1), (6, 1)),
    "both": ((6, 40), (6, 1), (40,)),
    "between": ((3, 2, 5, 4), (3, 1, 5, 1), ()),
    "of every element": ((6, 40), (6, 40), (6, 40)),
    "wider than x": ((1, 40), (6, 1), ()),
}


@pytest.mark.parametrize("shapes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_between_learned_bounds(kernels: Jiterator, dtype: Any, shapes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One kernel forward; backward one for x, and one for the bounds."""
    monkeypatch.setattr(torch_kernels, "THREADS", 16)
    of_bounds(kernels, "tanh", dtype, shapes, monkeypatch)


@pytest.mark.parametrize("g", G, ids=str)
def test_learned_bounds_of_every_function(kernels: Jiterator, g: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    of_bounds(kernels, g, torch.float32, SHAPES["channels"], monkeypatch)


def of_bounds(kernels: Jiterator, g: Any, dtype: Any, shapes: Any, patch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    sizes = zip(shapes, (-4.0, -2.0, 1.0), (4.0, -0.5, 3.0), strict=True)
    x, low, high = (
        torch.tensor(generator.uniform(a, b, shape), dtype=dtype, requires_grad=True) for shape, a, b in sizes
    )
    y = soft_clip(x, low, high, g)
    assert kernels.launched == 1
    weights = torch.tensor(generator.standard_normal(y.shape), dtype=dtype)
    y.backward(weights)
    assert kernels.launched == 3
    doubles = [v.detach().double().requires_grad_() for v in (x, low, high)]
    patch.undo()  # the truth is computed as before, on the processor
    expected = soft_clip(*doubles, g)
    expected.backward(weights.double())
    close(y.detach(), expected.detach(), dtype, 16, around=3.0)
    close(x.grad, doubles[0].grad, dtype, 16, around=0.05)
    for found, exact in ((low, doubles[1]), (high, doubles[2])):
        assert found.grad.shape == found.shape
        assert found.grad.dtype is dtype
        close(found.grad, exact.grad, dtype, 16, around=1.0)


def test_what_needs_no_gradient_takes_no_kernel(kernels: Jiterator) -> None:
    x, low = torch.linspace(-5, 5, 40), torch.tensor(-1.0, requires_grad=True)
    soft_clip(x, low, 2.0, "tanh").sum().backward()
    assert kernels.launched == 2
    y = soft_clip(x.requires_grad_(), low.detach(), 2.0, "tanh")
    y.sum().backward()
    assert kernels.launched == 4


def test_infinite_and_missing_numbers_of_16_bits_in_sums(kernels: Jiterator) -> None:
    """As they are read one by one: the smallest, the largest, the infinite and NaN."""
    for dtype in (torch.float16, torch.bfloat16):
        for value in (6e-8, -6e-8, 65504.0, -np.inf, np.inf, np.nan, 1.5, -0.0):
            x, high = torch.tensor([value], dtype=dtype), torch.tensor(3.0, dtype=dtype, requires_grad=True)
            soft_clip(x, -1.0, high).sum().backward()
            share = torch.special.expit(x.double())
            close(high.grad.reshape(1), share, dtype, 1)
    assert kernels.launched


def test_bounds_without_a_gradient_and_one_number(kernels: Jiterator) -> None:
    x, high = torch.linspace(-5, 5, 60).reshape(3, 20).T, torch.linspace(1, 2, 3)
    y = soft_clip(x, -1.0, high, "tanh", slope=1.0)
    assert kernels.launched == 1
    close(
        y, soft_clip(x.double().numpy(), -1.0, high.double().numpy(), "tanh", slope=1.0), torch.float32, 16, around=2.0
    )
    learned = torch.tensor(1.0, requires_grad=True)
    soft_clip(x, 0.0, learned, "tanh").sum().backward()
    exact = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    assert kernels.launched == 3
    (exact * torch.special.expit(2 * x.double())).sum().backward()
    close(learned.grad, exact.grad, torch.float32, 8)


def test_one_bound_that_is_learned(kernels: Jiterator) -> None:
    x, low = torch.linspace(-5, 5, 41), torch.tensor(0.5, requires_grad=True)
    y = soft_clip(x, low, None, hinge(0.5))
    y.sum().backward()
    assert kernels.launched == 2
    close(y.detach(), 0.5 + 0.5 * np.logaddexp(0, 2 * (x.double().numpy() - 0.5)), torch.float32, 16)
    close(low.grad, (1 - 1 / (1 + np.exp(-2 * (x.double().numpy() - 0.5)))).sum(), torch.float32, 16)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_in_place_and_into_a_tensor(kernels: Jiterator, dtype: Any) -> None:
    """The same bits as a new result has, rounded to 16 bits as torch rounds; at every size; nothing beside it is touched."""
    every = torch.arange(-(2**15), 2**15).to(torch.int16)
    x = every.view(dtype) if dtype in (torch.bfloat16, torch.float16) else torch.tensor(X, dtype=dtype)
    expected = soft_clip(x, -1.0, 3.0, "tanh")
    out = torch.empty_like(x)
    assert soft_clip(x, -1.0, 3.0, "tanh", out=out) is out
    torch.testing.assert_close(out, expected, rtol=0, atol=0, equal_nan=True)
    before, whole, version = x.data_ptr(), x.clone(), x._version
    assert soft_clip_(x, -1.0, 3.0, "tanh") is x
    assert x.data_ptr() == before
    assert x._version > version
    torch.testing.assert_close(x, expected, rtol=0, atol=0, equal_nan=True)
    assert kernels.launched == 3
    for size in (0, 1, 31, 32, 33, 500, 513):
        guarded = whole.clone()
        soft_clip_(guarded[3 : 3 + size], -1.0, 3.0, "tanh")
        kept = torch.cat([whole[:3], expected[3 : 3 + size], whole[3 + size :]])
        torch.testing.assert_close(guarded, kept, rtol=0, atol=0, equal_nan=True)


def test_out_is_checked_before_anything_is_written(kernels: Jiterator) -> None:
    x, out = torch.linspace(-5, 5, 60), torch.zeros(59)
    with pytest.raises(ValueError, match="out must have the shape of the result"):
        soft_clip(x, -1.0, 3.0, out=out)
    assert kernels.launched == 0
    assert not out.any()
    shifted = torch.linspace(-5, 5, 2000)
    expected = soft_clip(shifted[:-1].clone(), -1.0, 3.0)
    assert torch.equal(soft_clip(shifted[:-1], -1.0, 3.0, out=shifted[1:]), expected)
    assert torch.equal(shifted[1:], expected)


def test_in_place_where_memory_is_not_in_order(kernels: Jiterator) -> None:
    x = torch.linspace(-5, 5, 60).reshape(6, 10).T
    expected = soft_clip(x, -1.0, 3.0)
    assert torch.equal(soft_clip_(x, -1.0, 3.0), expected)
    x, low = torch.linspace(-5, 5, 60).reshape(6, 10), torch.linspace(-2, -1, 6)[:, None]
    expected = soft_clip(x, low, 3.0)
    assert torch.equal(soft_clip_(x, low, 3.0), expected)
    assert kernels.launched == 4


def test_second_derivatives_forward_mode_and_vmap_take_no_kernel(kernels: Jiterator) -> None:
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)
    tangent = torch.func.jvp(lambda t: soft_clip(t, -1.0, 3.0), (x,), (torch.ones_like(x),))[1]
    mapped = torch.vmap(lambda t: soft_clip(t, -1.0, 3.0))(x)
    assert kernels.launched == 0
    p = torch.special.expit(x)
    close(tangent, 4 * p * (1 - p), torch.float64, 16)
    close(mapped, -1 + 4 * p, torch.float64, 16, around=3.0)
    leaf = x.clone().requires_grad_()
    (first,) = torch.autograd.grad(soft_clip(leaf, -1.0, 3.0).sum(), leaf, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), leaf)
    close(second, 4 * p * (1 - p) * (1 - 2 * p), torch.float64, 32, around=1.0)


class Counted(TorchDispatchMode):
    """The operations that are more than another view of the same memory: as many kernels on a device."""

    VIEWS = ("view", "detach", "expand", "alias", "permute", "empty", "squeeze", "slice", "select", "ones_like")

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if not any(view in function.__name__ for view in self.VIEWS):
            self.names.append(function.__name__)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("arguments", "forward", "both"),
    [
        ((-30.0, 30.0, "tanh", 1.0), 5, 17),
        ((0.0, 6.0, "sigmoid", None), 10, 24),
        ((-1.0, 3.0, "sigmoid", None), 6, 17),
        ((0.0, 1.0, hinge(0.1), 1.0), 22, 46),
    ],
    ids=["soft cap", "from 0", "between", "hinge"],
)
def test_how_many_operations_a_device_without_a_compiler_takes(arguments: Any, forward: int, both: int) -> None:
    """Counted on a meta device, in bfloat16, two or three of whose operations are casts: it must not become more."""
    *positional, slope = arguments
    x = torch.ones(1000, device="meta", dtype=torch.bfloat16)
    with Counted() as counted:
        soft_clip(x, *positional, slope=slope)
    assert len(counted.names) <= forward, counted.names
    x.requires_grad_()
    with Counted() as counted:
        soft_clip(x, *positional, slope=slope).backward(torch.ones_like(x))
    assert len(counted.names) <= both, counted.names


def test_where_torch_has_no_compiler() -> None:
    """Here it has none, as there is no GPU: then operations run one by one, as on a device without CUDA."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    torch_kernels._has_compiler.cache_clear()
    with pytest.MonkeyPatch.context() as patch:

        def fails(*_: Any) -> Any:
            raise RuntimeError("no NVRTC")

        patch.setattr(torch_kernels.jiterator, "_create_jit_fn", lambda _: fails)
        assert not torch_kernels._has_compiler(torch.device("cpu"))
    torch_kernels._has_compiler.cache_clear()
    assert not torch_kernels.has_kernels(torch.ones(3))
    assert not torch_kernels.has_kernels(torch.ones(3, device="meta"))
