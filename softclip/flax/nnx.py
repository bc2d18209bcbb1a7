"""Soft clipping as a layer of Flax NNX."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from softclip._layer import as_input, as_layer
from softclip._soft_clip import soft_clip

__all__ = ["Bound", "SoftClipping"]


class Bound(nnx.Variable):  # type: ignore[misc]
    """A bound or slope that is an array and is not learned. It is part of a layer's state, but no `flax.nnx.Param`."""


class SoftClipping(nnx.Module):  # type: ignore[misc]
    """A layer that computes ``soft_clip(x, x_min, x_max, g, slope=slope)``.

    Parameters
    ----------
    x_min, x_max : float, array_like or None
        The bounds. Arrays and lists broadcast with the input. Integers in them become floats of JAX's default dtype.
        One bound may be None if `g` is a `softclip.hinge`.
    g : str, callable or Squash
        As in `softclip.soft_clip`: one of `softclip.NAMES`, JAX's own version of one of these, a `softclip.Squash`
        such as ``softclip.hinge(0.1)``, or any increasing function of an array with finite limits.
    slope : float, array_like or None
        None squashes all real numbers. A number makes the layer a smooth clip with this derivative in the middle of the
        bounds.
    learnable : bool
        If True, both bounds become a `flax.nnx.Param`, of float32 if they are numbers. Nothing stops them from crossing
        each other.

    Raises
    ------
    TypeError
        If a bound, the slope or `g` is of a wrong kind.
    ValueError
        If x_min is not less than x_max somewhere, a bound is not finite, the slope is not positive and finite, or `g`
        cannot be used for clipping. The values of arrays are checked once, when the layer is made, unless they are
        traced.

    See Also
    --------
    softclip.soft_clip : The function. It says what happens to NaN, infinities and 16-bit arrays.

    Notes
    -----
    The output is a JAX array, even if the input is a NumPy array, a list or a number. It has the shape of the input
    broadcast with the bounds, and the dtype of the input. Integers give JAX's default floating dtype. The layer needs
    no ``rngs``. Numbers are static attributes. Arrays are variables of the type `Bound`, or `flax.nnx.Param` if they
    are learned.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from flax import nnx
    >>> from softclip.flax import SoftClipping
    >>> net = nnx.Sequential(nnx.Linear(3, 1, rngs=nnx.Rngs(0)), SoftClipping(0.0, 100.0, "tanh"))
    >>> net(jnp.full((2, 3), 1e6)).shape
    (2, 1)
    >>> SoftClipping(0.0, 6.0, "algebraic", slope=1.0)(jnp.array([-jnp.inf, 3.0, jnp.inf]))
    Array([0., 3., 6.], dtype=float32)
    >>> sorted(nnx.state(SoftClipping(0.0, 6.0, learnable=True), nnx.Param))
    ['x_max', 'x_min']
    """

    def __init__(
        self, x_min: Any = -1.0, x_max: Any = 1.0, g: Any = "sigmoid", *, slope: Any = None, learnable: bool = False
    ) -> None:
        bounds, self.g = as_layer(x_min, x_max, g, slope)
        for name, value in bounds.items():
            if learnable and name != "slope" and value is not None:
                setattr(self, name, nnx.Param(jnp.asarray(value, None if hasattr(value, "dtype") else jnp.float32)))
            else:
                setattr(self, name, Bound(value) if isinstance(value, jax.Array) else value)

    def __call__(self, x: Any) -> Any:
        """Clip every element of x softly."""
        x_min, x_max, slope = (
            jnp.asarray(value[...]) if isinstance(value, nnx.Variable) else value
            for value in (self.x_min, self.x_max, self.slope)
        )
        return soft_clip(as_input(x), x_min, x_max, self.g, slope=slope)
