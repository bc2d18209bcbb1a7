"""Soft clipping for every array library: ``soft_clip(x, x_min, x_max, g)``, its derivatives and its inverse."""

from softclip._antiderivative import soft_clip_antiderivative
from softclip._functions.algebraic import algebraic
from softclip._functions.hinge import hinge
from softclip._functions.knee import knee
from softclip._functions.named import NAMES
from softclip._functions.squash import Squash
from softclip._soft_clip import soft_clip, soft_clip_derivative, soft_clip_inverse, soft_clip_log_derivative

__version__ = "0.1.0"

__all__ = [
    "NAMES",
    "Squash",
    "__version__",
    "algebraic",
    "hinge",
    "knee",
    "soft_clip",
    "soft_clip_antiderivative",
    "soft_clip_derivative",
    "soft_clip_inverse",
    "soft_clip_log_derivative",
]
