"""How torch runs an expression: eagerly with a derivative rule for each named function, and under its compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_compat.torch
import torch

from softclip import _form
from softclip._form import FORMATS, Format
from softclip._run import INTEGERS, Standard
from softclip._squash import NAMED, Named, Squash

Array = Any


class Torch(Standard):
    """Named functions are autograd Functions that save their argument: what is saved keeps the tail."""

    name = "torch"

    def format(self, x: Array) -> Format:
        name = str(x.dtype).removeprefix("torch.")
        if name in FORMATS:
            return FORMATS[name]
        if name in INTEGERS:
            return self.format(torch.empty(()))
        return super().format(x)

    def owns(self, value: Array) -> bool:
        return isinstance(value, torch.Tensor)

    def beside(self, value: Any, x: Array, dtype: Any) -> Array:
        if isinstance(value, (int, float)):
            return torch.full((), value, dtype=dtype, device=x.device)
        return torch.as_tensor(value, dtype=dtype, device=x.device)

    def device(self, x: Array) -> Any:
        return x.device

    def cast(self, x: Array, dtype: Any) -> Array:
        return x.to(dtype)

    def tracing(self) -> bool:
        return torch.compiler.is_compiling()  # type: ignore[no-any-return]

    def run(self, g: Squash, x: Array, format_: Format, low: Any, high: Any, slope: Any) -> Array:
        if not self.tracing():
            return self.evaluate(self.plan(g, format_, low, high, slope), g, format_, x)
        # Dynamo traces no cache and no fractions: numbers become 0-d tensors, and only the form is chosen by them.
        odd = isinstance(low, float) and isinstance(high, float) and low == -high
        dtype = self.dtype(format_)
        low, high = (self.beside(v, x, dtype) if isinstance(v, float) else v for v in (low, high))
        form, c = self.plan(g, format_, low, high, slope)
        return self.evaluate((_form.odd if form is _form.mixed and odd else form, c), g, format_, x)

    def where(self, condition: Array, a: Any, b: Any) -> Array:
        return torch.where(condition, a, b)

    def cut(self, u: Array, limit: float) -> Array:
        return u.clamp(-limit, limit)

    def sigma(self, g: Named, u: Array) -> Array:
        return RULES[g.name, "sigma", not self.tracing()].apply(u)

    def tail(self, g: Named, u: Array, lifted: bool) -> Array:
        return RULES[g.name, "lifted tail" if lifted else "tail", not self.tracing()].apply(u)

    def _special(self, name: str) -> Callable[[Array], Array]:
        return getattr(torch.special, name)  # type: ignore[no-any-return]


def _rule(name: str, kind: str, forward_mode: bool) -> Any:
    """The autograd.Function of sigma, or of the tail of abs(u), of a named g. With forward mode Dynamo refuses it.

    Dynamo cannot trace objects in a closure, only strings and globals: g is looked up by its name.
    """

    def derivative(u: Array) -> Array:
        density = NAMED[name].density(TORCH, TORCH.abs(u))
        if kind == "sigma":
            return density
        if kind == "lifted tail":
            density = density * TORCH.lift(u) ** 2
        return TORCH.where(u < 0, density, -density)

    class Rule(torch.autograd.Function):  # type: ignore[misc]
        generate_vmap_rule = True

        @staticmethod
        def forward(u: Array) -> Array:
            g = NAMED[name]
            if kind == "sigma":
                return g.sigma(TORCH, u)
            return g.tail(TORCH, u.abs(), TORCH.lift(u) if kind == "lifted tail" else 1.0)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Array], output: Array) -> None:  # noqa: ARG004
            ctx.save_for_backward(*inputs)
            if forward_mode:
                ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, gradient: Array) -> Array:
            return gradient * derivative(*ctx.saved_tensors)

    if forward_mode:

        def jvp(ctx: Any, tangent: Array) -> Array:
            return tangent * derivative(*ctx.saved_tensors)

        Rule.jvp = staticmethod(jvp)
    return Rule


TORCH = Torch(array_api_compat.torch)
RULES = {
    (name, kind, forward_mode): _rule(name, kind, forward_mode)
    for name in NAMED
    for kind in ("sigma", "tail", "lifted tail")
    for forward_mode in (False, True)
}
