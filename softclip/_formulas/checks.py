"""What bounds and a slope must be: errors that name the argument and show what was given."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from softclip._formulas.formats import Format
from softclip._functions.hinge import Hinge
from softclip._functions.squash import Squash, as_number

NUMBERS = (int, float, complex, np.generic)
"""Python's and NumPy's numbers, and what only looks like one."""
_NUMBERS_AND_TEXT = (*NUMBERS, str)


def is_number(value: Any) -> bool:
    """Whether a bound or slope is a number, or None; `as_number` refuses what only looks like one."""
    if value is None or isinstance(value, _NUMBERS_AND_TEXT):
        return True
    return hasattr(value, "__float__") and not hasattr(value, "shape")


def check_call(g: Squash, format_: Format, x_min: Any, x_max: Any, slope: Any) -> tuple[float | None, ...]:
    """Bounds that are numbers (or None) and the slope, checked as given."""
    check_kind(g, format_, x_min, x_max, slope)
    low, high, slope = (
        None if v is None else as_number(name, v) for name, v in (("x_min", x_min), ("x_max", x_max), ("slope", slope))
    )
    check_numbers(low, high, (x_min, x_max))
    if slope is not None:
        _check_slope(slope, low, high)
    return low, high, slope


def check_values(low: float | None, high: float | None, slope: float | None) -> None:
    """Refuse bounds and a slope that are numbers, if they are wrong."""
    check_numbers(low, high, (low, high))
    if slope is not None and not 0 < slope < math.inf:
        _check_slope(slope, low, high)


@functools.lru_cache(maxsize=1024, typed=True)
def checked_numbers(g: Squash, format_: Format, x_min: Any, x_max: Any, slope: Any) -> tuple[float | None, ...]:
    """The same rounded to the format, and checked again."""
    low, high, slope = check_call(g, format_, x_min, x_max, slope)
    low, high = (None if v is None else format_.round(v) for v in (low, high))
    check_numbers(low, high, (x_min, x_max), f" once rounded to {format_.name}")
    return low, high, slope


def check_numbers(low: float | None, high: float | None, given: tuple[Any, Any], where: str = "") -> None:
    """Plain comparisons, which torch.compile can trace; `given` is what the caller passed for low and high."""
    for bound in (low, high):
        if bound is not None and bound != bound:  # noqa: PLR0124  (NaN)
            msg = f"x_min and x_max must not be NaN; got x_min={given[0]} and x_max={given[1]}"
            raise ValueError(msg)
        if bound is not None and (bound == math.inf or bound == -math.inf):  # noqa: PLR1714
            msg = (
                f"x_min and x_max must be finite{where}; got x_min={given[0]} and x_max={given[1]}. "
                "For no bound on one side, pass None and g=hinge(softness)"
            )
            raise ValueError(msg)
    if low is not None and high is not None and not low < high:
        msg = f"x_min must be less than x_max{where}; got x_min={given[0]} and x_max={given[1]}"
        raise ValueError(msg)


def _check_slope(slope: float, low: Any, high: Any) -> None:
    if not 0 < slope < math.inf:
        msg = f"slope must be positive and finite; got {slope!r}"
        raise ValueError(msg)
    if (low is None or high is None) and slope != 1:
        msg = f"slope must be None or 1 with one bound; got {slope!r}"
        raise ValueError(msg)


def check_kind(g: Squash, format_: Format, x_min: Any, x_max: Any, slope: Any) -> None:
    """What does not depend on the values of arrays."""
    if x_min is None and x_max is None:
        msg = "x_min and x_max are both None: pass at least one bound"
        raise ValueError(msg)
    if x_min is None or x_max is None:
        if g.kind != "hinge":
            msg = (
                f"g={g.name!r} needs two bounds; got x_min={x_min!r} and x_max={x_max!r}. "
                "For no bound on one side, pass g=hinge(softness)"
            )
            raise ValueError(msg)
        if isinstance(g, Hinge) and g.softness >= math.ldexp(
            1.0, format_.computed_in.largest
        ):  # the value at the bound is about that large
            msg = (
                f"g={g.name} is too soft for one bound in {format_.name}: "
                f"its softness must be less than 2^{format_.computed_in.largest}"
            )
            raise ValueError(msg)
        if slope is not None and not is_number(slope):
            msg = "slope must be None or 1 with one bound; got an array"
            raise ValueError(msg)
    if slope is not None and g.kind == "declared" and g.slope is None:
        msg = (
            f"slope={slope!r} needs the slope of g at its center. "
            f"Declare it: Squash(..., center=..., slope=...); g is {g!r}"
        )
        raise ValueError(msg)


def check_host_values(low: Any, high: Any, slope: Any, where: str = "") -> None:
    """Values that are at hand, numbers and NumPy arrays; arrays of other libraries are not read back."""
    if isinstance(low, np.ndarray) or isinstance(high, np.ndarray):
        low_shown, high_shown = _first_wrong(low, high)
    else:
        low_shown, high_shown = low, high
    given = [v if v is None or isinstance(v, float) else "an array" for v in (low_shown, high_shown)]
    at_hand = [v if isinstance(v, float) else None for v in given]
    check_numbers(at_hand[0], at_hand[1], (given[0], given[1]), where)
    if isinstance(slope, float):
        _check_slope(slope, low, high)
    if isinstance(slope, np.ndarray):
        for value in slope[~((slope > 0) & np.isfinite(slope))][:1]:
            _check_slope(float(value), low, high)


def _first_wrong(low: Any, high: Any) -> tuple[Any, Any]:
    """Of bounds of which one is a NumPy array at least the first pair that is wrong, None and None if all are good."""
    bounds = [bound for bound in (low, high) if isinstance(bound, (float, np.ndarray))]
    with np.errstate(invalid="ignore"):  # bfloat16 warns of NaN
        finite = all(-math.inf < np.min(v, initial=0.0) and np.max(v, initial=0.0) < math.inf for v in bounds)
        if finite and (len(bounds) == 1 or np.all(bounds[0] < bounds[1])):
            return None, None
        good = functools.reduce(np.logical_and, map(np.isfinite, bounds))
        good = good if len(bounds) == 1 else good & (bounds[0] < bounds[1])
    if good.all():
        return None, None
    first = np.argmin(good)
    shown = (
        float(np.broadcast_to(bound, good.shape).flat[first]) if isinstance(bound, (float, np.ndarray)) else bound
        for bound in (low, high)
    )
    return next(shown), next(shown)
