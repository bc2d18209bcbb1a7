"""Soft clipping as a layer of Equinox."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from softclip._layer import as_input, as_layer
from softclip._soft_clip import soft_clip

__all__ = ["SoftClipping"]


class SoftClipping(eqx.Module):  # type: ignore[misc]
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
        If True, both bounds are arrays, of float32 if they are given as numbers, and `equinox.filter_grad` finds their
        gradients. Nothing stops them from crossing each other. If False, no gradient reaches bounds that are arrays.

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
    broadcast with the bounds, and the dtype of the input. Integers give JAX's default floating dtype. Bounds that are
    numbers are leaves that `equinox.filter_jit` takes for constants. The layer ignores the ``key`` that
    `equinox.nn.Sequential` passes.

    Examples
    --------
    >>> import equinox as eqx
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from softclip.equinox import SoftClipping
    >>> net = eqx.nn.Sequential([eqx.nn.Linear(3, 1, key=jax.random.key(0)), SoftClipping(0.0, 100.0, "tanh")])
    >>> net(jnp.full(3, 1e6)).shape
    (1,)
    >>> SoftClipping(0.0, 6.0, "algebraic", slope=1.0)(jnp.array([-jnp.inf, 3.0, jnp.inf]))
    Array([0., 3., 6.], dtype=float32)
    >>> layer = SoftClipping([0.0, -1.0], [1.0, 2.0], learnable=True)
    >>> print(eqx.filter_grad(lambda layer: layer(jnp.array([0.0, jnp.inf])).sum())(layer).x_max)
    [0.5 1. ]
    """

    x_min: Any
    x_max: Any
    g: Any = eqx.field(static=True)
    slope: Any
    learnable: bool = eqx.field(static=True)

    def __init__(
        self, x_min: Any = -1.0, x_max: Any = 1.0, g: Any = "sigmoid", *, slope: Any = None, learnable: bool = False
    ) -> None:
        bounds, self.g = as_layer(x_min, x_max, g, slope)
        if learnable:
            for name in ("x_min", "x_max"):
                value = bounds[name]
                if value is not None and not isinstance(value, jax.Array):
                    bounds[name] = jnp.asarray(value, jnp.float32)
        self.x_min, self.x_max, self.slope = (bounds[name] for name in ("x_min", "x_max", "slope"))
        self.learnable = learnable

    def __call__(self, x: Any, *, key: Any = None) -> Any:
        """Clip every element of x softly."""
        fixed = (self.slope,) if self.learnable else (self.x_min, self.x_max, self.slope)
        fixed = tuple(jax.lax.stop_gradient(v) if isinstance(v, jax.Array) else v for v in fixed)
        x_min, x_max, slope = (self.x_min, self.x_max, *fixed) if self.learnable else fixed
        return soft_clip(as_input(x), x_min, x_max, self.g, slope=slope)
