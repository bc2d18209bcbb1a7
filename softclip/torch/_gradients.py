"""Soft clipping of gradients, in place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch

from softclip._arguments.arguments import arguments
from softclip._formulas.formats import FORMATS
from softclip._functions.squash import as_number
from softclip._soft_clip import soft_clip
from softclip.torch._bounds import G


@torch.no_grad()  # type: ignore[untyped-decorator]
def soft_clip_grad_value_(
    parameters: torch.Tensor | Iterable[torch.Tensor],
    clip_value: float,
    g: G = "softsign",
    foreach: bool | None = None,
) -> None:
    """Clip gradients softly at a value, in place.

    It does what `torch.nn.utils.clip_grad_value_` does, but smoothly. Every element becomes
    ``soft_clip(element, -clip_value, clip_value, g, slope=1)``. Small elements hardly change, large ones approach
    +-clip_value, and the order of the elements is kept. With automatic mixed precision, call it after
    ``scaler.unscale_(optimizer)``.

    Parameters
    ----------
    parameters : tensor or iterable of tensors
        The parameters whose ``.grad`` is clipped. Those with a ``.grad`` of None are skipped. Dtypes and devices may be
        mixed. A gradient that several parameters share, as tied parameters do, is clipped once.
    clip_value : float
        No element of a gradient will be larger than this in absolute value.
    g : str, callable or Squash
        As in `softclip.soft_clip`. "softsign" gives v / (1 + abs(v) / clip_value).
    foreach : bool, optional
        True clips all gradients of one dtype and device together, in a temporary copy. False clips one after the
        other. None, the default, clips only small gradients together.

    Raises
    ------
    TypeError
        If `clip_value` is not a number, `g` is of a wrong kind, or a gradient is sparse or of integers, booleans or
        complex numbers.
    ValueError
        If `clip_value` is not positive and finite, even after it is rounded to the dtype of each gradient. If `g`
        cannot be used for clipping. If elements of a gradient share memory, as those of an expanded tensor do.

    Notes
    -----
    All gradients are checked before the first one is changed.

    Examples
    --------
    >>> import torch
    >>> from softclip.torch import soft_clip_grad_value_
    >>> weights = torch.nn.Parameter(torch.zeros(4))
    >>> weights.grad = torch.tensor([0.001, -1.0, 1000.0, torch.inf])
    >>> soft_clip_grad_value_(weights, 1.0)
    >>> weights.grad
    tensor([ 9.9900e-04, -5.0000e-01,  9.9900e-01,  1.0000e+00])
    """
    parameters = [parameters] if isinstance(parameters, torch.Tensor) else parameters
    clip_value = as_number("clip_value", clip_value)
    if not 0 < clip_value < torch.inf:
        msg = f"clip_value must be positive and finite; got {clip_value!r}"
        raise ValueError(msg)
    # This raises for a wrong g even if there is no gradient.
    arguments("value", "gradient", torch.zeros((), device="cpu"), -1.0, 1.0, g, 1.0)
    gradients = {id(p.grad): p.grad for p in parameters if p.grad is not None}.values()
    for gradient in gradients:
        _check_gradient(gradient, clip_value)
    groups: dict[Any, list[torch.Tensor]] = defaultdict(list)
    for gradient in gradients:
        small = type(gradient) is torch.Tensor and gradient.numel() < 2**16
        alone = not (small if foreach is None else foreach)
        groups[len(groups) if alone else (gradient.device, gradient.dtype)].append(gradient)
    for group in groups.values():
        flat = group[0] if len(group) == 1 else torch.cat([gradient.reshape(-1) for gradient in group])
        clipped = soft_clip(flat, -clip_value, clip_value, g, slope=1.0)
        if len(group) == 1:
            group[0].copy_(clipped)
        else:
            parts = clipped.split([gradient.numel() for gradient in group])
            torch._foreach_copy_(group, [part.view_as(gradient) for part, gradient in zip(parts, group, strict=True)])


def _check_gradient(gradient: torch.Tensor, clip_value: float) -> None:
    """Raise an error if the gradient cannot be clipped at this value in place."""
    format_ = FORMATS.get(str(gradient.dtype).removeprefix("torch."))
    if format_ is None or gradient.layout != torch.strided:
        msg = (
            f"gradients must be dense, and of {', '.join(FORMATS)}; got one of {gradient.dtype} with {gradient.layout}"
        )
        raise TypeError(msg)
    if not 0 < format_.round(clip_value) < torch.inf:
        msg = f"clip_value must be positive and finite once rounded to {format_.name}; got {clip_value!r}"
        raise ValueError(msg)
    if any(step == 0 and size > 1 for step, size in zip(gradient.stride(), gradient.shape, strict=True)):
        msg = (
            f"the elements of a gradient must not share memory; got one of shape {tuple(gradient.shape)} with strides "
            f"{gradient.stride()}: clone it"
        )
        raise ValueError(msg)
