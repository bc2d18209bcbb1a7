"""Soft clipping for every array library: ``soft_clip(x, x_min, x_max, g)``."""

from softclip._soft_clip import soft_clip
from softclip._squash import NAMES, Squash, hinge

__version__ = "0.1.0"

__all__ = ["NAMES", "Squash", "__version__", "hinge", "soft_clip"]
