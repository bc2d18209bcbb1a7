"""How dask runs an expression: lazily, one task for each chunk."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import dask.array
import numpy as np

from softclip._format import Format
from softclip._plan import Quantity
from softclip._run import Standard, is_array
from softclip._squash import Squash

Array = Any


class Dask(Standard):
    """One layer of tasks, in each of which the chunks' own library does the work."""

    name = "dask"

    def __init__(self, xp: Any, library: Callable[[Array], Standard]) -> None:
        super().__init__(xp)
        self.library = library  # of a chunk

    def format(self, x: Array) -> Format:
        x = getattr(x, "_meta", x)
        return self.library(x).format(x)

    def dtype(self, format_: Format) -> Any:
        return np.dtype(format_.name)

    def owns(self, value: Array) -> bool:
        return isinstance(value, (dask.array.Array, np.ndarray))

    def beside(self, value: Any, x: Array, dtype: Any) -> Array:
        return np.asarray(value, dtype=dtype)

    def device(self, x: Array) -> Any:
        return None

    def cast(self, x: Array, dtype: Any) -> Array:
        return _cast_chunk(x, dtype) if isinstance(x, np.ndarray) else x.map_blocks(_cast_chunk, dtype, dtype=dtype)

    def run(self, quantity: Quantity, g: Squash, x: Array, format_: Format, low: Any, high: Any, slope: Any) -> Array:
        given = (low, high, slope)
        chunk = functools.partial(
            _run_chunk, self.library, quantity, g, format_, tuple(None if is_array(v) else v for v in given)
        )
        places = [i for i, v in enumerate(given) if is_array(v)]
        return dask.array.core.elemwise(
            functools.partial(chunk, places), x, *(given[i] for i in places), dtype=self.dtype(format_)
        )


def _cast_chunk(x: Array, dtype: Any) -> Array:
    with np.errstate(all="ignore"):
        return x.astype(dtype)


def _run_chunk(
    library: Callable[[Array], Standard],
    quantity: Quantity,
    g: Squash,
    format_: Format,
    numbers: tuple[Any, ...],
    places: list[int],
    x: Array,
    *arrays: Array,
) -> Array:
    """One chunk: `arrays` are the constants at `places`, the others stand in `numbers`."""
    constants = list(numbers)
    for place, array in zip(places, arrays, strict=True):
        constants[place] = array
    return library(x).run(quantity, g, x, format_, *constants)
