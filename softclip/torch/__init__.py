"""Soft clipping for torch: a module, a transform of distributions, and a function that clips gradients."""

from softclip.torch._gradients import soft_clip_grad_value_
from softclip.torch._module import SoftClipping
from softclip.torch._transform import SoftClipTransform

__all__ = ["SoftClipTransform", "SoftClipping", "soft_clip_grad_value_"]
