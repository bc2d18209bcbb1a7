"""The plan of a call: which formula is taken, and its constants. It depends on nothing but the call."""

from __future__ import annotations

import functools
from typing import Any

from softclip._formulas import formulas, plan_arrays, plan_numbers
from softclip._formulas.call import Call
from softclip._formulas.formulas import Formula
from softclip._formulas.ops import Ops

Plan = tuple[Formula, Any]

FORMULAS: dict[tuple[str, str], Formula] = {
    ("odd", "inverse"): formulas.inverse,
    ("odd", "derivative"): formulas.derivative,
    ("odd", "log_derivative"): formulas.log_derivative,
    ("odd", "antiderivative"): formulas.antiderivative,
    ("declared", "value"): formulas.declared,
    ("declared", "inverse"): formulas.declared_inverse,
    ("declared", "derivative"): formulas.derivative,
    ("declared", "log_derivative"): formulas.log_derivative,
    ("hinge", "value"): formulas.hinged,
    ("hinge", "inverse"): formulas.hinge_inverse,
    ("hinge", "derivative"): formulas.derivative,
    ("hinge", "log_derivative"): formulas.log_derivative,
    ("lower corner", "value"): formulas.hinged_low,
    ("upper corner", "value"): formulas.hinged_high,
    **{
        (f"{side} corner", quantity): formula
        for side in ("lower", "upper")
        for quantity, formula in (
            ("inverse", formulas.corner_inverse),
            ("derivative", formulas.corner_derivative),
            ("log_derivative", formulas.corner_log_derivative),
        )
    },
}
"""The formula of a quantity, by the kind of g. The value of an odd g has several, between which the bounds decide."""


@functools.lru_cache(maxsize=1024)
def number_plan(call: Call, autodiff: bool, logistic: bool = False, flushes: bool | None = None) -> Plan:
    """The plan between bounds that are numbers, for computing in ``format.computed_in``.

    With `autodiff` the formula is one whose derivative in x is the derivative of f. With `logistic` that function is
    preferred to tanh. `flushes` says whether subnormal numbers may become 0, also those on the way to a normal result:
    as with XLA, for which `autodiff` is asked.
    """
    flushes = autodiff if flushes is None else flushes
    if call.passes_middle:
        formula, c = _number_plan(call, autodiff, logistic, flushes)
        return formulas.passing(formula), c
    return _number_plan(call, autodiff, logistic, flushes)


def _number_plan(call: Call, autodiff: bool, logistic: bool, flushes: bool) -> Plan:
    quantity, g, format_, low, high, slope = call
    compute = format_.computed_in
    if call.one_bound:
        return _corner(call), plan_numbers.corner(g, compute, low, high)  # type: ignore[arg-type]
    if g.kind == "hinge":
        c = plan_numbers.hinge(quantity, g, compute, low, high, slope)  # type: ignore[arg-type]
        if quantity != "value" or low != -high:
            return FORMULAS["hinge", quantity], c
        return formulas.hinged_mixed if autodiff or c.decay is None else formulas.hinged_odd, c
    if g.kind == "odd" and quantity == "value":
        return _odd_value(call, autodiff, logistic, flushes)
    above = _unboosted(g, 1, flushes) if g.kind == "odd" else 1
    constants = plan_numbers.constants(quantity, g, compute, low, high, slope, above)
    if g.kind == "odd" and quantity == "inverse" and not autodiff:
        span = plan_numbers.span(compute, low, high)
        if g.inverts_between(span):  # type: ignore[attr-defined]
            return formulas.direct_inverse, constants._replace(span=span)
    return FORMULAS[g.kind, quantity], constants


def _odd_value(call: Call, autodiff: bool, logistic: bool, flushes: bool) -> Plan:
    """The value of an odd g between numbers."""
    quantity, g, format_, low, high, slope = call
    compute = format_.computed_in
    c = plan_numbers.constants(quantity, g, compute, low, high, slope)
    if low == -high:
        return formulas.odd, c
    width, unboosted = plan_numbers.half_width(low, high), _unboosted(g, 0, flushes)
    if autodiff:
        return formulas.tails, c._replace(tail_factor=plan_numbers.as_factor(compute, width, unboosted))
    if 0.0 in (low, high) and g.rate is not None:  # type: ignore[attr-defined]
        factor = plan_numbers.as_factor(compute, 2 * width, above=2 * unboosted)
        return formulas.from_zero if low == 0 else formulas.to_zero, c._replace(tail_factor=factor)
    factor = plan_numbers.as_factor(compute, width, above=unboosted)
    if 0.0 in (low, high) and compute.round(c.middle + c.half) == high and compute.round(c.middle - c.half) == low:
        return formulas.signed_tail, c._replace(tail_factor=factor)
    if logistic and g.rate is not None and 2 * width < compute.greatest:  # type: ignore[attr-defined]
        full = compute.round(float(2 * width))
        while compute.round(low + full) < high:
            full = compute.next(full)
        return formulas.whole if compute.round(low + full) == high else formulas.cut, c._replace(width=full)
    half = c.half
    while compute.round(c.middle + half) < high or compute.round(c.middle - half) > low:
        half = compute.next(half)
    return formulas.clipped, c._replace(half=half)


def _unboosted(g: Any, which: int, flushes: bool) -> float:
    """The largest factor of the tail (0) or the density (1) of g without a boost."""
    return g.unboosted[which] / 4 if flushes else g.unboosted[which]  # type: ignore[no-any-return]


def array_plan(call: Call, ops: Ops) -> Plan:
    """The plan between bounds that are arrays, or with a slope that is one, in ``format.computed_in``."""
    quantity, g, format_, low, high, slope = call
    compute = format_.computed_in
    if call.one_bound:
        return _corner(call), plan_arrays.corner(g, compute, low, high)  # type: ignore[arg-type]
    if g.kind == "hinge":
        c = plan_arrays.hinge(quantity, ops, g, compute, low, high, slope)  # type: ignore[arg-type]
        return formulas.hinged_mixed if quantity == "value" else FORMULAS["hinge", quantity], c
    several = g.kind == "odd" and quantity == "value"
    formula = formulas.mixed if several else FORMULAS[g.kind, quantity]
    if call.passes_middle:
        formula = formulas.passing(formula)
    return formula, plan_arrays.constants(quantity, ops, g, compute, low, high, slope)


def _corner(call: Call) -> Formula:
    return FORMULAS["upper corner" if call.low is None else "lower corner", call.quantity]
