"""What the layers of Flax NNX and of Flax Linen have in common."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from softclip._arguments.arguments import arguments
from softclip._formulas.checks import check_host_values
from softclip._libraries.numpy import has_meaning_of_its_own


def as_layer(x_min: Any, x_max: Any, g: Any, slope: Any) -> tuple[dict[str, Any], Any]:
    """The bounds and the slope of a layer, lists and NumPy's arrays as JAX's, and g; what `soft_clip` would refuse is.

    Integers are floats then, which can be learned, and which any state can be loaded into.

    The values of arrays are read once, here. Of a function that is some library's version of a named one the named one
    is kept: jnp.tanh does not pickle, and a deep copy of jax.nn.sigmoid is another function.
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
    """The input as an array of JAX, as Flax's layers take it; what `soft_clip` refuses is left for it to refuse."""
    if isinstance(x, np.ndarray) and has_meaning_of_its_own(x):
        return x
    return jnp.asarray(x) if isinstance(x, (np.ndarray, np.generic, int, float, list, tuple)) else x


def _floats(value: jax.Array) -> jax.Array:
    return value.astype(float) if jnp.issubdtype(value.dtype, jnp.integer) else value
