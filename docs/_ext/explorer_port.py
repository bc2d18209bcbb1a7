"""The clipping functions in JavaScript, for the explorer: written from the package's own forms, not by hand.

A form with array bounds is recorded with symbols for x, the bounds, the slope and the parameter of g; each operation becomes a
line of JavaScript. Only erf, which browsers have not, is a formula of its own.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from softclip import NAMES
from softclip._formulas.call import Call
from softclip._formulas.formats import FORMATS
from softclip._formulas.plan import array_plan
from softclip._formulas.program import Operand, Program, Recorder, Symbol
from softclip._functions.hinge import Hinge
from softclip._functions.knee import Knee
from softclip._functions.named import NAMED

QUANTITIES = {"f": "value", "derivative": "derivative", "logDerivative": "log_derivative"}
ARGUMENTS = "x, xMin, xMax, slope, parameter"
KNEES = {f"knee {name}": name for name in ("tanh", "algebraic", "exponential")}
"""The knees of a few functions, by what they are called in the list."""
FORMAT = FORMATS["float64"]

EXPRESSIONS = {
    "add": "{} + {}",
    "subtract": "{} - {}",
    "multiply": "{} * {}",
    "divide": "{} / {}",
    "negative": "-{}",
    "less": "{} < {}",
    "less_equal": "{} <= {}",
    "greater": "{} > {}",
    "greater_equal": "{} >= {}",
    "equal": "{} === {}",
    "bitwise_and": "{} && {}",
    "where": "{} ? {} : {}",
    "minimum": "Math.min({}, {})",
    "maximum": "Math.max({}, {})",
    "clip": "Math.min(Math.max({}, {}), {})",
    "copysign": "{1} < 0 ? -({0}) : {0}",
    "logistic": "1 / (1 + Math.exp(-{}))",
    "erf": "erf({})",
    "erfc": "erfc({})",
    **{name: f"Math.{name}({{}})" for name in ("abs", "exp", "expm1", "log", "log1p", "tanh", "sin", "sqrt", "atan")},
}

# Numerical Recipes, 3rd edition, section 6.2.2: a relative error below 1.2e-7 everywhere.
ERF = """\
function erfc(x) {
  const z = Math.abs(x), t = 2 / (2 + z);
  const y = t * Math.exp(-z * z - 1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
    + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)))))))));
  return x >= 0 ? y : 2 - y;
}
function erf(x) { return 1 - erfc(x); }
"""


def javascript() -> str:
    """A script that defines ``softclip[g].plain.f(x, xMin, xMax, slope, parameter)`` and the like; no module, as files must load it."""
    families = ",\n".join(
        f'"{name}": {{ plain: {_functions(name, bent=False)}, slope: {_functions(name, bent=True)} }}'
        for name in (*NAMES, *KNEES, "hinge")
    )
    return f"// Written by docs/_ext/explorer_port.py from softclip's own forms.\n{ERF}const softclip = {{\n{families}\n}};\n"


def write(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "softclip.js").write_text(javascript())


def _functions(name: str, *, bent: bool) -> str:
    made = (
        f"{key}: ({ARGUMENTS}) => {{ {_body(_program(name, what, bent=bent))} }}" for key, what in QUANTITIES.items()
    )
    return f"{{ {', '.join(made)} }}"


def _program(name: str, quantity: Any, *, bent: bool) -> Program:
    recorder = Recorder(FORMAT, len(ARGUMENTS.split(", ")))
    x, low, high, slope, parameter = recorder.inputs
    if name == "hinge":
        g: Any = _hinge_of(parameter)
    else:
        g = KneeAtASymbol(KNEES[name], parameter) if name in KNEES else NAMED[name]
    formula, c = array_plan(Call(quantity, g, FORMAT, low, high, slope if bent else None), recorder)
    return recorder.program(formula(recorder, g, x, c))


def _hinge_of(softness: Symbol) -> Hinge:
    """A hinge whose softness is not known yet, which its constructor would refuse."""
    g = object.__new__(Hinge)
    g.softness = softness  # type: ignore[assignment]
    return g


class KneeAtASymbol(Knee):
    """A knee of which it is not known yet where it is."""

    def __init__(self, name: str, at: Symbol) -> None:
        self.g, self.straight = NAMED[name], at  # type: ignore[assignment]
        self.reach = at + (1 - at) * (self.g.reach * self.g.slope)  # type: ignore[assignment, operator]

    def _parts(self, ops: Any, a: Any) -> Any:
        return self.straight, 1 - self.straight


def _body(program: Program) -> str:
    names = dict(enumerate(ARGUMENTS.split(", ")))
    lines = []
    for i, (operation, operands, slot) in enumerate(program.steps):
        expression = EXPRESSIONS[operation].format(*(_operand(v, names) for v in operands))  # type: ignore[index]
        names[slot] = f"v{i}"
        lines.append(f"const v{i} = {expression};")
    return " ".join([*lines, f"return {names[program.steps[-1].slot]};"])


def _operand(v: Operand, names: dict[int, str]) -> str:
    if isinstance(v, int):
        return names[v]
    if math.isnan(v):
        return "NaN"
    return f"({v!r})" if math.isfinite(v) else f"({'-' if v < 0 else ''}Infinity)"
