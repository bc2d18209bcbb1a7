"""Soft clipping of a tensor in place."""

from __future__ import annotations

import torch

from softclip._arguments.arguments import arguments
from softclip.torch._bounds import Bound, G


def soft_clip_(
    x: torch.Tensor, x_min: Bound = -1.0, x_max: Bound = 1.0, g: G = "sigmoid", *, slope: Bound = None
) -> torch.Tensor:
    """Write ``soft_clip(x, x_min, x_max, g, slope=slope)`` into x, and return x.

    Parameters
    ----------
    x : tensor of floats
        The tensor that is clipped. Its memory may have any layout.
    x_min, x_max : float, tensor, array_like or None
        The bounds, as in `softclip.soft_clip`. They must not broadcast x to a larger shape.
    g : str, callable or Squash
        As in `softclip.soft_clip`.
    slope : float, tensor or array_like, optional
        As in `softclip.soft_clip`.

    Returns
    -------
    tensor
        x itself.

    Raises
    ------
    TypeError
        As in `softclip.soft_clip`, and if x is not a tensor, or holds integers.
    ValueError
        As in `softclip.soft_clip`. If the bounds would broadcast x to a larger shape, or elements of x share memory.
    RuntimeError
        If autograd records, and x is a leaf that requires grad, or a view that torch does not write to. The message is
        torch's own, and x is unchanged.

    See Also
    --------
    softclip.soft_clip : The function. Its ``out`` writes the result into another tensor.

    Notes
    -----
    Without gradients, nothing of the size of x is made, except under ``torch.func`` and for subclasses of tensors. If
    x or a bound requires grad, one copy of x is kept for the backward pass. This is as much as ``soft_clip`` needs for
    its result: the gradient is computed from what x was, because the clipped values no longer tell it where they have
    saturated.

    Examples
    --------
    >>> import torch
    >>> from softclip.torch import soft_clip_
    >>> logits = torch.tensor([-90.0, 0.0, 15.0, 60.0])
    >>> soft_clip_(logits, -30.0, 30.0, "tanh", slope=1.0)
    tensor([-29.8516,   0.0000,  13.8635,  28.9208])
    >>> logits
    tensor([-29.8516,   0.0000,  13.8635,  28.9208])
    """
    if not isinstance(x, torch.Tensor):
        msg = f"x must be a torch tensor, into which the result is written; got {type(x).__module__}.{type(x).__name__}"
        raise TypeError(msg)
    library, _, call = arguments("value", "x", x, x_min, x_max, g, slope)
    if not x.is_floating_point():
        msg = f"x must be a tensor of floats, into which the result is written; got {x.dtype}"
        raise TypeError(msg)
    return library.run_in_place(x, call)  # type: ignore[attr-defined]
