"""The antiderivative of `soft_clip`."""

from __future__ import annotations

from typing import Any, overload

from softclip._arguments.compute import compute
from softclip._types import Array, ArrayT, Bound, Floats, G, Integers, Lists, Number, NumberBound, Scalar


@overload
def soft_clip_antiderivative(
    x: Number,
    x_min: NumberBound = ...,
    x_max: NumberBound = ...,
    g: G = ...,
    *,
    slope: NumberBound = ...,
    out: None = ...,
) -> Scalar: ...
@overload
def soft_clip_antiderivative(
    x: Lists, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> Floats: ...
@overload
def soft_clip_antiderivative(
    x: Integers, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> Floats: ...
@overload
def soft_clip_antiderivative(
    x: ArrayT, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> ArrayT: ...
@overload
def soft_clip_antiderivative(
    x: Number | Lists | Array,
    x_min: Bound = ...,
    x_max: Bound = ...,
    g: G = ...,
    *,
    slope: Bound = ...,
    out: ArrayT,
) -> ArrayT: ...
def soft_clip_antiderivative(
    x: Any, x_min: Bound = -1.0, x_max: Bound = 1.0, g: G = "sigmoid", *, slope: Bound = None, out: Any = None
) -> Any:
    """The antiderivative of `soft_clip`, which is 0 where f is at the middle of the bounds.

    ``F(x)`` is the integral of f from c to x, where c is 0 without `slope`, and the middle of the bounds with it.
    Between -b and b it is a smooth abs(x), which is a loss: with "tanh" it is log cosh, with "algebraic" the
    pseudo-Huber loss sqrt(1 + x^2) - 1, with "softsign" Fair's loss abs(x) - log(1 + abs(x)), and with "cubic" one that
    is straight from the knee on.

    Parameters
    ----------
    x : array of floats or integers, a number, or a nested list
        As in `soft_clip`.
    x_min, x_max : float or array
        The bounds, as in `soft_clip`.
    g : str or Squash
        A name, or a `knee` of one: a function whose integral has a closed form. A hinge, `algebraic` of another power
        than 1 and 2, and functions of your own have none here.
    slope : float or array, optional
        As in `soft_clip`.
    out : NumPy array or torch tensor, optional
        As in `soft_clip`.

    Returns
    -------
    array
        The shape, library, device and dtype are those that `soft_clip` gives for `x`. At minus and plus infinity it is
        infinite, with the sign that it has on the way there, unless the bound is 0. It is NaN where x is NaN.

    Raises
    ------
    TypeError, ImportError, RuntimeError
        As in `soft_clip`.
    ValueError
        As in `soft_clip`, and if the integral of `g` has no closed form.

    See Also
    --------
    soft_clip : Its derivative.

    Examples
    --------
    >>> import numpy as np
    >>> from softclip import soft_clip_antiderivative
    >>> soft_clip_antiderivative(np.array([-1e-9, 0.0, 0.5, 40.0]), g="tanh")
    array([5.00000000e-19, 0.00000000e+00, 1.20114507e-01, 3.93068528e+01])

    Residuals, and the loss of each: as that of least squares for small ones, and of abs for large ones.

    >>> residuals = np.array([0.0, 0.1, 1.0, 10.0, 1000.0])
    >>> soft_clip_antiderivative(residuals, g="algebraic").round(4)
    array([0.000000e+00, 5.000000e-03, 4.142000e-01, 9.049900e+00,
           9.990005e+02])
    """
    return compute("antiderivative", "x", x, x_min, x_max, g, slope, out)
