"""Which library an array belongs to: the one place that knows them all. To add one, give `_load` its `Standard`."""

from __future__ import annotations

import sys
from typing import Any

import array_api_compat

from softclip._run import Standard

_by_type: dict[type, Standard] = {}


def library(x: Any) -> Standard:
    """The library of the array x; TypeError if x is none."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(x, torch.Tensor) and torch.compiler.is_compiling():
        return _load(torch)
    found = _by_type.get(type(x))
    if found is None and torch is not None and isinstance(x, torch.fx.Proxy):
        from softclip._torch_fx import FX

        return FX
    if found is None:
        found = _by_type[type(x)] = _load(array_api_compat.array_namespace(x))
    return found


def _load(xp: Any) -> Standard:
    name = getattr(xp, "__name__", repr(xp)).removeprefix("array_api_compat.").partition(".")[0]
    if name == "numpy":
        from softclip._numpy import NUMPY

        return NUMPY
    if name == "cupy":  # pragma: no cover  (needs a GPU)
        from softclip._cupy import CUPY

        return CUPY
    # Import statements: torch.compile, whose first call may be the first of all, runs one as it is and traces the rest.
    if name == "torch":
        from softclip._torch import TORCH

        return TORCH
    if name == "jax":
        from softclip._jax import JAX

        return JAX
    return _dask(xp) if name == "dask" else Standard(xp)


def _dask(xp: Any) -> Standard:
    from softclip._dask import Dask

    return Dask(xp, library)
