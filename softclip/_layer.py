"""What the layers for Flax NNX, Flax Linen and Equinox have in common."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from softclip._arguments.arguments import arguments
from softclip._formulas.checks import check_host_values
from softclip._libraries.numpy import has_meaning_of_its_own


def as_layer(x_min: Any, x_max: Any, g: Any, slope: Any) -> tuple[dict[str, Any], Any]:
    """Return the bounds and the slope by name, and g, as a layer keeps them.

    Lists and NumPy arrays become JAX arrays. Integers in arrays become floats, which can be learned, and into which any
    state can be loaded. Raise the errors that `soft_clip` would raise, and check the values of arrays once.

    If g is a library's version of a named function, the layer keeps the named function. The reason is that jnp.tanh
    cannot be pickled, and that a deep copy of jax.nn.sigmoid is a different function.
    """
    bounds = {
        name: _floats(jnp.asarray(value)) if isinstance(value, (list, tuple, np.ndarray, jax.Array)) else value
        for name, value in (("x_min", x_min), ("x_max", x_max), ("slope", slope))
    }
    *_, call = arguments("value", "x", jnp.zeros(()), bounds["x_min"], bounds["x_max"], g, bounds["slope"])
    if not any(isinstance(value, jax.core.Tracer) for value in call.constants):
        low, high, steep = (np.asarray(v) if isinstance(v, jax.Array) else v for v in call.constants)
        check_host_values(low, high, steep)
    return bounds, g if call.g.kind == "declared" else call.g


def as_input(x: Any) -> Any:
    """Make a JAX array of the input, as their own layers do. What `soft_clip` refuses is passed on as it is."""
    if isinstance(x, np.ndarray) and has_meaning_of_its_own(x):
        return x
    return jnp.asarray(x) if isinstance(x, (np.ndarray, np.generic, int, float, list, tuple)) else x


def _floats(value: jax.Array) -> jax.Array:
    return value.astype(float) if jnp.issubdtype(value.dtype, jnp.integer) else value
