"""How torch runs an expression: eagerly with a derivative rule for each named function, and under its compiler."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_compat.torch
import torch

from softclip import _form
from softclip._format import FORMATS, Format
from softclip._named import NAMED
from softclip._plan import Quantity
from softclip._run import INTEGERS, Standard
from softclip._squash import Named, Squash

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

    def run(self, quantity: Quantity, g: Squash, x: Array, format_: Format, low: Any, high: Any, slope: Any) -> Array:
        if not self.tracing():
            return self.evaluate(self.plan(quantity, g, format_, low, high, slope), g, format_, x)
        # Dynamo traces no cache and no fractions: numbers become 0-d tensors, and only the form is chosen by them.
        odd = isinstance(low, float) and isinstance(high, float) and low == -high
        dtype = self.dtype(format_)
        low, high = (self.beside(v, x, dtype) if isinstance(v, float) else v for v in (low, high))
        form, c = self.plan(quantity, g, format_, low, high, slope)
        return self.evaluate((_form.odd if form is _form.mixed and odd else form, c), g, format_, x)

    def where(self, condition: Array, a: Any, b: Any) -> Array:
        return torch.where(condition, a, b)

    def cut(self, u: Array, limit: float) -> Array:
        return u.clamp(-limit, limit)

    def erfcinv(self, t: Array) -> Array:
        return -math.sqrt(0.5) * torch.special.ndtri(0.5 * t)

    def sigma(self, g: Named, u: Array) -> Array:
        return RULES[g.name, "sigma", False, not self.tracing()].apply(u)

    def tail(self, g: Named, u: Array, lifted: bool) -> Array:
        return RULES[g.name, "tail", lifted, not self.tracing()].apply(u)

    def quantile(self, g: Named, v: Array, near: Array, reach: _form.Scale) -> Array:
        if isinstance(reach.dropped, torch.Tensor):
            # The derivative of near / dropped in the latter overflows; in two steps it does not, small distances first.
            lift, part = self.lift(near), reach.dropped * self.lift(near)
            small = self.minimum(near, 1 / lift) * lift / part
            t = self.where(near < 1 / lift, small, near / part * lift) / reach.kept
        else:
            t = reach.measure(near)
        return RULES[g.name, "quantile", reach.lifted, not self.tracing()].apply(v, t)

    def _special(self, name: str) -> Callable[[Array], Array]:
        return getattr(torch.special, name)  # type: ignore[no-any-return]


def _rule(name: str, kind: str, lifted: bool, forward_mode: bool) -> Any:
    """The autograd.Function of sigma, of the tail of abs(u), or of the quantile of a named g.

    Dynamo refuses one that has a forward mode, and traces no objects in a closure, only strings and globals: g is
    looked up by its name.
    """

    class Rule(torch.autograd.Function):  # type: ignore[misc]
        generate_vmap_rule = True

        @staticmethod
        def forward(*inputs: Array) -> Array:
            g = NAMED[name]
            if kind == "sigma":
                return g.sigma(TORCH, *inputs)
            lift = TORCH.lift(inputs[0]) if lifted else 1.0
            if kind == "tail":
                return g.tail(TORCH, inputs[0].abs(), lift)
            v, t = inputs
            return g.quantile(TORCH, v, t.abs(), lift)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Array, ...], output: Array) -> None:
            saved = output if kind == "quantile" else inputs[0]  # the argument, which keeps the tail, not the value
            ctx.save_for_backward(saved)
            if forward_mode:
                ctx.save_for_forward(saved)

        @staticmethod
        def backward(ctx: Any, gradient: Array) -> Any:
            return _chain(name, kind, lifted, gradient, *ctx.saved_tensors)

    if forward_mode:

        def jvp(ctx: Any, *tangents: Array) -> Array:
            result = _chain(name, kind, lifted, tangents[-1], *ctx.saved_tensors)
            return result[-1] if kind == "quantile" else result

        Rule.jvp = staticmethod(jvp)
    return Rule


def _chain(name: str, kind: str, lifted: bool, gradient: Array, u: Array) -> Any:
    """The gradient times the derivative at u of what `_rule` says; v of a quantile counts as a constant."""
    density = NAMED[name].density(TORCH, TORCH.abs(u), TORCH.lift(u) if lifted else 1.0)
    if kind == "quantile":
        return None, -gradient / density
    return gradient * (density if kind == "sigma" else TORCH.where(u < 0, density, -density))


TORCH = Torch(array_api_compat.torch)
RULES = {
    (name, kind, lifted, forward_mode): _rule(name, kind, lifted, forward_mode)
    for name in NAMED
    for kind in ("sigma", "tail", "quantile")
    for lifted in (False, True)
    for forward_mode in (False, True)
}
