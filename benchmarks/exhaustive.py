"""Evaluate soft_clip at every one of the 2^32 float32 values, for every named clipping function.

    python benchmarks/exhaustive.py [--g tanh erf] [--every 1] [--processes 2] [--output docs/exhaustive.json]

For each function, and bounds of each kind: does a value leave the range, does one fall by more than an ulp, and how far
is the worst from the float64 result? (That in turn is held against many-digit arithmetic in tests/test_values.py.) With
--every 1000 only each thousandth stretch of values is looked at. The exit status is 1 if a value is out of range, if a
NaN is lost, or if a fall or an error is beyond the contract.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from softclip import NAMES, soft_clip

CASES = {"around 0": (-1.0, 1.0), "next to 0": (0.0, 1.0)}
STRETCH = 2**20
TINY = float(np.finfo(np.float32).tiny)
LIMIT = 8.0
"""Ulp of the result, DESIGN: within 8 wherever a bound is 0 or the bounds are +-b. A subnormal result is excepted."""


class Found(NamedTuple):
    """The worst in a stretch of values."""

    values: int
    out_of_range: int
    lost_nan: int
    fall: float
    """In ulp of the result, from the largest value so far to a later one."""
    error: float
    """In ulp of the result."""
    at: float
    """Where that error is."""


def examine(name: str, case: str, start: int) -> Found:
    """The values with the bit patterns from `start` on, and one before them, in ascending order."""
    low, high = CASES[case]
    bits = np.arange(max(start - 1, start & 2**31), start + STRETCH, dtype=np.uint32)
    x = bits.view(np.float32)
    if start >= 2**31:
        x = x[::-1]  # of negative numbers a larger pattern is further out
    y = soft_clip(x, low, high, name)
    nan = np.isnan(x)
    lost = int((np.isnan(y) != nan).sum())
    if nan.any():
        x, y = x[~nan], y[~nan]
    if not x.size:
        return Found(STRETCH, 0, lost, 0.0, 0.0, 0.0)
    out = int(((y < low) | (y > high)).sum())
    with np.errstate(over="ignore"):
        true = soft_clip(x.astype(np.float64), low, high, name)
    ulp = np.spacing(
        np.maximum(np.abs(true), TINY).astype(np.float32)
    )  # of a subnormal result, the smallest ulp there is
    error = np.abs(y - true) / ulp
    fall = (np.fmax.accumulate(y) - y) / ulp
    fall[np.isnan(fall)] = error[np.isnan(error)] = 0  # they are counted as lost
    worst = int(np.argmax(error))
    return Found(STRETCH, out, lost, float(fall.max()), float(error[worst]), float(x[worst]))


def combine(found: Iterator[Found], progress: tqdm) -> Found:
    total = Found(0, 0, 0, 0.0, 0.0, 0.0)
    for part in found:
        counts = (a + b for a, b in zip(total[:3], part[:3], strict=True))
        worst = part if part.error > total.error else total
        total = Found(*counts, max(total.fall, part.fall), worst.error, worst.at)
        progress.update(part.values)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--g", nargs="*", default=list(NAMES), choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--every", type=int, default=1, help="look at each N-th stretch of 2^20 values only")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path("docs/exhaustive.json"))
    options = parser.parse_args()
    starts = range(0, 2**32, STRETCH * options.every)
    rows, began = [], time.perf_counter()
    total = len(options.g) * len(CASES) * len(starts) * STRETCH
    with ProcessPoolExecutor(options.processes) as pool, tqdm(total=total, unit="value", unit_scale=True) as progress:
        for name in options.g:
            for case, bounds in CASES.items():
                progress.set_description(f"{name} {case}")
                parts = pool.map(examine, [name] * len(starts), [case] * len(starts), starts, chunksize=8)
                found = combine(parts, progress)
                rows.append({"g": name, "case": case, "bounds": bounds, **found._asdict()})
                progress.write(f"{name:13}{case:11}{found}")
    report = {
        "numpy": np.__version__,
        "every": options.every,
        "minutes": (time.perf_counter() - began) / 60,
        "rows": rows,
    }
    options.output.write_text(json.dumps(report, indent=1) + "\n")
    bad = [r for r in rows if r["out_of_range"] or r["lost_nan"] or r["fall"] > LIMIT / 2 or r["error"] > LIMIT]
    for row in bad:
        print("beyond the contract:", row, file=sys.stderr)
    raise SystemExit(bool(bad))


if __name__ == "__main__":
    main()
