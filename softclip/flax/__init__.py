"""Soft clipping as Flax layers: `SoftClipping` here is that of `softclip.flax.nnx`; `softclip.flax.linen` has the other."""

from softclip.flax.nnx import SoftClipping

__all__ = ["SoftClipping"]
