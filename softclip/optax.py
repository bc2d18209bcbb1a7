"""Soft clipping as a gradient transformation of optax."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from softclip._arguments import arguments
from softclip._soft_clip import soft_clip as _soft_clip
from softclip._squash import as_number

__all__ = ["SoftClipState", "soft_clip"]


class SoftClipState(NamedTuple):
    """How often the transformation has been applied, for a bound that is a schedule."""

    count: Any


def soft_clip(bound: Any, g: Any = "softsign") -> optax.GradientTransformation:
    """Clip every element of the updates softly at plus and minus a bound, small ones unchanged.

    ``u`` becomes ``soft_clip(u, -bound, bound, g, slope=1)``. In front of an optimizer it clips gradients. After the
    learning rate, ``optax.chain(optax.sgd(rate), soft_clip(gamma))``, it is the component-wise soft-clipped scheme of
    Williamson, Eisenmann and Stillfjord (arXiv:2406.16640), whose update is the step a * gradient soft-clipped to
    +-gamma.

    Parameters
    ----------
    bound : float, array or callable
        What no element will exceed in size: a number, a scalar array (as `optax.inject_hyperparams` passes it), or a schedule,
        a function of the number of steps taken so far.
    g : str, callable or Squash
        As in `softclip.soft_clip`. "softsign" gives u / (1 + abs(u) / bound).

    Returns
    -------
    optax.GradientTransformation
        For any pytree; every leaf keeps its dtype and sharding, None leaves are passed over. The state is
        `SoftClipState` for a schedule, else empty.

    Raises
    ------
    TypeError
        If `bound` is no number, array or function, or `g` is of a wrong kind.
    ValueError
        If `bound` is a number that is not positive and finite, or `g` is none that can clip.

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
    if not callable(bound) and not isinstance(bound, jax.Array):
        bound = as_number("bound", bound)
        if not 0 < bound < jnp.inf:
            msg = f"bound must be positive and finite; got {bound!r}"
            raise ValueError(msg)
    arguments("value", "updates", jnp.zeros(()), -1.0, 1.0, g, 1.0)

    def clipped(updates: Any, limit: Any) -> Any:
        return jax.tree.map(lambda u: _soft_clip(u, -limit, limit, g, slope=1.0), updates)

    if not callable(bound):
        return optax.stateless(lambda updates, _: clipped(updates, bound))

    def init(params: Any) -> SoftClipState:
        del params
        return SoftClipState(jnp.zeros((), jnp.int32))

    def update(updates: Any, state: SoftClipState, params: Any = None) -> tuple[Any, SoftClipState]:
        del params
        return clipped(updates, bound(state.count)), SoftClipState(optax.safe_increment(state.count))

    return optax.GradientTransformation(init, update)
