"""A formula as a program: its operations in order, recorded once, to be run on arrays that are held already.

A formula that is evaluated as it stands makes a new array with every operation, and Python runs through it anew on
every call. A program is the same operations in the same order, as a list of steps. Each step says into which slot its
result goes, and a slot is used again as soon as nothing needs what it holds. Only formulas between number bounds are
recorded: their constants are numbers, and nobody differentiates through their operations.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from softclip._formulas.call import Call
from softclip._formulas.formats import Format
from softclip._formulas.ops import Ops
from softclip._formulas.plan import number_plan
from softclip._functions.operations import Operations

Array = Any

Operation = str | Callable[..., Any]
"""Its name in the Array API standard (or "erf", "copysign" and the like), or a function that is not the package's."""

Operand = int | float
"""A slot, if it is an int, else a constant."""


class Step(NamedTuple):
    operation: Operation
    operands: tuple[Operand, ...]
    slot: int
    """Where the result goes. It may be one of the operands, which nothing needs any more."""


class Program(NamedTuple):
    """The steps, of which the last makes the result; the inputs are in the first slots, and no step writes to them."""

    steps: tuple[Step, ...]
    inputs: int
    slots: int

    def compiled(
        self, function: Callable[[Operation], Callable[..., Array]], constant: Callable[[float], Any]
    ) -> Steps:
        """The program in a library's functions, which take ``out``, and its constants."""
        constants: dict[str, int] = {}  # by their digits, as 0 and -0 are equal
        steps = []
        for operation, operands, slot in self.steps:
            places: list[Any] = [
                constants.setdefault(v.hex(), self.slots + len(constants)) if isinstance(v, float) else v
                for v in operands
            ]
            a, b, c = (*places, None, None)[:3]
            steps.append((function(operation), a, b, c, slot))
        steps[-1] = (*steps[-1][:-1], self.slots + len(constants))
        return Steps(tuple(steps), (*[None] * self.slots, *map(constant, map(float.fromhex, constants)), None))


class Steps(NamedTuple):
    """A `Program` in a library's functions: each, the slots of its one to three operands, and that of its result."""

    steps: tuple[tuple[Callable[..., Array], int, int | None, int | None, int], ...]
    slots: tuple[Array | None, ...]
    """What is in them at first: constants after those that are filled. The inputs come into the first."""

    def run(self, slots: list[Array | None], inputs: Iterable[Array], result: Array | None) -> Array:
        """Fill the slots, and `result`, or a new array if that is None."""
        for i, array in enumerate(inputs):
            slots[i] = array
        slots[-1] = result
        for function, a, b, c, slot in self.steps:  # f(*[slots[i] for i in ...]) takes three times as long
            if b is None:
                slots[slot] = function(slots[a], out=slots[slot])
            elif c is None:
                slots[slot] = function(slots[a], slots[b], out=slots[slot])
            else:
                slots[slot] = function(slots[a], slots[b], slots[c], out=slots[slot])
        return slots[-1]


@functools.lru_cache(maxsize=1024)
def number_program(call: Call, *, weighted: bool = False) -> Program:
    """The program of a call between numbers, computing in ``format.computed_in``; `weighted`, times a second input."""
    formula, c = number_plan(call, False)
    recorder = Recorder(call.format.computed_in, 1 + weighted)
    x, *weights = recorder.inputs
    result = formula(recorder, call.g, x, c)
    return recorder.program(weights[0] * result if weights else result)


class Symbol:
    """What an array is while a formula is recorded."""

    __slots__ = ("_ops", "index")

    def __init__(self, ops: Recorder, index: int) -> None:
        self._ops = ops
        self.index = index

    def __neg__(self) -> Symbol:
        return self._ops.record("negative", self)


def _operator(operation: str, *, swapped: bool = False) -> Callable[[Symbol, Any], Symbol]:
    def operator(self: Symbol, other: Any) -> Symbol:
        return self._ops.record(operation, *((other, self) if swapped else (self, other)))

    return operator


for _method, _operation in (
    ("add", "add"),
    ("sub", "subtract"),
    ("mul", "multiply"),
    ("truediv", "divide"),
    ("pow", "pow"),
):
    setattr(Symbol, f"__{_method}__", _operator(_operation))
    setattr(Symbol, f"__r{_method}__", _operator(_operation, swapped=True))

_TRUTHS = {
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
    "eq": "equal",
    "and": "bitwise_and",
}
for _method, _operation in _TRUTHS.items():
    setattr(Symbol, f"__{_method}__", _operator(_operation))


def makes_truths(operation: Operation) -> bool:
    """Whether an operation makes truth values and not numbers."""
    return isinstance(operation, str) and operation in _TRUTHS.values()


class Recorder(Ops):
    """The operations in which formulas are written; each is noted down under its name."""

    def __init__(self, format_: Format, inputs: int) -> None:
        self._format = format_
        self.inputs = [Symbol(self, i) for i in range(inputs)]
        self._recorded: list[tuple[Operation, tuple[Symbol | float, ...]]] = []

    def record(self, operation: Operation, *operands: Any) -> Symbol:
        if operation == "multiply" and [v for v in operands if not isinstance(v, Symbol)] == [1]:
            return next(v for v in operands if isinstance(v, Symbol))  # a boost of 1, half a width of 1
        self._recorded.append((operation, tuple(v if isinstance(v, Symbol) else float(v) for v in operands)))
        return Symbol(self, len(self.inputs) + len(self._recorded) - 1)

    def format(self, x: Array) -> Format:
        return self._format

    def call(self, fn: Callable[[Any], Any], u: Array) -> Symbol:
        return self.record(fn, u)

    def clamp(self, u: Array, limit: float) -> Symbol:
        return self.record("clip", u, -limit, limit)

    def affine(self, base: Any, scale: Any, r: Array) -> Symbol:
        scaled = self.record("multiply", r, scale)
        return scaled if base is None else self.record("add", scaled, base)

    def program(self, result: Symbol) -> Program:
        """The steps that `result` needs, each with the slot for what it makes."""
        first = len(self.inputs)
        steps = {first + i: step for i, step in enumerate(self._recorded)}
        last_use: dict[int, int] = {}
        for index in range(result.index, first - 1, -1):
            if index == result.index or index in last_use:
                for operand in steps[index][1]:
                    if isinstance(operand, Symbol):
                        last_use.setdefault(operand.index, index)
        slot_of = {i: i for i in range(first)}
        free: dict[bool, list[int]] = {False: [], True: []}  # those of numbers, and those of truth values
        placed, slots = [], first
        for index in sorted(last_use.keys() - slot_of.keys() | {result.index}):
            operation, operands = steps[index]
            used = [v.index for v in operands if isinstance(v, Symbol)]
            for i in {i for i in used if i >= first and last_use[i] == index}:
                free[makes_truths(steps[i][0])].append(slot_of[i])
            mine = free[makes_truths(operation)]
            if not mine:
                mine.append(slots)
                slots += 1
            slot_of[index] = mine.pop()
            places = tuple(slot_of[v.index] if isinstance(v, Symbol) else v for v in operands)
            placed.append(Step(operation, places, slot_of[index]))
        return Program(tuple(placed), first, slots)


def _recorded(operation: str) -> Callable[..., Symbol]:
    return lambda self, *operands: self.record(operation, *operands)


for _operation in [name for name in vars(Operations) if not name.startswith("_")] + ["clip", "divide"]:
    if _operation not in ("clamp", "half_pi"):
        setattr(Recorder, _operation, _recorded(_operation))
