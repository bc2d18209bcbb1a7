"""Which library an array belongs to. This is the one place that knows all libraries: `_load` names each."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from softclip._libraries.standard import Library

_by_type: dict[type, Library] = {}


def library(x: Any) -> Library:
    """The library of the array x; TypeError if x is none."""
    if hasattr(type(x), "__torch_function__"):  # torch's tensors and proxies, and what stands in for one
        # Import statements: torch.compile, whose first call may be the first of all, runs one as it is and traces the
        # rest. Of sys.modules it would trace every module that there is, while its threads import others.
        import torch

        if isinstance(x, torch.Tensor) and torch.compiler.is_compiling():
            from softclip._libraries.torch_graph import TRACED

            return TRACED
        if type(x) not in _by_type and isinstance(x, torch.fx.Proxy):
            from softclip._libraries.torch_fx import FX

            return FX
    found = _by_type.get(type(x))
    if found is None:
        # array_api_compat's NumPy loads all of NumPy's modules, which takes 50 ms.
        xp = np if isinstance(x, (np.ndarray, np.generic)) else array_api_compat.array_namespace(x)
        found = _by_type[type(x)] = _load(xp)
    return found


def _load(xp: Any) -> Library:
    name = getattr(xp, "__name__", repr(xp)).removeprefix("array_api_compat.").partition(".")[0]
    if name == "numpy":
        from softclip._libraries.numpy import NUMPY

        return NUMPY
    if name == "cupy":  # pragma: no cover  (needs a GPU)
        from softclip._libraries.cupy import CUPY

        return CUPY
    if name == "torch":
        from softclip._libraries.torch import TORCH

        return TORCH
    if name == "jax":
        from softclip._libraries.jax import JAX

        return JAX
    return _dask(xp) if name == "dask" else Library(xp)


def _dask(xp: Any) -> Library:
    from softclip._libraries.dask import Dask

    return Dask(xp, library)
