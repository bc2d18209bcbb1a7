"""Paths of torch on a CPU, and what it holds for backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from bench_cases import FORMULA, OURS, Entry, sample, with_backward
from bench_paths import ARRAYS, EVERYDAY, UserPath, bounds, by_hand
from torch.nn.functional import softplus

from softclip import hinge, soft_clip

CHANNELS, BATCH = 64, 8
LEARNED = ("learned bounds", "learned bounds per channel")
FORWARD, BACKWARD = "forward", "with backward"

Function = Callable[[Any], Any]


def torch_paths(dtype: str, size: int, *, compiled: bool) -> Iterator[UserPath]:
    single = dtype == "float32"

    def path(
        case: str, what: str, direction: str, limit: float, functions: tuple[Function, Function], x: Any
    ) -> UserPath:
        named = zip((OURS, FORMULA), ("soft_clip", "as written"), functions, strict=True)
        ones = torch.ones_like(x)
        entries = [
            Entry(role, name, partial(with_backward, f, x, ones) if direction == BACKWARD else partial(f, x))
            for role, name, f in named
        ]
        return UserPath("torch", dtype, EVERYDAY, f"{case}, {direction}", what, limit, "the formula", entries)

    x = torch.tensor(sample(size)).to(getattr(torch, dtype))
    layers = x[: size // (CHANNELS * BATCH) * CHANNELS * BATCH].reshape(BATCH, CHANNELS, -1)
    for g in ("sigmoid", "tanh"):
        forward = path("bounds per channel", g, FORWARD, 1.5 if single else 2.0, _per_channel(dtype, g), layers)
        yield forward._replace(section=ARRAYS)
    for case, at in zip(LEARNED, (x, layers), strict=True):
        both = path(case, "sigmoid", BACKWARD, 2.0 if single else 2.6, _learned(dtype, case), at)
        yield both._replace(section=ARRAYS)

    caps = (lambda t: soft_clip(t, -30.0, 30.0, "tanh", slope=1.0)), (lambda t: 30 * torch.tanh(t / 30))
    logits = x * 5
    if not single:
        yield path("logit soft-capping", "tanh, ±30, slope 1", FORWARD, 1.3, caps, logits)
    yield path("logit soft-capping", "tanh, ±30, slope 1", BACKWARD, 0.9 if single else 1.3, caps, logits)
    if not single:
        return
    corners = hinge(0.1)
    ramp = lambda t: soft_clip(t, 0.0, None, corners, slope=1.0), lambda t: softplus(t, beta=10)
    box = (
        lambda t: soft_clip(t, 0.0, 1.0, corners, slope=1.0),
        lambda t: softplus(t, beta=10) - softplus(t - 1, beta=10),
    )
    yield path("hinge, slope 1, 0 to 1", "", FORWARD, 1.2, box, x)._replace(of="the two softplus")
    yield path("hinge, slope 1, 0 or more", "", FORWARD, 1.15, ramp, x)._replace(of="softplus")
    usual = (lambda t: soft_clip(t, -2.0, 2.0)), (lambda t: by_hand(torch, "sigmoid")(t, -2.0, 2.0))
    for direction in (FORWARD, BACKWARD):
        yield path("256 numbers", "sigmoid, ±2", direction, 1.5, usual, x[:256].clone())
    if compiled:
        between = (lambda t: soft_clip(t, -1.0, 3.0)), (lambda t: by_hand(torch, "sigmoid")(t, -1.0, 3.0))
        ours, formula = (torch.compile(f, fullgraph=True) for f in between)
        for direction, limit in ((FORWARD, 1.1), (BACKWARD, 1.15)):
            yield path("compiled", "sigmoid, -1 to 3", direction, limit, (ours, formula), x)


def _per_channel(dtype: str, g: str) -> tuple[Function, Function]:
    low, high = (torch.tensor(bound).to(getattr(torch, dtype))[:, None] for bound in _bounds())
    return (lambda t: soft_clip(t, low, high, g)), (lambda t: by_hand(torch, g)(t, low, high))


def _learned(dtype: str, case: str) -> tuple[Function, Function]:
    first = slice(None) if "channel" in case else 0
    low, high = (torch.nn.Parameter(torch.tensor(b[first]).to(getattr(torch, dtype))) for b in _bounds())
    if "channel" in case:
        low, high = (torch.nn.Parameter(b.detach()[:, None].clone()) for b in (low, high))
    return (lambda t: soft_clip(t, low, high)), (lambda t: by_hand(torch, "sigmoid")(t, low, high))


def _bounds() -> Any:
    return bounds("neither", CHANNELS, "float64")


def held(run: Callable[[], Any]) -> dict[int, int]:
    """The bytes of each storage that torch holds for backward, by its address."""
    found: dict[int, int] = {}

    def pack(t: Any) -> Any:
        found[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        run()
    return found


def held_beside_x() -> list[dict[str, Any]]:
    """Bytes an element that learned bounds make torch hold for backward, beside x."""
    rows = []
    for dtype in ("float32", "bfloat16"):
        x = torch.tensor(sample(64 * 1000)).to(getattr(torch, dtype)).reshape(64, 1000)
        for case in LEARNED:
            sizes = []
            for f in _learned(dtype, case):
                of = held(partial(with_backward, f, x, torch.ones_like(x)))
                of.pop(x.untyped_storage().data_ptr(), None)
                sizes.append(round(sum(of.values()) / x.numel(), 1))  # but for what is as small as the bounds
            rows.append({"case": f"torch {dtype}, {case}", "ours": sizes[0], "formula": sizes[1]})
    return rows
