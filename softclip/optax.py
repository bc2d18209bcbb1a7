"""Soft clipping as a gradient transformation of optax."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from softclip._arguments.arguments import arguments
from softclip._functions.squash import as_number
from softclip._soft_clip import soft_clip as _soft_clip

__all__ = ["SoftClipState", "soft_clip"]


class SoftClipState(NamedTuple):
    """The state for a bound that is a schedule. `count` is how often the transformation has been applied."""

    count: Any


def soft_clip(bound: Any, g: Any = "softsign") -> optax.GradientTransformation:
    """Clip every element of the updates softly at plus and minus a bound. Small elements hardly change.

    ``u`` becomes ``soft_clip(u, -bound, bound, g, slope=1)``. Placed before an optimizer, this clips gradients. Placed
    after it, as in ``optax.chain(optax.sgd(rate), soft_clip(gamma))``, it gives the component-wise soft-clipped scheme
    of Williamson, Eisenmann and Stillfjord (arXiv:2406.16640). There the update is the step, rate times gradient,
    soft-clipped to +-gamma.

    Parameters
    ----------
    bound : float, array_like or callable
        No element of the result is larger than this in absolute value. It is one of these:

        - a number;
        - an array that broadcasts to the shape of every leaf, such as the scalar of `optax.inject_hyperparams`;
        - a schedule, which is a function that takes the number of steps so far and returns a number or an array.
    g : str, callable or Squash
        As in `softclip.soft_clip`. "softsign" gives u / (1 + abs(u) / bound).

    Returns
    -------
    optax.GradientTransformation
        The transformation takes any pytree of arrays. Every leaf keeps its shape, dtype and sharding. NumPy arrays
        become JAX arrays. Leaves of integers are clipped, and then rounded to integers towards 0. Leaves that are None
        are skipped, and so are leaves of the dtype float0, which hold no numbers. The state is a `SoftClipState` if
        `bound` is a schedule, and empty otherwise.

    Raises
    ------
    TypeError
        If `bound` is not a number, an array or a function, or `g` is of a wrong kind. An update raises it if a leaf is
        of booleans or complex numbers, or if a schedule does not return a number or an array.
    ValueError
        If `bound` is a number, a list or a NumPy array that is not positive and finite, or if `g` cannot be used for
        clipping. An update raises it if the bound does not broadcast to the shape of a leaf, or is not positive and
        finite once it is rounded to the dtype of the leaf. The values of JAX arrays are not checked.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import optax
    >>> from softclip.optax import soft_clip
    >>> scheme = optax.chain(optax.sgd(0.1), soft_clip(0.5))
    >>> params = {"w": jnp.zeros(3)}
    >>> updates, _ = scheme.update({"w": jnp.array([0.01, -5.0, 1e6])}, scheme.init(params))
    >>> [f"{update:.4f}" for update in updates["w"]]
    ['-0.0010', '0.2500', '-0.5000']
    """
    if not callable(bound):
        bound = _read(bound)
    arguments("value", "updates", jnp.zeros(()), -1.0, 1.0, g, 1.0)

    def clipped(updates: Any, limit: Any) -> Any:
        return jax.tree_util.tree_map_with_path(lambda path, leaf: _clip(path, leaf, limit, g), updates)

    if not callable(bound):
        return optax.stateless(lambda updates, _: clipped(updates, bound))

    def init(params: Any) -> SoftClipState:
        del params
        return SoftClipState(jnp.zeros((), jnp.int32))

    def update(updates: Any, state: SoftClipState, params: Any = None) -> tuple[Any, SoftClipState]:
        del params
        return clipped(updates, _read(bound(state.count))), SoftClipState(optax.safe_increment(state.count))

    return optax.GradientTransformation(init, update)


def _read(bound: Any) -> Any:
    """The bound as a float or an array. Its values are checked unless it is a JAX array."""
    if isinstance(bound, (list, tuple, np.ndarray)) and not (isinstance(bound, np.ndarray) and bound.ndim == 0):
        try:
            bound = np.asarray(bound)
        except ValueError as error:
            msg = f"bound must have as many numbers in each row: {error}"
            raise ValueError(msg) from None
    elif not isinstance(bound, jax.Array):
        bound = as_number("bound", bound)
    if not isinstance(bound, float) and not any(jnp.issubdtype(bound.dtype, k) for k in (jnp.floating, jnp.integer)):
        msg = f"bound must hold real numbers; got {bound.dtype}"
        raise TypeError(msg)
    _check(bound, np.float64, "")
    return bound


def _check(bound: Any, dtype: Any, where: str) -> None:
    """Raise a ValueError if the bound is not positive and finite in the dtype. JAX arrays are not checked."""
    if isinstance(bound, jax.Array):
        return
    with np.errstate(over="ignore"):
        rounded = np.asarray(bound).astype(dtype)
    if not ((rounded > 0) & np.isfinite(rounded)).all():
        msg = f"bound must be positive and finite{where}; got {bound!r}"
        raise ValueError(msg)


def _clip(path: Any, leaf: Any, bound: Any, g: Any) -> Any:
    """Clip one leaf of the updates. The result has its shape and dtype."""
    name = f"updates{jax.tree_util.keystr(path)}"
    if getattr(leaf, "dtype", None) == jax.dtypes.float0:
        return leaf
    leaf = leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf)
    if not any(jnp.issubdtype(leaf.dtype, kind) for kind in (jnp.floating, jnp.integer)):
        msg = f"{name} must be of floats or integers; got {leaf.dtype}"
        raise TypeError(msg)
    dtype = leaf.dtype if jnp.issubdtype(leaf.dtype, jnp.floating) else jnp.result_type(float)
    _check(bound, dtype, f" once rounded to {dtype.name}")
    shape = np.shape(bound)
    if len(shape) > leaf.ndim or any(
        n not in (1, m) for n, m in zip(reversed(shape), reversed(leaf.shape), strict=False)
    ):
        msg = f"bound must broadcast to the shape of every leaf; {name} is of shape {leaf.shape}, bound of {shape}"
        raise ValueError(msg)
    # The bound gets its dtype before it is negated, because it may be of unsigned integers.
    limit = bound if isinstance(bound, float) else jnp.asarray(bound).astype(dtype)
    return _soft_clip(leaf, -limit, limit, g, slope=1.0).astype(leaf.dtype)
