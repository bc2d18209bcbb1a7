"""How torch runs an expression: eagerly with one derivative rule for the whole of it, and under its compiler."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import array_api_compat.torch
import torch
from torch.autograd import forward_ad
from torch.fx.experimental.symbolic_shapes import guard_or_true, has_static_value

from softclip import _form
from softclip._checks import check_values, numbers
from softclip._format import FORMATS, Format
from softclip._hinge import Hinge
from softclip._named import NAMED, Named
from softclip._plan import Quantity
from softclip._run import INTEGERS, Standard, is_array
from softclip._squash import Squash
from softclip._torch_blocks import erfcinv, is_ordinary, run_program

Array = Any

LAYOUTS = (torch.strided, torch.jagged)
NUMBERS = (float, torch.SymFloat)


class Torch(Standard):
    """Between number bounds f is one autograd Function, else its sigma and its tail are; all save their argument.

    What is saved so keeps the tail, where the value has none left.
    """

    name = "torch"

    def format(self, x: Array) -> Format:
        name = str(x.dtype).removeprefix("torch.")
        if x.layout not in LAYOUTS:
            msg = f"must be a dense tensor; got one of layout {x.layout}. Convert it first, with to_dense for example."
            raise TypeError(msg)
        if name in FORMATS:
            return FORMATS[name]
        if name in INTEGERS:
            return self.format(torch.empty(()))
        return super().format(x)

    def owns(self, value: Array) -> bool:
        return isinstance(value, torch.Tensor)

    def beside(self, value: Any, x: Array, dtype: Any) -> Array:
        if isinstance(value, (int, *NUMBERS, torch.SymInt)):
            return torch.full((), value, dtype=dtype, device=x.device)
        if isinstance(value, (list, tuple)) and not all(map(_is_known, value)):
            return torch.stack([self.beside(v, x, dtype) for v in value])
        return torch.as_tensor(value, dtype=dtype, device=x.device)

    def device(self, x: Array) -> Any:
        return x.device

    def cast(self, x: Array, dtype: Any) -> Array:
        return x.to(dtype)

    def outside(self) -> Any:
        return torch.no_grad()

    def tracing(self) -> bool:
        return torch.compiler.is_compiling()  # type: ignore[no-any-return]

    def is_symbol(self, value: Any) -> bool:
        return isinstance(value, (torch.SymInt, torch.SymFloat))

    def check_symbols(self, low: Any, high: Any, slope: Any) -> None:
        low, high, slope = (v if isinstance(v, NUMBERS) else None for v in (low, high, slope))
        if not _hold(low, high, slope):
            check_values(low, high, slope)

    def run(self, quantity: Quantity, g: Squash, x: Array, format_: Format, low: Any, high: Any, slope: Any) -> Array:
        if self.tracing():  # pragma: no cover  (Dynamo reads it, and does not run it)
            if isinstance(g, (Named, Hinge)) and not any(map(is_array, (low, high, slope))):
                return _run_untraced(quantity, g.name, format_.name, x, low, high, slope)
            return self.run_on_arrays(quantity, g, x, format_, low, high, slope)
        return self.run_eagerly(quantity, g, x, format_, low, high, slope)

    def run_eagerly(
        self, quantity: Quantity, g: Squash, x: Array, format_: Format, low: Any, high: Any, slope: Any
    ) -> Array:
        low, high, slope = _read(low, high, slope)
        if isinstance(g, (Named, Hinge)) and not any(map(is_array, (low, high, slope))):
            ordinary = is_ordinary(x)
            if ordinary and not (x.requires_grad and torch.is_grad_enabled()) and forward_ad._current_level < 0:
                return run_program(quantity, (x,), g, format_, low, high, slope)
            if quantity == "value":
                return (Direct if ordinary else Value).apply(x, g, format_, low, high, slope)
        return self.evaluate(self.plan(quantity, g, format_, low, high, slope), g, format_, x)

    def run_on_arrays(
        self, quantity: Quantity, g: Squash, x: Array, format_: Format, low: Any, high: Any, slope: Any
    ) -> Array:
        """The quantity with numbers as 0-d tensors, for they may be symbols, of which nothing is asked."""
        dtype = self.dtype(format_)
        low, high = (self.beside(v, x, dtype) if isinstance(v, NUMBERS) else v for v in (low, high))
        if isinstance(slope, NUMBERS):
            slope = self.beside(slope, x, self.dtype(format_.computed_in))
        return self.evaluate(self.plan(quantity, g, format_, low, high, slope), g, format_, x)

    def tanh(self, a: Array) -> Array:
        # Exported, it may be run by another library's: onnxruntime's passes 1 by an ulp.
        return torch.tanh(a).clamp(-1.0, 1.0) if self.tracing() else torch.tanh(a)

    def where(self, condition: Array, a: Any, b: Any) -> Array:
        return torch.where(condition, a, b)

    def cut(self, u: Array, limit: float) -> Array:
        return u.clamp(-limit, limit)

    def erfcinv(self, t: Array) -> Array:
        return erfcinv(t)

    def sigma(self, g: Named, u: Array) -> Array:
        return _apply(g.name, "sigma", 0, u)

    def tail(self, g: Named, u: Array, lifts: int) -> Array:
        return _apply(g.name, "tail", lifts, u)

    def quantile(self, g: Named, v: Array, near: Array, reach: _form.Scale) -> Array:
        if isinstance(reach.dropped, torch.Tensor):
            # The derivative of near / dropped in the latter overflows; in two steps it does not, small distances first.
            lift = self.lift(near, reach.lifts)
            part = reach.dropped * lift
            small = self.minimum(near, 1 / lift) * lift / part
            t = self.where(near < 1 / lift, small, near / part * lift) / reach.kept
        else:
            t = reach.measure(near)
        return _apply(g.name, "quantile", reach.lifts, v, t)

    def _special(self, name: str) -> Callable[[Array], Array]:
        return getattr(torch.special, name)  # type: ignore[no-any-return]


class Detached(Torch):
    """Where a rule gives the derivative, and none is taken of the operations: the forms that NumPy has, in place."""

    autodiff = False

    def abs(self, a: Array) -> Array:
        return a.abs()

    def clip(self, a: Array, low: Any, high: Any) -> Array:
        return a.clamp_min_(low).clamp_max_(high)  # vmap has no rule for clamp_

    def copysign(self, size: Any, a: Array) -> Array:
        if self.tracing():
            return super().copysign(size, a)  # ONNX has no copysign
        return torch.copysign(torch.full((), size, dtype=a.dtype, device=a.device), a)

    def affine(self, base: Any, scale: Any, r: Array) -> Array:
        r = r.mul_(scale)
        return r if base is None else r.add_(base)

    def sigma(self, g: Named, u: Array) -> Array:
        return g.sigma(self, u)

    def tail(self, g: Named, u: Array, lifts: int) -> Array:
        return g.tail(self, u.abs(), self.lift(u, lifts))


@contextlib.contextmanager
def forward_mode_over(ctx: Any) -> Iterator[list[Array]]:
    """What a jvp has saved, for use in it: torch calls a jvp with forward mode off, and so forward mode over it gives 0."""
    with forward_ad._set_fwd_grad_enabled(True):
        yield [forward_ad.unpack_dual(saved, level=0).primal for saved in ctx.saved_tensors]


def _is_known(value: Any) -> bool:
    """Whether an element of a list holds no symbol, which torch.as_tensor would take for a constant."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_known, value))
    return not isinstance(value, (int, *NUMBERS, torch.SymInt)) or has_static_value(value)


def _hold(low: Any, high: Any, slope: Any) -> bool:
    """Whether bounds and slope are valid, as far as is known: of a number read from a tensor, nothing is."""
    if low is not None and high is not None and not guard_or_true(low < high):
        return False
    # The largest number and not infinity, as torch takes all symbols for finite.
    finite = all(v is None or guard_or_true(abs(v) <= sys.float_info.max) for v in (low, high, slope))
    return finite and (slope is None or guard_or_true(slope > 0))


def _read(*constants: Any) -> tuple[Any, ...]:
    """Bounds and slope as numbers, if they are single numbers in main memory that nothing is derived from, and valid.

    With tensors a call takes ten times as long. To read these costs a microsecond, and waits for no device.
    """
    given = [v for v in constants if is_array(v)]
    if not given or not all(v.ndim == 0 and is_ordinary(v) and not v.requires_grad for v in given):
        return constants
    low, high, slope = read = tuple(v.item() if is_array(v) else v for v in constants)
    if low is None or high is None or forward_ad._current_level >= 0:
        return constants
    valid = low < high and math.isfinite(high - low) and (slope is None or 0 < slope < math.inf)
    return read if valid else constants


class Value(torch.autograd.Function):  # type: ignore[misc]
    """f of x between bounds that are numbers."""

    generate_vmap_rule = True

    @staticmethod
    def forward(*inputs: Any) -> Array:  # with names for them torch takes 20 microseconds more, on every call
        x, g, format_, *numbers = inputs
        return DETACHED.evaluate(DETACHED.plan("value", g, format_, *numbers), g, format_, x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Array) -> None:  # noqa: ARG004
        x, *ctx.call = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Array) -> tuple[Array | None, ...]:
        return Value.chain(ctx, gradient, *ctx.saved_tensors), None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Array, *_: None) -> Array:
        with forward_mode_over(ctx) as (x,):
            return Value.chain(ctx, tangent, x)

    @staticmethod
    def chain(ctx: Any, gradient: Array, x: Array) -> Array:
        """The gradient times the derivative, as one number before it is rounded to 16 bits."""
        g, format_, *numbers = ctx.call
        if is_ordinary(x) and is_ordinary(gradient) and not torch.is_grad_enabled() and forward_ad._current_level < 0:
            return run_program("derivative", (x, gradient), g, format_, *numbers)
        ops = TORCH if torch.is_grad_enabled() else DETACHED  # of the usual backward pass no derivative is taken
        form, c = ops.plan("derivative", g, format_, *numbers)
        compute = ops.dtype(format_.computed_in)
        x, gradient = (ops.cast(v, compute) for v in (x, gradient))
        return ops.cast(gradient * form(ops, g, x, c), ops.dtype(format_))


class Direct(torch.autograd.Function):  # type: ignore[misc]
    """The same, for an ordinary x: with a context of its own torch binds a signature on every call, 15 microseconds."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Array:
        x, *call = inputs
        Value.setup_context(ctx, inputs, None)
        return run_program("value", (x,), *call)

    backward = Value.backward
    jvp = Value.jvp


@torch.compiler.allow_in_graph  # type: ignore[untyped-decorator]
def _run_untraced(
    quantity: Quantity,
    name: str,
    format_name: str,
    x: Array,
    low: float | None,
    high: float | None,
    slope: float | None,
) -> Array:
    """What `Torch.run` does between numbers, which Dynamo passes by: it traces no cache and no fractions.

    It passes strings and numbers, which is why g and the format come by their names.
    """
    g = NAMED[name] if name in NAMED else Hinge.named(name)
    format_ = FORMATS[format_name]
    if any(isinstance(v, torch.SymFloat) for v in (low, high, slope)):
        return TORCH.run_on_arrays(quantity, g, x, format_, low, high, slope)
    return TORCH.run_eagerly(quantity, g, x, format_, *numbers(g, format_, low, high, slope))


@torch.compiler.allow_in_graph  # type: ignore[untyped-decorator]
def _apply(name: str, kind: str, lifts: int, *inputs: Array) -> Array:
    """Sigma, the tail of abs(u), or the quantile of a named g, with its derivative.

    Dynamo passes this by too, and AOTAutograd traces what it does: traced by Dynamo an autograd.Function can have no
    forward mode, nor be differentiated inside a vmap.
    """
    return RULES[name, kind, lifts].apply(*inputs)


def _rule(name: str, kind: str, lifts: int) -> Any:
    """The autograd.Function that `_apply` applies."""
    g = NAMED[name]

    class Rule(torch.autograd.Function):  # type: ignore[misc]
        generate_vmap_rule = True

        @staticmethod
        def forward(*inputs: Array) -> Array:
            if kind == "sigma":
                return g.sigma(TORCH, *inputs)
            if kind == "tail":
                return g.tail(TORCH, inputs[0].abs(), TORCH.lift(inputs[0], lifts))
            v, t = inputs
            return g.quantile(TORCH, v, t.abs(), TORCH.lift(v, lifts))

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Array, ...], output: Array) -> None:
            saved = output if kind == "quantile" else inputs[0]  # the argument, which keeps the tail, not the value
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
        density = g.density(TORCH, TORCH.abs(u), TORCH.lift(u, lifts))
        if kind == "quantile":
            return None, -gradient / density
        return gradient * (density if kind == "sigma" else TORCH.where(u < 0, density, -density))

    return Rule


TORCH = Torch(array_api_compat.torch)
DETACHED = Detached(array_api_compat.torch)
RULES = {
    (name, kind, lifts): _rule(name, kind, lifts)
    for name in NAMED
    for kind in ("sigma", "tail", "quantile")
    for lifts in (0, 1, 2)
}
