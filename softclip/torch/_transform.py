"""Soft clipping as a transform of `torch.distributions`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from softclip._soft_clip import soft_clip, soft_clip_inverse, soft_clip_log_derivative
from softclip.torch._bounds import HOST, Bound, G, as_constant, check, same, shown


class SoftClipTransform(torch.distributions.Transform):  # type: ignore[misc]
    """The transform y = soft_clip(x, x_min, x_max, g, slope=slope) for `torch.distributions`.

    It turns a distribution on all real numbers into one between the bounds. The ``log_prob`` of that stays finite and
    right where y has saturated, because the logarithm of the derivative is computed from x and never from y.

    Parameters
    ----------
    x_min, x_max : float, tensor, array_like or None
        The bounds. Tensors, arrays and lists broadcast with x. Tensors may be learned, and must be on the device of x.
        Arrays and lists are constants, and are moved to that device. One bound may be None if `g` is a
        `softclip.hinge`.
    g : str, callable or Squash
        As in `softclip.soft_clip`. A function of your own needs ``Squash(fn, inverse=..., derivative=...)``.
    slope : float, tensor, array_like or None
        As in `softclip.soft_clip`.
    cache_size : {0, 1}
        With 1, the transform remembers the last x and y, so that ``transform.inv(y)`` is exactly the x that y came
        from. Use 1 to evaluate ``log_prob`` at samples. Otherwise a y that was rounded to a bound is inverted to
        infinity.

    Raises
    ------
    TypeError, ValueError
        As `softclip.torch.SoftClipping` does, when it is made.

    Notes
    -----
    ``domain`` is the real numbers, and ``codomain`` is the closed interval. To check values, the codomain rounds its
    bounds to their dtype, as the transform does for x. ``sign`` is 1. "cubic", "quintic" and "sine" reach their bounds
    at finite x and are flat from there on. For these, ``bijective`` is False, and a transformed distribution has a
    positive probability of being on a bound.

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
        given = {"x_min": x_min, "x_max": x_max, "slope": slope}
        self._constants = {name for name, value in given.items() if isinstance(value, HOST)}
        x_min, x_max, slope = (as_constant(name, value) for name, value in given.items())
        self.bijective = check(x_min, x_max, g, slope).strict
        self.x_min, self.x_max, self.g, self.slope = x_min, x_max, g, slope

    @torch.distributions.constraints.dependent_property(is_discrete=False, event_dim=0)  # type: ignore[untyped-decorator]
    def codomain(self) -> Any:
        low = -torch.inf if self.x_min is None else self.x_min
        high = torch.inf if self.x_max is None else self.x_max
        return _Codomain(low, high)

    def with_cache(self, cache_size: int = 1) -> SoftClipTransform:
        """Return the same transform with this cache size."""
        if self._cache_size == cache_size:
            return self
        x_min, x_max, slope = self._given()
        return SoftClipTransform(x_min, x_max, self.g, slope=slope, cache_size=cache_size)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SoftClipTransform) or self.g != other.g:
            return False
        pairs = ((self.x_min, other.x_min), (self.x_max, other.x_max), (self.slope, other.slope))
        return all(same(a, b) for a, b in pairs)

    __hash__ = torch.distributions.Transform.__hash__

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        x_min, x_max, slope = self._beside(x)
        return soft_clip(x, x_min, x_max, self.g, slope=slope)

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        x_min, x_max, slope = self._beside(y)
        return soft_clip_inverse(y, x_min, x_max, self.g, slope=slope)

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return log f'(x). It has the shape of x broadcast with the bounds."""
        x_min, x_max, slope = self._beside(x)
        return soft_clip_log_derivative(x, x_min, x_max, self.g, slope=slope)

    def _beside(self, x: torch.Tensor) -> tuple[Bound, Bound, Bound]:
        """The bounds and the slope. Those that are constants are moved to the device of x."""
        if not self._constants:
            return self.x_min, self.x_max, self.slope
        x_min, x_max, slope = (
            getattr(self, name).to(x.device) if name in self._constants else getattr(self, name)
            for name in ("x_min", "x_max", "slope")
        )
        return x_min, x_max, slope

    def _given(self) -> tuple[Bound, Bound, Bound]:
        """The bounds and the slope as the user gave them. Those that are constants are arrays."""
        x_min, x_max, slope = (
            getattr(self, name).numpy() if name in self._constants else getattr(self, name)
            for name in ("x_min", "x_max", "slope")
        )
        return x_min, x_max, slope

    def forward_shape(self, shape: Iterable[int]) -> torch.Size:
        shapes = (value.shape for value in (self.x_min, self.x_max, self.slope) if isinstance(value, torch.Tensor))
        return torch.broadcast_shapes(shape, *shapes)

    inverse_shape = forward_shape

    def __repr__(self) -> str:
        x_min, x_max, slope = map(shown, self._given())
        ending = "" if self.slope is None else f", slope={slope}"
        return f"SoftClipTransform({x_min}, {x_max}, {shown(self.g)}{ending})"


class _Codomain(torch.distributions.constraints.interval):  # type: ignore[misc]
    """The closed interval. It rounds its bounds to the dtype of the values that it checks."""

    def check(self, value: torch.Tensor) -> torch.Tensor:
        low, high = (
            bound.to(value) if isinstance(bound, torch.Tensor) and value.is_floating_point() else bound
            for bound in (self.lower_bound, self.upper_bound)
        )
        return (low <= value) & (value <= high)


def _onto(codomain: _Codomain) -> Any:
    """torch's transform onto an interval. torch looks it up by the exact class, so a subclass has to be registered."""
    interval = torch.distributions.constraints.interval(codomain.lower_bound, codomain.upper_bound)
    return torch.distributions.biject_to(interval)


torch.distributions.biject_to.register(_Codomain, _onto)
torch.distributions.transform_to.register(_Codomain, _onto)
