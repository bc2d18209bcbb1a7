"""Time soft_clip beside the floor, the formula as written and the peers, interleaved, on one core, and write docs/performance.md.

    python benchmarks/bench.py [--quick] [--rounds 7] [--output docs]
    python benchmarks/bench.py --only torch bfloat16 learned

Ratios carry over to another machine, times do not. See bench_cases.py and bench_paths.py for what is timed, bench_page.py
for the page. With --only it prints ratios and makes no page.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from timeit import Timer
from typing import Any

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # one core, for XLA reads only this

import numpy as np
from bench_cases import Case, jax_cases, numpy_cases, torch_cases
from bench_page import draw, page, table_only
from bench_paths import COLUMNS, FULL, QUICK, UserPath, paths
from bench_report import ADAPTERS
from tqdm import tqdm

PACKAGES = ("numpy", "scipy", "numexpr", "torch", "activations-plus", "jax", "scikit-learn", "array-api-compat")
DTYPES = {"NumPy": ("float32", "float64"), "torch": ("float32", "bfloat16"), "JAX": ("float32",)}
SAMPLE = 0.004
"""Seconds that one timing takes at least, of as many calls as that needs."""


def cases(library: str, size: int, *, quick: bool) -> Iterator[Case]:
    for dtype in DTYPES[library][: 1 if quick else None]:
        if library == "NumPy":
            yield from numpy_cases(size, dtype)
        elif library == "torch":
            yield from torch_cases(size, dtype, compiled=dtype == "float32" and not quick)
        else:
            yield from jax_cases(size, dtype)


def label_of(case: Case | UserPath) -> dict[str, Any]:
    """All of it but its entries."""
    return dict(zip(case._fields[:-1], case[:-1], strict=True))


def chosen(found: Iterable[Any], words: list[str] | None) -> list[Any]:
    """The cases in whose name are all words; all cases if there are none."""
    names = ((case, ", ".join(map(str, label_of(case).values())).lower()) for case in found)
    return [case for case, name in names if all(word.lower() in name for word in words or [])]


def timed(found: Sequence[Case | UserPath], rounds: int, label: str) -> list[dict[str, Any]]:
    """Medians, quartiles and the fastest of interleaved timings."""
    timers = [(Timer(entry.run), case, entry) for case in found for entry in case.entries]
    numbers, times = [], [[] for _ in timers]
    for timer, *_ in tqdm(timers, desc=f"{label}, warm-up", disable=None):
        timer.timeit(1)  # compilation, caches
        once = timer.timeit(1)
        if once < 10 * SAMPLE:  # a call that something else held up would be one of its own from then on
            once = min(once, *timer.repeat(3, 1))
        numbers.append(max(1, int(SAMPLE / once)))
    for _ in tqdm(range(rounds), desc=label, disable=None):
        for i, (timer, _, _) in enumerate(timers):
            times[i].append(timer.timeit(numbers[i]) / numbers[i])
    rows = []
    for (_, case, entry), seconds in zip(timers, times, strict=True):
        low, _, high = statistics.quantiles(seconds, n=4, method="inclusive")
        measured = {"seconds": statistics.median(seconds), "spread": high - low, "fastest": min(seconds)}
        rows.append({**label_of(case), "role": entry.role, "name": entry.name, **measured})
    return rows


def scratch(found: list[Case]) -> list[dict[str, Any]]:
    """Per forward case, how far the process grew beyond the result; nothing where the system does not say (only Linux does)."""
    rows = []
    for case in found if Path("/proc/self/clear_refs").exists() else []:
        for entry in case.entries if case.direction == "forward" else []:
            before = _resident("VmRSS")
            Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
            result = entry.run()
            peak = _resident("VmHWM") - before - result.nbytes
            rows.append({**label_of(case), "role": entry.role, "name": entry.name, "bytes": max(0, peak)})
    return rows


def _resident(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(f"{field}:")[1].split()[0])


def saved(dtype: str) -> dict[str, float]:
    """Per way of writing the sigmoid between -2 and 2 the bytes an element that torch holds for backward."""
    from bench_paths_torch import held

    case = next(
        c for c in torch_cases(1000, dtype, compiled=False) if c.direction == "backward" and c[3:5] == ("sigmoid", "±2")
    )
    return {entry.name: sum(held(entry.run).values()) / 1000 for entry in case.entries}


def import_times(rounds: int) -> dict[str, float]:
    """Median seconds of an import in a process of its own, interleaved; of an adapter, once its library is there."""
    code = "import time, {}; start = time.perf_counter(); import {}; print(time.perf_counter() - start)"
    before = {"numpy": "sys", "softclip": "sys", **ADAPTERS}
    times: dict[str, list[float]] = {
        name: [] for name, library in before.items() if importlib.util.find_spec(library.partition(".")[0])
    }
    for _ in range(rounds + 1):
        for name, seconds in times.items():
            # -P: what is installed, not what lies here
            command = [sys.executable, "-P", "-c", code.format(before[name], name)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds.append(float(done.stdout))
    return {name: statistics.median(seconds[1:]) for name, seconds in times.items()}


def processor() -> str:
    """The processor's name, which on Linux platform.processor() does not know."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def measured_of(library: str, options: argparse.Namespace) -> dict[str, Any]:
    """What is measured of one library, in this process."""
    found: dict[str, Any] = {"rows": [], "scratch": [], "paths": []}
    if library == "torch":
        import torch

        torch.set_num_threads(1)
        if not options.only:
            from bench_paths_torch import held_beside_x

            found |= {"saved": saved("float32"), "held": held_beside_x()}
    for size in options.sizes:
        of_size = chosen(cases(library, size, quick=options.quick), options.only)
        if size == max(options.sizes):  # before the timings, after which the process holds memory that it can use again
            found["scratch"] = scratch(of_size)
        found["rows"] += [
            {**row, "size": size} for row in timed(of_size, options.rounds, f"{library}, {size} elements")
        ]
    for dtype in DTYPES[library][: 1 if options.quick else None]:
        taken = chosen(paths(library, dtype, quick=options.quick), options.only)
        found["paths"] += timed(taken, options.rounds, f"{library}, {dtype}, paths")
    return found


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Every library in a process of its own, as users have it: what others leave of memory changes the times of large arrays."""
    start = time.perf_counter()
    report: dict[str, Any] = {
        "processor": processor(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
        "sizes": options.sizes,
        "path sizes": {**(QUICK if options.quick else FULL), "columns": COLUMNS},
        "rounds": options.rounds,
        "import": {} if options.only else import_times(options.rounds),
        "rows": [],
        "scratch": [],
        "paths": [],
    }
    named = [library for library in DTYPES if library.lower() in (word.lower() for word in options.only or [])]
    for library in named or DTYPES:
        done = subprocess.run(
            [sys.executable, *sys.argv, "--library", library], check=True, stdout=subprocess.PIPE, text=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        for name in ("rows", "scratch", "paths"):
            report[name] += found.pop(name)
        report |= found
    report["minutes"] = (time.perf_counter() - start) / 60
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="float32, up to 10^6 elements, 3 rounds, nothing compiled: under a minute"
    )
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--sizes", type=int, nargs="+")
    parser.add_argument("--output", type=Path, help="a folder, for performance.json, .md and .png")
    parser.add_argument("--library", choices=list(DTYPES), help="this one alone, in this process, the figures as JSON")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="only the cases with all these words in their name")
    options = parser.parse_args()
    options.rounds = options.rounds or (3 if options.quick else 7)
    options.sizes = options.sizes or ([1000, 1_000_000] if options.quick else [1, 1000, 100_000, 10_000_000])
    if options.library:
        with np.errstate(all="ignore"):
            print(json.dumps(measured_of(options.library, options)))
        return
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
    report = measure(options)
    if options.only:
        print(table_only(report))
        return
    print(page(report))
    if options.output:
        (options.output / "performance.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        (options.output / "performance.md").write_text(page(report))
        draw(report, options.output / "performance.png")


if __name__ == "__main__":
    main()
