"""The clipping functions of the package by their names."""

from __future__ import annotations

from typing import Literal, get_args

from softclip._functions.heavy_tails import Algebraic, Arctan, Softsign
from softclip._functions.kneed import Cubic, Quintic, Sine
from softclip._functions.light_tails import Erf, Exponential, Gudermannian, Logistic
from softclip._functions.odd import OddSquash

Name = Literal[
    "sigmoid",
    "tanh",
    "arctan",
    "softsign",
    "algebraic",
    "erf",
    "gudermannian",
    "exponential",
    "cubic",
    "quintic",
    "sine",
]
"""What type checkers let pass as ``g``."""

NAMES: tuple[Name, ...] = get_args(Name)
"""The names that can be passed as ``g``."""

NAMED: dict[str, OddSquash] = {
    g.name: g
    for g in (
        Logistic("sigmoid", halved=True),
        Logistic("tanh", halved=False),
        Arctan("arctan"),
        Softsign("softsign"),
        Algebraic("algebraic"),
        Erf("erf"),
        Gudermannian("gudermannian"),
        Exponential("exponential"),
        Cubic("cubic"),
        Quintic("quintic"),
        Sine("sine"),
    )
}
