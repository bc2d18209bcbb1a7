"""The paths that people take, which `nox -s bench` times as well: what a path is, and tables, bounds and formulas to take it with.

Each is held against what its user would write instead, in the same dtype, and has a limit for the ratio of the two.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from bench_cases import Entry, formula, sample, written

ARRAYS, EVERYDAY = "Bounds that are arrays", "Everyday calls"
COLUMNS = 20
KINDS = ("neither", "with a bound of 0", "of all kinds")
"""Of pairs of bounds: neither ±b nor with a bound of 0, and so on."""
FULL, QUICK = {"elements": 1_000_000, "rows": 200_000}, {"elements": 50_000, "rows": 5_000}
"""How large x is where a case does not say otherwise, and how long a table of COLUMNS columns."""


class UserPath(NamedTuple):
    library: str
    dtype: str
    section: str
    """Of the page."""
    case: str
    what: str
    """Which of the case, as its g. The table of what was asked has one row for a case, that of the worst."""
    limit: float
    of: str
    """What the limit is a multiple of; "µs" if it is one of time, and ours the only entry."""
    entries: list[Entry]


@functools.lru_cache(maxsize=8)
def table(rows: int, dtype: str) -> np.ndarray:
    return sample(rows * COLUMNS).reshape(rows, COLUMNS).astype(dtype)


def bounds(kind: str, count: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """As many lower and upper bounds. All kinds take turns: ±b, from 0, neither."""
    low, high = np.random.default_rng(1).uniform(1, 3, (2, count))
    symmetric = (-high, high)
    from_zero = (np.zeros(count), high)
    neither = (-low, high)
    every = [(symmetric, from_zero, neither)[i % 3] for i in range(count)]
    of_kind = {
        "neither": neither,
        "with a bound of 0": from_zero,
        "of all kinds": tuple(np.array([pair[end][i] for i, pair in enumerate(every)]) for end in (0, 1)),
    }
    lows, highs = of_kind[kind]
    return lows.astype(dtype), highs.astype(dtype)


def by_hand(xp: Any, g: str) -> Callable[[Any, Any, Any], Any]:
    """What a user writes for g, as a function of x and the bounds."""
    if g == "algebraic, slope 1":
        return functools.partial(_smooth_clip, xp)
    G = xp.sigmoid if hasattr(xp, "sigmoid") and g == "sigmoid" else written(xp, g)
    return lambda x, low, high: formula(G, low, high)(x)


def _smooth_clip(xp: Any, x: Any, low: Any, high: Any) -> Any:
    middle, half = (low + high) / 2, (high - low) / 2
    t = x - middle
    return middle + t / xp.sqrt(1 + (t / half) ** 2)


def arguments_of(g: str) -> dict[str, Any]:
    """The arguments of soft_clip for "tanh" or "algebraic, slope 1"."""
    name, _, slope = g.partition(", slope ")
    return {"g": name, "slope": float(slope) if slope else None}


def paths(library: str, dtype: str, *, quick: bool) -> Iterator[UserPath]:
    """Those of a library; if quick, smaller ones, and nothing compiled by torch."""
    sizes = QUICK if quick else FULL
    if library == "NumPy":
        from bench_paths_calculus import calculus_paths
        from bench_paths_numpy import numpy_paths

        yield from numpy_paths(dtype, sizes["rows"])
        yield from calculus_paths(dtype, sizes["elements"])
    elif library == "torch":
        from bench_paths_torch import torch_paths

        yield from torch_paths(dtype, sizes["elements"], compiled=dtype == "float32" and not quick)
    else:
        from bench_paths_jax import jax_paths

        yield from jax_paths(dtype, sizes["elements"], sizes["rows"])
