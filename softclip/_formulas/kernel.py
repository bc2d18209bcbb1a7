"""A formula as the body of a loop in C, with its constants as arguments: what CuPy compiles."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

from softclip._formulas.call import Call
from softclip._formulas.formats import Format
from softclip._formulas.plan import array_plan, number_plan
from softclip._formulas.program import ARRAY, Operand, Program, Recorder, formula_program, makes_truths

TYPES = {"float32": "float", "float64": "double"}

_EXPRESSIONS = {
    "add": "{} + {}",
    "subtract": "{} - {}",
    "multiply": "{} * {}",
    "divide": "{} / {}",
    "negative": "-{}",
    "abs": "fabs({})",
    "less": "{} < {}",
    "less_equal": "{} <= {}",
    "greater": "{} > {}",
    "greater_equal": "{} >= {}",
    "equal": "{} == {}",
    "bitwise_and": "{} && {}",
    "where": "{} ? {} : {}",
    # Unlike those of C, these give NaN for NaN.
    "minimum": "{0} < {1} || {0} != {0} ? {0} : {1}",
    "maximum": "{0} > {1} || {0} != {0} ? {0} : {1}",
    "clip": "{0} < {1} ? {1} : {0} > {2} ? {2} : {0}",
    **{
        name: f"{name}({{}})"
        for name in [
            "exp",
            "expm1",
            "log",
            "log1p",
            "tanh",
            "asinh",
            "sin",
            "tan",
            "sqrt",
            "atan",
            "erf",
            "erfc",
            "erfinv",
            "erfcinv",
        ]
    },
    "logistic": "1 / (1 + exp(-{}))",
    "copysign": "copysign({}, {})",
    "pow": "pow({}, {})",
}


class Kernel(NamedTuple):
    """Statements in C that compute y from x and from constants of these names."""

    body: str
    arguments: tuple[str, ...]


def kernel_of(call: Call) -> tuple[Kernel, tuple[Any, ...]] | None:
    """The kernel of a call and its arguments; None if it has a function that C has not.

    Other bounds are other arguments of the same kernel. Between numbers they are the constants of the plan. If a bound
    or the slope is an array, they are bounds and slope themselves, and the plan is part of the kernel.
    """
    if call.g.kind == "declared":
        return None
    compute = call.format.computed_in
    if not call.between_numbers:
        known = call.slope if call.passes_middle else None
        given = tuple(v for v in call.constants if v is not None)
        kernel, places = _between_arrays(
            call.with_constants(*(None if v is None else ARRAY for v in call.constants)), known
        )
        return kernel, tuple(given[i] for i in places)
    # The inverse without a branch asks for the values of its constants.
    formula, c = number_plan(call, call.quantity == "inverse")
    numbers: list[float] = []
    structure = _without_numbers(c, numbers)
    kernel, places = _kernel(formula_program(formula, call.g, compute, structure), compute)
    return kernel, tuple(numbers[i] for i in places)


@functools.lru_cache(maxsize=256)
def _between_arrays(call: Call, slope: float | None) -> tuple[Kernel, tuple[int, ...]]:
    """The kernel of a call whose bounds are symbols; the slope too, unless it is a number that changes the formula."""
    compute = call.format.computed_in
    recorder = Recorder(compute, 1)
    symbols = [None if v is None else recorder.constant() for v in call.constants]
    if slope is not None:
        symbols[-1] = slope  # type: ignore[call-overload]
    formula, c = array_plan(call.with_constants(*symbols), recorder)
    return _kernel(recorder.program(formula(recorder, call.g, recorder.inputs[0], c)), compute)


def _without_numbers(c: Any, numbers: list[float]) -> Any:
    """The structure of constants, with `ARRAY` for each number, which is added to `numbers`."""
    if isinstance(c, tuple):
        parts = [_without_numbers(v, numbers) for v in c]
        return type(c)(*parts) if hasattr(c, "_fields") else tuple(parts)
    if c is None:
        return None
    numbers.append(c)
    return ARRAY


@functools.lru_cache(maxsize=1024)
def _kernel(program: Program, compute: Format) -> tuple[Kernel, tuple[int, ...]]:
    """The kernel of a program, and which constants are its arguments: those that it uses."""
    number = TYPES[compute.name]
    steps = (*program.preparation, *program.steps)
    used = {v for step in steps for v in step.operands if isinstance(v, int)}
    places = tuple(i for i in range(program.constants) if program.inputs + i in used)
    names = {0: "x0"} | {program.inputs + i: f"c{n}" for n, i in enumerate(places)}
    lines = [f"{number} x0 = x;"]
    for operation, operands, slot in steps:
        expression = _EXPRESSIONS[str(operation)].format(*(_operand(v, number, names) for v in operands))
        kind = "" if slot in names else "bool " if makes_truths(operation) else f"{number} "
        name = names.setdefault(slot, f"s{slot - program.inputs - program.constants}")
        lines.append(f"{kind}{name} = {expression};")
    body = "\n".join([*lines, f"y = {names[program.results[0]]};"])
    return Kernel(body, tuple(f"c{n}" for n in range(len(places)))), places


def _operand(v: Operand, number: str, names: dict[int, str]) -> str:
    if isinstance(v, int):
        return names[v]
    if math.isnan(v):
        return f"({number})(0.0 / 0.0)"
    if math.isinf(v):
        return f"({number})({math.copysign(1.0, v)} / 0.0)"
    return f"({number})({v!r})"  # in parentheses for its sign
