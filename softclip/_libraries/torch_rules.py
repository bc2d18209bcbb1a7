"""The derivative rules of sigma, tail and quantile in torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch.autograd import forward_ad

from softclip._formulas.ops import Ops

Array = Any
Kind = Literal["sigma", "tail", "quantile", "area", "tail_area"]


@contextlib.contextmanager
def forward_mode_over(ctx: Any) -> Iterator[list[Array]]:
    """What a jvp has saved. torch calls a jvp with forward mode off; without this, forward mode over it gives 0."""
    with forward_ad._set_fwd_grad_enabled(True):
        yield [forward_ad.unpack_dual(saved, level=0).primal for saved in ctx.saved_tensors]


def make_rule(ops: Ops, g: Any, kind: Kind, boost_level: int) -> Any:
    """Sigma, the tail of abs(u), or the quantile of g, as an autograd.Function with its derivative."""

    class Rule(torch.autograd.Function):  # type: ignore[misc]
        generate_vmap_rule = True

        @staticmethod
        def forward(*inputs: Array) -> Array:
            if kind == "sigma":
                return g.sigma(ops, *inputs)
            if kind == "tail":
                return g.tail(ops, inputs[0].abs(), ops.boost(inputs[0], boost_level))
            if kind in ("area", "tail_area"):
                return getattr(g, kind)(ops, inputs[0].abs())
            v, t = inputs
            return g.quantile(ops, v, t.abs(), ops.boost(v, boost_level))

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Array, ...], output: Array) -> None:
            saved = output if kind == "quantile" else inputs[0]  # the argument keeps the tail, the value does not
            ctx.save_for_backward(saved)
            ctx.save_for_forward(saved)

        @staticmethod
        def backward(ctx: Any, gradient: Array) -> Any:
            return chain(gradient, *ctx.saved_tensors)

        @staticmethod
        def jvp(ctx: Any, *tangents: Array) -> Array:
            with forward_mode_over(ctx) as (u,):
                result = chain(tangents[-1], u)
            return result[-1] if kind == "quantile" else result

    def chain(gradient: Array, u: Array) -> Any:
        """The gradient times the derivative at u; v of a quantile counts as a constant."""
        if kind == "area":
            return gradient * ops.sigma(g, u)
        if kind == "tail_area":
            t = ops.tail(g, u, 0)
            return gradient * torch.where(u < 0, -t, t)
        density = g.density(ops, ops.abs(u), ops.boost(u, boost_level))
        if kind == "quantile":
            return None, -gradient / density
        return gradient * (density if kind == "sigma" else torch.where(u < 0, density, -density))

    return Rule
