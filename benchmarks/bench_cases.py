"""What `nox -s bench` times: per library, dtype and case ours, the floor below it, the formula as written, and the peers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from softclip import hinge, soft_clip

OURS, FLOOR, FORMULA, PEER = "softclip", "floor", "formula", "peer"
BOUNDS = {"±2": (-2.0, 2.0), "0 to 6": (0.0, 6.0), "-1 to 3": (-1.0, 3.0)}
OTHERS = ("arctan", "softsign", "algebraic", "erf", "gudermannian", "exponential", "cubic", "quintic", "sine")


class Entry(NamedTuple):
    role: str
    name: str
    run: Callable[[], Any]


class Case(NamedTuple):
    library: str
    dtype: str
    direction: str
    """"forward", or "backward" for forward and backward."""
    g: str
    bounds: str
    entries: list[Entry]


def sample(size: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(size) * 3


def written(xp: Any, name: str) -> Callable[[Any], Any]:
    """G, onto (0, 1), as it is usually written with a library's functions."""
    return {
        "sigmoid": lambda x: 1 / (1 + xp.exp(-x)),
        "tanh": lambda x: (1 + xp.tanh(x)) / 2,
        "arctan": lambda x: 0.5 + xp.arctan(x) / np.pi,
        "softsign": lambda x: (1 + x / (1 + xp.abs(x))) / 2,
        "algebraic": lambda x: (1 + x / xp.sqrt(1 + x * x)) / 2,
        "erf": lambda x: (1 + xp.erf(x)) / 2,
        "gudermannian": lambda x: 0.5 + xp.arctan(xp.tanh(x / 2)) * (2 / np.pi),
        "exponential": lambda x: (1 + xp.sign(x) * (1 - xp.exp(-xp.abs(x)))) / 2,
        "cubic": lambda x: (1 + _cubic(xp.clip(x, -1.5, 1.5))) / 2,
        "quintic": lambda x: (1 + _quintic(xp.clip(x, -1.25, 1.25))) / 2,
        "sine": lambda x: (1 + xp.sin(xp.clip(x, -np.pi / 2, np.pi / 2))) / 2,
    }[name]


def _cubic(u: Any) -> Any:
    return u - 4 * u * u * u / 27


def _quintic(u: Any) -> Any:
    return u - 0.08192 * u * u * u * u * u


def formula(G: Callable[[Any], Any], low: float, high: float) -> Callable[[Any], Any]:  # noqa: N803
    return lambda x: low + (high - low) * G(x)


def numpy_cases(size: int, dtype: str) -> Iterator[Case]:
    import numexpr
    from scipy import special

    numexpr.set_num_threads(1)
    x = sample(size).astype(dtype)

    class Functions:
        erf = special.erf

    for name in ("exp", "tanh", "arctan", "abs", "sign", "sqrt", "clip", "sin"):
        setattr(Functions, name, staticmethod(getattr(np, name)))

    def case(
        g: str, bounds: str, *peers: tuple[str, str, Callable[[Any], Any]], ours: Any = None, slope: Any = None
    ) -> Case:
        low, high = BOUNDS[bounds]
        functions = [
            (OURS, "soft_clip", lambda x: soft_clip(x, low, high, ours or g, slope=slope)),
            (FLOOR, "np.tanh", np.tanh),
            *([] if ours else [(FORMULA, "as written", formula(written(Functions, g), low, high))]),
            *peers,
        ]
        return Case(
            "NumPy", dtype, "forward", g, bounds, [Entry(role, name, partial(f, x)) for role, name, f in functions]
        )

    def by_numexpr(text: str) -> tuple[str, str, Callable[[Any], Any]]:
        return PEER, "numexpr", lambda x: numexpr.evaluate(text, {"x": x})

    for bounds, (low, high) in BOUNDS.items():
        yield case(
            "sigmoid",
            bounds,
            (PEER, "scipy expit", formula(special.expit, low, high)),
            by_numexpr(f"{low} + {high - low} / (1 + exp(-x))"),
            (PEER, "np.clip (hard)", partial(np.clip, a_min=low, a_max=high)),
        )
        yield case("tanh", bounds, by_numexpr(f"{low} + {(high - low) / 2} * (1 + tanh(x))"))
    for g in OTHERS:
        for bounds in BOUNDS if dtype == "float32" else ("0 to 6",):
            yield case(g, bounds)
    squashed = (FORMULA, "skrub's expression", lambda x: x / np.sqrt(1 + (x / 2) ** 2))
    yield case("algebraic, slope 1", "±2", squashed, ours="algebraic", slope=1.0)
    corners = (
        FORMULA,
        "as written",
        lambda x: -1 + 0.1 * (np.logaddexp(0, (x + 1) * 10) - np.logaddexp(0, (x - 3) * 10)),
    )
    yield case("hinge, slope 1", "-1 to 3", corners, ours=hinge(0.1), slope=1.0)


def torch_cases(size: int, dtype: str, *, compiled: bool) -> Iterator[Case]:
    import torch
    from activations_plus import SoftClipping

    x = torch.tensor(sample(size)).to(getattr(torch, dtype))
    gradient = torch.ones_like(x)
    functions: dict[tuple[str, str], list[tuple[str, str, Callable[[Any], Any]]]] = {}
    for bounds, (low, high) in BOUNDS.items():
        for g in (
            "sigmoid",
            "tanh",
            *(("softsign", "algebraic", "erf", "cubic") if dtype == "float32" else ("softsign",)),
        ):
            G = torch.sigmoid if g == "sigmoid" else written(torch, g)
            functions[g, bounds] = [
                (OURS, "soft_clip", lambda t, b=(low, high), g=g: soft_clip(t, *b, g)),
                (FLOOR, "torch.tanh", torch.tanh),
                (FORMULA, "as written", formula(G, low, high)),
            ]
        functions["sigmoid", bounds] += [
            (PEER, "activations-plus", SoftClipping(low, high)),
            (PEER, "torch.clamp (hard)", lambda t, b=(low, high): t.clamp(*b)),
        ]
    lows, highs = (torch.full((), v, dtype=x.dtype) for v in (-1.0, 3.0))
    functions["sigmoid", "-1 to 3, tensors"] = [
        (OURS, "soft_clip", lambda t: soft_clip(t, lows, highs)),
        (FORMULA, "as written", lambda t: lows + (highs - lows) * torch.sigmoid(t)),
    ]
    learned = [torch.nn.Parameter(v.clone()) for v in (lows, highs)]
    functions["sigmoid", "-1 to 3, learned"] = [
        (OURS, "soft_clip", lambda t: soft_clip(t, *learned)),
        (FORMULA, "as written", lambda t: learned[0] + (learned[1] - learned[0]) * torch.sigmoid(t)),
    ]
    if compiled:
        torch._dynamo.config.recompile_limit = 1000  # bounds and sizes are constants of one function
        for bounds in BOUNDS:
            entries = [
                (role, name, torch.compile(f, fullgraph=True))
                for role, name, f in functions["sigmoid", bounds]
                if role != PEER
            ]
            functions["sigmoid, compiled", bounds] = entries
    for (g, bounds), entries in functions.items():
        forward = [Entry(role, name, partial(f, x)) for role, name, f in entries]
        yield Case("torch", dtype, "forward", g, bounds, forward)
        backward = [Entry(role, name, partial(with_backward, f, x, gradient)) for role, name, f in entries]
        yield Case("torch", dtype, "backward", g, bounds, backward)


def with_backward(f: Callable[[Any], Any], x: Any, gradient: Any) -> Any:
    x = x.detach().requires_grad_()
    f(x).backward(gradient)
    return x.grad


def jax_cases(size: int, dtype: str) -> Iterator[Case]:
    import jax
    import jax.numpy as jnp

    x = jnp.asarray(sample(size), dtype)
    for bounds, b in BOUNDS.items():
        for g in ("sigmoid", "tanh", "algebraic"):
            G = jax.nn.sigmoid if g == "sigmoid" else written(jnp, g)
            calls = {
                (OURS, "soft_clip"): lambda t, b=b, g=g: soft_clip(t, *b, g),
                (FLOOR, "jnp.tanh"): jnp.tanh,
                (FORMULA, "as written"): formula(G, *b),
            }
            jitted = {key: jax.jit(f) for key, f in calls.items()}
            slopes = {key: jax.jit(lambda t, f=f: jax.vjp(f, t)[1](t)[0]) for key, f in calls.items()}
            for direction, kind, functions in (
                ("forward", "jitted", jitted),
                ("forward", "eager", calls),
                ("backward", "jitted", slopes),
            ):
                entries = [Entry(*key, partial(_ready, f, x)) for key, f in functions.items()]
                yield Case("JAX", dtype, direction, f"{g}, {kind}", bounds, entries)


def _ready(f: Callable[[Any], Any], x: Any) -> Any:
    return f(x).block_until_ready()
