"""The algebraic family from p = 0.1 to 100, of which float32 has hardly a p: against its formula in many digits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import oracle
import pytest
from libraries import COMPUTING, Library
from mpmath import mp, mpf

from softclip import algebraic, soft_clip, soft_clip_derivative, soft_clip_inverse, soft_clip_log_derivative

POWERS = [0.1, 0.3, 0.7, 1.2, 2.5, 7.3, 30.1, 99.7]


def within(found: Any, true: list[Any], dtype: str, allowed: Any, least: float = 0.0) -> None:
    """Within so many ulp of the truth, or of `least` if that is larger, wherever the truth is a normal number."""
    worst = []
    for i, (y, t) in enumerate(zip(np.asarray(found, np.float64), true, strict=True)):
        if oracle.is_normal(t, dtype) and abs(t) < np.finfo(dtype).max:
            ulps = float(abs(mpf(float(y)) - t) / oracle.ulp(max(abs(t), mpf(least)), dtype))
            if not ulps <= (allowed[i] if np.ndim(allowed) else allowed):
                worst.append((i, float(y), float(t), ulps))
    assert not worst


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("library", COMPUTING, ids=str, indirect=True)
def test_to_the_ulp(library: Library, p: float, dtype: str) -> None:
    g, power, factor = algebraic(p), mpf(p), 2 if library.xla else 1
    # sigma is e^-L with an L up to log(2) / p, which is 7 for p = 0.1: so many times the last digit of L counts.
    allowed = (8 if p > 0.1 else 16) * factor
    a = np.concatenate([np.geomspace(1e-9, 1, 15), np.linspace(0.5, 3, 15), np.geomspace(1, 1e30, 15)]).astype(dtype)
    exact = [mpf(float(v)) for v in a]

    def of(f: Callable[..., Any], x: np.ndarray, *bounds: float) -> Any:
        return library.to_numpy(f(library.asarray(x), *bounds, g))

    within(of(soft_clip, a, -1.0, 1.0), [v / (1 + v**power) ** (1 / power) for v in exact], dtype, allowed)
    with mp.workdps(3200):  # 1 - sigma(1e30) for p = 99.7 is 1e-2993
        tails = [1 - v / (1 + v**power) ** (1 / power) for v in exact]
    within(of(soft_clip, -a, 0.0, 2.0), tails, dtype, allowed)
    first = [(1 + v**power) ** (-1 - 1 / power) for v in exact]
    within(of(soft_clip_derivative, a, -1.0, 1.0), first, dtype, allowed)
    logs = [-(1 + 1 / power) * mp.log1p(v**power) for v in exact]
    within(of(soft_clip_log_derivative, a, -1.0, 1.0), logs, dtype, allowed, least=1.0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("p", POWERS)
@pytest.mark.parametrize("library", COMPUTING, ids=str, indirect=True)
def test_the_inverse(library: Library, p: float, dtype: str) -> None:
    """Within 16 ulp, and what an ulp of y is worth: v / a da/dv = 1 / (1 - v^p)."""
    g, power, factor = algebraic(p), mpf(p), 2 if library.xla else 1
    y = np.concatenate([np.geomspace(1e-9, 0.5, 15), np.linspace(0.3, 0.99, 15)]).astype(dtype)
    exact = [mpf(float(v)) for v in y]
    worth = np.array([float(1 / (1 - v**power)) for v in exact])
    found = library.to_numpy(soft_clip_inverse(library.asarray(y), -1.0, 1.0, g))
    within(found, [v * (1 - v**power) ** (-1 / power) for v in exact], dtype, factor * (16 + 2 * worth))
    near = np.geomspace(1e-30, 0.4, 30).astype(dtype)
    exact = [1 - mpf(float(v)) for v in near]
    worth = np.array([float((1 - v) / (v * (1 - v**power))) for v in exact])
    found = library.to_numpy(soft_clip_inverse(library.asarray(near), 0.0, 2.0, g))
    within(found, [-v * (1 - v**power) ** (-1 / power) for v in exact], dtype, factor * (16 + 2 * worth))
