"""Soft clipping as Flax layers: `SoftClipping` here is that of `softclip.flax.nnx`; `linen` has the other."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import flax  # noqa: F401  (without Flax it is this that fails, and not the first use)

if TYPE_CHECKING:
    from softclip.flax.nnx import SoftClipping

__all__ = ["SoftClipping"]


def __getattr__(name: str) -> Any:
    """What is here, on first use: Linen's users need not wait for all of `flax.nnx`."""
    if name == "SoftClipping":
        return importlib.import_module("softclip.flax.nnx").SoftClipping
    if name in ("nnx", "linen"):
        return importlib.import_module(f"softclip.flax.{name}")
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "nnx", "linen"})
