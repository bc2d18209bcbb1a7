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

__all__ = [
    "SoftClipState",
    "per_example_soft_clip",
    "soft_clip",
    "soft_clip_by_block_rms",
    "soft_clip_by_global_norm",
]


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
    return _transformation(
        "bound",
        bound,
        g,
        lambda updates, limit: jax.tree_util.tree_map_with_path(
            lambda path, leaf: _clip(path, leaf, limit, g), updates
        ),
    )


def soft_clip_by_global_norm(max_norm: Any, g: Any = "softsign") -> optax.GradientTransformation:
    """Clip the norm of all updates together softly.

    All leaves are multiplied by ``soft_clip(norm, -max_norm, max_norm, g, slope=1) / norm``. So their direction is
    kept, a small norm hardly changes, and a large one approaches max_norm. It is a smooth `optax.clip_by_global_norm`.

    Parameters
    ----------
    max_norm : float, array_like or callable
        The norm of the result is at most this, but for rounding. It is a number, an array without axes, or a schedule,
        as the bound of `soft_clip`.
    g : str, callable or Squash
        As in `softclip.soft_clip`. "softsign" multiplies by 1 / (1 + norm / max_norm).

    Returns
    -------
    optax.GradientTransformation
        It takes any pytree of arrays of floats, whose leaves keep their shape and dtype. Leaves that are None are
        skipped. The state is a `SoftClipState` if `max_norm` is a schedule, and empty otherwise.

    Raises
    ------
    TypeError
        If `max_norm` is not a number, an array or a function, or `g` is of a wrong kind. An update raises it if a leaf
        is not of floats.
    ValueError
        If `max_norm` is a number or a NumPy array that is not positive and finite, or has axes, or if `g` cannot be
        used for clipping.

    Notes
    -----
    The norm is accumulated in float32 at least, also of leaves of 16 bits. If it is 0, nothing changes. If it is
    infinite, finite elements become 0 and infinite ones NaN.

    With "softsign" the result is ``max_norm updates / (norm + max_norm)``. The automatic clipping of Bu et al.
    (arXiv:2206.07136) is ``updates / (norm + stabiliser)``, which is the same but for a factor, with max_norm for the
    stabiliser.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from softclip.optax import soft_clip_by_global_norm
    >>> transformation = soft_clip_by_global_norm(1.0)
    >>> updates = {"w": jnp.array([30.0]), "b": jnp.array([-40.0])}
    >>> updates, _ = transformation.update(updates, transformation.init(updates))
    >>> [f"{updates[name].item():.4f}" for name in "wb"]
    ['0.5882', '-0.7843']
    """

    def clipped(updates: Any, limit: Any) -> Any:
        leaves = _floats(updates)
        squares = [jnp.sum(jnp.square(leaf.astype(_computed_in(leaves)))) for leaf in leaves.values()]
        rate = _rate(sum(squares[1:], squares[0]), limit, g) if squares else None
        return jax.tree.map(lambda leaf: _times(leaf, rate), updates)

    return _transformation("max_norm", max_norm, g, clipped, single=True)


def soft_clip_by_block_rms(threshold: Any, g: Any = "softsign") -> optax.GradientTransformation:
    """Clip the root mean square of each leaf of the updates softly, as `optax.clip_by_block_rms` clips it hard.

    Each leaf is multiplied by ``soft_clip(rms, -threshold, threshold, g, slope=1) / rms``.

    Parameters
    ----------
    threshold : float, array_like or callable
        The root mean square of no leaf of the result is larger than this, but for rounding. It is a number, an array
        without axes, or a schedule, as the bound of `soft_clip`.
    g : str, callable or Squash
        As in `softclip.soft_clip`.

    Returns
    -------
    optax.GradientTransformation
        As that of `soft_clip_by_global_norm`, with the same errors.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from softclip.optax import soft_clip_by_block_rms
    >>> transformation = soft_clip_by_block_rms(1.0)
    >>> updates = {"w": jnp.array([3.0, -3.0]), "b": jnp.array([0.0, 0.0])}
    >>> updates, _ = transformation.update(updates, transformation.init(updates))
    >>> [updates[name].tolist() for name in "wb"]
    [[0.75, -0.75], [0.0, 0.0]]
    """

    def clipped(updates: Any, limit: Any) -> Any:
        _floats(updates)

        def of(leaf: Any) -> Any:
            if not _has_numbers(leaf):
                return leaf
            wide = jnp.asarray(leaf).astype(_computed_in({"": leaf}))
            return _times(leaf, _rate(jnp.mean(jnp.square(wide)), limit, g))

        return jax.tree.map(of, updates)

    return _transformation("threshold", threshold, g, clipped, single=True)


def per_example_soft_clip(max_norm: Any, g: Any = "softsign") -> optax.GradientTransformation:
    """Clip the norm of the gradient of each example softly, and sum the gradients of all examples.

    It is a smooth `optax.per_example_global_norm_clip`, the first half of private training. The first axis of each leaf
    counts the examples, as `jax.vmap` of `jax.grad` returns them. The gradient of each example, which is what all
    leaves hold of it, is multiplied by ``soft_clip(norm, -max_norm, max_norm, g, slope=1) / norm``.

    Parameters
    ----------
    max_norm : float, array_like or callable
        No example contributes a gradient with a larger norm, but for rounding. It is a number, an array without axes,
        or a schedule, as the bound of `soft_clip`.
    g : str, callable or Squash
        As in `softclip.soft_clip`. "softsign" is the automatic clipping of Bu et al. (arXiv:2206.07136) times max_norm,
        with max_norm for the stabiliser.

    Returns
    -------
    optax.GradientTransformation
        The leaves of the result have no axis of examples. The sum is taken in float32 at least, and has the dtype of
        the leaf.

    Raises
    ------
    TypeError, ValueError
        As `soft_clip_by_global_norm`. An update raises a ValueError if the leaves do not have a first axis of the same
        length.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from softclip.optax import per_example_soft_clip
    >>> transformation = per_example_soft_clip(1.0)
    >>> of_two_examples = {"w": jnp.array([[3.0, 0.0], [0.0, 1.0]]), "b": jnp.array([[-4.0], [0.0]])}
    >>> summed, _ = transformation.update(of_two_examples, transformation.init(None))
    >>> [[f"{v:.4f}" for v in summed[name]] for name in "wb"]
    [['0.5000', '0.5000'], ['-0.6667']]
    """

    def clipped(updates: Any, limit: Any) -> Any:
        leaves = _floats(updates)
        shapes = {name: leaf.shape for name, leaf in leaves.items()}
        if len({shape[:1] for shape in shapes.values()}) > 1 or () in shapes.values():
            msg = f"the first axis of every leaf must count the examples, and be as long in all; got shapes {shapes}"
            raise ValueError(msg)
        squares = [
            jnp.sum(jnp.square(leaf.astype(_computed_in(leaves))).reshape(leaf.shape[0], -1), axis=1)
            for leaf in leaves.values()
        ]
        rate: Any = _rate(sum(squares[1:], squares[0]), limit, g) if squares else None

        def summed(leaf: Any) -> Any:
            if not _has_numbers(leaf):
                return leaf
            return jnp.tensordot(rate, jnp.asarray(leaf).astype(rate.dtype), axes=1).astype(leaf.dtype)

        return jax.tree.map(summed, updates)

    return _transformation("max_norm", max_norm, g, clipped, single=True)


def _transformation(name: str, bound: Any, g: Any, clipped: Any, *, single: bool = False) -> Any:
    """The transformation that makes ``clipped(updates, bound)`` of updates, with a bound that may be a schedule.

    The bound is called `name`, and is `single` if it may have no axes.
    """

    def read(value: Any) -> Any:
        value = _read(name, value)
        if single and np.shape(value):
            msg = f"{name} must be a single number; got an array of shape {np.shape(value)}"
            raise ValueError(msg)
        return value

    if not callable(bound):
        bound = read(bound)
    arguments("value", "updates", jnp.zeros(()), -1.0, 1.0, g, 1.0)
    if not callable(bound):
        return optax.stateless(lambda updates, _: clipped(updates, bound))

    def init(params: Any) -> SoftClipState:
        del params
        return SoftClipState(jnp.zeros((), jnp.int32))

    def update(updates: Any, state: SoftClipState, params: Any = None) -> tuple[Any, SoftClipState]:
        del params
        return clipped(updates, read(bound(state.count))), SoftClipState(optax.safe_increment(state.count))

    return optax.GradientTransformation(init, update)


def _floats(updates: Any) -> dict[str, Any]:
    """The leaves by their names; with an error if one is not of floats."""
    named, _ = jax.tree_util.tree_flatten_with_path(updates)
    leaves = {f"updates{jax.tree_util.keystr(path)}": jnp.asarray(leaf) for path, leaf in named if _has_numbers(leaf)}
    for name, leaf in leaves.items():
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            msg = f"{name} must be of floats; got {leaf.dtype}"
            raise TypeError(msg)
    return leaves


def _has_numbers(leaf: Any) -> bool:
    return bool(getattr(leaf, "dtype", None) != jax.dtypes.float0)


def _computed_in(leaves: dict[str, Any]) -> Any:
    return np.dtype("float64" if any(leaf.dtype == np.float64 for leaf in leaves.values()) else "float32")


def _rate(square: Any, limit: Any, g: Any) -> Any:
    """What to multiply by so that the norm, of which this is the square, is clipped softly at the limit."""
    if not isinstance(limit, float):
        limit = jnp.asarray(limit).astype(square.dtype)
    nothing = square == 0
    norm = jnp.sqrt(jnp.where(nothing, 1.0, square))
    return jnp.where(nothing, 1.0, _soft_clip(norm, -limit, limit, g, slope=1.0) / norm)


def _times(leaf: Any, rate: Any) -> Any:
    """The leaf times the rate, in the dtype of the leaf. It is rounded once."""
    if not _has_numbers(leaf):
        return leaf
    leaf = jnp.asarray(leaf)
    return (leaf.astype(rate.dtype) * rate).astype(leaf.dtype)


def _read(name: str, bound: Any) -> Any:
    """The bound as a float or an array. Its values are checked unless it is a JAX array."""
    if isinstance(bound, (list, tuple, np.ndarray)) and not (isinstance(bound, np.ndarray) and bound.ndim == 0):
        try:
            bound = np.asarray(bound)
        except ValueError as error:
            msg = f"{name} must have as many numbers in each row: {error}"
            raise ValueError(msg) from None
    elif not isinstance(bound, jax.Array):
        bound = as_number(name, bound)
    if not isinstance(bound, float) and not any(jnp.issubdtype(bound.dtype, k) for k in (jnp.floating, jnp.integer)):
        msg = f"{name} must hold real numbers; got {bound.dtype}"
        raise TypeError(msg)
    _check(name, bound, np.float64, "")
    return bound


def _check(name: str, bound: Any, dtype: Any, where: str) -> None:
    """Raise a ValueError if the bound is not positive and finite in the dtype. JAX arrays are not checked."""
    if isinstance(bound, jax.Array):
        return
    with np.errstate(over="ignore"):
        rounded = np.asarray(bound).astype(dtype)
    if not ((rounded > 0) & np.isfinite(rounded)).all():
        msg = f"{name} must be positive and finite{where}; got {bound!r}"
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
    _check("bound", bound, dtype, f" once rounded to {dtype.name}")
    shape = np.shape(bound)
    if len(shape) > leaf.ndim or any(
        n not in (1, m) for n, m in zip(reversed(shape), reversed(leaf.shape), strict=False)
    ):
        msg = f"bound must broadcast to the shape of every leaf; {name} is of shape {leaf.shape}, bound of {shape}"
        raise ValueError(msg)
    # The bound gets its dtype before it is negated, because it may be of unsigned integers.
    limit = bound if isinstance(bound, float) else jnp.asarray(bound).astype(dtype)
    return _soft_clip(leaf, -limit, limit, g, slope=1.0).astype(leaf.dtype)
