"""How torch runs an expression: eagerly with one derivative rule for the whole of it, and under its compiler."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import array_api_compat.torch
import torch
from torch.autograd import forward_ad

from softclip._formulas.call import Call, is_array
from softclip._formulas.constants import Factor
from softclip._formulas.formats import FORMATS, Format
from softclip._formulas.partials import partials
from softclip._formulas.plan import Plan, number_plan
from softclip._formulas.program import ARRAY
from softclip._functions.families import from_name
from softclip._functions.odd import OddSquash
from softclip._libraries.standard import INTEGERS, Library
from softclip._libraries.torch_blocks import erfcinv, is_ordinary, known, known_gradients, run_known, run_program
from softclip._libraries.torch_in_place import InPlace, check_out, is_plain, write_by_pieces, write_whole
from softclip._libraries.torch_kernels import has_kernels, run_kernel, sums_by_kernel, write_by_kernel
from softclip._libraries.torch_rules import Kind, forward_mode_over, make_rule

Array = Any

LAYOUTS = (torch.strided, torch.jagged)
NUMBERS = (float, torch.SymFloat)


class Torch(Library):
    """Between number bounds f is one autograd Function. Between array bounds its sigma and its tail are.

    All of them save their argument: saving x rather than f(x) keeps the gradient accurate where f(x) has saturated.
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

    def as_array_like(self, value: Any, x: Array, dtype: Any) -> Array:
        if isinstance(value, (int, *NUMBERS, torch.SymInt)):
            return torch.full((), value, dtype=dtype, device=x.device)
        return torch.as_tensor(value, dtype=dtype, device=x.device)

    def device(self, x: Array) -> Any:
        return x.device

    def astype(self, x: Array, dtype: Any) -> Array:
        return x.to(dtype)

    def untraced(self) -> Any:
        return torch.no_grad()

    def tracing(self) -> bool:
        return torch.compiler.is_compiling()  # type: ignore[no-any-return]

    def is_symbol(self, value: Any) -> bool:
        return isinstance(value, (torch.SymInt, torch.SymFloat))

    def run(self, x: Array, call: Call) -> Array:
        numbers = call.between_numbers
        if not numbers:
            call = _with_numbers(call)
            numbers = call.between_numbers
        if call.g.kind == "declared":
            return self.evaluate(x, call)
        learning = torch.is_grad_enabled() and any(v.requires_grad for v in ((x,) if numbers else (x, *call.arrays)))
        y = None if learning else _direct(call, x)
        if y is not None:
            return y
        if call.quantity != "value":
            return self.evaluate(x, call)
        if not numbers:
            return BoundedClip.apply(x, *call)
        return (DirectClip if is_ordinary(x) or has_kernels(x) else Clip).apply(x, *call)

    def run_into(self, x: Array, call: Call, out: Any) -> Array:
        check_out(x, call, self.dtype(call.format), out)
        return self.write(x, call, out, "out")

    def run_in_place(self, x: Array, call: Call) -> Array:
        """The value at x, written into x, which is given back. Its gradient is taken from a copy of what x was."""
        if not (torch.is_grad_enabled() and any(v.requires_grad for v in (x, *call.arrays))):
            return self.write(x, call, x, "x")
        before = x.clone()
        if call.g.kind != "declared" and is_plain(x, *call.arrays):
            call = call if call.between_numbers else _with_numbers(call)
            InPlace.tell(x, before, call, Clip if call.between_numbers else BoundedClip)
            with torch.no_grad():
                return self.write(before, call, x, "x")
        return self.write(before, call, x, "x")

    def write(self, x: Array, call: Call, out: Array, name: str) -> Array:
        """What the call asks for at x, written to out; by pieces if nothing but the values is asked for."""
        learning = torch.is_grad_enabled() and any(v.requires_grad for v in (x, out, *call.arrays))
        if learning or not is_plain(x, out, *call.arrays):
            return write_whole(self.run(x, call), out, name)
        with torch.no_grad():
            call = call if call.between_numbers else _with_numbers(call)
            by_kernel = call.g.kind != "declared" and has_kernels(x, out, *call.arrays)
            return write_by_pieces(x.detach(), call, out, name, self.run, write_by_kernel if by_kernel else None)

    def with_tensors(self, x: Array, call: Call) -> Call:
        """The call with numbers as 0-d tensors, for they may be symbols, of which nothing is asked."""
        low, high, slope = call.constants
        dtype = self.dtype(call.format)
        low, high = (self.as_array_like(v, x, dtype) if isinstance(v, NUMBERS) else v for v in (low, high))
        if isinstance(slope, NUMBERS):
            slope = self.as_array_like(slope, x, self.dtype(call.format.computed_in))
        return call.with_constants(low, high, slope)

    def tanh(self, a: Array) -> Array:
        # Exported, it may be run by another library's: onnxruntime's passes 1 by an ulp.
        return torch.tanh(a).clamp(-1.0, 1.0) if self.tracing() else torch.tanh(a)

    def logistic(self, a: Array) -> Array:
        return super().logistic(a) if self.tracing() else torch.sigmoid(a)  # of onnxruntime, which loses the tail

    def plus(self, a: Array, constant: float) -> Array:
        if not self.tracing():
            return a + constant
        # torch.onnx drops a number below 1e-8 that is added (add_0 in onnxscript's _no_op.py), but not a tensor.
        added = torch.full([1] * max(a.ndim, 1), constant, dtype=a.dtype, device=a.device)
        return (a + added).reshape(a.shape)

    def where(self, condition: Array, a: Any, b: Any) -> Array:
        return torch.where(condition, a, b)

    def clamp(self, u: Array, limit: float) -> Array:
        return u.clamp(-limit, limit)

    def erfcinv(self, t: Array) -> Array:
        return erfcinv(t)

    def sigma(self, g: OddSquash, u: Array) -> Array:
        return _apply(g.name, "sigma", 0, u)

    def tail(self, g: OddSquash, u: Array, boost_level: int) -> Array:
        return _apply(g.name, "tail", boost_level, u)

    def area(self, g: OddSquash, u: Array) -> Array:
        return _apply(g.name, "area", 0, u)

    def tail_area(self, g: OddSquash, u: Array) -> Array:
        return _apply(g.name, "tail_area", 0, u)

    def quantile(self, g: OddSquash, v: Array, near: Array, factor: Factor) -> Array:
        if isinstance(factor.reduced, torch.Tensor):
            # The derivative of near / reduced with respect to `reduced` overflows. In two steps it does not.
            boost = self.boost(near, factor.boost_level)
            part = factor.reduced * boost
            small = self.minimum(near, 1 / boost) * boost / part
            t = self.where(near < 1 / boost, small, near / part * boost) / factor.remaining
        else:
            t = factor.measure(near)
        return _apply(g.name, "quantile", factor.boost_level, v, t)

    def _special(self, name: str) -> Callable[[Array], Array]:
        return getattr(torch.special, name)  # type: ignore[no-any-return]


class Undifferentiated(Torch):
    """For values whose derivative a rule gives: the formulas that NumPy takes, and operations in place."""

    autodiff = False

    def plan(self, call: Call) -> Plan:
        return number_plan(call, False, logistic=True) if call.between_numbers else super().plan(call)

    def abs(self, a: Array) -> Array:
        return a.abs()

    def clip(self, a: Array, low: Any, high: Any) -> Array:
        return a.clamp_min_(low).clamp_max_(high)  # vmap has no rule for clamp_

    def minimum(self, a: Array, b: Any) -> Array:
        return torch.clamp_max(a, b)

    def copysign(self, size: Any, a: Array) -> Array:
        if self.tracing():
            return super().copysign(size, a)  # ONNX has no copysign
        return torch.copysign(size if is_array(size) else torch.full((), size, dtype=a.dtype, device=a.device), a)

    def affine(self, base: Any, scale: Any, r: Array) -> Array:
        r = r.mul_(scale)
        return r if base is None else r.add_(base)

    def sigma(self, g: OddSquash, u: Array) -> Array:
        return g.sigma(self, u)

    def tail(self, g: OddSquash, u: Array, boost_level: int) -> Array:
        return g.tail(self, u.abs(), self.boost(u, boost_level))

    def area(self, g: OddSquash, u: Array) -> Array:
        return g.area(self, u.abs())

    def tail_area(self, g: OddSquash, u: Array) -> Array:
        return g.tail_area(self, u.abs())


def _with_numbers(call: Call) -> Call:
    """The call with numbers for bounds and slope, if these are single valid numbers in main memory without a gradient.

    With tensors a call takes ten times as long. To read these costs a microsecond, and waits for no device.
    """
    if not all(v.ndim == 0 and is_ordinary(v) and not v.requires_grad for v in call.arrays):
        return call
    if call.one_bound or forward_ad._current_level >= 0:
        return call
    low, high, slope = read = tuple(v.item() if is_array(v) else v for v in call.constants)
    valid = low < high and math.isfinite(high - low) and (slope is None or 0 < slope < math.inf)
    return call.with_constants(*read) if valid else call


def _direct(call: Call, x: Array, *weights: Array) -> Array | None:
    """What the call asks for at x, times `weights`, by what its device has for that. No derivative can be taken of it.

    None if the device has nothing, or if something is traced, mapped or differentiated.
    """
    if forward_ad._current_level >= 0:
        return None
    if all(map(is_ordinary, (x, *weights))):
        if call.between_numbers:
            return run_program(call, x, *weights)
        read = known(call)
        return None if read is None else run_known(read, x)
    return run_kernel(call, x, *weights) if has_kernels(x, *weights, *call.arrays) else None


def _direct_gradients(call: Call, x: Array, gradient: Array, needed: Sequence[bool]) -> list[Array | None] | None:
    """The gradient times the derivatives in x, bounds and slope. Those in bounds are added up for each of them.

    Of what is not needed some may be None. All is None where the device has nothing for it.
    """
    if forward_ad._current_level >= 0:
        return None
    of_constants: Iterator[Array | None]
    if is_ordinary(x) and is_ordinary(gradient):
        read = known(call)
        if read is None:
            return None
        of_x, sums = known_gradients(read, x, gradient)
        of_constants = iter(sums)
    elif has_kernels(x, gradient, *call.arrays):
        of_x = run_kernel(call._replace(quantity="derivative"), x, gradient) if needed[0] else None
        of_constants = iter(sums_by_kernel(call, x, gradient) if any(needed[1:]) else itertools.repeat(None))
    else:
        return None
    return [of_x, *(None if v is None else next(of_constants) for v in call.constants)]


class Clip(torch.autograd.Function):  # type: ignore[misc]
    """f of x between bounds that are numbers. It saves x: the gradient is accurate where f(x) has saturated.

    The call is passed part by part, as torch.func takes tuples apart.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(*inputs: Any) -> Array:  # with names for them torch takes 20 microseconds more, on every call
        x, *call = inputs
        return UNDIFFERENTIATED.evaluate(x, Call(*call))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Array) -> None:  # noqa: ARG004
        x, *call = inputs
        ctx.call = Call(*call)
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx: Any, gradient: Array) -> tuple[Array | None, ...]:
        return Clip.chain(ctx, gradient, *ctx.saved_tensors), *(None for _ in ctx.call)

    @staticmethod
    def jvp(ctx: Any, tangent: Array, *_: None) -> Array:
        with forward_mode_over(ctx) as (x,):
            return Clip.chain(ctx, tangent, x)

    @staticmethod
    def chain(ctx: Any, gradient: Array, x: Array) -> Array:
        """The gradient times the derivative, as one number before it is rounded to 16 bits."""
        call = ctx.call._replace(quantity="derivative")
        found = None if torch.is_grad_enabled() else _direct(call, x, gradient)
        if found is not None:
            return found
        ops = TORCH if torch.is_grad_enabled() else UNDIFFERENTIATED  # no derivative is taken of a usual backward pass
        formula, c = ops.plan(call)
        compute = ops.dtype(call.format.computed_in)
        x, gradient = (ops.astype(v, compute) for v in (x, gradient))
        return ops.astype(gradient * formula(ops, call.g, x, c), ops.dtype(call.format))


class DirectClip(torch.autograd.Function):  # type: ignore[misc]
    """The same where the device has a way of its own. Without setup_context torch saves 15 microseconds of a call."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Array:
        Clip.setup_context(ctx, inputs, None)
        return (run_program if is_ordinary(inputs[0]) else run_kernel)(ctx.call, inputs[0])

    backward = Clip.backward
    jvp = Clip.jvp


class BoundedClip(torch.autograd.Function):  # type: ignore[misc]
    """f of x and of bounds and slope that are tensors, with the derivatives in all of them. It saves just these.

    They are in closed form, as `softclip._formulas.partials` gives them.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(*inputs: Any) -> Array:
        x, call = inputs[0], Call(*inputs[1:])
        y = _direct(call, x)
        return UNDIFFERENTIATED.evaluate(x, call) if y is None else y

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Array) -> None:  # noqa: ARG004
        x, call = inputs[0], Call(*inputs[1:])
        ctx.call = call.with_arrays([ARRAY] * len(call.arrays))
        ctx.save_for_backward(x, *call.arrays)
        ctx.save_for_forward(x, *call.arrays)

    @staticmethod
    def backward(ctx: Any, gradient: Array) -> tuple[Array | None, ...]:
        x, *arrays = ctx.saved_tensors
        call = ctx.call.with_arrays(arrays)
        needed = (ctx.needs_input_grad[0], *ctx.needs_input_grad[4:7])
        found = None if torch.is_grad_enabled() else _direct_gradients(call, x, gradient, needed)
        if found is None:
            found = [None if v is None else gradient * v for v in BoundedClip.partials(x, call)]
        of_x, *of_bounds = (
            None if v is None or not need else v.sum_to_size(of.shape).to(of.dtype)
            for need, v, of in zip(needed, found, (x, *call.constants), strict=True)
        )
        return of_x, None, None, None, *of_bounds

    @staticmethod
    def jvp(ctx: Any, *tangents: Array | None) -> Array:
        with forward_mode_over(ctx) as (x, *arrays):
            of_all = BoundedClip.partials(x, ctx.call.with_arrays(arrays))
            moved = [v * t for v, t in zip(of_all, (tangents[0], *tangents[4:]), strict=True) if t is not None]
            return sum(moved[1:], moved[0]).to(TORCH.dtype(ctx.call.format))

    @staticmethod
    def partials(x: Array, call: Call) -> tuple[Array | None, ...]:
        """The derivatives of f in x, the bounds and the slope, in the precision computed in."""
        call = call._replace(quantity="derivative")
        compute = TORCH.dtype(call.format.computed_in)
        call = call.with_arrays([v.to(compute) for v in call.arrays])
        _, c = TORCH.plan(call)
        return partials(TORCH, call.g, x.to(compute), c, call.slope)


def _apply(name: str, kind: Kind, boost_level: int, *inputs: Array) -> Array:
    """Sigma, the tail of abs(u), or the quantile of the g of that name, with its derivative."""
    return rule(name, kind, boost_level).apply(*inputs)


@functools.cache
def rule(name: str, kind: Kind, boost_level: int) -> Any:
    """The autograd.Function that `_apply` applies, made when it is first asked for."""
    return make_rule(TORCH, from_name(name), kind, boost_level)


TORCH = Torch(array_api_compat.torch)
UNDIFFERENTIATED = Undifferentiated(array_api_compat.torch)
