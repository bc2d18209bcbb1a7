"""Measure the largest errors of f, f', log f' and the inverse, and write docs/numerics.md.

    python benchmarks/numerics.py                  measure, save docs/numerics.json and write the page
    python benchmarks/numerics.py --page-only      write the page from what has been saved

float64 is held against the many-digit formulas of tests/oracle.py, the shorter dtypes against float64.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from tqdm import tqdm

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).parent)]

import oracle
from libraries import LIBRARIES
from mpmath import mp, mpf
from numerics_page import page

from softclip import (
    NAMES,
    hinge,
    soft_clip,
    soft_clip_derivative,
    soft_clip_inverse,
    soft_clip_log_derivative,
)

SOFTNESS = 0.125  # a power of two: x / s is not rounded, and what is left is the error of the formulas
HINGE = f"hinge({SOFTNESS})"
DTYPES = ("float32", "float64", "float16", "bfloat16")
BOUNDS = {"around 0": (-1.0, 1.0), "next to 0": (0.0, 1.0), "elsewhere": (-1.0, 3.0)}
COLUMNS = (*BOUNDS, "derivative", "log derivative", "inverse")

Function = Callable[[np.ndarray, float, float], np.ndarray]


def squash(name: str) -> Any:
    return hinge(SOFTNESS) if name == HINGE else name


def numpy_dtype(name: str) -> np.dtype[Any]:
    return np.dtype(getattr(ml_dtypes, name) if name == "bfloat16" else name)


def points(dtype: str, count: int) -> np.ndarray:
    """Numbers of both signs, half of them of ordinary size, half spread over the exponents up to 2^60."""
    rng = np.random.default_rng(0)
    info = ml_dtypes.finfo(numpy_dtype(dtype))
    exponents = rng.uniform(max(info.minexp, -60), min(info.maxexp - 1, 60), count // 2)
    size = np.concatenate([np.exp2(exponents), rng.uniform(0, 40, count - count // 2)])
    return np.unique((size * rng.choice([-1.0, 1.0], count)).astype(numpy_dtype(dtype)))


def ulps(got: np.ndarray, true: np.ndarray, scale: np.ndarray, dtype: str) -> float:
    """The largest error in ulp of `scale`, where that is a normal number."""
    info = ml_dtypes.finfo(numpy_dtype(dtype))
    kept = np.isfinite(true) & (np.abs(scale) >= float(info.tiny)) & (np.abs(scale) <= float(info.max))
    if not kept.any():
        return 0.0
    got, true, scale = (np.asarray(a, np.float64)[kept] for a in (got, true, np.broadcast_to(scale, true.shape)))
    if not np.isfinite(got).all():
        return math.inf
    ulp = np.ldexp(float(info.eps), np.frexp(np.abs(scale))[1] - 1)
    return float(np.max(np.abs(got - true) / ulp))


def truth(quantity: str, name: str, x: np.ndarray, dtype: str) -> np.ndarray:
    """What the quantity is at x, and is rounded to float64 only for float64, where half an ulp is added by that."""
    if dtype != "float64":
        call, bounds = own(quantity)
        return call(x.astype(np.float64), *bounds, squash(name))
    bounds = BOUNDS.get(quantity, BOUNDS["next to 0"])
    g = "hinge" if name == HINGE else name

    def f(v: Any) -> Any:
        return oracle.hinge(v, *bounds, SOFTNESS) if name == HINGE else oracle.soft_clip(v, *bounds, name)

    if quantity in BOUNDS:
        return np.array([float(f(v)) for v in x])
    if quantity == "inverse":  # by one step of Newton from ours, whose error is doubled in digits by it
        found = own(quantity)[0](x, *bounds, squash(name))
        slopes = [oracle.derivatives(v, *bounds, g, None, SOFTNESS)[0] for v in found]
        pairs = zip(found, x, slopes, strict=True)
        return np.array([float(mpf(v) - (f(v) - mpf(y)) / d) if d else float(v) for v, y, d in pairs])
    slopes = [oracle.derivatives(v, *bounds, g, None, SOFTNESS)[0] for v in x]
    return np.array([float(d) if quantity == "derivative" else float(mp.log(d)) if d else -math.inf for d in slopes])


def own(quantity: str) -> tuple[Callable[..., Any], tuple[float, float]]:
    functions = {
        "derivative": soft_clip_derivative,
        "log derivative": soft_clip_log_derivative,
        "inverse": soft_clip_inverse,
    }
    return functions.get(quantity, soft_clip), BOUNDS.get(quantity, BOUNDS["next to 0"])


def arguments(quantity: str, name: str, dtype: str, count: int) -> np.ndarray:
    """Where the quantity is looked at: x, or for the inverse y in the half next to the bound of 0."""
    x = points(dtype, count)
    if dtype == "float64" and quantity not in BOUNDS:
        x = x[np.abs(x) < 1e6]  # the oracle's differences run out of digits
    if quantity != "inverse":
        return x
    y = soft_clip(x, *BOUNDS["next to 0"], squash(name))
    return np.unique(y[(y >= float(ml_dtypes.finfo(y.dtype).tiny)) & (y <= 0.5)])


def scale_of(quantity: str, name: str, true: np.ndarray) -> np.ndarray:
    """What the ulp is of: the result, beside a zero crossing the larger bound, for a logarithm at least 1.

    The inverse of the hinge crosses zero beside its bound of 0, as the difference of two numbers of the softness.
    """
    if quantity == "inverse" and name == HINGE:
        return np.maximum(np.abs(true), SOFTNESS)
    if quantity == "elsewhere":
        return np.full_like(true, 3.0)
    if quantity == "log derivative":
        return np.maximum(np.abs(true), 1.0)
    return true


def measure(dtype: str, counts: dict[str, int], progress: tqdm) -> list[dict[str, Any]]:
    libraries = [lib for lib in LIBRARIES if lib.name in ("numpy", "torch", "jax") and not lib.unavailable()]
    rows = {lib.name: {name: {} for name in (*NAMES, HINGE)} for lib in libraries}
    for name in (*NAMES, HINGE):
        for quantity in COLUMNS:
            x = arguments(quantity, name, dtype, counts[dtype])
            true = truth(quantity, name, x, dtype)
            scale = scale_of(quantity, name, true)
            call, bounds = own(quantity)
            for library in libraries:
                got = library.to_numpy(call(library.asarray(x), *bounds, squash(name)))
                rows[library.name][name][quantity] = ulps(got, true, scale, dtype)
            progress.update()
    return [{"library": lib, "dtype": dtype, "g": g, **row} for lib, table in rows.items() for g, row in table.items()]


# The formulas as people write them.


def written(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """G on (0, 1), in NumPy."""
    from scipy.special import erf

    def odd(knee: float, f: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda z: (1 + np.where(np.abs(z) < knee, f(z), np.sign(z))) / 2

    return {
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "tanh": lambda z: (1 + np.tanh(z)) / 2,
        "arctan": lambda z: np.arctan(z) / z.dtype.type(np.pi) + z.dtype.type(0.5),
        "softsign": lambda z: (1 + z / (1 + np.abs(z))) / 2,
        "algebraic": lambda z: (1 + z / np.sqrt(1 + z * z)) / 2,
        "erf": lambda z: (1 + erf(z)) / 2,
        "gudermannian": lambda z: np.arctan(np.tanh(z / 2)) * z.dtype.type(2 / np.pi) + z.dtype.type(0.5),
        "exponential": lambda z: (1 + np.sign(z) * (1 - np.exp(-np.abs(z)))) / 2,
        "cubic": odd(1.5, lambda z: z - 4 * z**3 / 27),
        "quintic": odd(1.25, lambda z: z - z.dtype.type(0.08192) * z**5),
        "sine": odd(math.pi / 2, np.sin),
        HINGE: lambda z: (
            SOFTNESS * (np.logaddexp(0, z / SOFTNESS) - np.logaddexp(0, (z - 1) / SOFTNESS)).astype(z.dtype)
        ),
    }[name]


def formulas(count: int) -> list[dict[str, Any]]:
    """Measure lo + (hi - lo) G(x) in float32, with f' and log f' from the value, and the inverse that belongs to it."""
    rows = []
    for name in (*NAMES, HINGE):
        row: dict[str, Any] = {"library": "as written", "dtype": "float32", "g": name}
        for quantity in COLUMNS:
            x = arguments(quantity, name, "float32", count)
            true = truth(quantity, name, x, "float32")
            low, high = map(np.float32, own(quantity)[1])
            y = written(name)(x) if quantity != "inverse" else x
            by_value = {"sigmoid": lambda p: p * (1 - p), "tanh": lambda p: (1 - (2 * p - 1) ** 2) / 2}.get(name)
            inverse = {"sigmoid": lambda p: np.log(p / (1 - p)), "tanh": lambda p: np.arctanh(2 * p - 1)}.get(name)
            if quantity in BOUNDS:
                got = low + (high - low) * y
            elif quantity == "inverse":
                got = inverse(y) if inverse else None
            else:
                got = by_value(y) if by_value else None
                got = np.log(got) if quantity == "log derivative" and got is not None else got
            row[quantity] = None if got is None else ulps(got, true, scale_of(quantity, name, true), "float32")
        rows.append(row)
    return rows


# Peers, each by what it offers itself.


def peers(count: int) -> list[dict[str, Any]]:
    x = points("float32", count)
    rows: list[dict[str, Any]] = []

    def compare(
        peer: str,
        quantity: str,
        name: str,
        at: np.ndarray,
        theirs: np.ndarray,
        bounds: tuple[float, float],
        slope: float | None,
    ) -> None:
        call = own(quantity)[0]
        true = call(at.astype(np.float64), *bounds, name, slope=slope)
        scale = scale_of(quantity, name, true)
        ours = call(at, *bounds, name, slope=slope)
        errors = [ulps(v, true, scale, "float32") for v in (theirs, ours)]
        kept = np.isfinite(theirs)
        outside = int(((theirs < bounds[0]) | (theirs > bounds[1]))[kept].sum()) if quantity in BOUNDS else 0
        rows.append({"peer": peer, "quantity": quantity, "theirs": errors[0], "ours": errors[1], "outside": outside})

    if found := _import("torch"):
        torch = found
        transforms = importlib.import_module("torch.distributions.transforms")
        t = torch.tensor(x)
        if module := _import("activations_plus"):
            label = f"activations-plus {metadata.version('activations-plus')}, SoftClipping"
            compare(
                f"{label}(-1, 1)",
                "around 0",
                "sigmoid",
                x,
                module.SoftClipping(-1.0, 1.0)(t).numpy(),
                (-1.0, 1.0),
                None,
            )
            compare(
                f"{label}(0, 1)", "next to 0", "sigmoid", x, module.SoftClipping(0.0, 1.0)(t).numpy(), (0.0, 1.0), None
            )
            theirs = module.SoftClipping(-1.0, 1.0, torch.tanh)(t).numpy()
            compare(f"{label}(-1, 1, torch.tanh)", "around 0", "tanh", x, theirs, (-1.0, 1.0), None)
        label = f"torch {torch.__version__.partition('+')[0]},"
        sigmoid, tanh = transforms.SigmoidTransform(), transforms.TanhTransform()
        compare(f"{label} SigmoidTransform", "next to 0", "sigmoid", x, sigmoid(t).numpy(), (0.0, 1.0), None)
        y = arguments("inverse", "sigmoid", "float32", count)
        compare(
            f"{label} SigmoidTransform.inv",
            "inverse",
            "sigmoid",
            y,
            sigmoid.inv(torch.tensor(y)).numpy(),
            (0.0, 1.0),
            None,
        )
        compare(f"{label} TanhTransform", "around 0", "tanh", x, tanh(t).numpy(), (-1.0, 1.0), None)
        for transform, name, bounds in ((sigmoid, "sigmoid", (0.0, 1.0)), (tanh, "tanh", (-1.0, 1.0))):
            theirs = transform.log_abs_det_jacobian(t, transform(t)).numpy()
            compare(f"{label} {type(transform).__name__}, log det", "log derivative", name, x, theirs, bounds, None)
    if found := _import("skrub"):
        scaler = found.SquashingScaler(max_absolute_value=1.0)
        scaler.fit(np.linspace(-1, 1, 9, dtype=np.float32)[:, np.newaxis])  # median 0, quartiles 1 apart: z is x
        theirs = np.asarray(scaler.transform(x[:, np.newaxis]))[:, 0]
        compare(
            f"skrub {metadata.version('skrub')}, SquashingScaler", "around 0", "algebraic", x, theirs, (-1.0, 1.0), 1.0
        )
    return rows


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def documented() -> list[dict[str, Any]]:
    """The numbers that TensorFlow Probability's documentation of bijectors.SoftClip prints, beside the hinge.

    The second and third examples are said to be for -5 and 5, but the numbers are those of -10 and 10.
    """
    x = np.array([-15.0, -7.0, 1.0, 9.0, 20.0])
    printed = {
        1.0: [-9.993284, -6.951412, 0.9998932, 8.686738, 9.999954],
        0.1: [-10.0, -7.0, 1.0, 8.999995, 10.0],
        10.0: [-6.1985435, -3.369276, 0.16719627, 3.6655345, 7.1750355],
    }
    return [
        {"softness": s, "x": x.tolist(), "theirs": theirs, "ours": soft_clip(x, -10, 10, hinge(s), slope=1.0).tolist()}
        for s, theirs in printed.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--points", type=int, default=200_000, help="for float32; float64 takes 1 in 200 of them")
    parser.add_argument("--output", type=Path, default=ROOT / "docs", help="folder for numerics.json and numerics.md")
    parser.add_argument("--page-only", action="store_true")
    options = parser.parse_args()
    saved = options.output / "numerics.json"
    if not options.page_only:
        warnings.simplefilter("ignore")  # the formulas as written overflow
        if jax := _import("jax"):
            jax.config.update("jax_enable_x64", True)
        n = options.points
        counts = {"float32": n, "float64": n // 200, "float16": n, "bfloat16": n}
        with tqdm(total=len(DTYPES) * (len(NAMES) + 1) * len(COLUMNS)) as progress:
            rows = [row for dtype in DTYPES for row in measure(dtype, counts, progress)]
        names = ("numpy", "scipy", "torch", "jax", "activations-plus", "skrub")
        versions = {name: metadata.version(name) for name in names if _import(name.replace("-", "_"))}
        report = {
            "versions": versions,
            "points": counts,
            "rows": rows + formulas(n),
            "peers": peers(n),
            "documented": documented(),
        }
        saved.write_text(json.dumps(report, indent=1) + "\n")
    exhaustive = json.loads((ROOT / "docs" / "exhaustive.json").read_text())
    (options.output / "numerics.md").write_text(page(json.loads(saved.read_text()), exhaustive))


if __name__ == "__main__":
    main()
