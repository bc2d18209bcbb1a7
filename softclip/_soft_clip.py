"""The public functions."""

from __future__ import annotations

from typing import Any, overload

from softclip._arguments.compute import compute
from softclip._types import Array, ArrayT, Bound, Floats, G, Integers, Lists, Number, NumberBound, Scalar


@overload
def soft_clip(
    x: Number,
    x_min: NumberBound = ...,
    x_max: NumberBound = ...,
    g: G = ...,
    *,
    slope: NumberBound = ...,
    out: None = ...,
) -> Scalar: ...
@overload
def soft_clip(
    x: Lists, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> Floats: ...
@overload
def soft_clip(
    x: Integers, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> Floats: ...
@overload
def soft_clip(
    x: ArrayT, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> ArrayT: ...
@overload
def soft_clip(
    x: Number | Lists | Array,
    x_min: Bound = ...,
    x_max: Bound = ...,
    g: G = ...,
    *,
    slope: Bound = ...,
    out: ArrayT,
) -> ArrayT: ...
def soft_clip(
    x: Any, x_min: Bound = -1.0, x_max: Bound = 1.0, g: G = "sigmoid", *, slope: Bound = None, out: Any = None
) -> Any:
    """Squash or clip x smoothly into [x_min, x_max].

    ``f(x) = x_min + (x_max - x_min) * G(u)``, where G is the clipping function `g`, rescaled from its own range to
    (0, 1). Without `slope`, u is x, and f is the activation of activations-plus. With `slope`, u is x shifted and
    scaled so that f passes through the middle of the bounds with that slope, and f is a smooth ``clip``.

    Parameters
    ----------
    x : array of floats or integers, a number, or a nested list
        An array of any library that follows the Python array API standard. A number or a list becomes an array of the
        library of the bounds if these are arrays, and of NumPy otherwise.
    x_min, x_max : float, array or None
        The bounds. They are rounded to the dtype of `x`, and arrays broadcast with `x`. An array must belong to the
        library of `x` and be on its device; it may be traced or learnable. Lists and NumPy arrays are constants and go
        with every library. With a hinge, one of the two can be None, which means no bound on that side.
    g : str, Squash or callable
        One of these:

        - a name in `softclip.NAMES`;
        - ``hinge(softness)``, ``algebraic(p)`` or a `Squash`;
        - a library's own version of a named function, such as ``torch.tanh`` or ``jax.nn.sigmoid``, which stands for
          the named function;
        - any other increasing elementwise function. Its limits are its values at minus and plus infinity.
    slope : float or array, optional
        The slope of f in the middle of the bounds. With 1, values near the middle hardly change, and values near the
        ends bend towards the bounds.
    out : NumPy array or torch tensor, optional
        An array of the library of `x` that the result is written to, and that is returned. It must have the shape of
        the result, and a dtype that the dtype of the result may be cast to by NumPy's rule ``same_kind``. It may be
        `x`, have any memory layout, and overlap with `x` or the bounds. Large arrays are worked on block by block, so
        that nothing of their size is made, except where `out` overlaps with `x` and is not `x`. torch takes no
        derivatives through it.

    Returns
    -------
    array
        The result has the shape of `x` broadcast with the bounds, and the library, device and dtype of `x`. Bounds
        never promote it. Integers give the default floating dtype of the library, and a number gives a NumPy number.
        The result is never outside the bounds. NaN stays NaN, and minus and plus infinity give exactly `x_min` and
        `x_max`. Lazy arrays stay lazy.

    Raises
    ------
    TypeError
        If `x` is boolean, complex or not numeric. If a bound is not numeric, or is an array of another library. If an
        array is of a NumPy class with a meaning that the result would lose, such as a mask or a unit.
        If `out` is not an array of the library of `x`, its dtype is of a lesser kind, or that library is neither NumPy
        nor torch.
    ValueError
        If ``x_min >= x_max`` in the dtype of `x`, or if a bound is NaN or infinite. This is checked for numbers and
        NumPy arrays; other arrays are not read back. If `x` and a bound are on different devices. If `g` is not a
        known name, or its limits are not finite and increasing. If `slope` is not positive and finite. If a bound is
        None and `g` is not a hinge. If `out` is of another shape, read-only or on another device.
    RuntimeError
        If `out` is given and a tensor requires grad, outside of ``torch.no_grad()``.
    ImportError
        If `g` is ``"erf"``, `x` is a NumPy array and SciPy is not installed.

    See Also
    --------
    soft_clip_inverse : Finds the x that gave a result.
    soft_clip_derivative, soft_clip_log_derivative : The slope at x, and its logarithm.
    hinge, knee : Make a clip with rounded corners, and one that leaves the middle exactly as it is.
    Squash : Declares a clipping function of your own.

    Examples
    --------
    >>> import numpy as np
    >>> from softclip import soft_clip
    >>> x = np.array([-3.0, -1.0, 0.0, 1.0, 3.0])
    >>> soft_clip(x, -2.0, 2.0).round(4)
    array([-1.8103, -0.9242,  0.    ,  0.9242,  1.8103])
    >>> soft_clip(x, -2.0, 2.0, "tanh").round(4)
    array([-1.9901, -1.5232,  0.    ,  1.5232,  1.9901])

    A smooth clip of a table. Each column has its own bounds:

    >>> table = np.array([[0.1, 10.0], [0.2, 20.0], [9.0, 900.0]])
    >>> soft_clip(table, np.array([-1.0, -100.0]), np.array([1.0, 100.0]), "algebraic", slope=1.0).round(4)
    array([[ 0.0995,  9.9504],
           [ 0.1961, 19.6116],
           [ 0.9939, 99.3884]])

    In place:

    >>> soft_clip(x, -2.0, 2.0, out=x) is x
    True
    """
    return compute("value", "x", x, x_min, x_max, g, slope, out)


@overload
def soft_clip_inverse(
    y: Number,
    x_min: NumberBound = ...,
    x_max: NumberBound = ...,
    g: G = ...,
    *,
    slope: NumberBound = ...,
    out: None = ...,
) -> Scalar: ...
@overload
def soft_clip_inverse(
    y: Lists, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> Floats: ...
@overload
def soft_clip_inverse(
    y: Integers, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> Floats: ...
@overload
def soft_clip_inverse(
    y: ArrayT, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> ArrayT: ...
@overload
def soft_clip_inverse(
    y: Number | Lists | Array,
    x_min: Bound = ...,
    x_max: Bound = ...,
    g: G = ...,
    *,
    slope: Bound = ...,
    out: ArrayT,
) -> ArrayT: ...
def soft_clip_inverse(
    y: Any, x_min: Bound = -1.0, x_max: Bound = 1.0, g: G = "sigmoid", *, slope: Bound = None, out: Any = None
) -> Any:
    """Find the x for which `soft_clip`, with the same bounds, `g` and `slope`, gives y.

    ``u = Q((y - x_min) / (x_max - x_min))``, where the quantile function Q is the inverse of G, and x follows from u.
    It is computed from the distance between y and the nearer bound, so no digit of y is lost next to a bound of 0.

    Parameters
    ----------
    y : array of floats or integers, a number, or a nested list
        Values between the bounds. Everything that `soft_clip` takes as `x` can be passed.
    x_min, x_max : float, array or None
        The bounds, as in `soft_clip`.
    g : str, Squash or callable
        As in `soft_clip`. A `Squash` of your own must declare its ``inverse``. A function that is passed bare has no
        inverse, unless it is a library's version of a named function.
    slope : float or array, optional
        As in `soft_clip`.
    out : NumPy array or torch tensor, optional
        As in `soft_clip`.

    Returns
    -------
    array
        The shape, library, device and dtype are those that `soft_clip` would give for `y`. The result is infinite where
        y is on a bound. This holds for cubic, quintic and sine too, although every x from the knee on has that y.
        It is NaN where y is outside the bounds or NaN. It is also infinite where x is beyond the largest number of the
        dtype.

    Raises
    ------
    TypeError, ImportError, RuntimeError
        As in `soft_clip`.
    ValueError
        As in `soft_clip`, and if `g` has no inverse.

    See Also
    --------
    soft_clip : The function that this one undoes.

    Notes
    -----
    Where f is flat, many x give the same y, and no inverse can tell them apart. Near a bound that is not 0, y holds
    only a few digits of its distance to that bound. If you know x, work from x. For example,
    `soft_clip_log_derivative` takes x.

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
    return compute("inverse", "y", y, x_min, x_max, g, slope, out)


@overload
def soft_clip_derivative(
    x: Number,
    x_min: NumberBound = ...,
    x_max: NumberBound = ...,
    g: G = ...,
    *,
    slope: NumberBound = ...,
    out: None = ...,
) -> Scalar: ...
@overload
def soft_clip_derivative(
    x: Lists, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> Floats: ...
@overload
def soft_clip_derivative(
    x: Integers, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> Floats: ...
@overload
def soft_clip_derivative(
    x: ArrayT, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> ArrayT: ...
@overload
def soft_clip_derivative(
    x: Number | Lists | Array,
    x_min: Bound = ...,
    x_max: Bound = ...,
    g: G = ...,
    *,
    slope: Bound = ...,
    out: ArrayT,
) -> ArrayT: ...
def soft_clip_derivative(
    x: Any, x_min: Bound = -1.0, x_max: Bound = 1.0, g: G = "sigmoid", *, slope: Bound = None, out: Any = None
) -> Any:
    """The derivative of `soft_clip` at x, from its closed form.

    ``f'(x) = (x_max - x_min) * G'(u) * du/dx``. Without `slope`, ``du/dx`` is 1. The result is accurate relative to its
    size in the tails too. There 1 - tanh(x)^2, computed from the rounded value tanh(x), would be 0.

    Parameters
    ----------
    x : array of floats or integers, a number, or a nested list
        As in `soft_clip`.
    x_min, x_max : float, array or None
        The bounds, as in `soft_clip`.
    g : str, Squash or callable
        As in `soft_clip`. A `Squash` of your own must declare its ``derivative``. A function that is passed bare has no
        derivative, unless it is a library's version of a named function.
    slope : float or array, optional
        As in `soft_clip`: the value of f' in the middle of the bounds.
    out : NumPy array or torch tensor, optional
        As in `soft_clip`.

    Returns
    -------
    array
        The shape, library, device and dtype are those that `soft_clip` gives for `x`. The result is never negative. It
        is 0 at minus and plus infinity and, for cubic, quintic and sine, from the knee on. It is NaN where x is NaN.

    Raises
    ------
    TypeError, ImportError, RuntimeError
        As in `soft_clip`.
    ValueError
        As in `soft_clip`, and if `g` has no derivative.

    See Also
    --------
    soft_clip_log_derivative : The logarithm, which stays finite where the derivative underflows.

    Examples
    --------
    >>> import numpy as np
    >>> from softclip import soft_clip_derivative
    >>> soft_clip_derivative(np.array([-np.inf, 0.0, 1.0, 60.0]), g="tanh")
    array([0.00000000e+00, 1.00000000e+00, 4.19974342e-01, 3.06705923e-52])
    >>> soft_clip_derivative(np.array([2.0, 3.0, 4.0]), 0.0, 6.0, "algebraic", slope=0.5).round(4)
    array([0.4799, 0.5   , 0.4799])
    """
    return compute("derivative", "x", x, x_min, x_max, g, slope, out)


@overload
def soft_clip_log_derivative(
    x: Number,
    x_min: NumberBound = ...,
    x_max: NumberBound = ...,
    g: G = ...,
    *,
    slope: NumberBound = ...,
    out: None = ...,
) -> Scalar: ...
@overload
def soft_clip_log_derivative(
    x: Lists, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> Floats: ...
@overload
def soft_clip_log_derivative(
    x: Integers, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> Floats: ...
@overload
def soft_clip_log_derivative(
    x: ArrayT, x_min: Bound = ..., x_max: Bound = ..., g: G = ..., *, slope: Bound = ..., out: None = ...
) -> ArrayT: ...
@overload
def soft_clip_log_derivative(
    x: Number | Lists | Array,
    x_min: Bound = ...,
    x_max: Bound = ...,
    g: G = ...,
    *,
    slope: Bound = ...,
    out: ArrayT,
) -> ArrayT: ...
def soft_clip_log_derivative(
    x: Any, x_min: Bound = -1.0, x_max: Bound = 1.0, g: G = "sigmoid", *, slope: Bound = None, out: Any = None
) -> Any:
    """The logarithm of the derivative of `soft_clip` at x, which is the log-determinant of a change of variables.

    ``log f'(x) = log(x_max - x_min) + log G'(u) + log(du/dx)``. It comes from closed forms that stay finite where f'
    underflows.

    Parameters
    ----------
    x : array of floats or integers, a number, or a nested list
        As in `soft_clip`. It is the value before clipping, because the clipped value no longer determines the tail.
    x_min, x_max : float, array or None
        The bounds, as in `soft_clip`.
    g : str, Squash or callable
        As in `soft_clip`. A `Squash` of your own must declare its ``derivative``. The result is the logarithm of that,
        and so -inf where the declared derivative underflows.
    slope : float or array, optional
        As in `soft_clip`.
    out : NumPy array or torch tensor, optional
        As in `soft_clip`.

    Returns
    -------
    array
        The shape, library, device and dtype are those that `soft_clip` gives for `x`. The result is -inf where f' is
        exactly 0: at minus and plus infinity and, for cubic, quintic and sine, from the knee on. It is also -inf where
        u, or u^2 for erf, is beyond the largest number. It is NaN where x is NaN.

    Raises
    ------
    TypeError, ImportError, RuntimeError
        As in `soft_clip`.
    ValueError
        As in `soft_clip`, and if `g` has no derivative.

    See Also
    --------
    soft_clip_derivative : The derivative itself.

    Examples
    --------
    The log-probability of an action that tanh has squashed. Here log(1 - tanh(x)^2) would be -inf:

    >>> import numpy as np
    >>> from softclip import soft_clip_log_derivative
    >>> x = np.array([0.5, 20.0, 1000.0])
    >>> log_normal = -0.5 * x**2 - 0.5 * np.log(2 * np.pi)
    >>> print(soft_clip_log_derivative(x, g="tanh"))
    [-2.40229014e-01 -3.86137056e+01 -1.99861371e+03]
    >>> print(log_normal - soft_clip_log_derivative(x, g="tanh"))
    [-8.03709519e-01 -1.62305233e+02 -4.98002305e+05]
    """
    return compute("log_derivative", "x", x, x_min, x_max, g, slope, out)
