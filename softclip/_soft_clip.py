"""The public functions."""

from __future__ import annotations

from typing import Any, overload

from softclip._arguments.arguments import arguments
from softclip._formulas.call import Quantity
from softclip._formulas.checks import NUMBERS
from softclip._types import ArrayT, Bound, Floats, G, Integers, Lists, Number, NumberBound, Scalar


@overload
def soft_clip(
    x: Number, x_min: NumberBound = ..., x_max: NumberBound = ..., g: G = ..., *, slope: NumberBound = ...
) -> Scalar: ...
@overload
def soft_clip(x: Lists, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ...) -> Floats: ...
@overload
def soft_clip(x: Integers, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ...) -> Floats: ...
@overload
def soft_clip(x: ArrayT, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ...) -> ArrayT: ...
def soft_clip(x: Any, x_min: Bound = -1.0, x_max: Bound = 1.0, g: G = "sigmoid", *, slope: Bound = None) -> Any:
    """Carry x smoothly into [x_min, x_max]: the soft clipping activation.

    ``f(x) = x_min + (x_max - x_min) * G(u(x))``, with `G` the clipping function `g` carried from its own range onto
    (0, 1). Without `slope`, u = x: the activation of activations-plus. With it u is scaled such that f is a smooth
    ``clip``: it passes through the middle of the bounds with that slope.

    Parameters
    ----------
    x : array of floats or integers, a number, or a nested list
        An array of any library that follows the Python array API standard. Numbers and lists become NumPy arrays, or
        arrays of the library of the bounds.
    x_min, x_max : float, array or None
        The bounds, rounded to the dtype of `x`. Arrays broadcast with `x`. They are of its library and on its device,
        and may be traced or learnable; or they are lists or NumPy arrays, which are constants beside any
        library.
        With the hinge one of them can be None: no bound on that side.
    g : str, Squash or callable
        One of `softclip.NAMES`; ``hinge(softness)``; a `Squash`; a library's own version of a named one
        (``torch.tanh``, ``jax.nn.sigmoid``), which is taken for that one; or any other increasing elementwise
        function, whose limits are read off it at minus and plus infinity.
    slope : float or array, optional
        The slope of f in the middle of the bounds. With 1, values near the middle hardly change, and the
        ends bend towards the bounds.

    Returns
    -------
    array
        Of the shape of `x` broadcast with the bounds; of the library, device and dtype of `x`, which bounds never
        promote. For integers, of the library's default floating dtype. For a number, a NumPy number. Never outside
        the bounds; NaN stays NaN, and
        minus and plus infinity give exactly `x_min` and `x_max`. Lazy arrays stay lazy.

    Raises
    ------
    TypeError
        If `x` is boolean, complex or not numeric; if bounds are arrays of another library, or not numbers; if an array
        is of a NumPy class that has a meaning of its own, such as a mask or a unit, which the result would lose.
    ValueError
        If ``x_min >= x_max`` in the dtype of `x`, or one is NaN or infinite (numbers and NumPy arrays; other arrays are
        not read back to be checked). If `x` and a bound are on different devices. If `g` is no known name or has no
        finite increasing limits. If `slope` is not positive and finite. If one bound is None and `g` is no hinge.
    ImportError
        If `g` is ``"erf"``, `x` a NumPy array and SciPy not installed.

    See Also
    --------
    soft_clip_inverse : The x that belongs to a result.
    soft_clip_derivative, soft_clip_log_derivative : The slope at x, and its logarithm.
    hinge : The smoothed clip with rounded corners.
    Squash : A declared clipping function.

    Examples
    --------
    >>> import numpy as np
    >>> from softclip import soft_clip
    >>> x = np.array([-3.0, -1.0, 0.0, 1.0, 3.0])
    >>> soft_clip(x, -2.0, 2.0).round(4)
    array([-1.8103, -0.9242,  0.    ,  0.9242,  1.8103])
    >>> soft_clip(x, -2.0, 2.0, "tanh").round(4)
    array([-1.9901, -1.5232,  0.    ,  1.5232,  1.9901])

    As a smooth clip, with bounds of its own for every column:

    >>> table = np.array([[0.1, 10.0], [0.2, 20.0], [9.0, 900.0]])
    >>> soft_clip(table, np.array([-1.0, -100.0]), np.array([1.0, 100.0]), "algebraic", slope=1.0).round(4)
    array([[ 0.0995,  9.9504],
           [ 0.1961, 19.6116],
           [ 0.9939, 99.3884]])
    """
    return _compute("value", "x", x, x_min, x_max, g, slope)


@overload
def soft_clip_inverse(
    y: Number, x_min: NumberBound = ..., x_max: NumberBound = ..., g: G = ..., *, slope: NumberBound = ...
) -> Scalar: ...
@overload
def soft_clip_inverse(
    y: Lists, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ...
) -> Floats: ...
@overload
def soft_clip_inverse(
    y: Integers, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ...
) -> Floats: ...
@overload
def soft_clip_inverse(
    y: ArrayT, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ...
) -> ArrayT: ...
def soft_clip_inverse(y: Any, x_min: Bound = -1.0, x_max: Bound = 1.0, g: G = "sigmoid", *, slope: Bound = None) -> Any:
    """The x whose soft clip is y: the inverse function of `soft_clip` with the same bounds, `g` and `slope`.

    ``u = Q((y - x_min) / (x_max - x_min))``, with Q the quantile function that inverts G, and x from u. It is computed
    from how far y is from the nearer bound, so that next to a bound of 0 no digit of y is lost.

    Parameters
    ----------
    y : array of floats or integers, a number, or a nested list
        Values between the bounds. An array of any library, as the `x` of `soft_clip`.
    x_min, x_max : float, array or None
        The bounds, as those of `soft_clip`.
    g : str, Squash or callable
        As that of `soft_clip`. A `Squash` made by the caller must declare its ``inverse``, and a bare function that is
        no library's version of a named one has none.
    slope : float or array, optional
        As that of `soft_clip`.

    Returns
    -------
    array
        Of the shape, library, device and dtype that `soft_clip` would give for `y`. Infinite where y is on a bound, for
        cubic, quintic and sine too, all of whose x from the knee on have that value. NaN where y is outside or NaN.
        In a bounded dtype it may also be infinite where the x is beyond the largest number.

    Raises
    ------
    TypeError, ImportError
        As `soft_clip`.
    ValueError
        As `soft_clip`, and if `g` declares no inverse.

    See Also
    --------
    soft_clip : The function that this undoes.

    Notes
    -----
    Where f is flat, many x have one y, and no inverse can tell them apart: near a bound that is not 0 a number of the
    dtype holds fewer and fewer digits of the distance to it. Work from x where it is known; its derivative is then
    given by `soft_clip_log_derivative`.

    Examples
    --------
    >>> import numpy as np
    >>> from softclip import soft_clip, soft_clip_inverse
    >>> y = soft_clip(np.array([-300.0, -1.0, 0.5]), 0.0, 6.0)
    >>> soft_clip_inverse(y, 0.0, 6.0).round(12)
    array([-300. ,   -1. ,    0.5])
    >>> soft_clip_inverse(np.array([-1.0, 0.0, 1.0, 1.5]), -1.0, 1.0, "cubic")
    array([-inf,   0.,  inf,  nan])
    """
    return _compute("inverse", "y", y, x_min, x_max, g, slope)


@overload
def soft_clip_derivative(
    x: Number, x_min: NumberBound = ..., x_max: NumberBound = ..., g: G = ..., *, slope: NumberBound = ...
) -> Scalar: ...
@overload
def soft_clip_derivative(
    x: Lists, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ...
) -> Floats: ...
@overload
def soft_clip_derivative(
    x: Integers, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ...
) -> Floats: ...
@overload
def soft_clip_derivative(
    x: ArrayT, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ...
) -> ArrayT: ...
def soft_clip_derivative(
    x: Any, x_min: Bound = -1.0, x_max: Bound = 1.0, g: G = "sigmoid", *, slope: Bound = None
) -> Any:
    """The derivative of `soft_clip` at x, from its closed form.

    ``f'(x) = (x_max - x_min) * G'(u) * du/dx``; without `slope`, ``du/dx = 1``. It keeps its relative accuracy in the
    tails, where 1 - tanh(x)^2, computed from the value, is 0.

    Parameters
    ----------
    x : array of floats or integers, a number, or a nested list
        As that of `soft_clip`.
    x_min, x_max : float, array or None
        The bounds, as those of `soft_clip`.
    g : str, Squash or callable
        As that of `soft_clip`. A `Squash` made by the caller must declare its ``derivative``, and a bare function that
        is no library's version of a named one has none.
    slope : float or array, optional
        As that of `soft_clip`: f' in the middle of the bounds.

    Returns
    -------
    array
        Of the shape, library, device and dtype that `soft_clip` gives for `x`, not negative. 0 at minus and plus
        infinity, and from the knee on for cubic, quintic and sine. NaN where x is NaN.

    Raises
    ------
    TypeError, ImportError
        As `soft_clip`.
    ValueError
        As `soft_clip`, and if `g` declares no derivative.

    See Also
    --------
    soft_clip_log_derivative : Its logarithm, finite also where this one underflows.

    Examples
    --------
    >>> import numpy as np
    >>> from softclip import soft_clip_derivative
    >>> soft_clip_derivative(np.array([-np.inf, 0.0, 1.0, 60.0]), g="tanh")
    array([0.00000000e+00, 1.00000000e+00, 4.19974342e-01, 3.06705923e-52])
    >>> soft_clip_derivative(np.array([2.0, 3.0, 4.0]), 0.0, 6.0, "algebraic", slope=0.5).round(4)
    array([0.4799, 0.5   , 0.4799])
    """
    return _compute("derivative", "x", x, x_min, x_max, g, slope)


@overload
def soft_clip_log_derivative(
    x: Number, x_min: NumberBound = ..., x_max: NumberBound = ..., g: G = ..., *, slope: NumberBound = ...
) -> Scalar: ...
@overload
def soft_clip_log_derivative(
    x: Lists, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ...
) -> Floats: ...
@overload
def soft_clip_log_derivative(
    x: Integers, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ...
) -> Floats: ...
@overload
def soft_clip_log_derivative(
    x: ArrayT, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ...
) -> ArrayT: ...
def soft_clip_log_derivative(
    x: Any, x_min: Bound = -1.0, x_max: Bound = 1.0, g: G = "sigmoid", *, slope: Bound = None
) -> Any:
    """The logarithm of the derivative of `soft_clip` at x: the log-determinant of a change of variables.

    ``log f'(x) = log(x_max - x_min) + log G'(u) + log(du/dx)``, from closed forms that are finite where f' underflows.

    Parameters
    ----------
    x : array of floats or integers, a number, or a nested list
        As that of `soft_clip`: the value before clipping, from which alone the tail is known.
    x_min, x_max : float, array or None
        The bounds, as those of `soft_clip`.
    g : str, Squash or callable
        As that of `soft_clip`. A `Squash` made by the caller must declare its ``derivative``, whose logarithm is taken:
        -inf where that underflows.
    slope : float or array, optional
        As that of `soft_clip`.

    Returns
    -------
    array
        Of the shape, library, device and dtype that `soft_clip` gives for `x`. -inf where f' is exactly 0: at minus and
        plus infinity, and from the knee on for cubic, quintic and sine. Also where u, or for erf u^2, is beyond the
        largest number. NaN where x is NaN.

    Raises
    ------
    TypeError, ImportError
        As `soft_clip`.
    ValueError
        As `soft_clip`, and if `g` declares no derivative.

    See Also
    --------
    soft_clip_derivative : The derivative itself.

    Examples
    --------
    The log-probability of an action that tanh has squashed, where log(1 - tanh(x)^2) would be -inf:

    >>> import numpy as np
    >>> from softclip import soft_clip_log_derivative
    >>> x = np.array([0.5, 20.0, 1000.0])
    >>> log_normal = -0.5 * x**2 - 0.5 * np.log(2 * np.pi)
    >>> print(soft_clip_log_derivative(x, g="tanh"))
    [-2.40229014e-01 -3.86137056e+01 -1.99861371e+03]
    >>> print(log_normal - soft_clip_log_derivative(x, g="tanh"))
    [-8.03709519e-01 -1.62305233e+02 -4.98002305e+05]
    """
    return _compute("log_derivative", "x", x, x_min, x_max, g, slope)


def _compute(quantity: Quantity, name: str, x: Any, x_min: Any, x_max: Any, g: Any, slope: Any) -> Any:
    """The quantity at x, which the caller calls `name`."""
    lib, array, call = arguments(quantity, name, x, x_min, x_max, g, slope)
    y = lib.run(array, call)
    # As with NumPy's ufuncs, numbers give NumPy's numbers.
    return y[()] if lib.name == "numpy" and isinstance(x, NUMBERS) else y
