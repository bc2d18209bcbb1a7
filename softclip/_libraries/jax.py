"""How JAX runs an expression: jitted whole, with a derivative rule for each named function."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy
import jax.scipy.special
import numpy as np

from softclip._formulas.call import Call, Quantity, is_array
from softclip._formulas.constants import Factor
from softclip._formulas.formats import Format
from softclip._formulas.partials import partials
from softclip._formulas.plan import Plan, number_plan
from softclip._functions.odd import OddSquash
from softclip._functions.squash import Squash
from softclip._libraries.standard import Library

Array = Any


@dataclasses.dataclass(frozen=True, eq=False)  # by identity, which jit compares at once: there is one of each
class Asked:
    """What is computed between numbers, without the numbers: f or another quantity, and of f the derivative too."""

    g: Squash
    format: Format
    plan: Plan
    """Its constants are their places in one array, as is each of those below."""
    derivative: Plan | None


class Jax(Library):
    """One jitted computation for each g and formula. Bounds are its arguments, so other bounds do not compile again."""

    name = "jax"

    def __init__(self, xp: Any) -> None:
        super().__init__(xp)
        self._evaluate = jax.jit(self._evaluate_between_numbers, static_argnums=0)
        self._evaluate_arrays = jax.jit(self._evaluate_between_arrays, static_argnums=0)
        # A rule is made when it is first asked for.
        self._rule = functools.cache(self._make_rule)
        self._quantile_rule = functools.cache(self._make_quantile_rule)
        self._value_rule = functools.cache(self._make_value_rule)
        self._number_rule = functools.cache(self._make_number_rule)

    def owns(self, value: Array) -> bool:
        return isinstance(value, jax.Array)

    def device(self, x: Array) -> Any:
        return None

    def as_array_like(self, value: Any, x: Array, dtype: Any) -> Array:
        return self.xp.asarray(value, dtype=dtype)

    def number_as_array_like(self, value: Any, like: Array, dtype: Any) -> Array:
        x = self.xp.asarray(value)
        return x if like.weak_type and x.dtype == dtype else self.as_array_like(value, like, dtype)

    def untraced(self) -> Any:
        return jax.ensure_compile_time_eval()

    def run(self, x: Array, call: Call) -> Array:
        if not call.between_numbers:
            low, high, slope = call.constants
            static = slope if call.passes_middle else None
            if static is not None:
                slope = None
            elif isinstance(slope, float):  # it becomes an array of the format, in which XLA flushes subnormal numbers
                compute = call.format.computed_in
                slope = min(max(slope, compute.tiny), math.ldexp(1.0, compute.largest))
            low, high, slope = (_opaque(v, x) if is_array(v) else v for v in (low, high, slope))
            return self._evaluate_arrays((call.quantity, call.g, call.format, static), x, low, high, slope)
        if not isinstance(x, jax.core.Tracer):
            asked, numbers = _asked_on_device(call)
            return self._evaluate(asked, x, numbers)
        asked, numbers, extreme = _asked(call)
        return self._evaluate(asked, x, _opaque(numbers, x) if extreme else numbers)

    def _evaluate_between_numbers(self, asked: Asked, x: Array, numbers: Array) -> Array:
        rule = self._number_rule if asked.derivative else self._with_numbers
        return self._as_weak(rule(asked)(x, numbers), x)

    def _with_numbers(self, asked: Asked, *, derivative: bool = False) -> Callable[[Array, Array], Array]:
        """What is asked for, or its derivative, as a function of x and all constants as one array."""
        formula, places = asked.derivative if derivative else asked.plan  # type: ignore[misc]

        def of(x: Array, numbers: Array) -> Array:
            c = jax.tree.map(lambda place: numbers[place], places)
            return self.apply((formula, c), x, asked.g, asked.format)

        return of

    def _evaluate_between_arrays(
        self, what: tuple[Quantity, Squash, Format, float | None], x: Array, low: Any, high: Any, slope: Any
    ) -> Array:
        quantity, g, format_, static = what
        call = Call(quantity, g, format_, low, high, slope if static is None else static)
        if quantity != "value" or g.kind == "declared":
            return self._as_weak(super().run(x, call), x, *call.arrays)
        dtype = self.dtype(format_.computed_in)
        given = (None if v is None else self.astype(v, dtype) for v in (x, low, high, slope))
        y = self._value_rule(g, format_.computed_in, static)(*given)
        return self._as_weak(self.astype(y, self.dtype(format_)), x, *call.arrays)

    def _as_weak(self, y: Array, x: Array, *constants: Array) -> Array:
        """y; of a weak type, which gives way to the dtype of another array, if x and the constants are."""
        if not all(v.weak_type for v in (x, *constants)):
            return y
        # No public function makes a type weak, but an array keeps its own when it is written to.
        return self.xp.broadcast_to(1.0 * x, y.shape).at[...].set(y)

    def abs(self, a: Array) -> Array:
        return _abs(a)

    def logistic(self, a: Array) -> Array:
        return _logistic(a)

    def erfcinv(self, t: Array) -> Array:
        # t comes from a product with the smallest normal number at the least, which XLA would halve; see `ratio`.
        return -math.sqrt(0.5) * jax.scipy.special.ndtri(0.5 * self.minimum(t, 2.0))

    def divide(self, a: Array, b: Array) -> Array:
        scale = self._smaller(b)
        return (a * scale) / (b * scale)

    def ratio(self, part: Array, whole: Any) -> Array:
        # The minimum stands between the two factors so that XLA does not fold them into one.
        scale = self._smaller(whole)
        return self.minimum(part * scale, whole * scale) / (whole * scale)

    def _smaller(self, divisor: Array) -> Array:
        """A factor for large divisors: XLA multiplies by the reciprocal, and flushes that of the largest to 0."""
        return self.xp.where(divisor > 2.0**64, 2.0**-8, 1.0).astype(divisor.dtype)

    def sigma(self, g: OddSquash, u: Array) -> Array:
        return self._rule(g, "sigma", 0)(u)

    def core(self, g: OddSquash, u: Array) -> Array:
        return g.core(self, u, self.format(u).digits)  # the formula that asks for it stands in `_make_value_rule`

    def tail(self, g: OddSquash, u: Array, boost_level: int) -> Array:
        return self._rule(g, "tail", boost_level)(u)

    def density(self, g: OddSquash, u: Array, boost_level: int) -> Array:
        if boost_level == 2:  # then s^2 is the reciprocal of the smallest normal number, half of which would be 0
            return super().density(g, u, boost_level)
        # The tail stands in f too, and XLA computes it once.
        return g.density_beside(self, self.abs(u), self.tail(g, u, boost_level), self.boost(u, boost_level))

    def area(self, g: OddSquash, u: Array) -> Array:
        return self._rule(g, "area", 0)(u)

    def tail_area(self, g: OddSquash, u: Array) -> Array:
        return self._rule(g, "tail_area", 0)(u)

    def quantile(self, g: OddSquash, v: Array, near: Array, factor: Factor) -> Array:
        return self._quantile_rule(g)(v, near, factor)

    def _special(self, name: str) -> Callable[[Array], Array]:
        return getattr(jax.scipy.special, name)  # type: ignore[no-any-return]

    def _make_value_rule(self, g: Squash, compute: Format, static: float | None) -> Callable[..., Array]:
        """f of x and bounds and a slope that are arrays, with its partial derivatives in closed form.

        The slope may also be a `static` number.
        """

        def call(quantity: Quantity, low: Any, high: Any, slope: Any) -> Call:
            return Call(quantity, g, compute, low, high, slope if static is None else static)

        @jax.custom_jvp  # type: ignore[untyped-decorator]
        def value(x: Array, *constants: Any) -> Array:
            return self.evaluate(x, call("value", *constants))

        @functools.partial(value.defjvp, symbolic_zeros=True)
        def derivative(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
            x, *constants = primals
            y = value(x, *constants)
            of_x = call("derivative", *constants)
            rates = partials(self, g, x, self.plan(of_x)[1], of_x.slope)
            moved = [
                rate * tangent
                for rate, tangent in zip(rates, tangents, strict=True)
                if not (rate is None or tangent is None or isinstance(tangent, jax.custom_derivatives.SymbolicZero))
            ]
            return y, self.xp.broadcast_to(sum(moved[1:], moved[0]) if moved else 0.0 * y, y.shape)

        return value  # type: ignore[no-any-return]

    def _make_number_rule(self, asked: Asked) -> Callable[[Array, Array], Array]:
        """f of x between numbers, with its derivative in closed form."""
        value = jax.custom_jvp(self._with_numbers(asked))
        of_x = self._with_numbers(asked, derivative=True)

        @value.defjvp  # type: ignore[untyped-decorator]
        def derivative(primals: tuple[Array, Array], tangents: tuple[Array, Any]) -> tuple[Array, Array]:
            return value(*primals), of_x(*primals) * tangents[0]

        return value  # type: ignore[no-any-return]

    def _make_rule(self, g: OddSquash, kind: str, boost_level: int) -> Callable[[Array], Array]:
        """Sigma, the tail of abs(u), or an integral of the two, with its derivative."""

        @jax.custom_jvp  # type: ignore[untyped-decorator]
        def value(u: Array) -> Array:
            if kind == "tail":
                return g.tail(self, self.xp.abs(u), self.boost(u, boost_level))
            if kind != "sigma":
                return getattr(g, kind)(self, self.xp.abs(u))
            # XLA's atan misses pi/2 at infinity, and pi/4 at 1, by an ulp.
            end = self.where(u < 0, -self.xp.ones_like(u), self.xp.ones_like(u))
            return self.where(self.abs(u) == math.inf, end, g.sigma(self, u))

        @value.defjvp  # type: ignore[untyped-decorator]
        def derivative(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
            (u,), (tangent,) = primals, tangents
            if kind == "area":
                return value(u), tangent * self.sigma(g, u)
            if kind == "tail_area":
                t = self.tail(g, u, 0)
                return value(u), tangent * self.where(u < 0, -t, t)
            density = g.density(self, self.abs(u), self.boost(u, boost_level))
            return value(u), tangent * (density if kind == "sigma" else self.where(u < 0, density, -density))

        return value  # type: ignore[no-any-return]

    def _make_quantile_rule(self, g: OddSquash) -> Callable[[Array, Array, Factor], Array]:
        """The quantile, with its derivative: da = -dt / sigma'(a) with dt = (d near - t d factor) / factor."""
        # The powers of two of `factor` have no part in it: XLA makes one constant of them, which overflows.

        @jax.custom_jvp  # type: ignore[untyped-decorator]
        def value(v: Array, near: Array, factor: Factor) -> Array:
            boost = self.boost(near, factor.boost_level)
            t = self.minimum(factor.measure(self.xp.abs(near)), boost * boost)  # which it is; see `ratio`
            return g.quantile(self, v, t, boost)

        @value.defjvp  # type: ignore[untyped-decorator]
        def derivative(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> tuple[Array, Array]:
            (v, near, factor), (_, of_near, of_factor) = primals, tangents
            a = value(v, near, factor)
            density = g.density(self, a, self.boost(a, factor.boost_level))
            return a, (near / factor.size * of_factor.size - of_near) / factor.times(density)

        return value  # type: ignore[no-any-return]


@jax.custom_jvp  # type: ignore[untyped-decorator]
def _logistic(a: Array) -> Array:
    return 1 / (1 + jax.numpy.exp(-a))


@_logistic.defjvp  # type: ignore[untyped-decorator]
def _logistic_rule(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (a,), (tangent,) = primals, tangents
    return _logistic(a), tangent * (_logistic(a) * _logistic(-a))


@jax.custom_jvp  # type: ignore[untyped-decorator]
def _abs(a: Array) -> Array:
    return jax.numpy.abs(a)


@_abs.defjvp  # type: ignore[untyped-decorator]
def _abs_rule(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (a,), (tangent,) = primals, tangents
    return _abs(a), jax.numpy.where(a < 0, -tangent, tangent)


def _opaque(constants: Any, x: Array) -> Any:
    """Constants, hidden from XLA in a jit of the caller's. As literals it would fold two into one, which may be 0."""
    known = not any(isinstance(v, jax.core.Tracer) for v in jax.tree.leaves(constants))
    return jax.lax.optimization_barrier(constants) if known and isinstance(x, jax.core.Tracer) else constants


@functools.lru_cache(maxsize=1024)
def _asked(call: Call) -> tuple[Asked, Any, bool]:
    """What is asked for, the numbers, and whether any is extreme.

    The numbers are one array, as each argument takes jit two microseconds more on every call. They are extreme if
    their products or reciprocals may be beyond the format or subnormal in it.
    """
    compute = call.format.computed_in
    with_rule = call.quantity == "value" and call.g.kind != "declared"
    calls = [call, call._replace(quantity="derivative")] if with_rule else [call]
    numbers: list[float] = []

    def place(number: float) -> int:
        numbers.append(number)
        return len(numbers) - 1

    plans = [(formula, jax.tree.map(place, c)) for formula, c in (number_plan(one, True) for one in calls)]
    largest = max((abs(math.frexp(v)[1]) for v in numbers), default=0)
    extreme = largest > compute.largest - 8 or any(getattr(c, "factor2", None) is not None for _, c in plans)
    asked = _one_of_each(call.g, call.format, plans[0], plans[1] if with_rule else None)
    return asked, np.array(numbers, compute.name), extreme


@functools.lru_cache(maxsize=1024)
def _asked_on_device(call: Call) -> tuple[Asked, Array]:
    """What is asked for, and the numbers as an array of JAX: to make one takes as long as half of a jitted call."""
    asked, numbers, _ = _asked(call)
    with jax.ensure_compile_time_eval():
        return asked, jax.numpy.asarray(numbers)


_one_of_each = functools.cache(Asked)

JAX = Jax(jax.numpy)
