"""Paths of NumPy, and of dask and scikit-learn, which run on it."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from bench_cases import BOUNDS, FORMULA, OURS, PEER, Entry, sample
from bench_paths import ARRAYS, COLUMNS, EVERYDAY, KINDS, UserPath, arguments_of, bounds, by_hand, table

from softclip import hinge, soft_clip

GS = ("tanh", "algebraic, slope 1", "sigmoid")


def numpy_paths(dtype: str, rows: int) -> Iterator[UserPath]:
    x = table(rows, dtype)
    full = 0.75 if dtype == "float32" else 0.9
    for kind, limit in zip(KINDS, (full, 1.0, 1.3), strict=True):
        for g in GS:
            case = "bounds per column" if kind == "neither" else f"bounds per column, {kind}"
            yield _array_path(case, g, limit, x, *bounds(kind, COLUMNS, dtype))
    per_row = (bound[:, None] for bound in bounds("neither", rows, dtype))
    yield _array_path("bounds per row", "tanh", full, x, *per_row)
    yield _array_path("bounds per column, 64 × 20", "tanh", 3, x[:64], *bounds("neither", COLUMNS, dtype))
    if importlib.util.find_spec("dask"):
        yield _dask_path(x)
    yield from _scikit_learn_paths(x)
    for g in ("arctan", "tanh") if dtype == "float64" else ():
        written = partial(by_hand(np, g), x, 0.0, 6.0)
        yield _path(dtype, "a table, 0 to 6", g, 1, partial(soft_clip, x, 0.0, 6.0, g), written)
    yield from _small_paths(dtype)


def _path(
    dtype: str, case: str, what: str, limit: float, ours: Callable[[], Any], formula: Callable[[], Any]
) -> UserPath:
    entries = [Entry(OURS, "soft_clip", ours), Entry(FORMULA, "as written", formula)]
    return UserPath("NumPy", dtype, EVERYDAY, case, what, limit, "the formula", entries)


def _array_path(case: str, g: str, limit: float, x: np.ndarray, low: np.ndarray, high: np.ndarray) -> UserPath:
    ours, formula = partial(soft_clip, x, low, high, **arguments_of(g)), partial(by_hand(np, g), x, low, high)
    return _path(x.dtype.name, case, g, limit, ours, formula)._replace(section=ARRAYS)


def _dask_path(x: np.ndarray) -> UserPath:
    import dask.array as da

    low, high = bounds("neither", COLUMNS, x.dtype.name)
    chunk = da.from_array(x, chunks=-1)
    entries = [
        Entry(OURS, "soft_clip", lambda: soft_clip(chunk, low, high, "tanh").compute(scheduler="synchronous")),
        Entry(PEER, "soft_clip in NumPy", lambda: soft_clip(x, low, high, "tanh")),
    ]
    return UserPath(
        "dask", x.dtype.name, ARRAYS, "bounds per column, a chunk", "tanh", 1.15, "the same in NumPy", entries
    )


def _scikit_learn_paths(X: np.ndarray) -> Iterator[UserPath]:
    from sklearn.preprocessing import RobustScaler

    from softclip.sklearn import SoftClipper

    clipper, scaler = SoftClipper().fit(X), RobustScaler().fit(X)
    for method, limit in (("fit", 1.0), ("transform", 1.5)):
        functions = ((OURS, "SoftClipper", getattr(clipper, method)), (PEER, "RobustScaler", getattr(scaler, method)))
        entries = [Entry(role, name, partial(f, X)) for role, name, f in functions]
        yield UserPath(
            "scikit-learn", X.dtype.name, ARRAYS, f"SoftClipper.{method}", "", limit, f"RobustScaler.{method}", entries
        )


def _small_paths(dtype: str) -> Iterator[UserPath]:
    x = sample(1000).astype(dtype)
    squash = partial(by_hand(np, "algebraic, slope 1"), low=-2.0, high=2.0)
    ten = x[:10].copy()
    for g, label in (("sigmoid", "±2"), ("tanh", "±2"), ("sigmoid", "0 to 6"), ("sigmoid", "-1 to 3")):
        low, high = BOUNDS[label]
        written = partial(by_hand(np, g), ten, low, high)
        yield _path(dtype, "10 numbers", f"{g}, {label}", 2.5, partial(soft_clip, ten, low, high, g), written)
    algebraic = partial(soft_clip, x, -2.0, 2.0, "algebraic", slope=1.0)
    yield _path(dtype, "1000 elements, slope 1", "algebraic, ±2", 2, algebraic, partial(squash, x))
    corners = hinge(0.1)
    yield _path(
        dtype,
        "1000 elements, slope 1",
        "hinge, -1 to 3",
        2,
        lambda: soft_clip(x, -1.0, 3.0, corners, slope=1.0),
        lambda: -1 + 0.1 * (np.logaddexp(0, (x + 1) * 10) - np.logaddexp(0, (x - 3) * 10)),
    )
    if dtype == "float32":  # it is a float64 however often it is measured
        number = [Entry(OURS, "soft_clip", lambda: soft_clip(0.5, -2.0, 2.0))]
        yield UserPath("NumPy", "float64", EVERYDAY, "a Python float", "sigmoid, ±2", 2.5, "µs", number)
