"""What all public functions do: check the arguments, run the call, give back what the caller expects."""

from __future__ import annotations

from typing import Any

from softclip._arguments.arguments import arguments
from softclip._formulas.call import Quantity
from softclip._formulas.checks import NUMBERS


def compute(quantity: Quantity, name: str, x: Any, x_min: Any, x_max: Any, g: Any, slope: Any, out: Any) -> Any:
    """Compute the quantity at x. Error messages call x by `name`."""
    lib, array, call = arguments(quantity, name, x, x_min, x_max, g, slope)
    if out is not None:
        return lib.run_into(array, call, out)
    y = lib.run(array, call)
    # A number gives a NumPy number, as it does with NumPy's ufuncs.
    return y[()] if lib.name == "numpy" and isinstance(x, NUMBERS) else y
