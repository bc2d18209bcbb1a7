"""Soft clipping as a layer of torch."""

from __future__ import annotations

import torch

from softclip._soft_clip import soft_clip
from softclip.torch._bounds import Bound, G, as_buffer, check, shown


class SoftClipping(torch.nn.Module):  # type: ignore[misc]
    """A layer that computes ``soft_clip(x, x_min, x_max, clip_func, slope=slope)``.

    It can replace the class of the same name in activations-plus. It has the same attributes ``min_val``, ``max_val``
    and ``clip_func``, and for ``torch.sigmoid`` it gives the same results. Any other function is rescaled from its own
    range to the bounds, so the result never leaves them.

    Parameters
    ----------
    x_min, x_max : float, tensor, array_like or None
        The bounds. Numbers become plain attributes, which are not in the ``state_dict``. Tensors, arrays and lists
        become buffers, and a ``torch.nn.Parameter`` is trained. They broadcast with the input; for images their shape
        is ``(channels, 1, 1)``. Integers in them become floats of torch's default dtype. Arrays are copied. One bound
        may be None if `clip_func` is a `softclip.hinge`.
    clip_func : str, callable or Squash
        The argument that `softclip.soft_clip` calls ``g``. It is one of `softclip.NAMES`, torch's own version of one of
        these, a `softclip.Squash` such as ``softclip.hinge(0.1)``, or any increasing function of a tensor with finite
        limits.
    slope : float, tensor, array_like or None
        None squashes all real numbers, as activations-plus does. A number makes the layer a smooth ``clamp`` with this
        derivative in the middle of the bounds. With 1, the values there hardly change.

    Raises
    ------
    TypeError
        If a bound, the slope or `clip_func` is of a wrong kind.
    ValueError
        If x_min is not less than x_max somewhere, a bound is not finite, the slope is not positive and finite, or
        `clip_func` cannot be used for clipping. The values of tensors are checked once, when the layer is made. Those
        on the meta device, and of a subclass such as fake or distributed tensors, are not checked.

    See Also
    --------
    softclip.soft_clip : The function. It says what happens to NaN, infinities and 16-bit tensors.

    Notes
    -----
    The output has the shape of the input broadcast with the bounds, and the dtype and device of the input. Bounds are
    rounded to that dtype. If the bounds are numbers, the backward pass keeps only the input. Nothing stops trained
    bounds from crossing each other.

    The formula is that of activations-plus, x_min + (x_max - x_min) G(x), where G is the function rescaled to (0, 1).

    Examples
    --------
    >>> import torch
    >>> from softclip.torch import SoftClipping
    >>> layer = SoftClipping(0.0, 6.0, "tanh", slope=1.0)
    >>> layer
    SoftClipping(x_min=0.0, x_max=6.0, clip_func='tanh', slope=1.0)
    >>> layer(torch.tensor([-torch.inf, 0.0, 3.0, 5.0, torch.inf]))
    tensor([0.0000, 0.7152, 3.0000, 4.7483, 6.0000])

    Three channels with their own bounds, of which the upper ones are trained:

    >>> highs = torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    >>> layer = SoftClipping([0.0, -1.0, -2.0], highs)
    >>> sorted(layer.state_dict())
    ['x_max', 'x_min']
    >>> layer(torch.full((2, 3), 100.0))
    tensor([[1., 2., 3.],
            [1., 2., 3.]], grad_fn=<BoundedClipBackward>)
    """

    x_min: Bound
    x_max: Bound
    slope: Bound

    def __init__(
        self, x_min: Bound = -1.0, x_max: Bound = 1.0, clip_func: G = torch.sigmoid, *, slope: Bound = None
    ) -> None:
        super().__init__()
        try:
            bounds = {
                name: as_buffer(name, value) for name, value in (("x_min", x_min), ("x_max", x_max), ("slope", slope))
            }
            check(bounds["x_min"], bounds["x_max"], clip_func, bounds["slope"])
        except (TypeError, ValueError) as error:
            error.add_note("What is called g there is clip_func here.")
            raise
        for name, value in bounds.items():
            if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)
        self.clip_func = clip_func

    @property
    def min_val(self) -> Bound:
        """The name of x_min in activations-plus."""
        return self.x_min

    @min_val.setter
    def min_val(self, value: Bound) -> None:
        self.x_min = value

    @property
    def max_val(self) -> Bound:
        """The name of x_max in activations-plus."""
        return self.x_max

    @max_val.setter
    def max_val(self, value: Bound) -> None:
        self.x_max = value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Clip every element of x softly."""
        return soft_clip(x, self.x_min, self.x_max, self.clip_func, slope=self.slope)

    def extra_repr(self) -> str:
        given = {"x_min": shown(self.x_min), "x_max": shown(self.x_max)}
        if not isinstance(self.clip_func, torch.nn.Module):  # torch shows it as a child
            given["clip_func"] = shown(self.clip_func)
        if self.slope is not None:
            given["slope"] = shown(self.slope)
        return ", ".join(f"{name}={text}" for name, text in given.items())
