"""A formula as a program: its operations in order, recorded once, to be run on arrays that are held already.

A formula that is evaluated as it stands makes a new array with every operation, and Python runs through it anew on
every call. A program is the same operations in the same order, as a list of steps. Each step says into which slot its
result goes, and a slot is used again as soon as nothing needs what it holds. Only formulas between bounds whose
values are known are recorded: nobody differentiates through the operations between them. Constants are numbers, or
arrays that the program is given.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from softclip._formulas.call import Call, is_array
from softclip._formulas.formats import Format
from softclip._formulas.formulas import Formula
from softclip._formulas.ops import Ops
from softclip._formulas.plan import number_plan
from softclip._functions.operations import Operations
from softclip._functions.squash import Squash

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
    """The steps, and what is in the slots at first: inputs of the size of x, then constants, then what is prepared.

    No step writes to these. Every step of the preparation has a slot of its own.
    """

    steps: tuple[Step, ...]
    inputs: int
    slots: int
    results: tuple[int, ...]
    """The slots of the results."""
    constants: int = 0
    preparation: tuple[Step, ...] = ()

    def compiled(
        self, function: Callable[[Operation], Callable[..., Array]], constant: Callable[[float], Any]
    ) -> Steps:
        """The program in a library's functions, which take ``out``, and its constants."""
        numbers: dict[str, int] = {}  # by their digits, as 0 and -0 are equal

        def placed(step: Step) -> PlacedStep:
            places: list[Any] = [
                numbers.setdefault(v.hex(), self.slots + len(numbers)) if isinstance(v, float) else v
                for v in step.operands
            ]
            a, b, c = (*places, None, None)[:3]
            return function(step.operation), a, b, c, step.slot

        preparation, steps = ([placed(step) for step in part] for part in (self.preparation, self.steps))
        # The first result goes to a place of its own, where it may be written to an array of the caller's.
        first, *others = self.results
        last = self.slots + len(numbers)
        made = max(i for i, step in enumerate(steps) if step[-1] == first)
        steps[made] = (*steps[made][:-1], last)
        for i in range(made + 1, len(steps)):
            function_, *places = steps[i]
            a, b, c, slot = (last if v == first else v for v in places)
            steps[i] = function_, a, b, c, slot  # type: ignore[assignment]
        results = (last, *(last if v == first else v for v in others))
        slots = (*[None] * self.slots, *map(constant, map(float.fromhex, numbers)), None)
        given = range(self.inputs, self.inputs + self.constants + len(preparation))
        constants = tuple({i: None for _, *places, _ in steps for i in places if i is not None and i in given})
        return Steps(tuple(steps), slots, self.inputs, results, constants, tuple(preparation))


PlacedStep = tuple[Callable[..., Array], int, int | None, int | None, int]
"""A function, the slots of its one to three operands, and that of its result."""


class Steps(NamedTuple):
    """A `Program` in a library's functions."""

    steps: tuple[PlacedStep, ...]
    slots: tuple[Array | None, ...]
    """What is in them at first: numbers after those that are filled. The inputs come into the first."""
    inputs: int
    results: tuple[int, ...]
    constants: tuple[int, ...]
    """The slots of arrays that the steps take beside the inputs: constants, and what is prepared from them."""
    preparation: tuple[PlacedStep, ...] = ()

    def prepared(self, constants: Iterable[Array]) -> list[Array | None]:
        """The slots with constants that are arrays, and what is prepared from them."""
        slots = [*self.slots]
        for i, array in enumerate(constants, self.inputs):
            slots[i] = array
        _run(self.preparation, slots)
        return slots

    def run(self, slots: list[Array | None], inputs: Iterable[Array], result: Array | None) -> Array:
        """Fill the slots, and `result`, or a new array if that is None, with the first result, which is given back."""
        for i, array in enumerate(inputs):
            slots[i] = array
        slots[-1] = result
        _run(self.steps, slots)
        return slots[self.results[0]]


def _run(steps: tuple[PlacedStep, ...], slots: list[Array | None]) -> None:
    for function, a, b, c, slot in steps:  # f(*[slots[i] for i in ...]) takes three times as long
        if b is None:
            slots[slot] = function(slots[a], out=slots[slot])
        elif c is None:
            slots[slot] = function(slots[a], slots[b], out=slots[slot])
        else:
            slots[slot] = function(slots[a], slots[b], slots[c], out=slots[slot])


@functools.lru_cache(maxsize=1024)
def number_program(call: Call, *, weighted: bool = False, logistic: bool = False) -> Program:
    """The program of a call between numbers, computing in ``format.computed_in``; `weighted`, times a second input."""
    formula, c = number_plan(call, False, logistic)
    return formula_program(formula, call.g, call.format, c, weighted=weighted)


@functools.lru_cache(maxsize=1024)
def formula_program(formula: Formula, g: Squash, format_: Format, c: Any, *, weighted: bool = False) -> Program:
    """The program of a formula with the constants c, in which `ARRAY` stands for each that is an array."""
    recorder = Recorder(format_.computed_in, 1 + weighted)
    x, *weights = recorder.inputs
    result = formula(recorder, g, x, map_arrays(lambda _: recorder.constant(), c))
    results = result if isinstance(result, tuple) else (result,)
    return recorder.program(*(weights[0] * v if weights else v for v in results))


ARRAY = type("Array", (), {"__repr__": lambda _: "ARRAY"})()


def map_arrays(f: Callable[[Array], Any], c: Any) -> Any:
    """Constants with f of each array in its place, in their order."""
    if isinstance(c, tuple):
        mapped = (map_arrays(f, v) for v in c)
        return type(c)(*mapped) if hasattr(c, "_fields") else tuple(mapped)
    return f(c) if is_array(c) else c


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
        self._recorded: list[tuple[Operation, tuple[Symbol | float, ...]]] = []
        self.inputs = [self._symbol(_INPUT) for _ in range(inputs)]

    def constant(self) -> Symbol:
        """An array that does not depend on x."""
        return self._symbol(_CONSTANT)

    def record(self, operation: Operation, *operands: Any) -> Symbol:
        if operation == "multiply" and [v for v in operands if not isinstance(v, Symbol)] == [1]:
            return next(v for v in operands if isinstance(v, Symbol))  # a boost of 1, half a width of 1
        return self._symbol(operation, *(v if isinstance(v, Symbol) else float(v) for v in operands))

    def _symbol(self, operation: Operation, *operands: Symbol | float) -> Symbol:
        self._recorded.append((operation, operands))
        return Symbol(self, len(self._recorded) - 1)

    def format(self, x: Array) -> Format:
        return self._format

    def call(self, fn: Callable[[Any], Any], u: Array) -> Symbol:
        return self.record(fn, u)

    def plus(self, a: Array, constant: float) -> Symbol:
        return self.record("add", a, constant)

    def clamp(self, u: Array, limit: float) -> Symbol:
        return self.record("clip", u, -limit, limit)

    def affine(self, base: Any, scale: Any, r: Array) -> Symbol:
        scaled = self.record("multiply", r, scale)
        return scaled if base is None else self.record("add", scaled, base)

    def program(self, *results: Symbol) -> Program:
        """The steps that the results need, each with the slot for what it makes."""
        steps = self._recorded
        last_use: dict[int, int] = {v.index: len(steps) for v in results}
        for index in range(len(steps) - 1, -1, -1):
            if index in last_use:
                for operand in _symbols(steps[index]):
                    last_use.setdefault(operand.index, index)
        of_x: set[int] = set()
        for index, (operation, operands) in enumerate(steps):
            if operation == _INPUT or any(isinstance(v, Symbol) and v.index in of_x for v in operands):
                of_x.add(index)
        given = [i for kind in (_INPUT, _CONSTANT) for i, (operation, _) in enumerate(steps) if operation == kind]
        needed = sorted(last_use.keys() - set(given))
        prepared = [i for i in needed if i not in of_x]
        slot_of = {i: slot for slot, i in enumerate(given + prepared)}
        kept = slots = len(slot_of)
        free: dict[bool, list[int]] = {False: [], True: []}  # those of numbers, and those of truth values
        for index in needed:
            if index in slot_of:
                continue
            for i in {v.index for v in _symbols(steps[index])}:
                if slot_of[i] >= kept and last_use[i] == index:
                    free[makes_truths(steps[i][0])].append(slot_of[i])
            mine = free[makes_truths(steps[index][0])]
            if not mine:
                mine.append(slots)
                slots += 1
            slot_of[index] = mine.pop()
        placed = {
            i: Step(
                steps[i][0], tuple(slot_of[v.index] if isinstance(v, Symbol) else v for v in steps[i][1]), slot_of[i]
            )
            for i in needed
        }
        return Program(
            tuple(placed[i] for i in needed if i in of_x),
            len(self.inputs),
            slots,
            tuple(slot_of[v.index] for v in results),
            len(given) - len(self.inputs),
            tuple(placed[i] for i in prepared),
        )


_INPUT, _CONSTANT = "input", "constant"


def _symbols(step: tuple[Operation, tuple[Symbol | float, ...]]) -> list[Symbol]:
    return [v for v in step[1] if isinstance(v, Symbol)]


def _recorded(operation: str) -> Callable[..., Symbol]:
    return lambda self, *operands: self.record(operation, *operands)


for _operation in [name for name in vars(Operations) if not name.startswith("_")] + ["clip", "divide"]:
    if _operation not in ("clamp", "half_pi", "plus", "rounded"):
        setattr(Recorder, _operation, _recorded(_operation))
