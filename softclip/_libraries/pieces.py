"""How programs with bounds that are arrays are run on arrays in main memory: piece by piece, with long inner loops.

An operation of a piece with the bounds of 20 columns would go through a loop of 20 elements for every row. So the
constants of the bounds are repeated to the size of a piece, once if all pieces have the same. NumPy and torch do it
alike, each with its own functions, which are an `Arrays`.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from softclip._formulas.call import Call
from softclip._formulas.formats import Format
from softclip._formulas.formulas import Formula
from softclip._formulas.partials import weighted_partials
from softclip._formulas.plan_known import known_plan
from softclip._formulas.program import ARRAY, Program, Steps, formula_program, map_arrays
from softclip._functions.squash import Squash

Array = Any
Piece = tuple[slice, ...]

LONG = 512
"""So many elements with the same bounds need no copies of their bounds: a loop over them is long enough."""


class Arrays:
    """What a library is asked for here."""

    logistic = False
    """Whether that function is faster than tanh."""
    rounds = False
    """Whether a function may be told to write to an array of a narrower dtype."""

    def compiled(self, program: Program, format_: Format) -> Steps:
        raise NotImplementedError

    def from_numpy(self, array: Any) -> Array:
        raise NotImplementedError

    def total(self, x: Array, axes: tuple[int, ...]) -> Array:
        """The sums along axes, which stay with a length of 1."""
        raise NotImplementedError

    def empty(self, shape: Sequence[int], dtype: Any) -> Array:
        raise NotImplementedError

    def cast(self, x: Array, dtype: Any) -> Array:
        """x in the dtype; x itself, if it has it."""
        raise NotImplementedError

    def strides(self, x: Array) -> Sequence[int]:
        raise NotImplementedError

    def permuted(self, x: Array, order: Sequence[int]) -> Array:
        """x with its axes in another order, as a view."""
        raise NotImplementedError

    def is_contiguous(self, x: Array) -> bool:
        raise NotImplementedError

    def broadcast(self, bounds: Array, shape: Sequence[int]) -> Array:
        raise NotImplementedError

    def repeated(self, bounds: Array, times: int) -> Array:
        """Each element as many times, in a row."""
        raise NotImplementedError

    def positions(self, members: Array) -> Array:
        """Where a row of truth values is true."""
        raise NotImplementedError

    def take(self, x: Array, positions: Array) -> Array:
        raise NotImplementedError


class Prepared(NamedTuple):
    """The steps of a group of bounds, the slots with its constants, and which bounds it is of; None if of all."""

    steps: Steps
    slots: list[Array | None]
    members: Array | None


def prepared(arrays: Arrays, call: Call, *, partials: bool = False) -> tuple[tuple[int, ...], list[Prepared]]:
    """The common shape of the bounds, NumPy arrays in the dtype computed in, and what is prepared of each group.

    With `partials`, that is of the partial derivatives, each times a second input.
    """
    shape, groups = known_plan(call._replace(quantity="derivative") if partials else call, logistic=arrays.logistic)
    made = []
    for formula, c, members in groups:
        if partials:
            slope = (
                call.slope if isinstance(call.slope, (float, type(None))) else np.broadcast_to(call.slope, shape or 1)
            )
            formula, c = weighted_partials, (c, slope)  # noqa: PLW2901
        constants: list[Array] = []
        map_arrays(constants.append, c)
        structure = map_arrays(lambda _: ARRAY, c)
        steps = _steps(arrays, formula, call.g, call.format, structure, weighted=partials)
        slots = steps.prepared(arrays.from_numpy(v.reshape(shape)) for v in constants)
        made.append(Prepared(steps, slots, None if members is None else arrays.from_numpy(members.reshape(shape))))
    return shape, made


@functools.lru_cache(maxsize=1024)
def _steps(arrays: Arrays, formula: Formula, g: Squash, format_: Format, structure: Any, *, weighted: bool) -> Steps:
    return arrays.compiled(formula_program(formula, g, format_, structure, weighted=weighted), format_)


class Task(NamedTuple):
    """A group of bounds with its constants in the shape of a piece, and which elements it is of; None if of all."""

    steps: Steps
    slots: list[Array | None]
    positions: Array | None
    shape: tuple[int, ...]

    def run(self, arrays: Arrays, slots: list[Array | None], inputs: Sequence[Array], y: Array) -> list[Array]:
        """Write to y the first result of the steps for the inputs, arrays in the dtype computed in. Return the others.

        The slots are filled.
        """
        if self.positions is None:
            y = y.reshape(self.shape)
            direct = arrays.rounds or y.dtype == inputs[0].dtype
            self.steps.run(slots, [x.reshape(self.shape) for x in inputs], y if direct else None)
            first, *others = (slots[place] for place in self.steps.results)
            if first is not y:
                y[...] = first
            return others
        self.steps.run(slots, [arrays.take(x.reshape(-1), self.positions) for x in inputs], None)
        first, *others = (slots[place] for place in self.steps.results)
        y.reshape(-1)[self.positions] = arrays.cast(first, y.dtype)
        return others


def run_by_pieces(
    arrays: Arrays,
    inputs: Sequence[Array],
    of_bounds: tuple[int, ...],
    groups: Sequence[Prepared],
    compute: Any,
    dtype: Any,
    size: int,
    sums: int = 0,
    out: Array | None = None,
) -> tuple[Array, list[Array]]:
    """What the groups' steps make of the inputs in the dtype computed in, as a new array, `size` elements at a time.

    And of further results the sums, one for each of the bounds. A piece is written to `out`, if given, once it is
    done: `out` may have any layout and dtype, and may be an input.
    """
    ndim = inputs[0].ndim
    order = sorted(range(ndim), key=arrays.strides(inputs[0]).__getitem__, reverse=True)  # as x lies in memory
    of_bounds = (1,) * (ndim - len(of_bounds)) + of_bounds
    inputs = [arrays.permuted(x, order) for x in inputs]
    sizes: Any = tuple(inputs[0].shape)
    shape: Any = [of_bounds[i] for i in order]
    result = y = arrays.empty(sizes, dtype) if out is None else arrays.permuted(out, order)
    totals = [arrays.from_numpy(np.zeros(shape)) for _ in range(sums)]
    groups = [_in_shape(group, lambda v: arrays.permuted(v.reshape(of_bounds), order)) for group in groups]
    views = totals
    if all(map(arrays.is_contiguous, [*inputs, y])):
        sizes, shape = merged(sizes, shape)
        inputs, y = [x.reshape(sizes) for x in inputs], y.reshape(sizes)
        groups = [_in_shape(group, lambda v: v.reshape(shape)) for group in groups]
        views = [v.reshape(shape) for v in totals]
    alike = tuple(i for i, n in enumerate(shape) if n == 1)
    last: Any = None
    tasks: list[Task] = []
    for piece in pieces(sizes, size):
        blocks = [arrays.cast(x[piece], compute) for x in inputs]
        y_block = y[piece] if out is None else arrays.empty(blocks[0].shape, dtype)
        of_piece = tuple(s if n != 1 else slice(None) for s, n in zip(piece, shape, strict=True))
        if (of_piece, y_block.shape) != last:
            parts = [_in_shape(group, operator.itemgetter(of_piece)) for group in groups]
            tasks = tasks_of(arrays, parts, tuple(y_block.shape), tasks)
            last = of_piece, y_block.shape
        others = [task.run(arrays, task.slots, blocks, y_block) for task in tasks]
        for view, whole, *more in zip(views, *others, strict=True):
            for task, part in zip(tasks[1:], more, strict=True):
                whole.reshape(-1)[task.positions] = part
            view[of_piece] += arrays.total(whole.reshape(y_block.shape), alike)
        if out is not None:
            y[piece] = y_block
    back = sorted(range(ndim), key=order.__getitem__)
    return arrays.permuted(result, back), [arrays.permuted(v, back) for v in totals]


def tasks_of(
    arrays: Arrays, groups: Sequence[Prepared], shape: tuple[int, ...], before: Sequence[Task] = ()
) -> list[Task]:
    """The groups in the shape of a piece. Slots of the tasks before are used again, where the sizes are the same.

    The group of the most bounds runs on everything, and the others write over what is theirs.
    """
    first = max(groups, key=lambda group: math.inf if group.members is None else int(group.members.sum()))
    flat = len(groups) > 1 or shape[-1] < LONG
    tasks = []
    for i, group in enumerate([first, *(group for group in groups if group is not first)]):
        positions, size = None, shape
        constants: dict[int, Array] = {place: group.slots[place] for place in group.steps.constants}
        if flat or any(tuple(v.shape)[-1:] != (1,) for v in constants.values()):
            constants = {place: _in_a_row(arrays, v, shape) for place, v in constants.items()}
            size = (math.prod(shape),)
        if i:
            positions = arrays.positions(_in_a_row(arrays, group.members, shape))
            constants = {place: arrays.take(v, positions) for place, v in constants.items()}
            size = tuple(positions.shape)
        reusable = i < len(before) and before[i].steps is group.steps and before[i].shape == size
        slots = before[i].slots if reusable else [*group.steps.slots]
        for place, v in constants.items():
            slots[place] = v
        tasks.append(Task(group.steps, slots, positions, size))
    return tasks


def _in_a_row(arrays: Arrays, bounds: Array, shape: tuple[int, ...]) -> Array:
    """What belongs to each element of a piece of that shape, in a row."""
    if tuple(bounds.shape) == (*shape[:-1], 1):
        return arrays.repeated(bounds.reshape(-1), shape[-1])
    return arrays.broadcast(bounds, shape).reshape(-1)


def _in_shape(group: Prepared, f: Any) -> Prepared:
    """The group with f of its constants and of its members."""
    slots = [*group.slots]
    for place in group.steps.constants:
        slots[place] = f(slots[place])
    return Prepared(group.steps, slots, None if group.members is None else f(group.members))


def pieces(shape: Sequence[int], size: int) -> Iterator[Piece]:
    """Pieces of at most `size` elements, in order: whole inner axes, part of one, and single places of outer ones."""
    if 0 in shape:
        return
    axis, inside = len(shape), 1
    while axis > 0 and inside * shape[axis - 1] <= size:
        axis -= 1
        inside *= shape[axis]
    whole = [slice(None)] * (len(shape) - axis)
    if axis == 0:
        yield tuple(whole)
        return
    step = size // inside
    for place in itertools.product(*(range(n) for n in shape[: axis - 1])):
        singles = [slice(i, i + 1) for i in place]
        for start in range(0, shape[axis - 1], step):
            yield (*singles, slice(start, start + step), *whole)


def merged(shape: Sequence[int], of_bounds: Sequence[int]) -> tuple[list[int], list[int]]:
    """The shape and that of the bounds, with neighbouring axes made one along which the bounds vary, or do not."""
    sizes, bounds, last = [1], [1], None
    for n, of_bound in zip(shape, of_bounds, strict=True):
        varies = of_bound != 1
        if n == 1:
            continue
        if varies is last:
            sizes[-1] *= n
            bounds[-1] *= of_bound
        else:
            sizes.append(n)
            bounds.append(of_bound)
            last = varies
    return sizes, bounds
