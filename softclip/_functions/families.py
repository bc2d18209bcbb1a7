"""The functions with parameters, and every function of the package by what its ``name`` says."""

from __future__ import annotations

from collections.abc import Callable

from softclip._functions.algebraic import algebraic
from softclip._functions.hinge import hinge
from softclip._functions.knee import knee
from softclip._functions.named import NAMED
from softclip._functions.squash import Squash

FAMILIES: dict[str, Callable[..., Squash]] = {"algebraic": algebraic, "hinge": hinge, "knee": knee}
"""What makes a function with parameters, by its name."""


def from_name(name: str) -> Squash:
    """The built-in function whose ``name`` that is: "tanh", "hinge(0.1)" or "knee('tanh', 0.5)"."""
    if name in NAMED:
        return NAMED[name]
    family, _, parameters = name.removesuffix(")").partition("(")
    *functions, number = parameters.rsplit(", ", 1)
    return FAMILIES[family](*(from_name(function.strip("'")) for function in functions), float(number))
