"""What the package computes on a GPU, against NumPy in float64; `nox -s gpu` runs it. Without a GPU all of it is skipped.

It needs nothing but pytest, NumPy, ml_dtypes and the library that it runs, so that it can be run on a borrowed machine.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import pytest
from libraries import ALL, CALLS, name_of

from softclip import hinge, soft_clip, soft_clip_derivative, soft_clip_inverse, soft_clip_log_derivative

DTYPES = ("float32", "float64", "float16", "bfloat16")
ARRAYS = {"array bounds": "between", "array slope": "slope"}


class Gpu(NamedTuple):
    """A library on a GPU: what makes an array of it, on the GPU, and one of NumPy in float64."""

    asarray: Callable[[np.ndarray], Any]
    to_numpy: Callable[[Any], np.ndarray]


@functools.cache
def gpu(name: str) -> Gpu:
    """The library, or a skip with its reason."""
    if name == "torch":
        torch = pytest.importorskip("torch")
        if not torch.cuda.is_available():
            pytest.skip("needs a GPU: torch finds none")

        def of_numpy(a: np.ndarray) -> Any:
            return torch.tensor(a.astype(np.float64), dtype=getattr(torch, a.dtype.name), device="cuda")

        return Gpu(of_numpy, lambda y: y.detach().double().cpu().numpy())
    if name == "cupy":
        cupy = pytest.importorskip("cupy")
        try:
            cupy.cuda.runtime.getDeviceCount()
        except cupy.cuda.runtime.CUDARuntimeError as error:
            pytest.skip(f"needs a GPU: {error}")
        return Gpu(cupy.asarray, lambda y: cupy.asnumpy(y).astype(np.float64))
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # beside the tests of other libraries
    jax = pytest.importorskip("jax")
    if jax.default_backend() != "gpu":
        pytest.skip("needs a GPU: JAX's default backend is none")
    return Gpu(jax.numpy.asarray, lambda y: np.asarray(y).astype(np.float64))


def library(name: str, dtype: str) -> Gpu:
    if (name, dtype) == ("cupy", "bfloat16"):
        pytest.skip("CuPy has no bfloat16")
    return gpu(name)


def sample(dtype: str) -> np.ndarray:
    far = [1e-4, 1e-2, 30.0, 1e4, np.inf]
    x = np.concatenate([np.linspace(-9, 9, 2001), far, np.negative(far), [0.0, -0.0, np.nan]])
    return x.astype(getattr(ml_dtypes, dtype, dtype))


def close(found: np.ndarray, expected: np.ndarray, dtype: str, ulp: float, around: Any = 0.0) -> None:
    """Within so many ulp of the expected value, or of `around` where that is larger."""
    info = ml_dtypes.finfo(dtype)
    with np.errstate(all="ignore"):
        tolerance = ulp * float(info.eps) * np.maximum(np.abs(expected), around) + 2 * float(info.tiny)
        near = (np.abs(found - expected) <= tolerance) | (found == expected)
    near |= np.isnan(found) & np.isnan(expected)
    near |= (np.abs(expected) > float(info.max)) & (np.abs(found) >= float(info.max))
    assert near.all(), (found[~near][:4], expected[~near][:4])


def arguments(call: str, x: np.ndarray, of: Callable[[np.ndarray], Any] | None) -> tuple[tuple[Any, Any], Any]:
    """Bounds and slope: numbers, or arrays along x, as arrays of `of` or of NumPy in float64."""
    (low, high), slope = CALLS[ARRAYS.get(call, call)]
    if call not in ARRAYS:
        return (low, high), slope
    steps = np.round(np.linspace(0.25, 1.5, x.size) * 16) / 16  # exact in every dtype
    made = [(v * steps).astype(x.dtype) for v in (low, high)]
    array = (lambda v: v.astype(np.float64)) if of is None else of
    of_slope = (0.5 + 0 * steps).astype(x.dtype) if call == "array slope" else None
    return (array(made[0]), array(made[1])), None if of_slope is None else array(of_slope)


libraries = pytest.mark.parametrize("name", ["torch", "cupy", "jax"])
gs = pytest.mark.parametrize("g", ALL, ids=name_of)


@libraries
@pytest.mark.parametrize("dtype", DTYPES)
@gs
def test_values_and_derivatives(name: str, dtype: str, g: Any) -> None:
    """Between numbers and arrays: within the bounds without tolerance, and NaN only where x is NaN."""
    on_gpu, x = library(name, dtype), sample(dtype)
    exact_x = x.astype(np.float64)
    calls = [*CALLS, *ARRAYS] if dtype == "float32" else ["between", "array bounds"]
    for call in calls:
        bounds, slope = arguments(call, x, on_gpu.asarray)
        exact_bounds, exact_slope = arguments(call, x, None)
        around = {"-b to b": 0.0, "0 to b": 1e-3}.get(call, np.maximum(*np.abs(exact_bounds)))
        found = on_gpu.to_numpy(soft_clip(on_gpu.asarray(x), *bounds, g, slope=slope))
        expected = soft_clip(exact_x, *exact_bounds, g, slope=exact_slope)
        assert np.array_equal(np.isnan(found), np.isnan(exact_x))
        assert np.all((found >= exact_bounds[0]) & (found <= exact_bounds[1]) | np.isnan(found))
        close(found, expected, dtype, 16 if dtype in ("float32", "float64") else 1, around)
        if call == "0 to b":  # far out too, where exp of as much as -80 is as far off as -80 was rounded
            close(found, expected, dtype, 512)
        if dtype in ("float16", "bfloat16"):
            continue
        found = on_gpu.to_numpy(soft_clip_derivative(on_gpu.asarray(x), *bounds, g, slope=slope))
        expected = soft_clip_derivative(exact_x, *exact_bounds, g, slope=exact_slope)
        # In the tails and next to a knee a rounding of x, or of its distance from the middle, is many of the derivative.
        close(found, expected, dtype, 64, around=0.05 * np.nanmax(expected))


@libraries
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@gs
def test_inverses_and_logarithms(name: str, dtype: str, g: Any) -> None:
    on_gpu = library(name, dtype)
    for call in ("0 to b", "between", "array bounds"):
        x = sample(dtype)
        bounds, _ = arguments(call, x, on_gpu.asarray)
        exact_bounds, _ = arguments(call, x, None)
        found = on_gpu.to_numpy(soft_clip_log_derivative(on_gpu.asarray(x), *bounds, g))
        close(found, soft_clip_log_derivative(x.astype(np.float64), *exact_bounds, g), dtype, 32, around=1.0)
        share = np.round(np.linspace(0.01, 0.99, x.size) * 64) / 64
        y = (exact_bounds[0] + (exact_bounds[1] - exact_bounds[0]) * share).astype(dtype)
        found = on_gpu.to_numpy(soft_clip_inverse(on_gpu.asarray(y), *bounds, g))
        exact_y = y.astype(np.float64)
        expected = soft_clip_inverse(exact_y, *exact_bounds, g)
        # y was rounded when it was made, but the truth is of that y. The middle of the bounds may be rounded too.
        close(found, expected, dtype, 64, around=np.maximum(*np.abs(exact_bounds)))


@libraries
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_bound(name: str, dtype: str) -> None:
    on_gpu, x = library(name, dtype), sample(dtype)
    for bounds in ((0.0, None), (None, 0.0)):
        found = on_gpu.to_numpy(soft_clip(on_gpu.asarray(x), *bounds, hinge(0.5)))
        close(found, soft_clip(x.astype(np.float64), *bounds, hinge(0.5)), dtype, 16)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@gs
def test_gradients_of_torch(dtype: str, g: Any) -> None:
    """Of x between numbers, and of x and learned bounds: those of the processor in float64."""
    on_gpu = library("torch", dtype)
    import torch

    generator = np.random.default_rng(0)
    kind = getattr(ml_dtypes, dtype, dtype)
    x = (generator.standard_normal((64, 96)) * 4).astype(kind)
    low, high = generator.uniform(-2, -0.5, (64, 1)).astype(kind), generator.uniform(1, 3, 96).astype(kind)
    weights = generator.standard_normal(x.shape).astype(kind)

    def gradients(inputs: list[Any], of_y: Any) -> list[np.ndarray]:
        leaves = [v.requires_grad_() for v in inputs]
        soft_clip(*leaves, g).backward(of_y)
        soft_clip(leaves[0], -1.0, 3.0, g).backward(of_y)
        return [v.grad.double().cpu().numpy() for v in leaves]

    found = gradients([on_gpu.asarray(v) for v in (x, low, high)], on_gpu.asarray(weights))
    exact = [torch.tensor(v.astype(np.float64)) for v in (x, low, high)]
    expected = gradients(exact, torch.tensor(weights.astype(np.float64)))
    close(found[0], expected[0], dtype, 64 if dtype == "float32" else 2, around=0.1)
    for i in (1, 2):
        close(found[i], expected[i], dtype, 64 if dtype == "float32" else 1, around=4.0)


def test_in_place_on_torch() -> None:
    """Values and gradients, of strided tensors too; where no gradient is asked for, a byte for each element is enough."""
    on_gpu = library("torch", "float32")
    import torch

    from softclip.torch import soft_clip_

    x = on_gpu.asarray(np.linspace(-9, 9, 64 * 33, dtype=np.float32)).reshape(64, 33)
    expected = soft_clip(x.double().cpu().numpy(), -1.0, 3.0, "tanh")
    for y in (x.clone(), x.T.clone().T, x.clone()[:, ::2]):
        truth = expected if y.shape == x.shape else expected[:, ::2]
        assert soft_clip_(y, -1.0, 3.0, "tanh") is y
        close(on_gpu.to_numpy(y), truth, "float32", 16, around=3.0)
    leaf = x.clone().requires_grad_()
    soft_clip_(leaf * 1.0, -1.0, 3.0, "tanh").sum().backward()
    close(on_gpu.to_numpy(leaf.grad), soft_clip_derivative(x.double().cpu().numpy(), -1.0, 3.0, "tanh"), "float32", 64)
    for dtype in DTYPES:
        y = x.to(getattr(torch, dtype))
        assert torch.equal(soft_clip_(y.clone(), -1.0, 3.0, "tanh"), soft_clip(y, -1.0, 3.0, "tanh"))
    large = torch.zeros(2**27, device="cuda")
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.max_memory_allocated()
    soft_clip_(large, -1.0, 3.0, "tanh")
    assert torch.cuda.max_memory_allocated() - before <= 1.01 * 2**27


def test_special_tensors_of_torch() -> None:
    on_gpu = library("torch", "float32")
    import torch

    empty = torch.zeros((0, 3), device="cuda")
    assert soft_clip(empty, -1.0, 3.0).shape == (0, 3)
    assert soft_clip(torch.zeros((), device="cuda"), -1.0, 3.0, "tanh").item() == 1.0
    whole = soft_clip(torch.arange(-3, 4, device="cuda"), -1.0, 3.0)
    close(on_gpu.to_numpy(whole), soft_clip(np.arange(-3.0, 4.0), -1.0, 3.0), "float32", 16, around=3.0)
    leaf = torch.linspace(-3, 3, 7, dtype=torch.float64, device="cuda", requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: soft_clip(t, -1.0, 3.0), leaf)
    assert torch.autograd.gradgradcheck(lambda t: soft_clip(t, -1.0, 3.0), leaf)
    mapped = torch.vmap(lambda t: soft_clip(t, -1.0, 3.0))(leaf.detach())
    close(on_gpu.to_numpy(mapped), soft_clip(np.linspace(-3, 3, 7), -1.0, 3.0), "float64", 16, around=3.0)


@pytest.mark.parametrize("learned", [False, True])
def test_kernels_of_torch(learned: bool) -> None:
    """One forward and one backward between numbers; learned bounds take one more, and two sums and their casts."""
    library("torch", "float32")
    import torch

    x = torch.randn(1000, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    bounds: tuple[Any, Any] = (-1.0, 3.0)
    if learned:
        bounds = tuple(torch.tensor(v, device="cuda", dtype=torch.bfloat16, requires_grad=True) for v in bounds)
    weights = torch.ones_like(x)
    soft_clip(x, *bounds, "tanh").backward(weights)
    x.grad = None
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        soft_clip(x, *bounds, "tanh").backward(weights)
        torch.cuda.synchronize()
    kernels = [event.name for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    ours = [name for name in kernels if "soft_clip" in name]
    assert len(ours) == (3 if learned else 2), kernels
    if not learned:
        assert len(kernels) == 2, kernels
