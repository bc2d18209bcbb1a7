"""Soft clipping as a transformer of scikit-learn."""

from __future__ import annotations

import numbers
import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils._array_api import _max_precision_float_dtype, check_same_namespace, get_namespace_and_device
from sklearn.utils.validation import check_is_fitted, validate_data

from softclip._functions.squash import as_number
from softclip._soft_clip import soft_clip, soft_clip_inverse

__all__ = ["SoftClipper"]


class SoftClipper(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Clip the columns of a table softly, to given bounds or to bounds that are learned from quantiles.

    With the defaults, the middle of each column passes nearly unchanged. Outliers bend towards the bounds and keep
    their order, so `inverse_transform` can undo it. This is a smooth, invertible winsorizing.

    Parameters
    ----------
    x_min, x_max : float, array_like of shape (n_features,) or None
        The bounds, which must be finite. None learns that bound from the quantiles of each column.
    g : str, callable or Squash
        As in `softclip.soft_clip`.
    slope : float or None
        With 1, values in the middle of the bounds hardly change. None gives the activation function, which squashes
        all real numbers.
    quantile_range : (float, float)
        The two percentages between 0 and 100 at which the bounds are learned.

    Attributes
    ----------
    x_min_, x_max_ : array of shape (n_features,)
        The bounds, in the dtype of the table. With array API dispatch they have its library and device too.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : array of shape (n_features,)
        The names of the columns, if they are strings.

    Raises
    ------
    TypeError
        If a parameter or the table is of a wrong kind, or the table is sparse. Parameters are checked by `fit`.
    ValueError
        If the bounds or the percentages are not increasing, or a bound is not finite. If the number of bounds is not
        the number of columns. If the table is not two-dimensional, has no rows, or has other columns than the table of
        `fit`.

    Warns
    -----
    UserWarning
        `fit` warns once if columns have no finite value. `inverse_transform` warns once per call if values are outside
        the bounds.

    Notes
    -----
    Bounds are learned from the finite values only. As in numpy.percentile, a quantile is found by linear interpolation
    between two values. When a table is transformed, NaN stays NaN, and infinities go to the bounds.

    - If the two quantiles of a column are equal, as in a column of mostly zeros, its bounds are its least and its
      greatest finite value.
    - If the finite values of a column are all the same number c, its bounds are 0 and 2 c, or -1 and 1 if c is 0. These
      leave c unchanged. If 2 c is beyond the largest number M, the bounds are the two numbers that are as far from c as
      M is. If that distance is less than a 1024th of c, they are 0 and M. With -c in place of c, all this is mirrored.
    - If a column has no finite value, its bounds are NaN, and so is its result. `fit` warns of it.

    `inverse_transform` gives infinity for values on a bound. It gives NaN for values outside the bounds, and warns.

    A float32 table gives float32, and any other table gives float64.

    Examples
    --------
    >>> import numpy as np
    >>> from softclip.sklearn import SoftClipper
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [1000.0]])
    >>> clipper = SoftClipper(quantile_range=(0, 75)).fit(X)
    >>> clipper.x_min_, clipper.x_max_
    (array([0.]), array([3.]))
    >>> clipper.transform(X).round(2).ravel()
    array([0.44, 1.03, 1.97, 2.56, 3.  ])
    >>> clipper.inverse_transform(clipper.transform(X)).round(6).ravel()
    array([   0.,    1.,    2.,    3., 1000.])
    """

    def __init__(
        self,
        x_min: Any = None,
        x_max: Any = None,
        g: Any = "algebraic",
        slope: float | None = 1.0,
        quantile_range: tuple[float, float] = (5.0, 95.0),
    ) -> None:
        self.x_min = x_min
        self.x_max = x_max
        self.g = g
        self.slope = slope
        self.quantile_range = quantile_range

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the bounds of each column from X. y is ignored."""
        X = self._validate(X, reset=True)
        xp, _, device = get_namespace_and_device(X)
        given = [_read(name, getattr(self, name), X) for name in ("x_min", "x_max")]
        percents = _percentages(self.quantile_range)
        nothing = xp.zeros(X.shape[1], dtype=X.dtype, device=device)
        learned = _quantiles(X, percents) if any(bound is None for bound in given) else (nothing, nothing)
        self.x_min_, self.x_max_ = (
            quantile if bound is None else nothing + xp.asarray(bound.tolist(), dtype=X.dtype, device=device)
            for bound, quantile in zip(given, learned, strict=True)
        )
        unknown = xp.isnan(self.x_min_) | xp.isnan(self.x_max_)
        crossed = ~unknown & ~(self.x_min_ < self.x_max_)
        if bool(xp.any(crossed)):
            column = int(xp.argmax(xp.astype(crossed, xp.int8)))
            msg = (
                f"x_min must be less than x_max in every column; column {column} has "
                f"{float(self.x_min_[column])} and {float(self.x_max_[column])} "
                f"(x_min={self.x_min!r}, x_max={self.x_max!r})"
            )
            raise ValueError(msg)
        if bool(xp.any(unknown)):
            columns = [column for column in range(X.shape[1]) if bool(unknown[column])]
            warnings.warn(
                f"columns {columns} have no finite value: they have no bounds, and will be NaN",
                UserWarning,
                stacklevel=2,
            )
        # This raises for a wrong g or slope, so that `fit` does, and not only `transform`.
        soft_clip(X[:1, :], *self._bounds(X)[:2], self.g, slope=self.slope)
        return self

    def transform(self, X: Any) -> Any:
        """Clip each column softly to its bounds.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            The table.

        Returns
        -------
        array of shape (n_samples, n_features)
            The clipped table, with values in ``[x_min_, x_max_]``.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        return self._apply(soft_clip, X)

    def inverse_transform(self, X: Any) -> Any:
        """Undo `transform`: find the table for which it gives X.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            A table whose values are between the bounds.

        Returns
        -------
        array of shape (n_samples, n_features)
            The original table. It is infinite where X is on a bound, and NaN where X is outside the bounds.

        Warns
        -----
        UserWarning
            If a value is outside the bounds of its column.
        """
        check_is_fitted(self)
        X = self._validate_inverse(X)
        x = self._apply(soft_clip_inverse, X)
        xp, *_ = get_namespace_and_device(X)
        *_, unknown = self._bounds(X)
        outside = xp.isnan(x) & ~xp.isnan(X) & ~unknown
        if bool(xp.any(outside)):
            counts = [int(xp.count_nonzero(outside[:, column])) for column in range(X.shape[1])]
            columns = [column for column, count in enumerate(counts) if count]
            values = "1 value" if sum(counts) == 1 else f"{sum(counts)} values"
            verb = "is" if sum(counts) == 1 else "are"
            warnings.warn(
                f"{values} in column{'s' if len(columns) > 1 else ''} {columns} {verb} outside of the bounds, where "
                "the soft clip has no inverse: NaN",
                UserWarning,
                stacklevel=2,
            )
        return x

    def _apply(self, f: Any, X: Any) -> Any:
        check_same_namespace(X, self, attribute="x_min_", method="transform")
        low, high, unknown = self._bounds(X)
        xp, *_ = get_namespace_and_device(X)
        y = f(X, low, high, self.g, slope=self.slope)
        if not bool(xp.any(unknown)):
            return y
        if isinstance(y, np.ndarray):  # which is new, so that only these columns need be written to
            y[:, unknown] = np.nan
            return y
        return xp.where(unknown, xp.asarray(xp.nan, dtype=y.dtype), y)

    def _bounds(self, X: Any) -> tuple[Any, Any, Any]:
        """The bounds in X's dtype, and which columns have no bounds. Those get 0 and 1 as bounds."""
        xp, *_ = get_namespace_and_device(X)
        unknown = xp.isnan(self.x_min_) | xp.isnan(self.x_max_)
        low, high = (xp.astype(bound, X.dtype) for bound in (self.x_min_, self.x_max_))
        return xp.where(unknown, xp.zeros_like(low), low), xp.where(unknown, xp.ones_like(high), high), unknown

    def _validate(self, X: Any, *, reset: bool) -> Any:
        xp, *_ = get_namespace_and_device(X)
        return validate_data(self, X, dtype=[xp.float64, xp.float32], ensure_all_finite=False, reset=reset)

    def _validate_inverse(self, X: Any) -> Any:
        """Check X, a table as `transform` takes it or as it returns it. Its results have no column names."""
        if hasattr(X, "columns") or hasattr(X, "__dataframe__"):
            return self._validate(X, reset=False)
        xp, *_ = get_namespace_and_device(X)
        X = check_array(X, dtype=[xp.float64, xp.float32], ensure_all_finite=False, input_name="X")
        if X.shape[1] != self.n_features_in_:
            msg = (
                f"X has {X.shape[1]} features, but {type(self).__name__} is expecting {self.n_features_in_} features "
                "as input"
            )
            raise ValueError(msg)
        return X

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.array_api_support = True
        return tags


def _read(name: str, value: Any, X: Any) -> np.ndarray[Any, Any] | None:
    """A bound that the user gives, as an array of one number, or of one number for each column of X."""
    if value is None:
        return None
    columns = X.shape[1]
    kinds = f"{name} must be None, a number, or one number for each of the {columns} columns"
    try:
        array = np.asarray(value.tolist() if hasattr(value, "tolist") else value)  # from any device
        if isinstance(value, numbers.Real) and not isinstance(value, bool):
            array = array.astype(float)
    except ValueError as error:
        msg = f"{kinds}; {error}"
        raise ValueError(msg) from None
    except OverflowError:  # an integer past the largest float
        array = np.asarray(np.inf)
    if array.dtype.kind not in "iuf":
        msg = f"{name} must hold real numbers; got {value!r}"
        raise TypeError(msg)
    if array.shape not in ((), (columns,)):
        msg = f"{kinds}; got {value!r} of shape {array.shape}"
        raise ValueError(msg)
    xp, *_ = get_namespace_and_device(X)
    single = xp.finfo(X.dtype).bits == 32
    with np.errstate(over="ignore"):
        rounded = array.astype(np.float32 if single else np.float64)
    if not np.isfinite(rounded).all():
        msg = f"{name} must be finite{' in float32' if single and np.isfinite(array).all() else ''}; got {value!r}"
        raise ValueError(msg)
    return rounded


def _percentages(quantile_range: Any) -> tuple[float, float]:
    try:
        first, last = (as_number("quantile_range", percent) for percent in quantile_range)
    except (TypeError, ValueError) as error:
        msg = f"quantile_range must be two percentages in increasing order; got {quantile_range!r}"
        raise type(error)(msg) from None
    if not 0 <= first < last <= 100:
        msg = f"quantile_range must be two percentages in increasing order; got {quantile_range!r}"
        raise ValueError(msg)
    return first, last


def _quantiles(X: Any, percents: tuple[float, float]) -> tuple[Any, Any]:
    """The two bounds that are learned for each column: quantiles of its finite values, or what Notes says instead."""
    xp, _, device = get_namespace_and_device(X)
    finite = xp.isfinite(X)
    last_row = xp.count_nonzero(finite, axis=0) - 1
    rows = xp.maximum(last_row, xp.zeros_like(last_row))
    wide = _max_precision_float_dtype(xp, device)
    ranks, shares = [xp.zeros_like(rows), rows], []
    for percent in percents:
        position = xp.astype(rows, wide) * (percent / 100)
        below = xp.minimum(xp.astype(xp.floor(position), rows.dtype), rows)
        ranks += [below, xp.minimum(below + 1, rows)]
        shares.append(xp.astype(position - xp.astype(below, wide), X.dtype))
    pick = _pick_from_numpy if isinstance(X, np.ndarray) else _pick
    least, greatest, low_start, low_end, high_start, high_end = pick(X, finite, ranks)
    low = _between(xp, low_start, low_end, shares[0])
    high = _between(xp, high_start, high_end, shares[1])
    tied = ~(low < high)
    low, high = xp.where(tied, least, low), xp.where(tied, greatest, high)
    around_low, around_high = _around(xp, low)
    constant = ~(low < high)
    low, high = xp.where(constant, around_low, low), xp.where(constant, around_high, high)
    nothing = last_row < 0
    nan = xp.asarray(xp.nan, dtype=X.dtype, device=device)
    return xp.where(nothing, nan, low), xp.where(nothing, nan, high)


def _pick(X: Any, finite: Any, ranks: list[Any]) -> list[Any]:
    """For each rank, an array of the finite value of each column that has it. It is 0 where there is no such value."""
    xp, _, device = get_namespace_and_device(X)
    infinity = xp.asarray(xp.inf, dtype=X.dtype, device=device)
    ordered = xp.sort(xp.where(finite, X, infinity), axis=0, stable=False)
    ordered = xp.where(xp.isfinite(ordered), ordered, xp.zeros_like(ordered))
    columns = xp.arange(X.shape[1], device=device)
    return [ordered[rank, columns] for rank in ranks]


def _pick_from_numpy(X: Any, finite: Any, ranks: list[Any]) -> Any:
    """The same as `_pick` for NumPy, but three times as fast, because it partitions and does not sort."""
    picked = np.zeros((len(ranks), X.shape[1]), X.dtype)
    wanted = np.stack(ranks)
    whole = finite.all(axis=0)
    for column in range(X.shape[1]):
        values = X[:, column].copy() if whole[column] else X[finite[:, column], column]
        if values.size:
            values.partition(np.unique(wanted[:, column]))
            picked[:, column] = values[wanted[:, column]]
    return picked


def _between(xp: Any, start: Any, end: Any, share: Any) -> Any:
    """The number at this share of the way from start to end, without overflow.

    It is never outside of the two, and it is exactly start if both are equal.
    """
    half = end / 2 - start / 2
    return xp.minimum(xp.maximum(start + half * share + half * share, start), end)


def _around(xp: Any, c: Any) -> tuple[Any, Any]:
    """Bounds whose middle is c, as far as the format can hold such bounds."""
    size = xp.abs(c)
    greatest = xp.zeros_like(c) + float(xp.finfo(c.dtype).max)
    reach = xp.where(c == 0, xp.ones_like(c), xp.minimum(size, greatest - size))
    low, high = c - reach, c + reach
    narrow = reach < size / 1024
    low = xp.where(narrow, xp.where(c > 0, xp.zeros_like(c), -greatest), low)
    return low, xp.where(narrow, xp.where(c > 0, greatest, xp.zeros_like(c)), high)
