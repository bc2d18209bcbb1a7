"""The array libraries under test, each with the way in from NumPy and out again."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from oracle import CDFS

from softclip import (
    NAMES,
    algebraic,
    hinge,
    knee,
    soft_clip,
    soft_clip_derivative,
    soft_clip_inverse,
    soft_clip_log_derivative,
)
from softclip._functions.families import from_name

STRICT_VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12", "2025.12")
DTYPES = ("float16", "bfloat16", "float32", "float64")

FUNCTIONS = (soft_clip, soft_clip_inverse, soft_clip_derivative, soft_clip_log_derivative)

CALLS: dict[str, tuple[tuple[float, float], float | None]] = {
    "-b to b": ((-2.0, 2.0), None),
    "0 to b": ((0.0, 6.0), None),
    "between": ((-1.0, 3.0), None),
    "slope": ((-1.0, 3.0), 1.0),
}
"""Bounds and slope: one call for each way in which f is put together."""

HINGE = hinge(0.25)
ALL = (*NAMES, algebraic(3.0), knee("tanh", 0.6), HINGE)
"""Every g of the package, one of each family."""
EXACT = (*CDFS, "hinge")
"""The names under which the oracle knows each g."""


def g_of(name: str, softness: float) -> Any:
    """The g that the oracle calls so."""
    if name == "hinge":
        return hinge(softness)
    return name if name in NAMES else from_name(name)


def name_of(g: Any) -> str:
    """What a test of g is called: the same in every process, unlike the address in a function's repr."""
    return str(getattr(g, "__name__", g))


@dataclass(frozen=True)
class Library:
    """One library, or one way of using it. `package` is what must be importable."""

    name: str
    package: str
    asarray: Callable[[np.ndarray], Any]
    to_numpy: Callable[[Any], np.ndarray]
    dtypes: tuple[str, ...] = DTYPES
    flags: dict[str, Any] = field(default_factory=dict)
    xla: bool = False
    has_erf: bool = True

    def __str__(self) -> str:
        return self.name

    def unavailable(self) -> str | None:
        """Why the library cannot be used here, None if it can."""
        try:
            importlib.import_module(self.package)
        except ImportError as error:
            return f"{self.package} cannot be imported: {error}"
        if self.package == "cupy":
            import cupy

            try:
                if cupy.cuda.runtime.getDeviceCount() < 1:
                    return "cupy finds no GPU"
            except cupy.cuda.runtime.CUDARuntimeError as error:
                return f"cupy finds no GPU: {error}"
        return None


def _read_only(a: np.ndarray) -> np.ndarray:
    a = np.array(a)
    a.flags.writeable = False
    return a


def _torch(a: np.ndarray) -> Any:
    import torch

    if a.dtype == ml_dtypes.bfloat16:
        return torch.tensor(a.astype(np.float32)).to(torch.bfloat16)
    return torch.tensor(a)


def _from_torch(a: Any) -> np.ndarray:
    import torch

    a = a.detach()
    return a.float().numpy().astype(ml_dtypes.bfloat16) if a.dtype == torch.bfloat16 else a.numpy()


def _jax(a: np.ndarray) -> Any:
    import jax.numpy as jnp

    return jnp.asarray(a)


def _dask(a: np.ndarray) -> Any:
    import dask.array as da

    return da.from_array(a, chunks=tuple(max(1, -(-n // 2)) for n in a.shape))


def _cupy(a: np.ndarray) -> Any:
    import cupy

    return cupy.asarray(a)


def _strict(a: np.ndarray) -> Any:
    import array_api_strict

    return array_api_strict.asarray(a)


def _from_strict(a: Any) -> np.ndarray:
    return np.asarray(a._array)  # DLPack needs the standard of 2023


LIBRARIES = [
    Library("numpy", "numpy", np.array, np.asarray),
    Library("numpy-read-only", "numpy", _read_only, np.asarray),
    Library("torch", "torch", _torch, _from_torch),
    Library("jax", "jax", _jax, np.asarray, xla=True),
    Library("dask", "dask.array", _dask, np.asarray),
    Library("cupy", "cupy", _cupy, lambda a: a.get(), ("float16", "float32", "float64")),
    *(
        Library(
            f"strict-{version}",
            "array_api_strict",
            _strict,
            _from_strict,
            ("float32", "float64"),
            {"api_version": version},
            has_erf=False,
        )
        for version in STRICT_VERSIONS
    ),
    Library(
        "strict-no-extras",
        "array_api_strict",
        _strict,
        _from_strict,
        ("float32", "float64"),
        {"boolean_indexing": False, "data_dependent_shapes": False, "enabled_extensions": ()},
        has_erf=False,
    ),
]

COMPUTING = [library for library in LIBRARIES if library.name in ("numpy", "torch", "jax", "cupy", "strict-no-extras")]
"""One for each that computes in its own way. The others are NumPy by another name: their results are compared with its own."""
computing = pytest.mark.parametrize("library", COMPUTING, ids=str, indirect=True)
"""Of tests that hold digits against the truth."""


def cases_of_digits(dtypes: Sequence[str]) -> pytest.MarkDecorator:
    """Of tests that hold digits of each g against the truth: NumPy with every dtype and slope, the others with one slope in turn.

    NumPy shows what is wrong in a formula or its constants. What another library makes of them depends on g and dtype.
    """
    found = []
    for library in COMPUTING:
        given = [dtype for dtype in dtypes if dtype in library.dtypes]
        for name, dtype, slope in alternating(EXACT, given, (None, 1.0)):
            if name == "erf" and not library.has_erf:
                continue
            found += [(library, name, dtype, s) for s in ((None, 1.0) if library.name == "numpy" else (slope,))]
    # Those with the same truth beside each other, so that a process computes it once.
    found.sort(key=lambda case: (EXACT.index(case[1]), dtypes.index(case[2]), case[3] is None))
    return pytest.mark.parametrize(("library", "name", "dtype", "slope"), found, indirect=["library"], ids=str)


def alternating(first: Iterable[Any], second: Iterable[Any], third: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Every pair of the first two with one of the third, in turn, so that each of the third meets each of the others."""
    firsts, seconds = list(first), list(second)
    return [(a, b, third[(i + j) % len(third)]) for i, a in enumerate(firsts) for j, b in enumerate(seconds)]


def in_turn(first: Iterable[Any], second: Sequence[Any]) -> list[tuple[Any, Any]]:
    """Each of the first with one of the second, in turn."""
    return [(a, second[i % len(second)]) for i, a in enumerate(first)]


TAIL_AND_ANOTHER = [
    (g, call) for g, other in in_turn(ALL, ("-b to b", "between", "slope")) for call in ("0 to b", other)
]
"""For what takes long: every g with a bound of 0, beside which it has a tail, and with one of the other calls."""
