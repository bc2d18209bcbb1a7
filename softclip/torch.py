"""Soft clipping as torch's own kinds of thing: a module, a transform of distributions, a clipping of gradients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from softclip._arguments import arguments
from softclip._checks import check_host_values
from softclip._format import FORMATS
from softclip._soft_clip import soft_clip, soft_clip_inverse, soft_clip_log_derivative
from softclip._squash import Squash, as_number

__all__ = ["SoftClipTransform", "SoftClipping", "soft_clip_grad_value_"]

G = Any  # a name, a Squash or an increasing function
Bound = Any  # a number, a tensor, or None with a hinge


class SoftClipping(torch.nn.Module):  # type: ignore[misc]
    """Soft clipping as a layer: ``soft_clip(x, x_min, x_max, clip_func, slope=slope)`` for every element.

    A drop-in replacement for the class of the same name in activations-plus, whose results it gives for ``torch.sigmoid``
    and whose attributes ``min_val``, ``max_val`` and ``clip_func`` it has. Any other function is carried from its own
    range onto the bounds, and so cannot leave them.

    Parameters
    ----------
    x_min, x_max : float, tensor, array_like or None
        The bounds. Numbers are plain attributes, which no ``state_dict`` has. Tensors, arrays and lists, which broadcast
        with the input (``(channels, 1, 1)`` for images), become buffers, and a ``torch.nn.Parameter`` is trained.
        One bound may be None if `clip_func` is a `softclip.hinge`.
    clip_func : str, callable or Squash
        What `softclip.soft_clip` calls ``g``: one of `softclip.NAMES`, torch's own version of one of these, a
        `softclip.Squash` such as ``softclip.hinge(0.1)``, or any increasing function of a tensor with finite limits.
    slope : float, tensor or None
        None squashes all real numbers, as the reference does. A number makes it a smooth ``clamp`` with this derivative in the
        middle of the range; with 1 the values there pass unchanged.

    Raises
    ------
    TypeError
        If a bound, the slope or `clip_func` is of a wrong kind.
    ValueError
        If x_min is not less than x_max anywhere, a bound is not finite, the slope is not positive, or `clip_func` is none
        that can clip. Tensors are looked at once, when the layer is made, and never again; those on the meta device and
        of a subclass (fake or distributed ones) are not.

    See Also
    --------
    softclip.soft_clip : The function, with what it does to NaN, infinities and 16-bit tensors.

    Notes
    -----
    The output has the shape of the input broadcast with the bounds, and the input's dtype and device. Bounds are rounded to that dtype.
    Between number bounds one tensor is kept for the backward pass, the input. Trained bounds are not kept from
    crossing each other.

    The formula is that of the reference, x_min + (x_max - x_min) G(x), with G the function carried onto (0, 1).

    Examples
    --------
    >>> import torch
    >>> from softclip.torch import SoftClipping
    >>> layer = SoftClipping(0.0, 6.0, "tanh", slope=1.0)
    >>> layer
    SoftClipping(x_min=0.0, x_max=6.0, clip_func='tanh', slope=1.0)
    >>> layer(torch.tensor([-torch.inf, 0.0, 3.0, 5.0, torch.inf]))
    tensor([0.0000, 0.7152, 3.0000, 4.7483, 6.0000])

    One bound for each of three channels, the upper ones trained:

    >>> highs = torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    >>> layer = SoftClipping([0.0, -1.0, -2.0], highs)
    >>> sorted(layer.state_dict())
    ['x_max', 'x_min']
    >>> layer(torch.full((2, 3), 100.0))
    tensor([[1., 2., 3.],
            [1., 2., 3.]], grad_fn=<WhereBackward0>)
    """

    x_min: Bound
    x_max: Bound
    slope: Bound

    def __init__(
        self, x_min: Bound = -1.0, x_max: Bound = 1.0, clip_func: G = torch.sigmoid, *, slope: Bound = None
    ) -> None:
        super().__init__()
        bounds = {"x_min": x_min, "x_max": x_max, "slope": slope}
        bounds = {
            name: torch.as_tensor(value) if isinstance(value, (list, tuple, np.ndarray)) else value
            for name, value in bounds.items()
        }
        try:
            _check(bounds["x_min"], bounds["x_max"], clip_func, bounds["slope"])
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
        """The reference's name for x_min."""
        return self.x_min

    @min_val.setter
    def min_val(self, value: Bound) -> None:
        self.x_min = value

    @property
    def max_val(self) -> Bound:
        """The reference's name for x_max."""
        return self.x_max

    @max_val.setter
    def max_val(self, value: Bound) -> None:
        self.x_max = value

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Clip x softly."""
        return soft_clip(x, self.x_min, self.x_max, self.clip_func, slope=self.slope)

    def extra_repr(self) -> str:
        given = {"x_min": _shown(self.x_min), "x_max": _shown(self.x_max)}
        if not isinstance(self.clip_func, torch.nn.Module):  # torch shows it as a child
            given["clip_func"] = _shown(self.clip_func)
        if self.slope is not None:
            given["slope"] = _shown(self.slope)
        return ", ".join(f"{name}={text}" for name, text in given.items())


class SoftClipTransform(torch.distributions.Transform):  # type: ignore[misc]
    """The transform y = soft_clip(x, x_min, x_max, g, slope=slope) for `torch.distributions`.

    Applied to a distribution on all real numbers it gives one between the bounds, whose ``log_prob`` stays finite and
    right where the value has saturated: the logarithm of the derivative comes from x, never from y.

    Parameters
    ----------
    x_min, x_max : float, tensor or None
        The bounds; tensors broadcast with x. One may be None if `g` is a `softclip.hinge`.
    g : str, callable or Squash
        As in `softclip.soft_clip`. A function of your own needs ``Squash(fn, inverse=..., derivative=...)``.
    slope : float, tensor or None
        As in `softclip.soft_clip`.
    cache_size : {0, 1}
        1 remembers the last x and y, so that ``transform.inv(y)`` is exactly the x that y came from. Take 1 to evaluate
        ``log_prob`` at samples: a y that was rounded onto its bound has no x of its own any more, and is inverted to
        infinity.

    Raises
    ------
    TypeError, ValueError
        As `softclip.torch.SoftClipping` does, when it is made.

    Notes
    -----
    ``domain`` is the real numbers, ``codomain`` the closed interval, ``sign`` 1. "cubic", "quintic" and "sine" reach their bounds at
    finite x and are flat from there on: for these ``bijective`` is False, and a transformed distribution has mass on the bounds.

    Examples
    --------
    >>> import torch
    >>> from softclip.torch import SoftClipTransform
    >>> to_interval = SoftClipTransform(0.0, 2.0, "tanh", cache_size=1)
    >>> wide = torch.distributions.Normal(0.0, 100.0)
    >>> actions = torch.distributions.TransformedDistribution(wide, to_interval)
    >>> x = torch.tensor([0.5, 20.0, 300.0])
    >>> y = to_interval(x)
    >>> y
    tensor([1.4621, 2.0000, 2.0000])
    >>> actions.log_prob(y)  # log(1 - tanh^2) would be -inf
    tensor([ -5.2839,  33.0696, 588.5896])
    """

    domain = torch.distributions.constraints.real
    sign = 1

    def __init__(
        self,
        x_min: Bound = -1.0,
        x_max: Bound = 1.0,
        g: G = "sigmoid",
        *,
        slope: Bound = None,
        cache_size: int = 0,
    ) -> None:
        super().__init__(cache_size=cache_size)
        self.bijective = _check(x_min, x_max, g, slope).strict
        self.x_min, self.x_max, self.g, self.slope = x_min, x_max, g, slope

    @torch.distributions.constraints.dependent_property(is_discrete=False, event_dim=0)  # type: ignore[untyped-decorator]
    def codomain(self) -> Any:
        low = -torch.inf if self.x_min is None else self.x_min
        high = torch.inf if self.x_max is None else self.x_max
        return torch.distributions.constraints.interval(low, high)

    def with_cache(self, cache_size: int = 1) -> SoftClipTransform:
        """Return the same transform with this cache size."""
        if self._cache_size == cache_size:
            return self
        return SoftClipTransform(self.x_min, self.x_max, self.g, slope=self.slope, cache_size=cache_size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SoftClipTransform) or self.g != other.g:
            return False
        pairs = ((self.x_min, other.x_min), (self.x_max, other.x_max), (self.slope, other.slope))
        return all(_same(a, b) for a, b in pairs)

    __hash__ = torch.distributions.Transform.__hash__

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        return soft_clip(x, self.x_min, self.x_max, self.g, slope=self.slope)

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        return soft_clip_inverse(y, self.x_min, self.x_max, self.g, slope=self.slope)

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return log f'(x), of the shape of x broadcast with the bounds."""
        return soft_clip_log_derivative(x, self.x_min, self.x_max, self.g, slope=self.slope)

    def forward_shape(self, shape: Iterable[int]) -> torch.Size:
        shapes = (value.shape for value in (self.x_min, self.x_max, self.slope) if isinstance(value, torch.Tensor))
        return torch.broadcast_shapes(shape, *shapes)

    inverse_shape = forward_shape

    def __repr__(self) -> str:
        slope = "" if self.slope is None else f", slope={_shown(self.slope)}"
        return f"SoftClipTransform({_shown(self.x_min)}, {_shown(self.x_max)}, {_shown(self.g)}{slope})"


@torch.no_grad()  # type: ignore[untyped-decorator]
def soft_clip_grad_value_(
    parameters: torch.Tensor | Iterable[torch.Tensor],
    clip_value: float,
    g: G = "softsign",
    foreach: bool | None = None,
) -> None:
    """Clip the gradients of parameters softly at a value, in place: `torch.nn.utils.clip_grad_value_` without its corners.

    Every element becomes ``soft_clip(element, -clip_value, clip_value, g, slope=1)``. Small ones pass, large ones approach
    +-clip_value, and their order is kept. With automatic mixed precision call it after ``scaler.unscale_(optimizer)``.

    Parameters
    ----------
    parameters : tensor or iterable of tensors
        Those whose ``.grad`` is clipped. Where it is None nothing is done. Dtypes and devices may be mixed. A gradient
        that several of them have, as that of a tied parameter, is clipped once.
    clip_value : float
        What no gradient will exceed in size.
    g : str, callable or Squash
        As in `softclip.soft_clip`. "softsign" gives v / (1 + abs(v) / clip_value).
    foreach : bool, optional
        True takes all gradients of one dtype and device together, in a temporary copy of them, False one after the other. None,
        the default, takes the small ones together.

    Raises
    ------
    TypeError
        If `clip_value` is not a number, `g` is of a wrong kind, or a gradient is sparse or of integers, booleans or complex
        numbers.
    ValueError
        If `clip_value` is not positive and finite, also once rounded to the dtype of each gradient; if `g` is none that can
        clip; or if elements of one gradient share memory, as those of an expanded tensor do.

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
    # g is refused even where there is no gradient
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
    """Refuse a gradient that cannot be clipped at this value in place."""
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


def _check(x_min: Bound, x_max: Bound, g: G, slope: Bound) -> Squash:
    """Refuse at once what `soft_clip` refuses when called, and tensors whose values do, which it never reads; g as a Squash."""
    x = torch.zeros((), dtype=torch.float64, device="cpu")
    given = (x_min, x_max, slope)
    hidden = [isinstance(value, torch.Tensor) and not _readable(value) for value in given]
    low, high, rate = (
        value.detach().cpu() if isinstance(value, torch.Tensor) and not unknown else x if unknown else value
        for value, unknown in zip(given, hidden, strict=True)
    )
    _, squash, _, _, low, high, rate = arguments("value", "x", x, low, high, g, rate)
    if not any(hidden):
        low, high, rate = (v.numpy() if isinstance(v, torch.Tensor) else v for v in (low, high, rate))
        check_host_values(low, high, rate, "")
    return squash


def _readable(value: torch.Tensor) -> bool:
    """Whether a tensor has values here: not on the meta device, nor fake or distributed."""
    return type(value) in (torch.Tensor, torch.nn.Parameter) and not value.is_meta


def _same(a: Bound, b: Bound) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return bool(torch.equal(a, b))
    return not isinstance(a, torch.Tensor) and not isinstance(b, torch.Tensor) and bool(a == b)


def _shown(value: Any) -> str:
    """`value` as one would write it in a call."""
    if isinstance(value, torch.Tensor):
        text = (
            f"torch.tensor({value.tolist()})" if value.numel() <= 8 and _readable(value) else f"<{tuple(value.shape)}>"
        )
        return f"torch.nn.Parameter({text})" if isinstance(value, torch.nn.Parameter) else text
    name = getattr(value, "__name__", None)
    if name is None:
        return repr(value)
    place = "torch" if getattr(torch, name, None) is value else getattr(value, "__module__", None)
    return f"{place}.{name}" if place not in (None, "__main__", "builtins") else name
