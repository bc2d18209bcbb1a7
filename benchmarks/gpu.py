"""Time soft_clip on a GPU, on torch, CuPy and JAX, against the bandwidth of a copy, and write docs/gpu.md.

    python benchmarks/gpu.py [--size 100000000] [--device cuda] [--output docs]

``--device cpu`` runs the same on the processor, without CuPy: to see that the script works, not to measure. What is
computed is held against the truth by tests/test_gpu.py.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from softclip import hinge, soft_clip

os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX would take most of the memory before torch comes
DTYPES = ("float32", "bfloat16")
CASES: dict[str, dict[str, Any]] = {
    "sigmoid, -1 to 3": {"x_min": -1.0, "x_max": 3.0},
    "sigmoid, 0 to 6": {"x_min": 0.0, "x_max": 6.0},
    "tanh, ±30, slope 1": {"x_min": -30.0, "x_max": 30.0, "g": "tanh", "slope": 1.0},
    "erf, -1 to 3": {"x_min": -1.0, "x_max": 3.0, "g": "erf"},
    "hinge(0.1), 0 to 1, slope 1": {"x_min": 0.0, "x_max": 1.0, "g": hinge(0.1), "slope": 1.0},
}
COMPILED = ("sigmoid, -1 to 3", "tanh, ±30, slope 1")
CHANNELS, LEARNED, IN_PLACE = "tanh, bounds per channel", "tanh, two learned bounds", "tanh, ±30, slope 1, in place"
LOGITS = {"cuda": (1, 8, 128), "cpu": (1,)}
VOCABULARY = 256_000
CALLS = 20
"""Of which the time of one is taken: the GPU works on one while Python makes the next."""

HEAD = """# On a GPU

<!-- Written by `nox -s gpu` from what it measured: change benchmarks/gpu.py, not this file. -->

{device}; {versions}. {size:,} elements; medians of {rounds} rounds of {calls} calls, beside as many copies of the same array.
"Of a copy" is how many bytes a second are read and written, over those of the copy: forward reads x and writes the result; backward, timed with
forward, reads x and the gradient and writes one more (in JAX it stands alone, and the gradient is 1). "Kernels" are those
that torch's profiler counts in one call. "More memory" is what is held at most beside x, the result and the gradients, in
bytes for each element.

torch's own compiler for single kernels, `torch.cuda.jiterator`, makes those of eager calls, and CuPy's makes CuPy's. Where
there is no such compiler, operations run one by one. Three paths take more time than memory does:

- Bounds that are tensors on the GPU are not read, which would wait for it. Each element computes the constants anew.
- The gradients of learned bounds are added up by a kernel of their own.
- The hinge computes an exp, a log1p and two quotients, which takes longer than the memory does.

| library | way | dtype | function and bounds | direction | ms | of a copy | kernels | more memory |
| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: |
"""
LOGITS_HEAD = """
## Soft-capping logits

`soft_clip(x, -30.0, 30.0, "tanh", slope=1.0)` of shape (rows, {vocabulary:,}) in torch, in microseconds for each call, and
`30 * torch.tanh(x / 30)` beside it. Of one row most of the time is Python's.

| rows | dtype | direction | soft_clip | the formula | ratio |
| ---: | --- | --- | ---: | ---: | ---: |
"""


class Way(NamedTuple):
    """One way of computing: `run` and `copy` start their work, and `wait` returns when it is done."""

    library: str
    way: str
    dtype: str
    case: str
    direction: str
    run: Callable[[], Any]
    copy: Callable[[], Any]
    wait: Callable[[], Any]


def torch_ways(x: np.ndarray, dtype: str, device: str) -> Iterator[Way]:
    import torch

    from softclip.torch import soft_clip_

    t = torch.tensor(x, dtype=getattr(torch, dtype), device=device)
    target, gradient = torch.empty_like(t), torch.ones_like(t)
    common = (functools.partial(target.copy_, t), torch.cuda.synchronize if device == "cuda" else lambda: None)

    def backward(f: Callable[..., Any], *learned: Any) -> Any:
        leaf = t.detach().requires_grad_()
        return torch.autograd.grad(f(leaf), (leaf, *learned), gradient)

    for case, arguments in CASES.items():
        f = functools.partial(soft_clip, **arguments)
        ways = [("eager", f), ("compiled", torch.compile(f, fullgraph=True))] if case in COMPILED else [("eager", f)]
        for way, function in ways:
            yield Way("torch", way, dtype, case, "forward", functools.partial(function, t), *common)
            yield Way("torch", way, dtype, case, "backward", functools.partial(backward, function), *common)
    rows = t.view(-1, 64, 100)
    low, high = (torch.linspace(a, b, 64, dtype=t.dtype, device=device)[:, None] for a, b in ((-2, -1), (1, 3)))
    f = functools.partial(soft_clip, x_min=low, x_max=high, g="tanh")
    yield Way("torch", "eager", dtype, CHANNELS, "forward", functools.partial(f, rows), *common)
    yield Way(
        "torch",
        "eager",
        dtype,
        CHANNELS,
        "backward",
        lambda: backward(lambda v: f(v.view(rows.shape)).view(-1)),
        *common,
    )
    learned = [torch.tensor(v, dtype=t.dtype, device=device, requires_grad=True) for v in (-1.0, 3.0)]
    f = functools.partial(soft_clip, x_min=learned[0], x_max=learned[1], g="tanh")
    yield Way("torch", "eager", dtype, LEARNED, "backward", lambda: backward(f, *learned), *common)
    capped = functools.partial(soft_clip_, target, -30.0, 30.0, "tanh", slope=1.0)
    yield Way("torch", "eager", dtype, IN_PLACE, "forward", capped, *common)


def jax_ways(x: np.ndarray, dtype: str, device: str) -> Iterator[Way]:
    import jax
    import jax.numpy as jnp

    a = jax.device_put(jnp.asarray(x, dtype), jax.devices("gpu" if device == "cuda" else device)[0])
    common = (functools.partial(jax.jit(jnp.copy), a), lambda: jax.effects_barrier() or (a + 0).block_until_ready())
    for case in COMPILED:
        f = functools.partial(soft_clip, **CASES[case])
        slope = jax.jit(lambda t, f=f: jax.vjp(f, t)[1](jnp.ones_like(t))[0])
        yield Way("JAX", "eager", dtype, case, "forward", functools.partial(f, a), *common)
        yield Way("JAX", "jitted", dtype, case, "forward", functools.partial(jax.jit(f), a), *common)
        yield Way("JAX", "jitted, no value", dtype, case, "backward", functools.partial(slope, a), *common)


def cupy_ways(x: np.ndarray, dtype: str) -> Iterator[Way]:
    import cupy

    if dtype == "bfloat16":  # CuPy has none
        return
    a = cupy.asarray(x, dtype)
    common = (functools.partial(cupy.copy, a), cupy.cuda.Device().synchronize)
    for case, arguments in CASES.items():
        f = functools.partial(soft_clip, **arguments)
        yield Way("CuPy", "one kernel", dtype, case, "forward", functools.partial(f, a), *common)


def seconds(run: Callable[[], Any], wait: Callable[[], Any], calls: int) -> float:
    wait()
    start = time.perf_counter()
    for _ in range(calls):
        result = run()
    wait()
    del result
    return (time.perf_counter() - start) / calls


def measured(way: Way, size: int, rounds: int, device: str) -> dict[str, Any]:
    """The median time, the bandwidth over that of a copy, and what torch says of kernels and memory."""
    way.run()
    times: dict[str, list[float]] = {"run": [], "copy": []}
    for _ in range(rounds + 1):
        for name, found in times.items():
            found.append(seconds(getattr(way, name), way.wait, CALLS))
    run, copy = (statistics.median(times[name][1:]) for name in ("run", "copy"))
    passes = 5 if way.direction == "backward" and way.library == "torch" else 2  # JAX knows that the gradient is 1
    kernels = memory = None
    if way.library == "torch" and device == "cuda":
        kernels, memory = counted(way, size)
    return {
        **{name: getattr(way, name) for name in ("library", "way", "dtype", "case", "direction")},
        "seconds": run,
        "of a copy": passes / 2 * copy / run,
        "kernels": kernels,
        "more memory": memory,
    }


def counted(way: Way, size: int) -> tuple[int, float]:
    import torch

    way.wait()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    result = way.run()
    way.wait()
    peak = torch.cuda.max_memory_allocated() - before
    results = 0 if way.case == IN_PLACE else 2 if way.direction == "backward" else 1
    wanted = results * size * (2 if way.dtype == "bfloat16" else 4)
    del result
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        way.run()
        way.wait()
    kernels = [event for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    return len(kernels), max(peak - wanted, 0) / size


def logits(rows: int, dtype: str, rounds: int, device: str) -> Iterator[dict[str, Any]]:
    import torch

    x = torch.randn(rows, VOCABULARY, dtype=getattr(torch, dtype), device=device) * 20
    gradient = torch.ones_like(x)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    functions = {
        "soft_clip": functools.partial(soft_clip, x_min=-30.0, x_max=30.0, g="tanh", slope=1.0),
        "formula": lambda t: 30.0 * torch.tanh(t / 30.0),
    }

    def backward(f: Callable[[Any], Any]) -> Any:
        leaf = x.detach().requires_grad_()
        return torch.autograd.grad(f(leaf), leaf, gradient)

    for direction in ("forward", "backward"):
        runs = {
            name: functools.partial(f, x) if direction == "forward" else functools.partial(backward, f)
            for name, f in functions.items()
        }
        times: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(rounds + 1):
            for name, run in runs.items():
                times[name].append(seconds(run, wait, CALLS))
        medians = {name: statistics.median(found[1:]) for name, found in times.items()}
        yield {"rows": rows, "dtype": dtype, "direction": direction, **medians}


def page(report: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    lines = [
        HEAD.format(versions=versions, calls=CALLS, **{name: report[name] for name in ("device", "size", "rounds")})
    ]
    for row in report["rows"]:
        kernels = "" if row["kernels"] is None else row["kernels"]
        memory = "" if row["more memory"] is None else f"{row['more memory']:.2f}"
        lines.append(
            f"| {row['library']} | {row['way']} | {row['dtype']} | {row['case']} | {row['direction']} "
            f"| {1e3 * row['seconds']:.3f} | {100 * row['of a copy']:.0f} % | {kernels} | {memory} |\n"
        )
    lines.append(LOGITS_HEAD.format(vocabulary=VOCABULARY))
    for row in report["logits"]:
        lines.append(
            f"| {row['rows']} | {row['dtype']} | {row['direction']} | {1e6 * row['soft_clip']:.0f} | {1e6 * row['formula']:.0f} "
            f"| {row['soft_clip'] / row['formula']:.2f} |\n"
        )
    return "".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--size", type=int, default=100_000_000 // 6400 * 6400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--output", type=Path, help="a folder, for gpu.json and gpu.md")
    options = parser.parse_args()
    import torch

    torch._dynamo.config.recompile_limit = 1000  # bounds and sizes are constants of one function
    x = np.random.default_rng(0).standard_normal(options.size, np.float32) * 3
    rows, of_logits = [], []
    for dtype in DTYPES:
        makers = [
            functools.partial(torch_ways, x, dtype, options.device),
            functools.partial(jax_ways, x, dtype, options.device),
        ]
        if options.device == "cuda":
            makers.append(functools.partial(cupy_ways, x, dtype))
        for make in makers:
            rows += [
                measured(way, x.size, options.rounds, options.device) for way in tqdm(make(), desc=dtype, disable=None)
            ]
        for count in LOGITS[options.device]:
            of_logits += logits(count, dtype, options.rounds, options.device)
    names = ("torch", "jax", *(("cupy",) if importlib.util.find_spec("cupy") else ()))
    report = {
        "device": torch.cuda.get_device_name()
        if options.device == "cuda"
        else "the processor, which says nothing of a GPU",
        "versions": {name: importlib.import_module(name).__version__ for name in names},
        "size": options.size,
        "rounds": options.rounds,
        "rows": rows,
        "logits": of_logits,
    }
    print(page(report))
    if options.output:
        (options.output / "gpu.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        (options.output / "gpu.md").write_text(page(report))


if __name__ == "__main__":
    main()
