"""How torch.compile and torch.export see a call: as what they trace of the rules in `softclip._libraries.torch`."""

from __future__ import annotations

from typing import Any

import array_api_compat.torch
import torch

from softclip._formulas.call import Call, Quantity
from softclip._formulas.checks import check_values, checked_numbers
from softclip._formulas.formats import FORMATS
from softclip._functions.families import from_name
from softclip._libraries.torch import NUMBERS, TORCH, Torch
from softclip._libraries.torch_symbols import are_valid, is_known

Array = Any


class Traced(Torch):
    """torch while it traces."""

    def as_array_like(self, value: Any, x: Array, dtype: Any) -> Array:
        if isinstance(value, (list, tuple)) and not all(map(is_known, value)):
            return torch.stack([self.as_array_like(v, x, dtype) for v in value])
        return super().as_array_like(value, x, dtype)

    def check_symbols(self, low: Any, high: Any, slope: Any) -> None:
        low, high, slope = (v if isinstance(v, NUMBERS) else None for v in (low, high, slope))
        if not are_valid(low, high, slope):
            check_values(low, high, slope)

    def run(self, x: Array, call: Call) -> Array:  # pragma: no cover  (Dynamo reads it, and does not run it)
        if call.g.kind != "declared":
            return _run_untraced(call.quantity, call.g.name, call.format.name, x, *call.constants)
        return self.evaluate(x, self.with_tensors(x, call))


# It loads torch's compiler, which takes most of a second. Whoever traces has loaded that before.
@torch.compiler.allow_in_graph  # type: ignore[untyped-decorator]
def _run_untraced(quantity: Quantity, name: str, format_name: str, x: Array, low: Any, high: Any, slope: Any) -> Array:
    """What `Torch.run` does with a g that is not declared. Dynamo's trace cannot follow its caches or Fractions.

    Dynamo passes strings and numbers through, which is why g and the format come by their names.
    """
    g, format_ = from_name(name), FORMATS[format_name]
    call = Call(quantity, g, format_, low, high, slope)
    if any(isinstance(v, torch.SymFloat) for v in call.constants):
        call = TORCH.with_tensors(x, call)
    elif call.between_numbers:
        call = call.with_constants(*checked_numbers(g, format_, low, high, slope))
    return TORCH.run(x, call)


TRACED = Traced(array_api_compat.torch)
