"""What may be passed as ``g``, made into a Squash.

A name is looked up. A library's own version of a named function is recognised by identity. Any other callable is taken
for an increasing function, and its limits are read off it once.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Hashable
from typing import Any

from softclip._formulas.formats import Format
from softclip._functions.families import FAMILIES
from softclip._functions.named import NAMED
from softclip._functions.squash import Squash, Unread, hashable
from softclip._libraries.standard import Library

Array = Any

# Where libraries keep their own versions of the named functions; a path that does not exist is passed over.
_ALIASES = {
    "sigmoid": """
        torch.sigmoid torch.special.expit torch.nn.functional.sigmoid torch.Tensor.sigmoid torch.nn.Sigmoid
        jax.nn.sigmoid jax.lax.logistic jax.scipy.special.expit flax.nnx.sigmoid flax.linen.sigmoid
        scipy.special.expit cupyx.scipy.special.expit
    """,
    "tanh": """
        numpy.tanh torch.tanh torch.nn.functional.tanh torch.Tensor.tanh torch.nn.Tanh
        jax.numpy.tanh jax.nn.tanh jax.lax.tanh flax.nnx.tanh flax.linen.tanh
        cupy.tanh dask.array.tanh array_api_strict.tanh math.tanh
    """,
    "arctan": """
        numpy.arctan numpy.atan torch.arctan torch.atan torch.Tensor.arctan torch.Tensor.atan
        jax.numpy.arctan jax.numpy.atan jax.lax.atan cupy.arctan dask.array.arctan array_api_strict.atan math.atan
    """,
    "softsign": """
        torch.nn.functional.softsign torch.nn.Softsign jax.nn.soft_sign flax.nnx.soft_sign flax.linen.soft_sign
    """,
    "erf": """
        torch.erf torch.special.erf torch.Tensor.erf jax.scipy.special.erf jax.lax.erf
        scipy.special.erf cupyx.scipy.special.erf math.erf
    """,
}


def resolve(g: Any, lib: Library, x: Array) -> Squash:
    """`g` as a Squash, for use on x; ValueError or TypeError that names g if it cannot be one."""
    if isinstance(g, str):
        if g in NAMED:
            return NAMED[g]
        import difflib  # only for the message

        nearest = difflib.get_close_matches(g.lower(), NAMED, n=1, cutoff=0.0)[0]
        msg = (
            f"g must be one of {', '.join(NAMED)}, a Squash such as hinge(0.1), or a function; got {g!r}. "
            f"Did you mean {nearest!r}?"
        )
        raise ValueError(msg)
    if isinstance(g, Squash):
        return g
    if not callable(g) or g in tuple(FAMILIES.values()) or (isinstance(g, type) and issubclass(g, Squash)):
        msg = f"g must be a name, a Squash such as hinge(0.1), or an increasing function of an array; got {g!r}"
        raise TypeError(msg)
    # Dynamo guards on each lookup: in its graphs none that an import of another library would change.
    return recognise(g, f"{lib.name}." if lib.tracing() else "") or _declare(g, lib, x)


def recognise(g: Callable[[Array], Array], prefix: str = "") -> Squash | None:
    """The named function that g is some library's version of; for modules without parameters, an instance counts.

    Only paths that begin with `prefix` are looked at.
    """
    for name, paths in _ALIASES.items():
        for path in paths.split():
            found = _lookup(path) if path.startswith(prefix) else None
            if found is not None and (g is found or type(g) is found):
                return NAMED[name]
    return None


def _lookup(path: str) -> Any:
    """What stands at a dotted path, None if nothing does; a library that has not been imported cannot own g."""
    module, _, name = path.rpartition(".")
    if module in sys.modules:
        return getattr(sys.modules[module], name, None)
    parent, _, kind = module.rpartition(".")
    return getattr(getattr(sys.modules.get(parent), kind, None), name, None)


_declared: dict[tuple[Hashable, Library, Format], Squash] = {}


def _declare(g: Callable[[Array], Array], lib: Library, x: Array) -> Squash:
    """The function g with its limits, which are read off it in the dtype in which it will be evaluated.

    Raises ValueError, which shows them, if they are not finite and increasing.
    """
    compute = lib.format(x).computed_in
    if lib.tracing():  # pragma: no cover  (Dynamo reads it, and does not run it)
        return Unread(g, *_limits(g, lib, x, compute))
    key = (hashable(g), lib, compute)  # the Squash keeps g, and so its id
    found = _declared.get(key)  # another thread may clear it at any time
    if found is None:
        with lib.untraced():
            low, high = (float(limit) for limit in _limits(g, lib, x, compute))
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            name = getattr(g, "__name__", repr(g))
            msg = (
                f"g must be increasing with finite limits; {name} gives {low} at -inf and {high} at inf. If its limits "
                f"cannot be read off like this, declare them: Squash({name}, low=..., high=...)"
            )
            raise ValueError(msg)
        if len(_declared) >= 256:  # functions that are made anew for every call
            _declared.clear()
        found = _declared[key] = Squash(g, low, high)
    return found


def _limits(g: Callable[[Array], Array], lib: Library, x: Array, compute: Format) -> Array:
    ends = lib.as_array_like([-math.inf, math.inf], x, lib.dtype(compute))
    return lib.call(g, ends)
