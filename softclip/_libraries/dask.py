"""How dask runs an expression: lazily, one task for each chunk."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import dask.array
import numpy as np

from softclip._formulas.call import Call, is_array
from softclip._formulas.formats import Format
from softclip._libraries.standard import Library

Array = Any


class Dask(Library):
    """One layer of tasks, in each of which the chunks' own library does the work."""

    name = "dask"

    def __init__(self, xp: Any, library: Callable[[Array], Library]) -> None:
        super().__init__(xp)
        self.library = library  # of a chunk

    def format(self, x: Array) -> Format:
        x = getattr(x, "_meta", x)
        return self.library(x).format(x)

    def dtype(self, format_: Format) -> Any:
        return np.dtype(format_.name)

    def owns(self, value: Array) -> bool:
        return isinstance(value, (dask.array.Array, np.ndarray))

    def as_array_like(self, value: Any, x: Array, dtype: Any) -> Array:
        return np.asarray(value, dtype=dtype)

    def device(self, x: Array) -> Any:
        return None

    def astype(self, x: Array, dtype: Any) -> Array:
        return _cast_chunk(x, dtype) if isinstance(x, np.ndarray) else x.map_blocks(_cast_chunk, dtype, dtype=dtype)

    def run(self, x: Array, call: Call) -> Array:
        numbers = call.with_constants(*(None if is_array(v) else v for v in call.constants))
        places = [i for i, v in enumerate(call.constants) if is_array(v)]
        chunk = functools.partial(_run_chunk, self.library, numbers, places)
        return dask.array.core.elemwise(chunk, x, *call.arrays, dtype=self.dtype(call.format))


def _cast_chunk(x: Array, dtype: Any) -> Array:
    with np.errstate(all="ignore"):
        return x.astype(dtype)


def _run_chunk(library: Callable[[Array], Library], call: Call, places: list[int], x: Array, *arrays: Array) -> Array:
    """One chunk: `arrays` are the constants at `places`, the others stand in the call."""
    constants = list(call.constants)
    for place, array in zip(places, arrays, strict=True):
        constants[place] = array
    return library(x).run(x, call.with_constants(*constants))
