"""Soft clipping of gradients, in place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch

from softclip._arguments.arguments import arguments
from softclip._formulas.formats import FORMATS, Format
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
    clip_value = _checked("clip_value", clip_value, g)
    gradients = _gradients_of(parameters)
    for gradient in gradients:
        _check_rounded("clip_value", clip_value, FORMATS[_name(gradient)])
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


@torch.no_grad()  # type: ignore[untyped-decorator]
def soft_clip_grad_norm_(
    parameters: torch.Tensor | Iterable[torch.Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    g: G = "softsign",
    foreach: bool | None = None,
    *,
    error_if_nonfinite: bool = False,
) -> torch.Tensor:
    """Clip the norm of all gradients together softly, in place.

    It does what `torch.nn.utils.clip_grad_norm_` does, but smoothly. All gradients are multiplied by the same number,
    ``soft_clip(norm, -max_norm, max_norm, g, slope=1) / norm``. So their direction is kept, a small norm hardly
    changes, and a large one approaches max_norm. With automatic mixed precision, call it after
    ``scaler.unscale_(optimizer)``.

    Parameters
    ----------
    parameters : tensor or iterable of tensors
        The parameters whose ``.grad`` is clipped. Those with a ``.grad`` of None are skipped. Dtypes and devices may be
        mixed. A gradient that several parameters share, as tied parameters do, counts once.
    max_norm : float
        The norm of the result is at most this, but for rounding.
    norm_type : float
        The order of the norm, as in `torch.linalg.vector_norm`. ``float("inf")`` is the largest absolute value.
    g : str, callable or Squash
        As in `softclip.soft_clip`. "softsign" multiplies by 1 / (1 + norm / max_norm).
    foreach : bool, optional
        True takes torch's faster functions for many tensors, False takes one tensor after the other. None, the default,
        takes those functions where torch has them for the device.
    error_if_nonfinite : bool
        Whether to raise an error if the norm is infinite or NaN. Asking for it waits for the device.

    Returns
    -------
    tensor
        The norm before clipping, without axes: on the device of the first gradient, in float64 if a gradient is of
        float64, else in float32.

    Raises
    ------
    TypeError
        If `max_norm` or `norm_type` is not a number, `g` is of a wrong kind, or a gradient is sparse or of integers,
        booleans or complex numbers.
    ValueError
        If `max_norm` is not positive and finite, or `g` cannot be used for clipping. If elements of a gradient share
        memory, as those of an expanded tensor do.
    RuntimeError
        If `error_if_nonfinite` is true and the norm is infinite or NaN.

    Notes
    -----
    The norm is accumulated in float32 at least, also of gradients of 16 bits. If it is 0, nothing changes. If it is
    infinite, finite elements become 0 and infinite ones NaN, and if it is NaN, all elements do, as in torch's function.

    With "softsign" the result is ``max_norm gradient / (norm + max_norm)``. The automatic clipping of Bu et al.
    (arXiv:2206.07136) is ``gradient / (norm + stabiliser)``, which is the same but for a factor, with max_norm for the
    stabiliser.

    Examples
    --------
    >>> import torch
    >>> from softclip.torch import soft_clip_grad_norm_
    >>> weights = torch.nn.Parameter(torch.zeros(2))
    >>> weights.grad = torch.tensor([30.0, -40.0])
    >>> soft_clip_grad_norm_(weights, 1.0)
    tensor(50.)
    >>> weights.grad
    tensor([ 0.5882, -0.7843])
    """
    max_norm = _checked("max_norm", max_norm, g)
    norm_type = as_number("norm_type", norm_type)
    gradients = [v for v in _gradients_of(parameters) if v.numel()]  # nothing has no largest element
    if not gradients:
        return torch.tensor(0.0)
    compute = torch.float64 if any(v.dtype == torch.float64 for v in gradients) else torch.float32
    _check_rounded("max_norm", max_norm, FORMATS[str(compute).removeprefix("torch.")])
    groups: dict[Any, list[torch.Tensor]] = defaultdict(list)
    for gradient in gradients:
        groups[gradient.device, gradient.dtype].append(gradient)
    together = {device: _takes_many(device, foreach) for device, _ in groups}
    norms = []
    for (device, dtype), group in groups.items():
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        if together[device]:
            norms += torch._foreach_norm(group, norm_type, dtype=wide)
        else:
            norms += [torch.linalg.vector_norm(v, norm_type, dtype=wide) for v in group]
    first = gradients[0].device
    norm = torch.linalg.vector_norm(torch.stack([v.to(first, compute) for v in norms]), norm_type)
    if error_if_nonfinite and not norm.isfinite():
        msg = (
            f"the norm of order {norm_type} of the gradients is {norm.item()}, which cannot be clipped. "
            "Pass error_if_nonfinite=False to go on."
        )
        raise RuntimeError(msg)
    rate = torch.where(norm == 0, 1.0, soft_clip(norm, -max_norm, max_norm, g, slope=1.0) / norm)
    for (device, dtype), group in groups.items():
        factor = rate.to(device)
        # The factor is not rounded to 16 bits, in which the gradients would be up to 0.4 % too long.
        if together[device] and dtype.itemsize > 2:
            torch._foreach_mul_(group, factor.to(dtype))
        else:
            for gradient in group:
                gradient.copy_(gradient.to(factor.dtype) * factor)
    return norm


def _takes_many(device: torch.device, foreach: bool | None) -> bool:
    """Whether torch's functions for many tensors are taken, which it has for some devices."""
    has = device.type in ("cpu", "cuda", "xpu")
    if foreach and not has:
        msg = f"foreach=True is not possible for gradients on {device.type}; leave it out"
        raise RuntimeError(msg)
    return has if foreach is None else foreach


def _checked(name: str, bound: float, g: G) -> float:
    """The bound as a float. Raise an error if it cannot be one, or g none, even if there is no gradient."""
    bound = as_number(name, bound)
    if not 0 < bound < torch.inf:
        msg = f"{name} must be positive and finite; got {bound!r}"
        raise ValueError(msg)
    arguments("value", "gradient", torch.zeros((), device="cpu"), -1.0, 1.0, g, 1.0)
    return bound


def _check_rounded(name: str, bound: float, format_: Format) -> None:
    if not 0 < format_.round(bound) < torch.inf:
        msg = f"{name} must be positive and finite once rounded to {format_.name}; got {bound!r}"
        raise ValueError(msg)


def _gradients_of(parameters: torch.Tensor | Iterable[torch.Tensor]) -> list[torch.Tensor]:
    """The gradients that there are, each once. Raise an error if one cannot be clipped in place."""
    parameters = [parameters] if isinstance(parameters, torch.Tensor) else parameters
    gradients = list({id(p.grad): p.grad for p in parameters if p.grad is not None}.values())
    for gradient in gradients:
        if _name(gradient) not in FORMATS or gradient.layout != torch.strided:
            of_what = f"{gradient.dtype} with {gradient.layout}"
            msg = f"gradients must be dense, and of {', '.join(FORMATS)}; got one of {of_what}"
            raise TypeError(msg)
        if any(step == 0 and size > 1 for step, size in zip(gradient.stride(), gradient.shape, strict=True)):
            msg = (
                f"the elements of a gradient must not share memory; got one of shape {tuple(gradient.shape)} with "
                f"strides {gradient.stride()}: clone it"
            )
            raise ValueError(msg)
    return gradients


def _name(gradient: torch.Tensor) -> str:
    return str(gradient.dtype).removeprefix("torch.")
