"""Soft clipping as Flax layers. `SoftClipping` here is the layer for NNX; `softclip.flax.linen` has one for Linen."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import flax  # noqa: F401  (without Flax, the import of this module fails, and not the first use)

if TYPE_CHECKING:
    from softclip.flax.nnx import SoftClipping

__all__ = ["SoftClipping"]


def __getattr__(name: str) -> Any:
    """Import what is asked for on first use, so that users of Linen need not wait for `flax.nnx`."""
    if name == "SoftClipping":
        return importlib.import_module("softclip.flax.nnx").SoftClipping
    if name in ("nnx", "linen"):
        return importlib.import_module(f"softclip.flax.{name}")
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "nnx", "linen"})
