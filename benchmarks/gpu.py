"""Check and time soft_clip on a GPU, on CuPy, torch and JAX, against the bandwidth of a copy, and write docs/gpu.md.

    python benchmarks/gpu.py [--size 100000000] [--device cuda] [--output docs]

``--device cpu`` runs the same on the processor, without CuPy: to see that the script works, not to measure.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import special
from tqdm import tqdm

from softclip import soft_clip

BOUNDS = {"±2": (-2.0, 2.0), "0 to 6": (0.0, 6.0), "-1 to 3": (-1.0, 3.0)}
DIGITS = {"float32": 24, "bfloat16": 8}

HEAD = """# On a GPU

<!-- Written by `nox -s gpu` from what it measured: change benchmarks/gpu.py, not this file. -->

{device}; {versions}. {size:,} elements; the median of {rounds} calls. "Of a copy" is how many bytes a second are read and written,
over those of a copy of the same array: forward reads x and writes the result; backward, timed with forward, reads x and the gradient and
writes one more. The error is in ulp of the larger bound, against SciPy in float64.

| library | way | dtype | bounds | direction | ms | of a copy | error | in bounds |
| --- | --- | --- | --- | --- | ---: | ---: | ---: | --- |
"""


class Way(NamedTuple):
    """One way of computing: `run` and `copy` return when they are done."""

    library: str
    way: str
    dtype: str
    bounds: str
    direction: str
    run: Callable[[], Any]
    copy: Callable[[], Any]
    to_numpy: Callable[[Any], np.ndarray]


def torch_ways(x: np.ndarray, dtype: str, device: str) -> Iterator[Way]:
    import torch

    torch._dynamo.config.recompile_limit = 1000  # bounds and sizes are constants of one function
    t = torch.tensor(x, dtype=getattr(torch, dtype), device=device)
    target, gradient = torch.empty_like(t), torch.ones_like(t)

    def done(f: Callable[..., Any], *arguments: Any) -> Any:
        result = f(*arguments)
        if device != "cpu":
            torch.cuda.synchronize()
        return result

    def slope(f: Callable[[Any], Any]) -> Any:
        leaf = t.detach().requires_grad_()
        return torch.autograd.grad(f(leaf), leaf, gradient)[0]

    for bounds, (low, high) in BOUNDS.items():
        f = functools.partial(soft_clip, x_min=low, x_max=high)
        for way, function in (("eager", f), ("compiled", torch.compile(f, fullgraph=True))):
            common = (functools.partial(done, target.copy_, t), lambda y: y.double().cpu().numpy())
            yield Way("torch", way, dtype, bounds, "forward", functools.partial(done, function, t), *common)
            yield Way("torch", way, dtype, bounds, "backward", functools.partial(done, slope, function), *common)


def jax_ways(x: np.ndarray, dtype: str, device: str) -> Iterator[Way]:
    import jax
    import jax.numpy as jnp

    a = jax.device_put(jnp.asarray(x, dtype), jax.devices("gpu" if device == "cuda" else device)[0])
    copy = jax.jit(jnp.copy)

    def done(f: Callable[..., Any], *arguments: Any) -> Any:
        return f(*arguments).block_until_ready()

    for bounds, (low, high) in BOUNDS.items():
        f = functools.partial(soft_clip, x_min=low, x_max=high)
        slope = jax.jit(lambda t, f=f: jax.vjp(f, t)[1](jnp.ones_like(t))[0])
        common = (functools.partial(done, copy, a), lambda y: np.asarray(y, np.float64))
        yield Way("JAX", "eager", dtype, bounds, "forward", functools.partial(done, f, a), *common)
        yield Way("JAX", "jitted", dtype, bounds, "forward", functools.partial(done, jax.jit(f), a), *common)
        yield Way("JAX", "jitted", dtype, bounds, "backward", functools.partial(done, slope, a), *common)


def cupy_ways(x: np.ndarray, dtype: str) -> Iterator[Way]:
    import cupy

    if dtype == "bfloat16":  # CuPy has none
        return
    a = cupy.asarray(x, dtype)

    def done(f: Callable[..., Any], *arguments: Any) -> Any:
        result = f(*arguments)
        cupy.cuda.Device().synchronize()
        return result

    for bounds, (low, high) in BOUNDS.items():
        f = functools.partial(soft_clip, x_min=low, x_max=high)
        common = (functools.partial(done, cupy.copy, a), lambda y: cupy.asnumpy(y).astype(np.float64))
        yield Way("CuPy", "one kernel", dtype, bounds, "forward", functools.partial(done, f, a), *common)


def measured(way: Way, x: np.ndarray, rounds: int) -> dict[str, Any]:
    """The median time, the bandwidth over that of a copy, and how far the result is off."""
    result = way.to_numpy(way.run())
    low, high = BOUNDS[way.bounds]
    p = special.expit(x)
    exact = low + (high - low) * p if way.direction == "forward" else (high - low) * p * special.expit(-x)
    ulp = max(abs(low), abs(high)) * 2.0 ** (1 - DIGITS[way.dtype])
    times: dict[str, list[float]] = {"run": [], "copy": []}
    for _ in range(rounds + 1):
        for name, seconds in times.items():
            start = time.perf_counter()
            getattr(way, name)()
            seconds.append(time.perf_counter() - start)
    seconds, copy = (statistics.median(times[name][1:]) for name in ("run", "copy"))
    passes = 2 if way.direction == "forward" else 5
    return {
        **{name: getattr(way, name) for name in ("library", "way", "dtype", "bounds", "direction")},
        "seconds": seconds,
        "of a copy": passes / 2 * copy / seconds,
        "error": float(np.max(np.abs(result - exact)) / ulp),
        "in bounds": bool(low <= result.min() and result.max() <= high) if way.direction == "forward" else None,
    }


def page(report: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines = [HEAD.format(versions=versions, **{name: report[name] for name in ("device", "size", "rounds")})]
    for row in report["rows"]:
        inside = {True: "yes", False: "**no**", None: ""}[row["in bounds"]]
        lines.append(
            f"| {row['library']} | {row['way']} | {row['dtype']} | {row['bounds']} | {row['direction']} | {1e3 * row['seconds']:.3f} "
            f"| {100 * row['of a copy']:.0f} % | {row['error']:.2f} | {inside} |\n"
        )
    return "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=100_000_000)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--output", type=Path, help="a folder, for gpu.json and gpu.md")
    options = parser.parse_args()
    import torch

    x = np.random.default_rng(0).standard_normal(options.size, np.float32) * 3
    x = torch.tensor(x).to(torch.bfloat16).float().numpy()  # the same numbers in both dtypes
    rows = []
    for dtype in DIGITS:
        ways = [*torch_ways(x, dtype, options.device), *jax_ways(x, dtype, options.device)]
        ways += cupy_ways(x, dtype) if options.device == "cuda" else []
        rows += [measured(way, x.astype(np.float64), options.rounds) for way in tqdm(ways, desc=dtype, disable=None)]
    names = ("torch", "jax", *(("cupy",) if importlib.util.find_spec("cupy") else ()))
    report = {
        "device": torch.cuda.get_device_name()
        if options.device == "cuda"
        else "the processor, which says nothing of a GPU",
        "versions": {name: importlib.import_module(name).__version__ for name in names},
        "size": options.size,
        "rounds": options.rounds,
        "rows": rows,
    }
    print(page(report))
    if options.output:
        (options.output / "gpu.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        (options.output / "gpu.md").write_text(page(report))


if __name__ == "__main__":
    main()
