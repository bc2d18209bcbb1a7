"""A formula as the body of a loop in C, with its constants as arguments: what CuPy and torch compile for a GPU."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

from softclip._formulas.call import Call
from softclip._formulas.formats import Format
from softclip._formulas.partials import partials
from softclip._formulas.plan import array_plan, number_plan
from softclip._formulas.program import ARRAY, Operand, Program, Recorder, formula_program, makes_truths

TYPES = {"float32": "float", "float64": "double"}
INPUTS = ("x", "gradient")

# A GPU's compiler makes one operation, with one rounding, of a product and a sum, but not of what this function gives.
_PRODUCTS = {"float32": "__fmul_rn({}, {})", "float64": "__dmul_rn({}, {})"}

# CUDA has no name for it without a header, and computes 1 / 0 anew for each element.
_INFINITY = {"float": "__int_as_float(0x7f800000)", "double": "__longlong_as_double(0x7ff0000000000000)"}
_EXPRESSIONS = {
    "add": "{} + {}",
    "subtract": "{} - {}",
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
    """Statements in C, and the names of what they compute and of what they compute it from."""

    body: str
    inputs: tuple[str, ...]
    """x, and the gradient that the result is multiplied by if it is asked for."""
    arguments: tuple[str, ...]
    """The constants, which are arguments of the kernel."""
    results: tuple[str, ...]


def kernel_of(call: Call, *, weighted: bool = False) -> tuple[Kernel, tuple[Any, ...]] | None:
    """The kernel of a call and its arguments, `weighted` times a gradient; None if it has a function that C has not.

    Other bounds are other arguments of the same kernel. Between numbers they are the constants of the plan. If a bound
    or the slope is an array, they are bounds and slope themselves, and the plan is part of the kernel.
    """
    if call.g.kind == "declared":
        return None
    if call.between_numbers:
        return _between_numbers(call, weighted)
    return _between_arrays(call, weighted=weighted)


@functools.lru_cache(maxsize=1024)
def _between_numbers(call: Call, weighted: bool) -> tuple[Kernel, tuple[float, ...]]:
    compute = call.format.computed_in
    # The inverse without a branch asks for the values of its constants. CuPy's compiler flushes subnormal numbers.
    formula, c = number_plan(call, call.quantity == "inverse", flushes=True)
    numbers: list[float] = []
    structure = _without_numbers(c, numbers)
    kernel, places = _kernel(formula_program(formula, call.g, compute, structure, weighted=weighted), compute)
    return kernel, tuple(numbers[i] for i in places)


def partials_kernel(call: Call) -> tuple[Kernel, tuple[Any, ...]]:
    """The gradient times the derivatives of f in those of bounds and slope that are not None, in their order."""
    return _between_arrays(call._replace(quantity="derivative"), weighted=True, of_bounds=True)


def _between_arrays(call: Call, *, weighted: bool, of_bounds: bool = False) -> tuple[Kernel, tuple[Any, ...]]:
    known = call.slope if call.passes_middle else None
    given = tuple(v for v in call.constants if v is not None)
    symbols = call.with_constants(*(None if v is None else ARRAY for v in call.constants))
    kernel, places = _kernel_between_arrays(symbols, known, weighted, of_bounds)
    return kernel, tuple(given[i] for i in places)


@functools.lru_cache(maxsize=256)
def _kernel_between_arrays(
    call: Call, slope: float | None, weighted: bool, of_bounds: bool
) -> tuple[Kernel, tuple[int, ...]]:
    """The kernel of a call whose bounds are symbols; the slope too, unless it is a number that changes the formula."""
    compute, g = call.format.computed_in, call.g
    recorder = Recorder(compute, 1 + weighted)
    x, *weights = recorder.inputs
    symbols = [None if v is None else recorder.constant() for v in call.constants]
    if slope is not None:
        symbols[-1] = slope  # type: ignore[call-overload]
    formula, c = array_plan(call.with_constants(*symbols), recorder)
    results = partials(recorder, g, x, c, symbols[-1])[1:] if of_bounds else (formula(recorder, g, x, c),)
    found = [weights[0] * v if weights else v for v in results if v is not None]
    return _kernel(recorder.program(*found), compute)


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
    inputs = INPUTS[: program.inputs]
    arguments = tuple(f"c{n}" for n in range(len(places)))
    names = {i: f"in{i}" for i in range(program.inputs)}
    names |= {program.inputs + i: argument for i, argument in zip(places, arguments, strict=True)}
    lines = [f"{number} in{i} = {name};" for i, name in enumerate(inputs)]
    for operation, operands, slot in steps:
        form = _PRODUCTS[compute.name] if operation == "multiply" else _EXPRESSIONS[str(operation)]
        kind = "" if slot in names else "bool " if makes_truths(operation) else f"{number} "
        expression = form.format(*(_operand(v, number, names) for v in operands))
        name = names.setdefault(slot, f"s{slot - program.inputs - program.constants}")
        lines.append(f"{kind}{name} = {expression};")
    results = ("y",) if len(program.results) == 1 else tuple(f"y{i}" for i in range(len(program.results)))
    lines += [f"{result} = {names[slot]};" for result, slot in zip(results, program.results, strict=True)]
    return Kernel("\n".join(lines), inputs, arguments, results), places


def _operand(v: Operand, number: str, names: dict[int, str]) -> str:
    if isinstance(v, int):
        return names[v]
    if math.isnan(v):
        return f'({number})nan("")'
    if math.isinf(v):
        return f"({'-' if v < 0 else ''}{_INFINITY[number]})"
    return f"({number})({v!r})"  # in parentheses for its sign
