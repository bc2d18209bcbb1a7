"""Paths of JAX on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from bench_cases import BOUNDS, FORMULA, OURS, PEER, Entry, sample
from bench_paths import ARRAYS, COLUMNS, EVERYDAY, UserPath, arguments_of, bounds, by_hand, table

from softclip import soft_clip


def jax_paths(dtype: str, size: int, rows: int) -> Iterator[UserPath]:
    def path(case: str, what: str, limit: float, functions: dict[str, Callable[..., Any]], *inputs: Any) -> UserPath:
        entries = [
            Entry(OURS if name == "soft_clip" else FORMULA, name, partial(_ready, jax.jit(f), *inputs))
            for name, f in functions.items()
        ]
        return UserPath("JAX", dtype, EVERYDAY, case, what, limit, "the formula", entries)

    low, high = (jnp.asarray(bound) for bound in bounds("neither", COLUMNS, dtype))
    columns = jnp.asarray(table(rows, dtype))
    for g, limit in (("algebraic, slope 1", 1.5), ("tanh", 1.3)):
        ours = partial(_soft_clip, **arguments_of(g))
        functions = {"soft_clip": ours, "as written": by_hand(jnp, g)}
        yield path("jitted, bounds per column", g, limit, functions, columns, low, high)._replace(section=ARRAYS)
    x = jnp.asarray(sample(size), dtype)
    learned = {"soft_clip": _gradients(_soft_clip), "as written": _gradients(by_hand(jax.nn, "sigmoid"))}
    for label, inputs in (("per column", (columns, low, high)), ("two numbers", (x, low[0], high[0]))):
        of_all = path("jitted, gradient of x and of the bounds", f"sigmoid, {label}", 1.5, learned, *inputs)
        yield of_all._replace(section=ARRAYS)

    for label in ("±2", "-1 to 3"):
        for g in ("sigmoid", "tanh"):
            low, high = BOUNDS[label]
            plain = by_hand(jax.nn if g == "sigmoid" else jnp, g)
            both = {
                "soft_clip": _value_and_gradient(partial(soft_clip, x_min=low, x_max=high, g=g)),
                "as written": _value_and_gradient(partial(plain, low=low, high=high)),
            }
            yield path("jitted, value and gradient", f"{g}, {label}", 1.1, both, x)
    few = jnp.asarray(sample(1000), dtype)
    for label in ("±2", "0 to 6"):
        f = partial(soft_clip, x_min=BOUNDS[label][0], x_max=BOUNDS[label][1])
        entries = [
            Entry(OURS, "soft_clip, eager", partial(_ready, f, few)),
            Entry(PEER, "soft_clip, jitted", partial(_ready, jax.jit(f), few)),
        ]
        yield UserPath(
            "JAX", dtype, EVERYDAY, "eager, 1000 elements", f"sigmoid, {label}", 1.5, "its own jitted call", entries
        )


def _soft_clip(x: Any, low: Any, high: Any, **arguments: Any) -> Any:
    return soft_clip(x, low, high, **arguments)


def _gradients(f: Callable[..., Any]) -> Callable[..., Any]:
    return jax.grad(lambda x, low, high: f(x, low, high).sum(), argnums=(0, 1, 2))


def _value_and_gradient(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def both(x: Any) -> Any:
        y, back = jax.vjp(f, x)
        return y, back(jnp.ones_like(y))[0]

    return both


def _ready(f: Callable[..., Any], *inputs: Any) -> Any:
    return jax.block_until_ready(f(*inputs))
