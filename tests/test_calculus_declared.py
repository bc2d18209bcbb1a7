"""Derivative, its logarithm and the inverse of functions that a user declares."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from softclip import Squash, soft_clip, soft_clip_derivative, soft_clip_inverse, soft_clip_log_derivative


def cloglog(z: Any) -> Any:
    return -np.expm1(-np.exp(z))


def cloglog_density(z: Any) -> Any:
    return np.exp(z - np.exp(z))


def cloglog_quantile(p: Any) -> Any:
    return np.log(-np.log1p(-p))


DECLARED = Squash(
    cloglog, center=math.log(math.log(2)), slope=math.log(2) / 2, inverse=cloglog_quantile, derivative=cloglog_density
)


@pytest.mark.parametrize("arrays", [False, True])
@pytest.mark.parametrize("slope", [None, 0.5])
def test_a_declared_function(slope: float | None, arrays: bool) -> None:
    bounds = (np.array([-2.0]), np.array([6.0])) if arrays else (-2.0, 6.0)
    x, e = np.array([-9.0, -1.0, 0.0, 0.5, 1.3]), 1e-5
    f = lambda v: soft_clip(v, *bounds, DECLARED, slope=slope)
    np.testing.assert_allclose(soft_clip_inverse(f(x), *bounds, DECLARED, slope=slope), x, rtol=1e-11, atol=1e-13)
    differences = (f(x + e) - f(x - e)) / (2 * e)
    first = soft_clip_derivative(x, *bounds, DECLARED, slope=slope)
    np.testing.assert_allclose(first, differences, rtol=2e-6)
    log = soft_clip_log_derivative(x, *bounds, DECLARED, slope=slope)
    np.testing.assert_allclose(log, np.log(differences), atol=2e-6)
    edge = soft_clip_inverse(np.array([-2.0, 6.0, 6.1, np.nan]), *bounds, DECLARED, slope=slope)
    np.testing.assert_array_equal(edge, [-np.inf, np.inf, np.nan, np.nan])


def test_an_odd_declared_function_keeps_small_values() -> None:
    g = Squash(np.tanh, -1.0, 1.0, slope=1.0, inverse=np.arctanh, derivative=lambda z: np.cosh(z) ** -2)
    x = np.array([-1e-20, 1e-300, 0.25])
    for slope in (None, 1.0):
        y = soft_clip(x, -3.0, 3.0, g, slope=slope)
        np.testing.assert_allclose(soft_clip_inverse(y, -3.0, 3.0, g, slope=slope), x, rtol=1e-15)
    np.testing.assert_allclose(soft_clip_derivative(x, -3.0, 3.0, g), 3 * np.cosh(x) ** -2.0, rtol=1e-15)


@pytest.mark.parametrize("g", [Squash(cloglog), lambda z: 2 * np.tanh(z)])
def test_what_is_not_declared_is_not_guessed(g: Any) -> None:
    with pytest.raises(ValueError, match=r"has no inverse.*inverse=\.\.\."):
        soft_clip_inverse(0.5, g=g)
    for f in (soft_clip_derivative, soft_clip_log_derivative):
        with pytest.raises(ValueError, match=r"has no derivative.*derivative=\.\.\."):
            f(0.5, g=g)


def test_declarations_count_in_equality_and_repr() -> None:
    assert Squash(cloglog, inverse=cloglog_quantile) != Squash(cloglog)
    assert Squash(cloglog, inverse=cloglog_quantile) == Squash(cloglog, inverse=cloglog_quantile)
    assert repr(DECLARED).endswith("inverse=cloglog_quantile, derivative=cloglog_density)")
    with pytest.raises(TypeError, match="inverse must be a function"):
        Squash(cloglog, inverse=3)  # type: ignore[arg-type]
