"""Soft clipping as torch's own kinds of thing: a module, a transform of distributions, a clipping of gradients."""

from softclip.torch._gradients import soft_clip_grad_value_
from softclip.torch._module import SoftClipping
from softclip.torch._transform import SoftClipTransform

__all__ = ["SoftClipTransform", "SoftClipping", "soft_clip_grad_value_"]
