"""The plan between bounds that are arrays whose values can be read: as sharp as that of numbers, in groups of bounds.

The constants are made once for the bounds and not for every element of x. As the values are known, so is the formula
that they need. Bounds that need different formulas are in different groups. Bounds of extraordinary size, for which
`plan_arrays` has guards that cost time and digits, are planned one by one, as numbers are. That takes 0.1 to 0.3 ms for
each pair of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from softclip._formulas import formulas, plan_arrays
from softclip._formulas.call import Call, is_array
from softclip._formulas.constants import Constants, CornerConstants, Factor, HingeConstants, Parts
from softclip._formulas.formats import Format
from softclip._formulas.formulas import Formula
from softclip._formulas.plan import FORMULAS, number_plan
from softclip._formulas.plan_numbers import unit_slope
from softclip._functions.hinge import APART, STRAIGHT

Array = Any


class Group(NamedTuple):
    """Bounds with the same formula: its constants, arrays in the bounds' shape, and which bounds they are."""

    formula: Formula
    constants: Any
    members: Array | None
    """An array of truth values. None if all are."""


def known_plan(call: Call, *, logistic: bool = False) -> tuple[tuple[int, ...], list[Group]]:
    """The bounds' common shape, and the groups, whose arrays have an axis at least.

    Bounds and slope are floats, or NumPy arrays in the dtype computed in. They may be wrong: dask's are not looked at
    before.
    """
    shape = broadcast_shape(*(v.shape for v in call.arrays))
    if 0 in shape:
        return shape, []
    dtype, of_arrays = call.arrays[0].dtype, shape or (1,)
    low, high = (None if v is None else np.broadcast_to(np.asarray(v, dtype), of_arrays) for v in (call.low, call.high))
    slope = np.broadcast_to(call.slope, of_arrays) if is_array(call.slope) else call.slope
    call = call.with_constants(low, high, slope)
    if all(least <= np.min(size) and np.max(size) <= most for size, least, most in _sizes(call)):
        return shape, _ordinary_groups(call, None, logistic)
    ordinary = np.ones(of_arrays, bool)
    for size, least, most in _sizes(call):
        ordinary &= (least <= size) & (size <= most)
    valid = _valid(call)
    if not np.all(valid):  # NaN between wrong bounds, as everything is there that is computed of them
        given = [np.where(valid, v, np.nan).astype(dtype) if is_array(v) else v for v in call.constants]
        call, ordinary = call.with_constants(*given), ordinary | ~valid
    groups = _ordinary_groups(call, ordinary, logistic) if ordinary.any() else []
    return shape, groups + _one_by_one(call, ~ordinary)


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """As np.broadcast_shapes, which stops at 32 axes, half of those that arrays have."""
    sizes = [set(along) - {1} for along in itertools.zip_longest(*map(reversed, shapes), fillvalue=1)]
    if any(len(several) > 1 for several in sizes):
        msg = f"x, bounds and slope could not be broadcast together: their shapes are {', '.join(map(str, shapes))}"
        raise ValueError(msg)
    return tuple(max(one, default=1) for one in reversed(sizes))


def _valid(call: Call) -> Array:
    low, high, slope = call.constants
    valid = np.isfinite(high if low is None else low) & np.isfinite(low if high is None else high)
    if not call.one_bound:
        valid &= low < high
    return valid & (slope > 0) & np.isfinite(slope) if is_array(slope) else valid


def _sizes(call: Call) -> Iterator[tuple[Any, float, float]]:
    """What has to lie between two numbers for bounds to be so ordinary that no constant and no step needs a guard."""
    compute, g = call.format.computed_in, call.g
    low, high, slope = call.constants
    large, middling, root = (math.ldexp(1.0, compute.largest * n // 32) for n in (20, 8, 15))
    for bound in (low, high):
        if bound is not None:
            yield bound, -large, large
    if call.one_bound:
        yield g.softness, 1 / large, large  # type: ignore[attr-defined]
        return
    half = 0.5 * high - 0.5 * low
    yield half, 1 / large, large
    if slope is not None:
        steep = slope if g.kind == "hinge" else slope / unit_slope(g)
        yield steep, 1 / middling, middling
    if g.kind == "hinge":
        softness: Any = g.softness  # type: ignore[attr-defined]
        for size in (0.5, softness) if slope is None else (half / slope, softness / slope):
            yield size, 1 / root, root


def _ordinary_groups(call: Call, members: Array | None, logistic: bool) -> list[Group]:
    groups = _groups(call, members, logistic)
    if not call.passes_middle:
        return groups
    return [group._replace(formula=formulas.passing(group.formula)) for group in groups]


def _groups(call: Call, members: Array | None, logistic: bool) -> list[Group]:
    if call.quantity != "value" or call.g.kind == "declared" or call.one_bound:
        return [_group(call, members)]
    low, high = call.low, call.high
    cases: list[tuple[Array, Formula]]
    if call.g.kind == "hinge":
        cases = [(low == -high, formulas.hinged_mixed)]
        return [_finished(call, _group(call, *part)) for part in _parted(members, cases, formulas.hinged)]
    if call.g.rate is None:  # type: ignore[attr-defined]
        middle, half = 0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low
        from_zero = ((low == 0) | (high == 0)) & (middle + half == high) & (middle - half == low)
        parts = _parted(members, [(from_zero, formulas.signed_tail)], formulas.odd)
    else:
        cases = [(low == 0, formulas.from_zero), (high == 0, formulas.to_zero)]
        if logistic:  # whose value at a small x is not accurate between +-b
            cases.append((low == -high, formulas.odd))
        parts = _parted(members, cases, formulas.whole if logistic else formulas.odd)
    return [_finished(call, _group(call, *part)) for part in parts]


def _parted(
    members: Array | None, cases: list[tuple[Array, Formula]], otherwise: Formula
) -> list[tuple[Array | None, Formula]]:
    """The members by the first condition that holds, with its formula, and those for which none does, with the last."""
    parts: list[tuple[Array | None, Formula]] = []
    for condition, formula in cases:
        if members is None and np.all(condition):
            return [(None, formula)]
        if np.any(condition):
            all_ = np.True_ if members is None else members
            mine, members = all_ & condition, all_ & ~condition
            parts += [(mine, formula)] if mine.any() else []
    return parts if members is not None and not members.any() else [*parts, (members, otherwise)]


def _group(call: Call, members: Array | None, formula: Formula | None = None) -> Group:
    if members is not None:  # the others get bounds that no formula minds
        others = (0.0 if formula is formulas.signed_tail else -1.0, 1.0, 1.0)
        given = zip(call.constants, others, strict=True)
        call = call.with_constants(*(np.where(members, v, n).astype(v.dtype) if is_array(v) else v for v, n in given))
    if call.one_bound:
        side = "upper" if call.low is None else "lower"
        return Group(FORMULAS[f"{side} corner", call.quantity], corner(call), members)
    formula = formula or FORMULAS[call.g.kind, call.quantity]
    return Group(formula, hinge(call) if call.g.kind == "hinge" else constants(call), members)


# As the functions of these names in `plan_numbers` and `plan_arrays`, for ordinary bounds.


def constants(call: Call) -> Constants:
    quantity, g, format_, low, high, slope = call
    dtype = low.dtype
    middle, half = _middle_and_half(call)
    c = Constants(low, high, _number(half, dtype), *_parts(middle, dtype))
    steep = None if slope is None else _divided(_exact(slope), _exact(unit_slope(g)))
    # A declared function has neither a tail of its own nor a boost.
    of_tail, of_density = getattr(g, "unboosted", (math.inf, math.inf))
    if quantity in ("value", "inverse"):
        above = 1 if quantity == "inverse" else of_tail
        c = c._replace(tail_factor=as_factor(format_.computed_in, c.half, above))
    elif quantity == "antiderivative":
        c = c._replace(tail_factor=Factor(c.half if steep is None else _number(_divided(half, steep), dtype) * c.half))
    else:
        factor = half if steep is None else steep
        factor = factor if g.kind == "odd" else _divided(factor, _exact(0.5 * g.high - 0.5 * g.low))
        size = _number(factor, dtype)
        c = c._replace(
            density_factor=as_factor(format_.computed_in, size, of_density),
            log_density_factor=_number((np.log(factor[0]), 0.0), dtype),
        )
    if steep is None:
        return c
    factor = _number(_divided(steep, half), dtype)
    return c._replace(shift=_or_none(c.middle), shift_rest=c.middle_rest, factor=factor, center=g.center or None)


def hinge(call: Call) -> HingeConstants:
    quantity, g, format_, low, high, slope = call
    dtype = low.dtype
    softness = _exact(g.softness)  # type: ignore[attr-defined]
    middle, half = _middle_and_half(call)
    center, extent, steep = (
        (middle, half, _exact(slope)) if slope is not None else (_exact(0.5), *map(_exact, (0.5, 1)))
    )
    width = _divided(extent, steep)
    start, end = (plan_arrays.add(center, (side * width[0], side * width[1])) for side in (-1, 1))
    wide = _divided(softness, steep)
    corners = _number(_divided(extent, _exact(0.5 * softness[0])), dtype)
    between = np.float64(corners)
    cut = STRAIGHT if np.max(corners) >= APART else None
    c = HingeConstants(
        low,
        high,
        _number(half, dtype),
        *_parts(middle, dtype),
        None,
        _parts(start, dtype),
        _parts(end, dtype),
        _parts(center, dtype),
        width=_number(width, dtype),
        kappa=_number(_divided(steep, softness), dtype),
        corners=corners,
        weight=_number(_divided(softness, extent), dtype),
        decay=None if np.min(corners) >= APART else _number((np.exp(-between), 0.0), dtype),
        mass=_number((-np.expm1(-between), 0.0), dtype),
        half_decay=_number((np.exp(-0.5 * between), 0.0), dtype),
        half_mass=_number((-np.expm1(-0.5 * between), 0.0), dtype),
        cut=cut,
        straight=None if cut is None else _number((cut * wide[0], 0.0), dtype),
        inner=_number((np.maximum(0.5 * width[0], wide[0]), 0.0), dtype),
        unit=None if slope is None else _number(_divided(_exact(1.0), steep), dtype),
    )
    if quantity not in ("derivative", "log_derivative"):
        return c
    factor = (half[0] if slope is None else 0.5 * steep[0]) * -np.expm1(-between)
    return c._replace(
        density_factor=as_factor(format_.computed_in, _number((factor, 0.0), dtype)),
        log_density_factor=_number((np.log(factor), 0.0), dtype),
    )


def corner(call: Call) -> CornerConstants:
    softness: float = call.g.softness  # type: ignore[attr-defined]
    bound, sign = (call.high, -1.0) if call.low is None else (call.low, 1.0)
    return CornerConstants(bound, softness, None, bound, 1 / softness, sign)


def as_factor(compute: Format, size: Array, above: float = 1) -> Factor:
    """As that of `plan_numbers`, of one boost level for all. XLA, for which `above` would be less, reads no bounds."""
    if np.max(size) <= above:
        return Factor(size)
    unit = compute.boost() ** -2
    reduced = size * unit
    if np.min(reduced) >= compute.tiny:
        return Factor(size, reduced)
    return Factor(size, np.maximum(reduced, unit), np.minimum(size, 1))


def _finished(call: Call, group: Group) -> Group:
    """The group with the constants that its formula alone has, as `plan.number_plan` chooses them."""
    formula, c, _ = group
    if formula is formulas.hinged_mixed and c.cut is None:
        cut = 0.5 * c.corners + STRAIGHT
        return group._replace(formula=formulas.hinged_odd, constants=c._replace(cut=cut, straight=cut / c.kappa))
    if formula in (formulas.from_zero, formulas.to_zero):
        unboosted: float = call.g.unboosted[0]  # type: ignore[attr-defined]
        factor = as_factor(call.format.computed_in, 2 * c.half, 2 * unboosted)
        return group._replace(constants=c._replace(tail_factor=factor))
    if formula is formulas.odd and c.middle.any():
        half = _reaching(c.half, lambda v: (c.middle + v < c.high) | (c.middle - v > c.low))
        return group._replace(formula=formulas.clipped, constants=c._replace(half=half))
    if formula is formulas.whole:
        width = _reaching(2 * c.half, lambda v: c.low + v < c.high)
        formula = formulas.cut if np.any(c.low + width > c.high) else formulas.whole
        return group._replace(formula=formula, constants=c._replace(width=width))
    return group


def _reaching(size: Array, is_short: Callable[[Array], Array]) -> Array:
    """The sizes, each made larger until it is not short: until an infinite x reaches the bounds."""
    short = is_short(size)
    if not short.any():
        return size
    size = size.copy()
    while short.any():
        size[short] = np.nextafter(size[short], np.inf, dtype=size.dtype)
        short = is_short(size)
    return size


# On the way to the constants numbers are sums of two float64, exact to twice the digits: in a tail an error of u counts
# as many times as u is large.

Sum = tuple[Any, Any]


def _exact(value: Any) -> Sum:
    """A float or an array."""
    return (value.astype(np.float64) if is_array(value) else value), 0.0


def _middle_and_half(call: Call) -> tuple[Sum, Sum]:
    low, high = (0.5 * np.asarray(v, np.float64) for v in (call.low, call.high))
    return plan_arrays.exact_sum(low, high), plan_arrays.exact_sum(high, -low)


def _divided(a: Sum, b: Sum) -> Sum:
    quotient = a[0] / b[0]
    product, lost = _exact_product(quotient, b[0])
    return quotient, ((a[0] - product - lost) + (a[1] - quotient * b[1])) / b[0]


def _exact_product(a: Any, b: Any) -> Sum:
    """a b rounded, and what the rounding lost (Dekker's, by products of halves of the digits)."""
    product = a * b
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def _halves(a: Any) -> Sum:
    t = a * (2.0**27 + 1)
    first = t - (t - a)
    return first, a - first


def _number(a: Sum, dtype: Any) -> Any:
    """The sum rounded to the dtype, a float if it is one."""
    value = a[0] + a[1]
    return value.astype(dtype) if np.ndim(value) else float(value)


def _parts(a: Sum, dtype: Any) -> Parts:
    """The number of the dtype nearest to the sum, and the rest."""
    number, rest = plan_arrays.exact_sum(*a)
    if not np.ndim(number):
        return float(number), float(rest) or None
    rounded = number.astype(dtype)
    return rounded, _or_none((number - rounded + rest).astype(dtype))


def _or_none(array: Array | None) -> Array | None:
    return array if np.any(array) else None


def _one_by_one(call: Call, members: Array) -> list[Group]:
    """Each of these bounds planned as numbers are. Those whose plans differ in nothing but numbers are one group."""
    given = [np.broadcast_to(0.0 if v is None else v, members.shape)[members] for v in call.constants]
    distinct, which = np.unique(np.stack(given, axis=1), axis=0, return_inverse=True)
    plans = []
    alike: dict[Any, list[int]] = {}
    for i, pair in enumerate(distinct.astype(float).tolist()):
        numbers = (None if v is None else n for v, n in zip(call.constants, pair, strict=True))
        # The direct inverse asks for the values of its constants, which are arrays here.
        plans.append(number_plan(call.with_constants(*numbers), call.quantity == "inverse"))
        alike.setdefault((plans[i][0], _structure(plans[i][1])), []).append(i)
    groups = []
    for (formula, _), indices in alike.items():
        row = np.full(len(distinct), -1)
        row[indices] = range(len(indices))
        rows = np.full(members.shape, -1)
        rows[members] = row[which]
        columns = zip(*(_numbers(plans[i][1]) for i in indices), strict=True)
        arrays = (np.array(column, call.arrays[0].dtype)[rows] for column in columns)
        groups.append(Group(formula, _with_numbers(plans[indices[0]][1], arrays), rows >= 0))
    return groups


def _structure(c: Any) -> Any:
    """What is left of constants without their numbers."""
    return (type(c), *map(_structure, c)) if isinstance(c, tuple) else type(c)


def _numbers(c: Any) -> list[float]:
    if isinstance(c, tuple):
        return [number for v in c for number in _numbers(v)]
    return [] if c is None else [c]


def _with_numbers(c: Any, numbers: Iterator[Any]) -> Any:
    """The same with others in place of its numbers."""
    if isinstance(c, tuple):
        others = (_with_numbers(v, numbers) for v in c)
        return type(c)(*others) if hasattr(c, "_fields") else tuple(others)
    return None if c is None else next(numbers)
