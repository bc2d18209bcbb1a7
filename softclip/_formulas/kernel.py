"""A program as the body of a loop in C: what CuPy compiles."""

from __future__ import annotations

import math

from softclip._formulas.formats import Format
from softclip._formulas.program import Operand, Program, makes_truths

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


def body(program: Program, compute: Format) -> str | None:
    """Statements that compute y from x in C, whose functions are overloaded; None if an operation is not there."""
    number = TYPES[compute.name]
    lines = [f"{number} s0 = x;"]
    declared = {0}
    for operation, operands, slot in program.steps:
        expression = _EXPRESSIONS.get(operation) if isinstance(operation, str) else None
        if expression is None:
            return None
        kind = "" if slot in declared else "bool " if makes_truths(operation) else f"{number} "
        declared.add(slot)
        lines.append(f"{kind}s{slot} = {expression.format(*(_operand(v, number) for v in operands))};")
    return "\n".join([*lines, f"y = s{program.steps[-1].slot};"])


def _operand(v: Operand, number: str) -> str:
    if isinstance(v, int):
        return f"s{v}"
    if math.isnan(v):
        return f"({number})(0.0 / 0.0)"
    if math.isinf(v):
        return f"({number})({math.copysign(1.0, v)} / 0.0)"
    return f"({number})({v!r})"  # in parentheses for its sign
