"""Soft clipping for torch: a module, a transform of distributions, and functions that work in place."""

from softclip.torch._gradients import soft_clip_grad_norm_, soft_clip_grad_value_
from softclip.torch._in_place import soft_clip_
from softclip.torch._module import SoftClipping
from softclip.torch._transform import SoftClipTransform

__all__ = ["SoftClipTransform", "SoftClipping", "soft_clip_", "soft_clip_grad_norm_", "soft_clip_grad_value_"]
