"""Soft clipping as a transformer of scikit-learn."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils._array_api import check_same_namespace, get_namespace_and_device
from sklearn.utils.validation import check_is_fitted, validate_data

from softclip._soft_clip import soft_clip, soft_clip_inverse

__all__ = ["SoftClipper"]


class SoftClipper(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Clip the columns of a table softly: to given bounds, or to bounds learned from their quantiles.

    With the defaults the middle of each column passes nearly unchanged and outliers bend towards the bounds, keeping
    their order, so that `inverse_transform` can take it back: a smooth, invertible winsorizing.

    Parameters
    ----------
    x_min, x_max : float, array_like of shape (n_features,) or None
        The bounds. None learns one from the quantiles of each column.
    g : str, callable or Squash
        As in `softclip.soft_clip`.
    slope : float or None
        1 passes values in the middle unchanged; None is the activation function, which squashes all real numbers.
    quantile_range : (float, float)
        The percentages at which the bounds are learned, between 0 and 100.

    Attributes
    ----------
    x_min_, x_max_ : array of shape (n_features,)
        The bounds, in the dtype and, with array API dispatch, of the library and on the device of the table.
    n_features_in_ : int
        The number of columns.
    feature_names_in_ : array of shape (n_features,)
        Their names, if they are strings.

    Raises
    ------
    TypeError
        If a parameter or the table is of a wrong kind; sparse tables are refused.
    ValueError
        If the bounds or the percentages are not increasing, or the table is not two-dimensional or has no rows.

    Notes
    -----
    Bounds are learned from finite values alone. NaN stays NaN; infinities go to the bounds. A column whose two quantiles are the same
    number, as one of mostly zeros, has its least and greatest value for bounds; one that is constant at c the numbers
    0 and 2 c, or -1 and 1 if c is 0, which leave c unchanged. A column without a finite value has no bounds: they are NaN, so is what comes out of it,
    and fitting warns of it. `inverse_transform` gives infinities for values on a bound, and NaN for values outside.

    float32 tables give float32, others float64.

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
        """Learn the bounds of each column; y is not looked at."""
        X = self._validate(X, reset=True)
        xp, _, device = get_namespace_and_device(X)
        low, high = self._quantiles(X)
        given = [
            learned
            if bound is None
            else xp.zeros_like(learned) + xp.asarray(np.asarray(bound, float).tolist(), dtype=X.dtype, device=device)
            for bound, learned in ((self.x_min, low), (self.x_max, high))
        ]
        self.x_min_, self.x_max_ = given
        unknown = xp.isnan(self.x_min_) | xp.isnan(self.x_max_)
        crossed = ~unknown & ~(self.x_min_ < self.x_max_)
        if bool(xp.any(crossed)):
            column = int(xp.argmax(xp.astype(crossed, xp.int8)))
            msg = (
                f"x_min must be less than x_max in every column; column {column} has "
                f"{float(self.x_min_[column])} and {float(self.x_max_[column])} (x_min={self.x_min!r}, x_max={self.x_max!r})"
            )
            raise ValueError(msg)
        if bool(xp.any(unknown)):
            columns = [column for column in range(X.shape[1]) if bool(unknown[column])]
            warnings.warn(
                f"columns {columns} have no finite value: they have no bounds, and will be NaN",
                UserWarning,
                stacklevel=2,
            )
        soft_clip(X[:1, :], *self._bounds(X)[:2], self.g, slope=self.slope)  # what it refuses is refused here
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
            In ``[x_min_, x_max_]``.
        """
        check_is_fitted(self)
        X = self._validate(X, reset=False)
        return self._apply(soft_clip, X)

    def inverse_transform(self, X: Any) -> Any:
        """Take it back: what `transform` would give X for.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
            A table between the bounds.

        Returns
        -------
        array of shape (n_samples, n_features)
            Infinite for values on a bound, NaN outside.
        """
        check_is_fitted(self)
        xp, *_ = get_namespace_and_device(X)
        X = check_array(X, dtype=[xp.float64, xp.float32], ensure_all_finite=False, input_name="X")
        return self._apply(soft_clip_inverse, X)

    def _apply(self, f: Any, X: Any) -> Any:
        check_same_namespace(X, self, attribute="x_min_", method="transform")
        low, high, unknown = self._bounds(X)
        xp, *_ = get_namespace_and_device(X)
        y = f(X, low, high, self.g, slope=self.slope)
        return xp.where(unknown, xp.asarray(xp.nan, dtype=y.dtype), y) if bool(xp.any(unknown)) else y

    def _bounds(self, X: Any) -> tuple[Any, Any, Any]:
        """The bounds in X's dtype, 0 and 1 where there are none, and where that is."""
        xp, *_ = get_namespace_and_device(X)
        unknown = xp.isnan(self.x_min_) | xp.isnan(self.x_max_)
        low, high = (xp.astype(bound, X.dtype) for bound in (self.x_min_, self.x_max_))
        return xp.where(unknown, xp.zeros_like(low), low), xp.where(unknown, xp.ones_like(high), high), unknown

    def _validate(self, X: Any, *, reset: bool) -> Any:
        xp, *_ = get_namespace_and_device(X)
        return validate_data(self, X, dtype=[xp.float64, xp.float32], ensure_all_finite=False, reset=reset)

    def _quantiles(self, X: Any) -> tuple[Any, Any]:
        """The two quantiles of the finite values of each column, or what stands in for them (Notes)."""
        first, last = self.quantile_range
        if not 0 <= first < last <= 100:
            msg = f"quantile_range must be two percentages in increasing order; got {self.quantile_range!r}"
            raise ValueError(msg)
        xp, _, device = get_namespace_and_device(X)
        finite = xp.isfinite(X)
        ordered = xp.sort(xp.where(finite, X, xp.asarray(xp.inf, dtype=X.dtype, device=device)), axis=0)
        ordered = xp.where(
            xp.isfinite(ordered), ordered, xp.zeros_like(ordered)
        )  # what follows would warn of inf times 0
        columns = xp.arange(X.shape[1], device=device)
        last_row = xp.sum(xp.astype(finite, xp.int64), axis=0) - 1
        rows = xp.maximum(last_row, xp.zeros_like(last_row))

        def at(percent: float) -> Any:
            """By linear interpolation, as numpy.percentile does it."""
            position = xp.astype(rows, X.dtype) * (percent / 100)
            below = xp.astype(xp.floor(position), xp.int64)
            above = xp.minimum(below + 1, rows)
            share = position - xp.astype(below, X.dtype)
            start, end = (ordered[row, columns] for row in (below, above))
            return start * (1 - share) + end * share

        low, high = at(first), at(last)
        least, greatest = ordered[xp.zeros_like(rows), columns], ordered[rows, columns]
        tied = ~(low < high)
        low, high = xp.where(tied, least, low), xp.where(tied, greatest, high)
        constant = ~(low < high)
        size = xp.where(low == 0, xp.ones_like(low), xp.abs(low))
        low, high = xp.where(constant, low - size, low), xp.where(constant, high + size, high)
        nothing = last_row < 0
        nan = xp.asarray(xp.nan, dtype=X.dtype, device=device)
        return xp.where(nothing, nan, low), xp.where(nothing, nan, high)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.array_api_support = True
        return tags
