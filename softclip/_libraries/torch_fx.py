"""How torch.fx records a call: as one node, which calls the public function again when the graph is run."""

from __future__ import annotations

import importlib
from typing import Any

import array_api_compat.torch
import torch
import torch.fx

from softclip._formulas.call import Call
from softclip._formulas.formats import FORMATS, Format
from softclip._functions.named import NAMED
from softclip._functions.squash import Squash
from softclip._libraries.standard import Library

Array = Any


class Fx(Library):
    """Arguments are checked as for an x of float64. The tensors of a graph have no dtype and no values yet."""

    name = "torch"

    def format(self, x: Array) -> Format:
        return FORMATS["float64"]

    def owns(self, value: Array) -> bool:
        return isinstance(value, (torch.Tensor, torch.fx.Proxy))

    def as_array_like(self, value: Any, x: Array, dtype: Any) -> Array:
        return value if isinstance(value, float) else torch.as_tensor(value, dtype=dtype)

    def device(self, x: Array) -> Any:
        return None

    def astype(self, x: Array, dtype: Any) -> Array:
        return x

    def run(self, x: Array, call: Call) -> Array:
        public = importlib.import_module("softclip")
        function = public.soft_clip if call.quantity == "value" else getattr(public, f"soft_clip_{call.quantity}")
        arguments = (x, call.low, call.high, _as_argument(call.g, x.tracer))
        return x.tracer.create_proxy("call_function", function, arguments, {"slope": call.slope})


def _as_argument(g: Squash, tracer: torch.fx.Tracer) -> Any:
    """g as an argument of a node: its name, or an attribute of the module that is traced."""
    if g.name in NAMED and g == NAMED[g.name]:
        return g.name
    names = (f"_softclip_g{i}" for i in range(len(vars(tracer.root)) + 1))
    name = next(name for name in names if getattr(tracer.root, name, g) == g)
    setattr(tracer.root, name, g)
    return tracer.create_proxy("get_attr", name, (), {})


FX = Fx(array_api_compat.torch)
