"""Soft clipping as a layer of Flax Linen."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen

from softclip._layer import as_input, as_layer
from softclip._soft_clip import soft_clip

__all__ = ["SoftClipping"]


class SoftClipping(linen.Module):  # type: ignore[misc]
    """A layer that computes ``soft_clip(x, x_min, x_max, g, slope=slope)``.

    Parameters
    ----------
    x_min, x_max : float, array_like or None
        The bounds. Arrays and lists broadcast with the input. The layer keeps them as tuples, so that it can be hashed.
        One bound may be None if `g` is a `softclip.hinge`.
    g : str, callable or Squash
        As in `softclip.soft_clip`.
    slope : float, array_like or None
        None squashes all real numbers. A number makes the layer a smooth clip with this derivative in the middle of the
        bounds.
    learnable : bool
        If True, both bounds are parameters in the collection "params". They are float32, and start at the given values.

    Raises
    ------
    TypeError, ValueError
        As in `softclip.flax.nnx.SoftClipping`, when the layer is made.

    Notes
    -----
    The output is a JAX array, as in `softclip.flax.nnx.SoftClipping`.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from softclip.flax.linen import SoftClipping
    >>> layer = SoftClipping(0.0, 6.0, "algebraic", slope=1.0, learnable=True)
    >>> x = jnp.array([-jnp.inf, 3.0, jnp.inf])
    >>> variables = layer.init(jax.random.key(0), x)
    >>> variables["params"]
    {'x_min': Array(0., dtype=float32), 'x_max': Array(6., dtype=float32)}
    >>> layer.apply(variables, x)
    Array([0., 3., 6.], dtype=float32)
    """

    x_min: Any = -1.0
    x_max: Any = 1.0
    g: Any = "sigmoid"
    slope: Any = dataclasses.field(default=None, kw_only=True)
    learnable: bool = dataclasses.field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        bounds, self.g = as_layer(self.x_min, self.x_max, self.g, self.slope)
        for name, value in bounds.items():
            setattr(self, name, _as_tuple(value))
        super().__post_init__()

    @linen.compact  # type: ignore[untyped-decorator]
    def __call__(self, x: Any) -> Any:
        """Clip every element of x softly."""
        bounds = {name: self._bound(name) for name in ("x_min", "x_max")}
        return soft_clip(as_input(x), **bounds, g=self.g, slope=self.slope)

    def _bound(self, name: str) -> Any:
        value = getattr(self, name)
        if not self.learnable or value is None:
            return value
        learned = self.param(name, lambda _: jnp.asarray(value, jnp.float32))
        return jnp.asarray(learned)  # a parameter restored from bytes is a NumPy array


def _as_tuple(value: Any) -> Any:
    """Return nested tuples for an array whose values are known, and anything else as it is."""
    if not isinstance(value, jax.Array) or isinstance(value, jax.core.Tracer):
        return value
    nested = np.asarray(value).tolist()

    def frozen(part: Any) -> Any:
        return tuple(map(frozen, part)) if isinstance(part, list) else part

    return frozen(nested)
